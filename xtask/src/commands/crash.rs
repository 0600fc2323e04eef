//! `cargo xtask crash`: crash images, many more than CI looks at.
//!
//! The test target `crash` of the package `siltstone-tests` reads `SILTSTONE_IMAGES`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("1000000", String::as_str);
    let mut tests = cargo();
    tests.args([
        "test",
        "--release",
        "-p",
        "siltstone-tests",
        "--test",
        "crash",
        "--",
        "--nocapture",
    ]);
    run_program(tests.env("SILTSTONE_IMAGES", amount))
}
