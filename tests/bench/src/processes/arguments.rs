//! Command line: of the benchmark, and of the processes it starts.

use super::sites;
use super::workloads::{self, Workload};
use crate::arguments::default_directory;
use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Compares Siltstone with C lsm1, LMDB and SQLite where many processes and threads share a database.
#[derive(Parser)]
#[command(version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) task: Option<Task>,
    /// Engines to run.
    #[arg(long, value_delimiter = ',', default_values_t = sites::NAMES.iter().map(|&name| name.to_owned()))]
    engines: Vec<String>,
    /// Workloads to run; default all.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Rounds; each runs every workload on every engine.
    #[arg(long, default_value_t = 5)]
    pub(super) rounds: u64,
    /// Multiplies the length of every workload.
    #[arg(long, default_value_t = 1.0)]
    pub(super) scale: f64,
    /// Fail if a promise is not kept.
    #[arg(long)]
    pub(super) gate: bool,
    /// Where the stores and results go; on the disk to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum Task {
    /// One process of a measurement, started by the benchmark.
    #[command(hide = true)]
    Part(Part),
}

/// What one process of a measurement does.
#[derive(Args, Clone, Debug)]
pub(super) struct Part {
    #[arg(long)]
    pub(super) engine: String,
    #[arg(long)]
    pub(super) store: PathBuf,
    #[arg(long)]
    pub(super) durable: bool,
    #[arg(long)]
    pub(super) job: Job,
    /// Whether the duration of every commit is taken.
    #[arg(long)]
    pub(super) durations: bool,
    /// Rows `0..loaded` are there from the beginning.
    #[arg(long)]
    pub(super) loaded: u64,
    /// Writing threads, each with rows of its own.
    #[arg(long)]
    pub(super) writers: u64,
    /// Number of the first writing thread among those of all processes.
    #[arg(long)]
    pub(super) first_writer: u64,
    /// Reading threads.
    #[arg(long)]
    pub(super) readers: u64,
    /// Rows of a commit.
    #[arg(long)]
    pub(super) batch: u64,
    /// Gets of a read transaction.
    #[arg(long)]
    pub(super) gets: u64,
    /// Commits a second of each writer; 0 = as many as possible.
    #[arg(long)]
    pub(super) pace: u64,
    /// Commits of each writer; 0 = until the time is over.
    #[arg(long)]
    pub(super) commits: u64,
    /// Milliseconds where commits are not counted.
    #[arg(long)]
    pub(super) milliseconds: u64,
    /// To be verified: rows of each writer.
    #[arg(long, value_delimiter = ',')]
    pub(super) counts: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Job {
    /// Writes the loaded rows.
    Load,
    /// What is measured.
    Run,
    /// Compares the store with what was loaded and committed.
    Verify,
}

impl Part {
    /// The command line that says the same.
    pub(super) fn command_line(&self) -> Vec<OsString> {
        let job = self.job.to_possible_value();
        let job = job.map_or_else(String::new, |job| job.get_name().to_owned());
        let counts: Vec<_> = self.counts.iter().map(u64::to_string).collect();
        let mut line: Vec<OsString> =
            ["part", "--engine", &self.engine, "--job", &job, "--store"].map(OsString::from).into();
        line.push(self.store.clone().into());
        let numbers = [
            ("--loaded", self.loaded),
            ("--writers", self.writers),
            ("--first-writer", self.first_writer),
            ("--readers", self.readers),
            ("--batch", self.batch),
            ("--gets", self.gets),
            ("--pace", self.pace),
            ("--commits", self.commits),
            ("--milliseconds", self.milliseconds),
        ];
        for (name, number) in numbers {
            line.extend([name.into(), number.to_string().into()]);
        }
        for (name, set) in [("--durable", self.durable), ("--durations", self.durations)] {
            line.extend(set.then(|| name.into()));
        }
        if !counts.is_empty() {
            line.extend(["--counts".into(), counts.join(",").into()]);
        }
        line
    }
}

impl Arguments {
    pub(super) fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(default_directory)
    }

    pub(super) fn engines(&self) -> Result<Vec<&'static str>> {
        self.engines.iter().map(|name| sites::known(name)).collect()
    }

    pub(super) fn workloads(&self) -> Result<Vec<&'static Workload>> {
        for name in &self.workloads {
            if !workloads::ALL.iter().any(|workload| workload.name == name) {
                let names: Vec<_> = workloads::ALL.iter().map(|workload| workload.name).collect();
                bail!("no workload {name:?}: give some of {}", names.join(","));
            }
        }
        let chosen = |workload: &&Workload| {
            self.workloads.is_empty() || self.workloads.iter().any(|name| name == workload.name)
        };
        Ok(workloads::ALL.iter().filter(chosen).collect())
    }
}
