//! Rounds: each workload runs on every engine before the next workload begins, and the order of the
//! engines turns with each round, so that a disturbance of the machine hits all of them alike.

use crate::arguments::Arguments;
use crate::data::Pool;
use crate::engine::Engine;
use crate::exit::exit_code;
use crate::measure::{Sample, settle};
use crate::report::Results;
use crate::workloads::{Stage, Start, Workload};
use crate::{gate, report, sizes};
use anyhow::{Context, Result};
use clap::Parser;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Runs the benchmark with the arguments of the process.
#[must_use]
pub fn benchmark() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<bool> {
    let engines = arguments.engines()?;
    let workloads = arguments.workloads()?;
    let directory = arguments.directory();
    let data = directory.join(format!("data-{}", std::process::id()));
    let pool = Pool::new();
    print!("{}", report::engines(&engines));
    let mut results = Results::new(arguments.rows(), arguments.rounds);
    let outcome = (|| {
        for round in 0..arguments.rounds {
            let samples = one_round(&engines, &workloads, &pool, arguments.rows(), &data, round)?;
            results.add(samples);
        }
        if arguments.wants("sizes") {
            for engine in &engines {
                let sizes = sizes::measure(engine.as_ref(), &pool, &data)
                    .with_context(|| format!("sizes of {}", engine.name()))?;
                results.sizes.insert(engine.name(), sizes);
            }
        }
        Ok(())
    })();
    // Whatever happened, the stores are of no use to anybody.
    let _ = std::fs::remove_dir_all(&data);
    outcome.and_then(|()| {
        print!("{}", report::tables(&results, &engines, &workloads));
        let path = report::store(&results, &engines, &directory)?;
        println!("\nresults: {}", path.display());
        let Some(limit) = arguments.gate else { return Ok(true) };
        let failures = gate::failures(&results, &workloads, limit);
        failures.iter().for_each(|failure| println!("below the gate: {failure}"));
        Ok(failures.is_empty())
    })
}

/// Samples by workload and engine.
type Samples = BTreeMap<(&'static str, &'static str), Sample>;

fn one_round(
    engines: &[Box<dyn Engine>],
    workloads: &[&'static Workload],
    pool: &Pool,
    rows: u64,
    data: &Path,
    round: u64,
) -> Result<Samples> {
    let mut samples = Samples::new();
    let mut stages: BTreeMap<&'static str, Stage<'_>> = BTreeMap::new();
    let background = engines.iter().any(|engine| engine.has_background_threads());
    let shift = usize::try_from(round)? % engines.len().max(1);
    for workload in workloads {
        eprint!("\rround {} {:<24}", round + 1, workload.name);
        for engine in engines.iter().cycle().skip(shift).take(engines.len()) {
            let name = engine.name();
            let own = data.join(format!("{name}-own"));
            let durable = workload.start == Start::EmptyDurable;
            let result = (|| {
                let mut empty = None;
                let stage = match workload.start {
                    Start::Empty | Start::EmptyDurable => {
                        empty.insert(Stage::empty(engine.as_ref(), &own, pool, rows, durable)?)
                    }
                    Start::Loaded | Start::Compacted => {
                        if !stages.contains_key(name) {
                            let place = data.join(name);
                            let mut stage =
                                Stage::empty(engine.as_ref(), &place, pool, rows, false)?;
                            stage.load()?;
                            stages.insert(name, stage);
                        }
                        stages.get_mut(name).context("loaded above")?
                    }
                };
                if workload.start == Start::Compacted {
                    stage.compact()?;
                }
                if background {
                    settle()?;
                }
                let sample = (workload.run)(stage)?;
                if let Some(stage) = empty {
                    stage.finish()?;
                }
                Ok::<_, anyhow::Error>(sample)
            })();
            let sample = result.with_context(|| format!("{} on {name}", workload.name))?;
            samples.insert((workload.name, name), sample);
        }
    }
    eprintln!();
    stages.into_values().try_for_each(Stage::finish)?;
    Ok(samples)
}
