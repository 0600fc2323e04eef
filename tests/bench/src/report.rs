//! Results for people (tables of rates and ratios) and programs (JSON).

use crate::engine::Engine;
use crate::measure::{Sample, epoch_seconds, median};
use crate::sizes::Sizes;
use crate::workloads::Workload;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Everything measured: for each workload and engine one sample per round.
pub(crate) struct Results {
    rows: u64,
    rounds: u64,
    samples: BTreeMap<(&'static str, &'static str), Vec<Sample>>,
    pub(crate) sizes: BTreeMap<&'static str, Sizes>,
}

fn rate(sample: &Sample, per_cpu: bool) -> f64 {
    if per_cpu { sample.per_cpu_second() } else { sample.per_wall_second() }
}

impl Results {
    pub(crate) fn new(rows: u64, rounds: u64) -> Self {
        Results { rows, rounds, samples: BTreeMap::new(), sizes: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, round: BTreeMap<(&'static str, &'static str), Sample>) {
        for (place, sample) in round {
            self.samples.entry(place).or_default().push(sample);
        }
    }

    fn of(&self, workload: &'static str, engine: &'static str) -> &[Sample] {
        self.samples.get(&(workload, engine)).map_or(&[], Vec::as_slice)
    }

    /// Median rate.
    fn rate(&self, workload: &'static str, engine: &'static str, per_cpu: bool) -> Option<f64> {
        median(self.of(workload, engine).iter().map(|sample| rate(sample, per_cpu)))
    }

    /// Median over the rounds of the ratio within a round.
    pub(crate) fn ratio(
        &self,
        workload: &'static str,
        engine: &'static str,
        base: &'static str,
        per_cpu: bool,
    ) -> Option<f64> {
        let (ours, theirs) = (self.of(workload, engine), self.of(workload, base));
        median(ours.iter().zip(theirs).map(|(a, b)| rate(a, per_cpu) / rate(b, per_cpu)))
    }
}

/// Settings and durability of the engines.
pub(crate) fn engines(engines: &[Box<dyn Engine>]) -> String {
    let mut out = String::new();
    for engine in engines {
        let (ordinary, durable) = engine.durability();
        let _ = writeln!(out, "{}: {}", engine.name(), engine.settings());
        let _ = writeln!(out, "    commits: {ordinary}; sync_*: {durable}");
    }
    out
}

fn short(rate: f64) -> String {
    match rate {
        rate if rate >= 999_500.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 9_995.0 => format!("{:.0}k", rate / 1e3),
        rate if rate >= 999.5 => format!("{:.1}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

/// All tables.
pub(crate) fn tables(
    results: &Results,
    engines: &[Box<dyn Engine>],
    workloads: &[&'static Workload],
) -> String {
    let mut out = format!(
        "\n{} rows, medians of {} rounds. Each cell: rate, (x C lsm1), [x the best].\n",
        results.rows, results.rounds
    );
    if !workloads.is_empty() {
        table(&mut out, "per CPU second of the process", results, engines, workloads, true);
        table(&mut out, "by wall clock", results, engines, workloads, false);
    }
    if !results.sizes.is_empty() {
        let _ = writeln!(out, "\nfiles, 100000 rows of 16 + 100 bytes (x keys and values)");
        let _ = writeln!(out, "{:<12}{:>14}{:>10}{:>11}", "", "empty bytes", "loaded", "compacted");
        for engine in engines {
            if let Some(sizes) = results.sizes.get(engine.name()) {
                let _ = writeln!(
                    out,
                    "{:<12}{:>14}{:>9.2}x{:>10.2}x",
                    engine.name(),
                    sizes.empty_bytes,
                    sizes.loaded,
                    sizes.compacted
                );
            }
        }
    }
    out
}

fn table(
    out: &mut String,
    title: &str,
    results: &Results,
    engines: &[Box<dyn Engine>],
    workloads: &[&'static Workload],
    per_cpu: bool,
) {
    let _ = write!(out, "\n{title:<34}");
    for engine in engines {
        let _ = write!(out, "{:>22}", engine.name());
    }
    out.push('\n');
    for workload in workloads {
        let _ = write!(out, "{:<34}", format!("{} [{}/s]", workload.name, workload.unit));
        let rates: Vec<_> = engines
            .iter()
            .map(|engine| results.rate(workload.name, engine.name(), per_cpu))
            .collect();
        let best = rates.iter().flatten().copied().fold(0.0, f64::max);
        for (engine, rate) in engines.iter().zip(rates) {
            let cell = rate.map_or_else(String::new, |rate| {
                let ratio = results
                    .ratio(workload.name, engine.name(), "lsm1", per_cpu)
                    .map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
                format!("{}{ratio} [{:.2}]", short(rate), rate / best)
            });
            let _ = write!(out, "{cell:>22}");
        }
        out.push('\n');
    }
}

/// Writes `<seconds>.json` and `latest.json`.
pub(crate) fn store(
    results: &Results,
    engines: &[Box<dyn Engine>],
    directory: &Path,
) -> Result<PathBuf> {
    let settings: Vec<Value> = engines
        .iter()
        .map(|engine| {
            let (ordinary, durable) = engine.durability();
            json!({ "name": engine.name(), "settings": engine.settings(),
                    "commits": ordinary, "durable_commits": durable })
        })
        .collect();
    let samples: Vec<Value> = results
        .samples
        .iter()
        .map(|((workload, engine), samples)| {
            let list = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
            json!({
                "workload": workload, "engine": engine,
                "operations": list(|sample| sample.operations),
                "wall_seconds": list(|sample| sample.wall_seconds),
                "cpu_seconds": list(|sample| sample.cpu_seconds),
                "per_wall_second": results.rate(workload, engine, false),
                "per_cpu_second": results.rate(workload, engine, true),
                "wall_ratio_to_lsm1": results.ratio(workload, engine, "lsm1", false),
                "cpu_ratio_to_lsm1": results.ratio(workload, engine, "lsm1", true),
            })
        })
        .collect();
    let sizes: BTreeMap<_, _> = results
        .sizes
        .iter()
        .map(|(engine, sizes)| {
            (
                engine,
                json!({ "empty_bytes": sizes.empty_bytes, "loaded": sizes.loaded,
                             "compacted": sizes.compacted }),
            )
        })
        .collect();
    let all = json!({ "rows": results.rows, "rounds": results.rounds, "engines": settings,
                      "samples": samples, "sizes": sizes });
    let text = serde_json::to_string_pretty(&all)?;
    std::fs::create_dir_all(directory)?;
    let path = directory.join(format!("{}.json", epoch_seconds()?));
    std::fs::write(&path, &text)?;
    std::fs::write(directory.join("latest.json"), &text)?;
    Ok(path)
}
