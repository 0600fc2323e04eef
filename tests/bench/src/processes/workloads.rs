//! What is measured: how many processes with how many threads do what.

use super::arguments::{Job, Part};
use std::path::Path;

/// The processes of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crew {
    pub(super) processes: u64,
    pub(super) writers: u64,
    pub(super) readers: u64,
}

/// What the workload is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Rows written per second.
    Rows,
    /// Read transactions per second.
    Reads,
    /// Commits per second.
    Commits,
    /// How long commits take.
    Latency,
}

/// A workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) measure: Measure,
    pub(super) durable: bool,
    /// Rows loaded before.
    pub(super) loaded: u64,
    pub(super) crews: &'static [Crew],
    /// Rows of a commit.
    pub(super) batch: u64,
    /// Gets of a read transaction.
    pub(super) gets: u64,
    /// Commits a second of each writer; 0 = as many as possible.
    pub(super) pace: u64,
    /// Commits of each writer, or milliseconds.
    pub(super) length: Length,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Commits(u64),
    Milliseconds(u64),
}

const ONE_WRITER: Crew = Crew { processes: 1, writers: 1, readers: 0 };

const WRITE: Workload = Workload {
    name: "",
    measure: Measure::Rows,
    durable: false,
    loaded: 0,
    crews: &[ONE_WRITER],
    batch: 1,
    gets: 1,
    pace: 0,
    length: Length::Commits(0),
};

const READ: Workload = Workload {
    measure: Measure::Reads,
    loaded: 100_000,
    pace: 1000,
    length: Length::Milliseconds(2000),
    ..WRITE
};

const DURABLE: Workload = Workload {
    measure: Measure::Commits,
    durable: true,
    length: Length::Milliseconds(2000),
    ..WRITE
};

const LATENCY: Workload = Workload { measure: Measure::Latency, ..WRITE };

const THREADS: &[Crew] = &[Crew { processes: 1, writers: 1, readers: 2 }];
const PROCESSES: &[Crew] = &[ONE_WRITER, Crew { processes: 2, writers: 0, readers: 1 }];

/// All workloads in the order they run.
pub(super) const ALL: &[Workload] = &[
    Workload { name: "insert_b1", length: Length::Commits(100_000), ..WRITE },
    Workload { name: "insert_b100", batch: 100, length: Length::Commits(2000), ..WRITE },
    Workload { name: "read_2_threads", crews: THREADS, ..READ },
    Workload { name: "read_2_processes", crews: PROCESSES, ..READ },
    Workload { name: "read100_2_processes", crews: PROCESSES, gets: 100, ..READ },
    Workload { name: "read_2_threads_busy", crews: THREADS, pace: 0, ..READ },
    Workload { name: "read_2_processes_busy", crews: PROCESSES, pace: 0, ..READ },
    Workload { name: "durable_1", ..DURABLE },
    Workload {
        name: "durable_8_threads",
        crews: &[Crew { processes: 1, writers: 8, readers: 0 }],
        ..DURABLE
    },
    Workload {
        name: "durable_8_processes",
        crews: &[Crew { processes: 8, writers: 1, readers: 0 }],
        ..DURABLE
    },
    Workload { name: "latency_b1", length: Length::Commits(200_000), ..LATENCY },
    Workload { name: "latency_b100", batch: 100, length: Length::Commits(5000), ..LATENCY },
    Workload {
        name: "latency_b1_paced",
        pace: 20_000,
        length: Length::Commits(100_000),
        ..LATENCY
    },
    Workload {
        name: "latency_b100_paced",
        batch: 100,
        pace: 500,
        length: Length::Commits(2500),
        ..LATENCY
    },
];

impl Workload {
    /// A process that does nothing yet.
    pub(super) fn idle(&self, engine: &str, store: &Path, job: Job) -> Part {
        Part {
            engine: engine.to_owned(),
            store: store.to_owned(),
            durable: self.durable,
            job,
            durations: self.measure == Measure::Latency,
            loaded: self.loaded,
            writers: 0,
            first_writer: 0,
            readers: 0,
            batch: self.batch,
            gets: self.gets,
            pace: self.pace,
            commits: 0,
            milliseconds: 0,
            counts: Vec::new(),
        }
    }

    /// The processes that are measured; lengths are multiplied by `scale`.
    pub(super) fn parts(&self, engine: &str, store: &Path, scale: f64) -> Vec<Part> {
        let scaled = |length: u64| ((length as f64 * scale) as u64).max(1);
        let (commits, milliseconds) = match self.length {
            Length::Commits(commits) => (scaled(commits), 0),
            Length::Milliseconds(milliseconds) => (0, scaled(milliseconds)),
        };
        let mut first_writer = 0;
        let mut parts = Vec::new();
        for crew in self.crews {
            for _ in 0..crew.processes {
                parts.push(Part {
                    writers: crew.writers,
                    readers: crew.readers,
                    first_writer,
                    commits,
                    milliseconds,
                    ..self.idle(engine, store, Job::Run)
                });
                first_writer += crew.writers;
            }
        }
        parts
    }

    /// Writing threads of all processes.
    pub(super) fn writers(&self) -> u64 {
        self.crews.iter().map(|crew| crew.processes * crew.writers).sum()
    }
}
