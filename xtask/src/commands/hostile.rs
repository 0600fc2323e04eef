//! `cargo xtask hostile`: every byte of every fixture changed three ways.
//!
//! The test `hostile` of the package `siltstone-tests` reads `SILTSTONE_HOSTILE`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("all", String::as_str);
    let mut tests = cargo();
    tests.args([
        "test",
        "--release",
        "-p",
        "siltstone-tests",
        "--test",
        "hostile",
        "--",
        "--nocapture",
    ]);
    run_program(tests.env("SILTSTONE_HOSTILE", amount))
}
