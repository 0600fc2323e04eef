//! `cargo xtask soak`: random histories against the model, many more than CI runs.
//!
//! The tests named `model` of the package `siltstone-tests` read `SILTSTONE_HISTORIES`; those of
//! the worker alone, inside the engine, are a thousandth as many.

use crate::tools::{Outcome, run_long_tests};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let amount = arguments.first().map_or("100000", String::as_str);
    let Ok(count) = amount.parse::<u64>() else {
        return Err(format!("`{amount}` is not a number of histories"));
    };
    run_long_tests(&["-p", "siltstone-tests", "model"], "SILTSTONE_HISTORIES", amount)?;
    let worker = ["-p", "siltstone", "--lib", "long_random_histories"];
    run_long_tests(&worker, "SILTSTONE_WORKER_HISTORIES", &count.div_ceil(1000).to_string())
}
