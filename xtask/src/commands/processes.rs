//! `cargo xtask processes`: rounds of real processes on one database, many more than CI runs.
//!
//! The test named `random_processes` of the package `siltstone-tests` reads `SILTSTONE_ROUNDS`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("20000", String::as_str);
    let mut tests = cargo();
    tests.args(["test", "--release", "-p", "siltstone-tests", "--test", "multi_process"]);
    tests.args(["random_processes", "--", "--nocapture"]);
    run_program(tests.env("SILTSTONE_ROUNDS", amount))
}
