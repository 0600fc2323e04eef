//! `cargo xtask deny`: licences, bans and sources of all dependencies, by deny.toml.
//!
//! Not part of `test`: compiling cargo-deny takes minutes. `test` runs it where it is installed.

use crate::tools::{Outcome, answers, cargo, program, run as run_program, target};
use std::path::PathBuf;

/// Pinned, so that the verdict does not change by itself.
const VERSION: &str = "0.20.2";

pub(super) fn run(_arguments: &[String]) -> Outcome {
    let installed = installed();
    let binary = match installed {
        Some(binary) => binary,
        None => {
            let place = target().join("tools");
            println!("installing cargo-deny {VERSION} into {} (some minutes)", place.display());
            let mut install = cargo();
            install.args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"]);
            run_program(install.arg(&place))?;
            place.join("bin/cargo-deny")
        }
    };
    check(&binary)
}

/// cargo-deny, where we put it or on the path.
pub(super) fn installed() -> Option<PathBuf> {
    let candidates = [target().join("tools/bin/cargo-deny"), PathBuf::from("cargo-deny")];
    candidates.into_iter().find(|binary| answers(program(binary).arg("--version")))
}

/// The check itself.
pub(super) fn check(binary: &PathBuf) -> Outcome {
    run_program(program(binary).args(["check", "bans", "licenses", "sources"]))
}
