//! `cargo xtask soak`: random histories against the model, many more than CI runs.
//!
//! The tests named `model` of the package `siltstone-tests` read `SILTSTONE_HISTORIES`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("100000", String::as_str);
    let mut tests = cargo();
    tests.args(["test", "--release", "-p", "siltstone-tests", "model", "--", "--nocapture"]);
    run_program(tests.env("SILTSTONE_HISTORIES", amount))
}
