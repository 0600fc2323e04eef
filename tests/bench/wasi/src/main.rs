//! `ENGINE FOLDER ROWS`: one engine on the workloads of docs/wasi.md, in a folder that is empty.
//! Prints `WORKLOAD OPERATIONS NANOSECONDS` lines. The same program natively and inside runtimes;
//! `cargo xtask bench wasi` runs all of them by turns.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod peer;
mod siltstone;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rows of one transaction.
const BATCH: u64 = 1000;
/// Bytes of a value.
const VALUE: usize = 100;
/// Times that what is cached is scanned.
const SCANS: u64 = 5;

/// A key in random order.
fn key(row: u64) -> [u8; 16] {
    let mut x = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(x ^ (x >> 31)) << 64) | u128::from(row)).to_be_bytes()
}

/// A store as the workloads see it.
trait Store {
    /// Writes rows as one transaction, synced or not.
    fn batch(&mut self, rows: std::ops::Range<u64>, synced: bool) -> Outcome<()>;
    /// Bytes of a value.
    fn get(&mut self, key: &[u8]) -> Outcome<Option<usize>>;
    /// Rows and bytes of everything, in order.
    fn scan(&mut self) -> Outcome<(u64, u64)>;
    /// Closes it in order and opens it again.
    fn reopen(self: Box<Self>) -> Outcome<Box<dyn Store>>;
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        [engine, folder, rows] => run(engine, Path::new(folder), rows),
        _ => Err("usage: siltstone|redb FOLDER ROWS".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(workload: &str, operations: u64, took: Duration) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{workload} {operations} {}", took.as_nanos())?)
}

fn run(engine: &str, folder: &Path, rows: &str) -> Outcome<()> {
    let rows: u64 = rows.parse()?;
    let mut store: Box<dyn Store> = match engine {
        "siltstone" => siltstone::open(folder)?,
        "redb" => peer::open(folder)?,
        _ => return Err("engines: siltstone, redb".into()),
    };
    let bytes = rows * (16 + VALUE as u64);

    let clock = Instant::now();
    for first in (0..rows).step_by(BATCH as usize) {
        let next = (first + BATCH).min(rows);
        store.batch(first..next, next == rows)?;
    }
    tell("batches", rows, clock.elapsed())?;

    let clock = Instant::now();
    let singles = rows / 500;
    for row in rows..rows + singles {
        store.batch(row..row + 1, true)?;
    }
    tell("durable", singles, clock.elapsed())?;
    let expected = (rows + singles, bytes + singles * (16 + VALUE as u64));

    store = store.reopen()?;
    let clock = Instant::now();
    let found = store.scan()?;
    tell("first_scan", found.0, clock.elapsed())?;
    assert_eq!(found, expected, "what a scan shows");

    let clock = Instant::now();
    for _ in 0..SCANS {
        assert_eq!(store.scan()?, expected, "what a scan shows");
    }
    tell("scans", SCANS * found.0, clock.elapsed())?;

    let clock = Instant::now();
    for number in 0..rows {
        let row = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows;
        assert_eq!(store.get(&key(row))?, Some(VALUE), "the value of row {row}");
    }
    tell("gets", rows, clock.elapsed())
}
