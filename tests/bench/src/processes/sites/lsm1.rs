//! C lsm1 as a multi-process database: one connection per thread, everything else C's default.
//!
//! C never waits for a lock: whoever uses it has to try again. The pause in between begins short and
//! grows, as busy handlers do.

use crate::engine::{Digest, Key, Row};
use crate::measure::pause;
use crate::processes::site::{Connection, Kind, Site};
use anyhow::{Result, anyhow, bail};
use siltstone_peer::{BUSY, CConfig, CDatabase, Seek, Setting};
use std::path::PathBuf;
use std::time::Duration;

pub(in crate::processes) const LSM1: Kind = Kind {
    name: "lsm1",
    settings: "C lsm1 of lsmlite-rs 0.2.2: MULTIPLE_PROCESSES 1, page 4096, block 1 MiB, autoflush \
               1 MiB, autocheckpoint 2 MiB, automerge 4, mmap on; one connection per thread, one \
               cursor per read transaction; LSM_BUSY is tried again after 20 us to 1 ms",
    durability: ("SAFETY 1: checkpoints synced, commits not", "SAFETY 2: two log syncs per commit"),
    open: |directory, durable| Ok(Box::new(Open { path: directory.join("bench.lsm"), durable })),
};

struct Open {
    path: PathBuf,
    durable: bool,
}

struct Handle(CDatabase);

fn c<T>(result: Result<T, i32>) -> Result<T> {
    result.map_err(|code| anyhow!("C lsm1 returned {code}"))
}

/// Tries again while C is busy, a minute at most.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, i32>) -> Result<T> {
    let mut length = Duration::from_micros(20);
    for _ in 0..60_000 {
        match attempt() {
            Err(BUSY) => pause(length),
            done => return c(done),
        }
        length = (length * 2).min(Duration::from_millis(1));
    }
    bail!("C lsm1 stays busy")
}

impl Site for Open {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        let config = CConfig::new()
            .set(Setting::MultipleProcesses, 1)
            .set(Setting::Mmap, 1)
            .set(Setting::Autoflush, 1024)
            .set(Setting::Autocheckpoint, 2048)
            .set(Setting::Safety, if self.durable { 2 } else { 1 });
        Ok(Box::new(Handle(patiently(|| CDatabase::open(&self.path, &config))?)))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Connection for Handle {
    fn write(&mut self, rows: &[Row<'_>]) -> Result<()> {
        if let [row] = rows {
            return patiently(|| self.0.insert(&row.key, row.value));
        }
        patiently(|| self.0.begin(1))?;
        for row in rows {
            c(self.0.insert(&row.key, row.value))?;
        }
        c(self.0.commit(0))
    }

    fn read(&mut self, keys: &[Key], digest: &mut Digest) -> Result<()> {
        let cursor = patiently(|| self.0.cursor())?;
        for key in keys {
            if patiently(|| cursor.to_key(key, Seek::Eq))? {
                digest.add_sum(c(cursor.digest_value(key))?);
            }
        }
        Ok(())
    }
}
