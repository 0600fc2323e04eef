//! `siltstone hold-lock`: runs a program that uses a database without being able to lock it, such
//! as one in a sandbox, while everybody else is kept out.

use crate::failure::{Failure, Result};
use crate::session::Session;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

/// Run a program while everybody else is locked out of a database
///
/// The database itself is neither opened nor recovered: that is the program's part. Ends with the
/// program's exit status, or 128 and the number of the signal that ended it. Ctrl-C and requests to
/// end go to the program. Killing this command instead gives the lock back too early. The variable
/// SILTSTONE_HOST_LOCK is set for the program: a host that passes it on spares its guest the owner
/// file.
#[derive(Debug, Args)]
pub(crate) struct HoldLock {
    /// The database, which must exist
    file: PathBuf,
    /// The program and its arguments, behind `--`
    #[arg(last = true, required = true, num_args = 1.., value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Tells a program in a sandbox, if its host passes the variable on, that it need not guard the
/// database itself.
const HOST_LOCK: &str = "SILTSTONE_HOST_LOCK";

impl HoldLock {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::Usage("name a program behind --".to_owned()));
        };
        let _lock = siltstone::lock_exclusively(&self.file, session.global.wait)?;
        let mut command = Command::new(program);
        command.args(arguments).env(HOST_LOCK, "1");
        let status = run(command).map_err(|error| Failure::CannotRun {
            program: program.to_string_lossy().into_owned(),
            error,
        })?;
        if status.success() { Ok(()) } else { Err(Failure::Child(code(status))) }
    }
}

/// Runs the program to its end. Ctrl-C reaches it from the terminal by itself, so it is only kept
/// from ending this process; what asks this process alone to end is passed on.
#[cfg(unix)]
fn run(mut command: Command) -> std::io::Result<ExitStatus> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP])?;
    let handle = signals.handle();
    let mut child = command.spawn()?;
    let number = i32::try_from(child.id()).map(Pid::from_raw);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for signal in &mut signals {
                if let (SIGTERM | SIGHUP, Ok(number)) = (signal, number)
                    && let Ok(signal) = Signal::try_from(signal)
                {
                    // If it has ended meanwhile there is nobody to tell.
                    let _ = kill(number, signal);
                }
            }
        });
        let status = child.wait();
        handle.close();
        status
    })
}

#[cfg(not(unix))]
fn run(mut command: Command) -> std::io::Result<ExitStatus> {
    command.status()
}

/// The exit status as shells tell it.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1)
}
