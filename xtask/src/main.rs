//! `cargo xtask COMMAND`: the commands behind the README and CI.
//!
//! One file per command in `commands`, listed in its table. Only std and serde_json: these
//! commands must start quickly on a fresh clone.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods)] // a tool beside the engine may look at the clock

mod commands;
mod demo;
mod edges;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let Some(command) = commands::TABLE.iter().find(|command| command.name == name) else {
        println!("cargo xtask COMMAND\n");
        for command in commands::TABLE {
            println!("  {:<9} {}", command.name, command.about);
        }
        let asked = matches!(name.as_str(), "" | "help" | "--help" | "-h");
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match (command.run)(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask {name}: {problem}");
            ExitCode::FAILURE
        }
    }
}
