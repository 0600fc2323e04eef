//! `cargo xtask hostile [FIXTURE..]`: every byte of every fixture changed three ways, or of those
//! named.
//!
//! The test `hostile` of the package `siltstone-tests` reads `SILTSTONE_HOSTILE`. All of it takes
//! hours of processor time; a line is printed for each fixture.

use crate::tools::{Outcome, run_long_tests};

const TESTS: [&str; 4] = ["-p", "siltstone-tests", "--test", "hostile"];

pub(super) fn run(arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        return run_long_tests(&TESTS, "SILTSTONE_HOSTILE", "all");
    }
    let chosen = [TESTS.as_slice(), &["other_fixtures"]].concat();
    run_long_tests(&chosen, "SILTSTONE_HOSTILE", &arguments.join(","))
}
