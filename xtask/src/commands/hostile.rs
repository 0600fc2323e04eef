//! `cargo xtask hostile`: every byte of every fixture changed three ways.
//!
//! The tests named `hostile` of the package `siltstone-tests` read `SILTSTONE_HOSTILE`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("all", String::as_str);
    let mut tests = cargo();
    tests.args(["test", "--release", "-p", "siltstone-tests", "hostile", "--", "--nocapture"]);
    run_program(tests.env("SILTSTONE_HOSTILE", amount))
}
