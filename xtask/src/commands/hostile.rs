//! `cargo xtask hostile`: every byte of every fixture changed three ways.
//!
//! The test `hostile` of the package `siltstone-tests` reads `SILTSTONE_HOSTILE`.

use crate::tools::{Outcome, run_long_tests};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("all", String::as_str);
    run_long_tests(&["-p", "siltstone-tests", "--test", "hostile"], "SILTSTONE_HOSTILE", amount)
}
