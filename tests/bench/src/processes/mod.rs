//! Many processes and threads on one live database: Siltstone in shared mode beside C lsm1 with
//! `MULTIPLE_PROCESSES` 1, LMDB and SQLite in WAL mode.
//!
//! Everything measured happens in processes of this very program, started for one measurement each
//! (`part`). The one that was started by hand only directs them (`director`), checks what they have
//! left in the store, and reports. What is measured and how: docs/benchmarks.md, "Many processes and
//! threads".

mod arguments;
mod director;
mod gate;
mod latency;
mod part;
mod report;
mod site;
mod sites;
mod syscalls;
mod workloads;

use crate::exit::exit_code;
use arguments::{Arguments, Task};
use clap::Parser;
use report::Results;
use std::process::ExitCode;
pub use syscalls::syscalls;

/// Runs with the arguments of the process.
#[must_use]
pub fn processes() -> ExitCode {
    let arguments = Arguments::parse();
    exit_code(match &arguments.task {
        Some(Task::Part(part)) => part::run(part).map(|()| true),
        None => direct(&arguments),
    })
}

fn direct(arguments: &Arguments) -> anyhow::Result<bool> {
    let engines = arguments.engines()?;
    let workloads = arguments.workloads()?;
    let directory = arguments.directory();
    let data = directory.join(format!("processes-{}", std::process::id()));
    print!("{}", report::settings(&engines)?);
    let mut results = Results::new(arguments.rounds);
    let outcome = (0..arguments.rounds).try_for_each(|round| {
        director::round(&engines, &workloads, arguments.scale, &data, round, &mut results)
    });
    // Whatever happened, the stores are of no use to anybody.
    let _ = std::fs::remove_dir_all(&data);
    outcome?;
    print!("{}", report::tables(&results, &engines, &workloads));
    let path = report::store(&results, &directory)?;
    println!("\nresults: {}", path.display());
    let verdicts = gate::verdicts(&results);
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    Ok(!arguments.gate || verdicts.iter().all(|verdict| verdict.kept))
}
