//! `cargo xtask loom`: the protocols of shared memory in every order, under loom.
//!
//! The package tests/loom compiles the engine's own files; see its first page.

use crate::tools::{Outcome, cargo, run as run_program, target};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut models = cargo();
    models.args(["test", "--manifest-path", "tests/loom/Cargo.toml", "--target-dir"]);
    models.arg(target().join("loom")).arg("--").args(arguments);
    // Controls panic as they should.
    run_program(models.env("RUST_BACKTRACE", "0"))
}
