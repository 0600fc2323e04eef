//! The benchmark: Siltstone beside C lsm1, redb, fjall and LMDB in one process, the same workloads,
//! interleaved rounds. What is measured and how: docs/benchmarks.md. Not published.

mod arguments;
mod count;
mod data;
mod engine;
mod engines;
mod exit;
mod gate;
mod measure;
mod model;
mod processes;
mod report;
mod runner;
mod sizes;
mod workloads;

pub use count::count;
pub use processes::{processes, syscalls};
pub use runner::benchmark;
