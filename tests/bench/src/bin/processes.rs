//! Many processes and threads on one database; see docs/benchmarks.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    siltstone_bench::processes()
}
