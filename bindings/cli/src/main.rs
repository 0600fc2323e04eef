//! The `siltstone` command: `siltstone COMMAND FILE ...`.
//!
//! One file per subcommand in `commands`; each turns its arguments into calls of the public API
//! and prints the answer. Commands that read open the database read-only. Exit status: 0 done,
//! 1 not found or damage found, 2 usage or unreadable input, 130 interrupted, otherwise the lsm
//! code of the error; `hold-lock` ends as the program it runs. Errors are one line on stderr: what,
//! where, what to do.
#![forbid(unsafe_code)]

mod arguments;
mod codecs;
mod commands;
mod drawing;
mod failure;
mod formats;
mod keys;
mod output;
mod presence;
mod progress;
mod ranges;
mod session;
mod sizes;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let mut session = match session::Session::new(arguments.global) {
        Ok(session) => session,
        Err(failure) => return failure.report(),
    };
    let result = arguments.command.run(&mut session);
    match result.and_then(|()| session.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
