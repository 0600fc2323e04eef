//! System calls per operation, counted by strace, of engines in the mode in which processes share.
//!
//! Each count is the difference of two runs that do the operation n and 2n times, divided by n, so
//! that starting, opening and closing cancel out. Nobody else uses the store meanwhile.

use super::sites;
use crate::arguments::default_directory;
use crate::data::{Pool, random_key};
use crate::engine::{Digest, Key, Row};
use crate::exit::exit_code;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// System calls per operation under strace.
#[derive(Parser)]
struct Arguments {
    /// insert, insert_durable, insert_long, commit_100, get, get_2, get_100, or all.
    operation: String,
    /// Engines to count.
    #[arg(long, value_delimiter = ',', default_values_t = ["siltstone", "lsm1"].map(str::to_owned))]
    engines: Vec<String>,
    /// Fail if Siltstone needs more calls than C lsm1 for anything.
    #[arg(long)]
    gate: bool,
    /// Only do the operation so many times, for a run under another tool.
    #[arg(long, requires = "store")]
    repeat: Option<u64>,
    /// The store `--repeat` works on.
    #[arg(long)]
    store: Option<PathBuf>,
}

/// What is counted.
struct Operation {
    name: &'static str,
    /// Repetitions of the shorter run.
    times: u64,
    /// Rows of a commit.
    rows: u64,
    /// Gets of a read transaction.
    gets: u64,
    durable: bool,
}

const READ: Operation = Operation { name: "", times: 1000, rows: 0, gets: 1, durable: false };
const WRITE: Operation = Operation { rows: 1, gets: 0, ..READ };

/// All but `insert_long` and `commit_100` stay within one tree: nothing is flushed.
const OPERATIONS: [Operation; 7] = [
    Operation { name: "insert", ..WRITE },
    Operation { name: "insert_durable", durable: true, times: 100, ..WRITE },
    Operation { name: "insert_long", times: 100_000, ..WRITE },
    Operation { name: "commit_100", times: 1000, rows: 100, ..WRITE },
    Operation { name: "get", ..READ },
    Operation { name: "get_2", gets: 2, ..READ },
    Operation { name: "get_100", gets: 100, ..READ },
];

/// Rows of the store that is read.
const LOADED: u64 = 20_000;

/// Counts with the arguments of the process.
#[must_use]
pub fn syscalls() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<bool> {
    let chosen: Vec<_> = OPERATIONS
        .iter()
        .filter(|known| arguments.operation == "all" || arguments.operation == known.name)
        .collect();
    let first = *chosen.first().context("no such operation: see --help")?;
    if let (Some(times), Some(store)) = (arguments.repeat, &arguments.store) {
        let engine = arguments.engines.first().context("give an engine")?;
        return repeat(engine, first, times, store).map(|()| true);
    }
    let data = default_directory().join(format!("syscalls-{}", std::process::id()));
    let outcome: Result<bool> = chosen.iter().try_fold(true, |kept, operation| {
        let mut totals = BTreeMap::new();
        for engine in &arguments.engines {
            let [once, twice] = [1, 2].map(|factor| {
                strace(engine, operation, factor * operation.times, &data.join(engine))
            });
            let counts = difference(&once?, &twice?, operation.times);
            let total: f64 = counts.values().sum();
            let kinds: Vec<_> = counts
                .iter()
                .filter(|(_, count)| **count >= 0.0005)
                .map(|(kind, count)| format!("{kind} {count:.3}"))
                .collect();
            println!("{:<16}{engine:<15}{total:>8.3}  {}", operation.name, kinds.join(", "));
            totals.insert(engine.as_str(), total);
        }
        // Single calls come and go with what the memory allocator and the threads do.
        let fewer = match (totals.get("siltstone"), totals.get("lsm1")) {
            (Some(ours), Some(theirs)) => *ours <= theirs + 0.05,
            _ => true,
        };
        Ok(kept && fewer)
    });
    let _ = std::fs::remove_dir_all(&data);
    Ok(outcome? || !arguments.gate)
}

type Counts = BTreeMap<String, u64>;

/// Calls by kind per operation, seldom ones left out.
fn difference(once: &Counts, twice: &Counts, times: u64) -> BTreeMap<String, f64> {
    let extra = |(kind, count): (&String, &u64)| {
        let extra = count.saturating_sub(once.get(kind).copied().unwrap_or(0));
        (kind.clone(), extra as f64 / times as f64)
    };
    twice.iter().map(extra).filter(|(_, count)| *count > 0.0).collect()
}

/// Runs this program under strace on a fresh store.
fn strace(engine: &str, operation: &Operation, times: u64, place: &Path) -> Result<Counts> {
    let _ = std::fs::remove_dir_all(place);
    std::fs::create_dir_all(place)?;
    if operation.gets > 0 {
        load(engine, place)?;
    }
    let report = place.join("strace.txt");
    let status = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-o"])
        .arg(&report)
        .arg(std::env::current_exe()?)
        .args([operation.name, "--engines", engine, "--repeat", &times.to_string(), "--store"])
        .arg(place)
        .status()
        .context("strace, which has to be installed")?;
    ensure!(status.success(), "{} on {engine} failed under strace", operation.name);
    let text = std::fs::read_to_string(&report)?;
    let counts = parse(&text);
    ensure!(!counts.is_empty(), "no counts in strace's output:\n{text}");
    Ok(counts)
}

/// Lines of a count and a name.
fn parse(text: &str) -> Counts {
    let line = |line: &str| {
        let (count, name) = line.trim().split_once(char::is_whitespace)?;
        let name = name.trim();
        (name != "total").then_some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

fn load(engine: &str, place: &Path) -> Result<()> {
    let (pool, kind) = (Pool::new(), sites::by_name(engine)?);
    let site = (kind.open)(place, false)?;
    write(site.connect()?.as_mut(), &pool, 0..LOADED, 1000)?;
    site.close()
}

fn write(
    connection: &mut dyn super::site::Connection,
    pool: &Pool,
    ids: std::ops::Range<u64>,
    batch: u64,
) -> Result<()> {
    let rows: Vec<_> =
        ids.map(|id| Row { key: random_key(id), value: pool.value(id, 0) }).collect();
    rows.chunks(usize::try_from(batch)?).try_for_each(|rows| connection.write(rows))
}

/// Does the operation so many times: what is counted.
fn repeat(engine: &str, operation: &Operation, times: u64, place: &Path) -> Result<()> {
    let (pool, kind) = (Pool::new(), sites::by_name(engine)?);
    let site = (kind.open)(place, operation.durable)?;
    let mut connection = site.connect()?;
    if operation.rows > 0 {
        write(connection.as_mut(), &pool, 0..times * operation.rows, operation.rows)?;
    } else {
        let mut digest = Digest::default();
        for first in 0..times {
            let ids = first * operation.gets..(first + 1) * operation.gets;
            let keys: Vec<Key> = ids.map(|id| random_key(id % LOADED)).collect();
            connection.read(&keys, &mut digest)?;
        }
        if digest.rows != times * operation.gets {
            bail!("{} rows instead of {}", digest.rows, times * operation.gets);
        }
    }
    drop(connection);
    site.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_of_strace() {
        let text = "    calls syscall\n--------- ----------------\n       12 fcntl\n        1 brk\n\
                    --------- ----------------\n       13 total\n";
        let once = parse(text);
        assert_eq!(once, Counts::from([("fcntl".to_owned(), 12), ("brk".to_owned(), 1)]));
        let twice = parse("  22 fcntl\n  1 brk\n  5 pread64\n");
        let expected = BTreeMap::from([("fcntl".to_owned(), 2.0), ("pread64".to_owned(), 1.0)]);
        assert_eq!(difference(&once, &twice, 5), expected);
    }
}
