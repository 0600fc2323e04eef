//! Instructions per operation under callgrind; see docs/benchmarks.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    siltstone_bench::count()
}
