//! System calls per operation under strace; see docs/benchmarks.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    siltstone_bench::syscalls()
}
