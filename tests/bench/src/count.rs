//! Instructions per operation, counted by callgrind: stable on a busy machine, where times are not.
//!
//! Each count is the difference of two runs that do the operation n and 2n times, divided by n, so
//! that starting, opening and closing cancel out. The reading operations use a store that was loaded
//! in random order and closed, not compacted; the inserting ones begin with an empty store.

use crate::arguments::default_directory;
use crate::data::{Pool, Random, missing_key, random_key};
use crate::engine::{Digest, Row, Store};
use crate::engines;
use crate::exit::exit_code;
use crate::workloads::Stage;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Instructions per operation under valgrind's callgrind.
#[derive(Parser)]
struct Arguments {
    /// get_hit, get_miss, scan_row, scan_100, insert_b1, insert_b1000, delete_b1, or all.
    operation: String,
    /// Engines to count.
    #[arg(long, value_delimiter = ',', default_values_t = ["siltstone", "lsm1"].map(str::to_owned))]
    engines: Vec<String>,
    /// Rows of the store that is read.
    #[arg(long, default_value_t = 200_000)]
    rows: u64,
    /// Keep callgrind's profile of the longer run here (for callgrind_annotate).
    #[arg(long)]
    profile: Option<PathBuf>,
    /// Only do the operation so many times, for a run under another tool.
    #[arg(long, requires = "store")]
    repeat: Option<u64>,
    /// The store `--repeat` works on.
    #[arg(long)]
    store: Option<PathBuf>,
}

/// Name, repetitions of the shorter run, whether it needs a loaded store.
const OPERATIONS: [(&str, u64, bool); 7] = [
    ("get_hit", 10_000, true),
    ("get_miss", 10_000, true),
    ("scan_row", 100_000, true),
    ("scan_100", 2_000, true),
    ("insert_b1", 50_000, false),
    ("insert_b1000", 50_000, false),
    ("delete_b1", 20_000, true),
];

/// Counts with the arguments of the process.
#[must_use]
pub fn count() -> ExitCode {
    exit_code(run(&Arguments::parse()).map(|()| true))
}

fn run(arguments: &Arguments) -> Result<()> {
    let engine = arguments.engines.first().context("give an engine")?;
    if let (Some(times), Some(store)) = (arguments.repeat, &arguments.store) {
        return repeat(engine, &arguments.operation, times, arguments.rows, store);
    }
    let chosen: Vec<_> = OPERATIONS
        .into_iter()
        .filter(|(name, ..)| arguments.operation == "all" || arguments.operation == *name)
        .collect();
    if chosen.is_empty() {
        bail!("no operation {:?}: see --help", arguments.operation);
    }
    let data = default_directory().join(format!("count-{}", std::process::id()));
    let outcome = chosen.iter().try_for_each(|(operation, times, loaded)| {
        for engine in &arguments.engines {
            let place = data.join(engine);
            let mut counts = [0; 2];
            for (count, times) in counts.iter_mut().zip([*times, 2 * times]) {
                prepare(engine, &place, if *loaded { arguments.rows } else { 0 })?;
                *count = callgrind(arguments, engine, operation, times, &place)?;
            }
            let [once, twice] = counts;
            ensure!(twice > once, "{operation} on {engine}: {once} and {twice} instructions");
            println!("{operation:<14}{engine:<12}{:>10} instr/op", (twice - once) / times);
        }
        Ok(())
    });
    let _ = std::fs::remove_dir_all(&data);
    outcome
}

/// A closed store with so many rows.
fn prepare(engine: &str, place: &Path, rows: u64) -> Result<()> {
    let (engine, pool) = (engines::by_name(engine)?, Pool::new());
    let mut stage = Stage::empty(engine.as_ref(), place, &pool, rows, false)?;
    stage.load()?;
    stage.store.take().context("just opened")?.close()
}

/// Runs this program under callgrind and returns the instructions.
fn callgrind(
    arguments: &Arguments,
    engine: &str,
    operation: &str,
    times: u64,
    place: &Path,
) -> Result<u64> {
    let profile = arguments.profile.clone().unwrap_or_else(|| place.with_extension("callgrind"));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args([operation, "--engines", engine, "--repeat", &times.to_string()])
        .args(["--rows", &arguments.rows.to_string(), "--store"])
        .arg(place)
        .output()
        .context("valgrind, which has to be installed")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{operation} on {engine} failed under valgrind:\n{text}");
    collected(&text).with_context(|| format!("no count in valgrind's output:\n{text}"))
}

/// The number behind "Collected :" in callgrind's summary.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected"))?;
    line.rsplit_once(':')?.1.split_whitespace().next()?.parse().ok()
}

/// Does the operation so many times: what is counted.
fn repeat(engine: &str, operation: &str, times: u64, rows: u64, place: &Path) -> Result<()> {
    let (engine, pool) = (engines::by_name(engine)?, Pool::new());
    let mut store = engine.open(place, false)?;
    let mut random = Random::new(41);
    let mut digest = Digest::default();
    let expected = match operation {
        "get_hit" => {
            let mut reader = store.reader()?;
            (0..times)
                .try_for_each(|_| reader.get(&random_key(random.below(rows)), &mut digest))?;
            times
        }
        "get_miss" => {
            let mut reader = store.reader()?;
            (0..times)
                .try_for_each(|_| reader.get(&missing_key(random.below(rows)), &mut digest))?;
            0
        }
        "scan_row" => {
            ensure!(times <= rows, "only {rows} rows");
            store.reader()?.scan(None, usize::try_from(times)?, &mut digest)?;
            times
        }
        "scan_100" => {
            for _ in 0..times {
                let from = random_key(random.below(rows));
                store.reader()?.scan(Some(&from), 100, &mut digest)?;
            }
            // Nearly all scans find their hundred rows; how many do is nobody's concern here.
            digest.rows
        }
        "delete_b1" => {
            (0..times).try_for_each(|id| store.remove(&random_key(id)))?;
            0
        }
        "insert_b1" => insert(store.as_mut(), &pool, times, 1)?,
        "insert_b1000" => insert(store.as_mut(), &pool, times, 1000)?,
        _ => bail!("no operation {operation:?}"),
    };
    ensure!(digest.rows == expected, "{} rows instead of {expected}", digest.rows);
    store.close()
}

fn insert(store: &mut dyn Store, pool: &Pool, times: u64, batch: usize) -> Result<u64> {
    let rows: Vec<_> =
        (0..times).map(|id| Row { key: random_key(id), value: pool.value(id, 0) }).collect();
    if batch == 1 {
        rows.iter().try_for_each(|row| store.put(row))?;
    } else {
        rows.chunks(batch).try_for_each(|batch| store.put_batch(batch))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_of_callgrind() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(text), Some(1_234_567));
        assert_eq!(collected("==7== nothing"), None);
    }
}
