//! `siltstone bench`: how fast this machine is, on a scratch file that is deleted afterwards.
//!
//! A first impression; the comparison with other stores is `cargo xtask bench`.

use crate::failure::{Failure, Result};
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use siltstone::{Batch, Database};
use std::path::PathBuf;
use std::time::Instant;

/// Measure inserts, gets and scans on a scratch file
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The scratch file, which must not exist
    file: PathBuf,
    /// Number of entries
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1 << 20))]
    value_size: u32,
    /// Keep the scratch file
    #[arg(long)]
    keep: bool,
}

impl Bench {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let log = log_of(&self.file);
        if self.file.exists() || log.exists() {
            let name = self.file.display();
            return Err(Failure::Usage(format!(
                "{name} exists: name a scratch file that does not"
            )));
        }
        let result = self.measure(session);
        if !self.keep {
            // Missing files are fine: closing removes the log.
            let _ = std::fs::remove_file(&self.file);
            let _ = std::fs::remove_file(&log);
        }
        result
    }

    fn measure(&self, session: &mut Session) -> Result<()> {
        let database = session.options()?.create_new(true).open(&self.file)?;
        self.row(session, "single commits", self.entries.min(1000), |number| {
            Ok(database.insert(key(number), self.value(number))?)
        })?;
        let mut batch = Batch::new();
        self.row(session, "inserts, 1000 a transaction", self.entries, |number| {
            batch.insert(key(number), self.value(number));
            if batch.len() == 1000 || number + 1 == self.entries {
                database.apply(&batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        self.row(session, "random gets", self.entries, |number| {
            let number = scramble(number) % self.entries;
            match database.get(key(number))? {
                Some(value) if value == self.value(number) => Ok(()),
                _ => Err(Failure::NotFound(format!("entry {number} did not come back"))),
            }
        })?;
        self.scan(session, &database, "scan forward", false)?;
        self.scan(session, &database, "scan backward", true)?;
        self.row(session, "compact and close", 1, |_| {
            database.compact()?;
            Ok(database.clone().close()?)
        })
    }

    fn scan(
        &self,
        session: &mut Session,
        database: &Database,
        name: &'static str,
        reverse: bool,
    ) -> Result<()> {
        let mut entries = database.iter()?;
        self.row(session, name, self.entries, |number| {
            let next = if reverse { entries.next_back() } else { entries.next() };
            match next {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err(error.into()),
                None => Err(Failure::NotFound(format!("{name} ended at entry {number}"))),
            }
        })
    }

    /// Does `each` so many times and prints the rate.
    fn row(
        &self,
        session: &mut Session,
        name: &'static str,
        times: u64,
        mut each: impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let bar = progress::over_items(times, name);
        let start = now();
        for number in 0..times {
            each(number)?;
            if number % 1024 == 0 {
                bar.set_position(number);
            }
        }
        let seconds = start.elapsed().as_secs_f64().max(1e-9);
        bar.finish_and_clear();
        let rate = times as f64 / seconds;
        if session.global.json {
            session.out.json(&json!({ "name": name, "count": times, "seconds": seconds }))?;
        } else {
            let count = sizes::count(times);
            let rate = sizes::count(rate as u64);
            session.out.line(format!("{name:<28} {count:>11} in {seconds:>8.3} s {rate:>12}/s"))?;
        }
        session.finish()
    }

    fn value(&self, number: u64) -> Vec<u8> {
        let words = std::iter::successors(Some(scramble(number)), |word| Some(scramble(*word)));
        words.flat_map(u64::to_le_bytes).take(self.value_size as usize).collect()
    }
}

/// 16 bytes, in the order of the numbers' scrambled values: inserts are random.
fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&scramble(number).to_be_bytes());
    low.copy_from_slice(&number.to_be_bytes());
    key
}

/// The finaliser of splitmix64: a bijection that looks random.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The engine asks its environment for the time; a stopwatch on the command line need not.
#[expect(clippy::disallowed_methods, reason = "measures the engine from outside")]
fn now() -> Instant {
    Instant::now()
}

fn log_of(file: &std::path::Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-log");
    name.into()
}
