//! The side-by-side benchmark; see docs/benchmarks.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    siltstone_bench::benchmark()
}
