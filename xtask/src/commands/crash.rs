//! `cargo xtask crash`: crash images, many more than CI looks at.
//!
//! The test target `crash` of the package `siltstone-tests` reads `SILTSTONE_IMAGES`.

use crate::tools::{Outcome, run_long_tests};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("1000000", String::as_str);
    run_long_tests(&["-p", "siltstone-tests", "--test", "crash"], "SILTSTONE_IMAGES", amount)
}
