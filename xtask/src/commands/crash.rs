//! `cargo xtask crash`: crash images, many more than CI looks at.
//!
//! The tests named `crash` of the package `siltstone-tests` read `SILTSTONE_IMAGES`.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("1000000", String::as_str);
    let mut tests = cargo();
    tests.args(["test", "--release", "-p", "siltstone-tests", "crash", "--", "--nocapture"]);
    run_program(tests.env("SILTSTONE_IMAGES", amount))
}
