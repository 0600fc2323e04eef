//! `cargo xtask bench [ARGUMENTS..]`: the benchmark package, in release.

use crate::tools::{Outcome, cargo, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut bench = cargo();
    bench.args(["run", "--release", "-p", "siltstone-bench", "--"]).args(arguments);
    run_program(&mut bench)
}
