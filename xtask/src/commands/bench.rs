//! `cargo xtask bench [PROGRAM] [ARGUMENTS..]`: the benchmark packages, in release. Without a program
//! the single-process benchmark; see docs/benchmarks.md. `bench wasi`: docs/wasi.md, "Speed".

use super::wasi;
use crate::tools::{Outcome, cargo, run as run_program};

/// The other programs of the package.
const PROGRAMS: [&str; 3] = ["processes", "syscalls", "count"];

pub(super) fn run(arguments: &[String]) -> Outcome {
    let (program, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == "wasi" => return wasi::bench(rest),
        Some((first, rest)) if PROGRAMS.contains(&first.as_str()) => (first.as_str(), rest),
        _ => ("siltstone-bench", arguments),
    };
    let mut bench = cargo();
    bench.args(["run", "--release", "-p", "siltstone-bench", "--bin", program, "--"]);
    run_program(bench.args(arguments))
}
