//! Starts the processes of a measurement, lets them begin together, and adds up what they say.

use super::arguments::{Job, Part};
use super::latency::Latency;
use super::report::Results;
use super::workloads::{Measure, Workload};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// One run of one workload on one engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// In the workload's unit.
    pub(super) operations: f64,
    pub(super) commits: f64,
    /// Of the slowest process.
    pub(super) wall_seconds: f64,
    /// Of all processes.
    pub(super) cpu_seconds: f64,
    /// In the workload's unit, without the time threads waited for a CPU.
    pub(super) per_unhindered_second: f64,
    pub(super) latency: Latency,
    /// Without the time the thread waited for a CPU.
    pub(super) unhindered_latency: Latency,
}

impl Run {
    pub(super) fn per_wall_second(&self) -> f64 {
        self.operations / self.wall_seconds.max(1e-9)
    }

    pub(super) fn per_cpu_second(&self) -> f64 {
        self.operations / self.cpu_seconds.max(1e-9)
    }
}

/// Runs every workload on every engine; the order of the engines turns with each round.
pub(super) fn round(
    engines: &[&'static str],
    workloads: &[&'static Workload],
    scale: f64,
    data: &Path,
    round: u64,
    results: &mut Results,
) -> Result<()> {
    let shift = usize::try_from(round)? % engines.len().max(1);
    for workload in workloads {
        eprint!("\rround {} {:<24}", round + 1, workload.name);
        for engine in engines.iter().cycle().skip(shift).take(engines.len()) {
            let store = data.join(engine);
            let outcome = one(workload, engine, &store, scale);
            let run = outcome.with_context(|| format!("{} on {engine}", workload.name))?;
            results.add(workload.name, engine, run);
        }
    }
    eprintln!();
    Ok(())
}

fn one(workload: &Workload, engine: &str, store: &Path, scale: f64) -> Result<Run> {
    let _ = fs::remove_dir_all(store);
    fs::create_dir_all(store)?;
    if workload.loaded > 0 {
        let part = Part { durable: false, ..workload.idle(engine, store, Job::Load) };
        Process::start(&part)?.finish()?;
    }
    let parts = workload.parts(engine, store, scale);
    let mut processes = parts.iter().map(Process::start).collect::<Result<Vec<_>>>()?;
    for process in &mut processes {
        ensure!(process.hear()? == "ready", "a process did not become ready");
    }
    processes.iter_mut().try_for_each(Process::tell)?;
    let (mut wall, mut cpu) = (0.0_f64, 0.0);
    for process in &mut processes {
        let times: [f64; 2] = serde_json::from_str(&process.hear()?)?;
        let [its_wall, its_cpu] = times;
        wall = wall.max(its_wall);
        cpu += its_cpu;
    }
    processes.iter_mut().try_for_each(Process::tell)?;
    let (mut counts, mut commits, mut reads) = (Vec::<u64>::new(), 0.0, 0.0);
    let (mut commit_rate, mut read_rate) = (0.0, 0.0);
    let (mut latency, mut unhindered_latency) = Default::default();
    for mut process in processes {
        let said: Value = serde_json::from_str(&process.hear()?)?;
        process.finish()?;
        let number = |name: &str| said.get(name).and_then(Value::as_f64).context("a count");
        commits += number("commits")?;
        reads += number("reads")?;
        let field = |name: &str| said.get(name).cloned().unwrap_or_default();
        counts.extend(serde_json::from_value::<Vec<u64>>(field("counts"))?);
        commit_rate += number("unhindered_commits")?;
        read_rate += number("unhindered_reads")?;
        let figures = |name: &str| {
            let [p50, p99, p9999, max]: [f64; 4] = serde_json::from_value(field(name))?;
            Ok::<_, anyhow::Error>(Latency { p50, p99, p9999, max })
        };
        // Where several processes write nobody looks at latencies.
        if number("commits")? > 0.0 {
            latency = figures("latency")?;
            unhindered_latency = figures("unhindered_latency")?;
        }
    }
    ensure!(counts.len() as u64 == workload.writers(), "not every writer told its count");
    let rows: u64 = counts.iter().sum();
    let part = Part { durable: false, counts, ..workload.idle(engine, store, Job::Verify) };
    Process::start(&part)?.finish()?;
    let _ = fs::remove_dir_all(store);
    let (operations, per_unhindered_second) = match workload.measure {
        Measure::Rows => (rows as f64, commit_rate * workload.batch as f64),
        Measure::Reads => (reads, read_rate),
        Measure::Commits | Measure::Latency => (commits, commit_rate),
    };
    Ok(Run {
        operations,
        commits,
        wall_seconds: wall,
        cpu_seconds: cpu,
        per_unhindered_second,
        latency,
        unhindered_latency,
    })
}

/// A process of this program, killed if the director goes on without it.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(part: &Part) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(part.command_line())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("asked for a pipe")?;
        let output = BufReader::new(child.stdout.take().context("asked for a pipe")?);
        Ok(Process { child, input, output })
    }

    fn tell(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"go\n")?)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line)?;
        ensure!(length > 0, "a process ended early");
        Ok(line.trim_end().to_owned())
    }

    fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "a process failed");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
