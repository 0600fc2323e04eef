//! Results for people (tables of rates, latencies and ratios) and programs (JSON).

use super::director::Run;
use super::sites;
use super::workloads::{Measure, Workload};
use crate::measure::{epoch_seconds, median};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Everything measured: for each workload and engine one run per round.
pub(super) struct Results {
    rounds: u64,
    runs: BTreeMap<(&'static str, &'static str), Vec<Run>>,
}

/// A figure of a run.
pub(super) type Figure = fn(&Run) -> f64;

/// Figures of the JSON results.
const FIGURES: [(&str, Figure); 14] = [
    ("per_wall_second", Run::per_wall_second),
    ("per_cpu_second", Run::per_cpu_second),
    ("per_unhindered_second", |run| run.per_unhindered_second),
    ("commits_per_second", |run| run.commits / run.wall_seconds.max(1e-9)),
    ("wall_seconds", |run| run.wall_seconds),
    ("cpu_seconds", |run| run.cpu_seconds),
    ("commit_p50", |run| run.latency.p50),
    ("commit_p99", |run| run.latency.p99),
    ("commit_p9999", |run| run.latency.p9999),
    ("commit_max", |run| run.latency.max),
    ("unhindered_commit_p50", |run| run.unhindered_latency.p50),
    ("unhindered_commit_p99", |run| run.unhindered_latency.p99),
    ("unhindered_commit_p9999", |run| run.unhindered_latency.p9999),
    ("unhindered_commit_max", |run| run.unhindered_latency.max),
];

impl Results {
    pub(super) fn new(rounds: u64) -> Self {
        Results { rounds, runs: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, workload: &'static str, engine: &'static str, run: Run) {
        self.runs.entry((workload, engine)).or_default().push(run);
    }

    fn of(&self, workload: &'static str, engine: &'static str) -> &[Run] {
        self.runs.get(&(workload, engine)).map_or(&[], Vec::as_slice)
    }

    /// Median of a figure.
    pub(super) fn median(
        &self,
        (workload, engine): (&'static str, &'static str),
        figure: Figure,
    ) -> Option<f64> {
        median(self.of(workload, engine).iter().map(figure))
    }

    /// Median over the rounds of the ratio within a round.
    pub(super) fn ratio(
        &self,
        ours: (&'static str, &'static str),
        theirs: (&'static str, &'static str),
        figure: Figure,
    ) -> Option<f64> {
        let (ours, theirs) = (self.of(ours.0, ours.1), self.of(theirs.0, theirs.1));
        median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)))
    }
}

/// Settings and durability of the engines.
pub(super) fn settings(engines: &[&'static str]) -> Result<String> {
    let mut out = String::new();
    for engine in engines {
        let kind = sites::by_name(engine)?;
        let (ordinary, durable) = kind.durability;
        let _ = writeln!(out, "{}: {}", kind.name, kind.settings);
        let _ = writeln!(out, "    commits: {ordinary}; durable_*: {durable}");
    }
    Ok(out)
}

fn short(rate: f64) -> String {
    match rate {
        rate if rate >= 999_500.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 9_995.0 => format!("{:.0}k", rate / 1e3),
        rate if rate >= 999.5 => format!("{:.2}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 0.9995 => format!("{seconds:.2}s"),
        seconds if seconds >= 0.000_999_5 => format!("{:.1}ms", seconds * 1e3),
        seconds => format!("{:.0}us", seconds * 1e6),
    }
}

/// All tables.
pub(super) fn tables(
    results: &Results,
    engines: &[&'static str],
    workloads: &[&'static Workload],
) -> String {
    let mut out = format!(
        "\nMedians of {} rounds. Each cell: rate or duration, (x C lsm1: more is better for rates, \
         less for durations).\n",
        results.rounds
    );
    let rates: Vec<_> =
        workloads.iter().filter(|workload| workload.measure != Measure::Latency).collect();
    let table = |out: &mut String, title: &str, figure: Figure| {
        heading(out, title, engines);
        for workload in &rates {
            let unit = match workload.measure {
                Measure::Rows => "rows",
                Measure::Reads => "reads",
                Measure::Commits | Measure::Latency => "commits",
            };
            let label = format!("{} [{unit}/s]", workload.name);
            line(out, &label, results, engines, workload.name, figure, short);
        }
    };
    if !rates.is_empty() {
        table(&mut out, "by wall clock", Run::per_wall_second);
        let unhindered: Figure = |run| run.per_unhindered_second;
        table(&mut out, "without waiting for a CPU", unhindered);
        table(&mut out, "per CPU second of all processes", Run::per_cpu_second);
    }
    let reads: Vec<_> =
        workloads.iter().filter(|workload| workload.measure == Measure::Reads).collect();
    if !reads.is_empty() {
        heading(&mut out, "commits beside the readers", engines);
        for workload in reads {
            let label = format!("{} [commits/s]", workload.name);
            let commits: Figure = |run| run.commits / run.wall_seconds.max(1e-9);
            line(&mut out, &label, results, engines, workload.name, commits, short);
        }
    }
    let latencies: Vec<_> =
        workloads.iter().filter(|workload| workload.measure == Measure::Latency).collect();
    if !latencies.is_empty() {
        let wall: [(&str, Figure); 4] = [
            ("p50", |run| run.latency.p50),
            ("p99", |run| run.latency.p99),
            ("p99.99", |run| run.latency.p9999),
            ("max", |run| run.latency.max),
        ];
        let unhindered: [(&str, Figure); 4] = [
            ("p50", |run| run.unhindered_latency.p50),
            ("p99", |run| run.unhindered_latency.p99),
            ("p99.99", |run| run.unhindered_latency.p9999),
            ("max", |run| run.unhindered_latency.max),
        ];
        let titles = ["duration of commits by wall clock", "without waiting for a CPU"];
        for (title, figures) in titles.into_iter().zip([wall, unhindered]) {
            heading(&mut out, title, engines);
            for workload in &latencies {
                for (name, figure) in figures {
                    let label = format!("{} {name}", workload.name);
                    line(&mut out, &label, results, engines, workload.name, figure, duration);
                }
            }
        }
        heading(&mut out, "commits while durations are taken", engines);
        for workload in latencies {
            let label = format!("{} [commits/s]", workload.name);
            let rate: Figure = Run::per_wall_second;
            line(&mut out, &label, results, engines, workload.name, rate, short);
        }
    }
    out
}

fn heading(out: &mut String, title: &str, engines: &[&'static str]) {
    let _ = write!(out, "\n{title:<36}");
    for engine in engines {
        let _ = write!(out, "{engine:>18}");
    }
    out.push('\n');
}

fn line(
    out: &mut String,
    label: &str,
    results: &Results,
    engines: &[&'static str],
    workload: &'static str,
    figure: Figure,
    show: fn(f64) -> String,
) {
    let _ = write!(out, "{label:<36}");
    for engine in engines {
        let cell = results.median((workload, engine), figure).map_or_else(String::new, |value| {
            let ratio = results.ratio((workload, engine), (workload, "lsm1"), figure);
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
            show(value) + &ratio
        });
        let _ = write!(out, "{cell:>18}");
    }
    out.push('\n');
}

/// Writes `processes-<seconds>.json` and `processes-latest.json`.
pub(super) fn store(results: &Results, directory: &Path) -> Result<PathBuf> {
    let rows: Vec<Value> = results
        .runs
        .iter()
        .map(|((workload, engine), runs)| {
            let mut row = json!({ "workload": workload, "engine": engine });
            for (name, figure) in FIGURES {
                let all: Vec<f64> = runs.iter().map(figure).collect();
                let ratio = results.ratio((workload, engine), (workload, "lsm1"), figure);
                let middle = median(all.iter().copied());
                if let Some(row) = row.as_object_mut() {
                    let figures = json!({ "rounds": all, "median": middle, "to_lsm1": ratio });
                    row.insert(name.to_owned(), figures);
                }
            }
            row
        })
        .collect();
    let text = serde_json::to_string_pretty(&json!({ "rounds": results.rounds, "runs": rows }))?;
    std::fs::create_dir_all(directory)?;
    let path = directory.join(format!("processes-{}.json", epoch_seconds()?));
    std::fs::write(&path, &text)?;
    std::fs::write(directory.join("processes-latest.json"), &text)?;
    Ok(path)
}
