//! C lsm1 as the engine of a process, asked only for what it does right: see the table in `main`.

use crate::protocol::{Change, Ending, Opening, Row, value};
use crate::server;
use crate::store::{
    Asked, CLOCK, Outcome, Refusal, Store, checked_clock, clock_value, journal_key,
};
use siltstone_peer::{BUSY, CConfig, CCursor, CDatabase, Seek, Setting, supervision};
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct CStore {
    // Cursors first: they are dropped before their database.
    held: HashMap<u32, CCursor>,
    database: Option<CDatabase>,
}

fn refused(code: i32) -> Refusal {
    if code == BUSY {
        Refusal::Busy("LSM_BUSY".into())
    } else {
        Refusal::Failed(code, "C's code".into())
    }
}

fn misuse(what: &str) -> Refusal {
    Refusal::Failed(-1, what.into())
}

pub(crate) fn config(opening: &Opening) -> CConfig {
    let kilobytes = |bytes: u32| (bytes >> 10) as i32;
    CConfig::new()
        .sizes(opening.page_size as i32, kilobytes(opening.block_size))
        .set(Setting::Autoflush, kilobytes(opening.autoflush))
        .set(Setting::Autocheckpoint, kilobytes(opening.autocheckpoint))
        .set(Setting::Automerge, opening.automerge as i32)
        .set(Setting::MaxFreelist, opening.max_freelist as i32)
        .set(Setting::Safety, opening.safety.into())
        .set(Setting::Mmap, opening.map.into())
        .set(Setting::Autowork, opening.autowork.into())
        .set(Setting::UseLog, opening.use_log.into())
        .set(Setting::MultipleProcesses, 1)
}

/// Again while C is busy, as long as `wait` allows: C itself never waits.
fn patiently<T>(wait: Duration, mut call: impl FnMut() -> Result<T, i32>) -> Outcome<T> {
    let deadline = Instant::now() + wait;
    loop {
        match call() {
            Err(BUSY) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            done => return done.map_err(refused),
        }
    }
}

impl CStore {
    fn database(&self) -> Outcome<&CDatabase> {
        self.database.as_ref().ok_or_else(|| misuse("nothing is open"))
    }

    /// A cursor of a read transaction that has a reader slot (L8).
    fn cursor(&self) -> Outcome<CCursor> {
        let database = self.database()?;
        patiently(Duration::from_secs(2), || {
            let cursor = database.cursor()?;
            // Positioned once, so that C has begun to read.
            cursor.last()?;
            if supervision::holds_reader_slot() { Ok(cursor) } else { Err(BUSY) }
        })
    }

    fn idle(&self) -> Outcome<()> {
        // T1, T2: a connection with an open cursor neither writes nor works.
        if self.held.is_empty() { Ok(()) } else { Err(misuse("C still holds a cursor")) }
    }
}

/// Backward, because C's scans forward are wrong over unfinished merges (K-1).
fn rows(cursor: &CCursor) -> Result<Vec<Row>, i32> {
    let mut rows = Vec::new();
    let mut at = cursor.last()?;
    while let Some((key, value)) = at {
        rows.push(Row::new(&key, &value));
        at = cursor.prev()?;
    }
    Ok(rows)
}

fn apply(database: &CDatabase, change: &Change) -> Result<(), i32> {
    match change {
        Change::Put { key, seed, len } => database.insert(key, &value(*seed, *len)),
        Change::Delete(key) => database.delete(key),
        Change::DeleteRange(low, high) => database.delete_range(low, high),
        Change::Savepoint => database.begin(2),
        Change::Undo => database.rollback(1),
        Change::Keep => database.commit(1),
    }
}

impl Store for CStore {
    fn open(&mut self, opening: &Opening) -> Outcome<()> {
        let database = CDatabase::open_supervised(&opening.path, &config(opening));
        self.database = Some(database.map_err(refused)?);
        Ok(())
    }

    fn transact(&mut self, asked: &Asked<'_>) -> Outcome<(u32, u32)> {
        self.idle()?;
        let database = self.database()?;
        patiently(asked.wait, || database.begin(1))?;
        let clock = database.get(CLOCK).map_err(refused)?;
        let (before, tag_before) = checked_clock(clock.as_deref())?;
        let serial = before + 1;
        let written = || -> Result<(), i32> {
            database.insert(&journal_key(serial), asked.tag.to_string().as_bytes())?;
            asked.changes.iter().try_for_each(|change| apply(database, change))?;
            database.insert(CLOCK, &clock_value(serial, asked.tag))
        };
        written().map_err(refused)?;
        match asked.ending {
            Ending::Rollback => database.rollback(0),
            Ending::Wait if server::wait("before the commit") != "go" => database.rollback(0),
            Ending::Wait | Ending::Commit => database.commit(0),
        }
        .map_err(refused)?;
        Ok((serial, tag_before))
    }

    fn get(&mut self, key: &[u8]) -> Outcome<Option<Row>> {
        self.idle()?;
        let found = self.cursor()?.seek(key, Seek::Eq).map_err(refused)?;
        Ok(found.map(|(key, value)| Row::new(&key, &value)))
    }

    fn scan(&mut self, _backward: bool) -> Outcome<Vec<Row>> {
        self.idle()?;
        rows(&self.cursor()?).map_err(refused)
    }

    fn hold(&mut self, slot: u32) -> Outcome<()> {
        self.idle()?;
        let cursor = self.cursor()?;
        self.held.insert(slot, cursor);
        Ok(())
    }

    fn look(&mut self, slot: u32, _backward: bool) -> Outcome<Vec<Row>> {
        rows(self.held.get(&slot).ok_or_else(|| misuse("nothing is held"))?).map_err(refused)
    }

    fn release(&mut self, slot: u32) -> Outcome<()> {
        self.held.remove(&slot);
        Ok(())
    }

    fn work(&mut self, kb: u32) -> Outcome<()> {
        self.idle()?;
        // Merge count 0: any other leads to 20.2 and 20.14.
        self.database()?.work(0, kb as i32).map(drop).map_err(refused)
    }

    fn checkpoint(&mut self) -> Outcome<()> {
        self.idle()?;
        self.database()?.checkpoint().map(drop).map_err(refused)
    }

    fn flush(&mut self) -> Outcome<()> {
        Err(misuse("C is not asked to flush: W3, W4"))
    }

    fn compact(&mut self) -> Outcome<()> {
        Err(misuse("C cannot compact"))
    }

    fn check(&mut self) -> Outcome<Vec<String>> {
        Err(misuse("C cannot check"))
    }

    fn another(&self) -> Outcome<Box<dyn Store + Send>> {
        Err(misuse("C has one handle in a process: L7, K-5"))
    }

    fn close(&mut self) -> Outcome<()> {
        self.held.clear();
        match self.database.take() {
            Some(database) => database.close().map_err(refused),
            None => Ok(()),
        }
    }
}
