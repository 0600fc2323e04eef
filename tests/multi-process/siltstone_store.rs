//! Siltstone as the engine of a process.

use crate::hooks::Hooks;
use crate::protocol::{Change, Ending, Opening, Row, value};
use crate::server;
use crate::store::{
    Asked, CLOCK, Outcome, Refusal, Store, checked_clock, clock_value, journal_key,
};
use siltstone::{Background, Database, Durability, Error, Mapping, Options, Snapshot, WorkLimit};
use siltstone_memory::HookedEnv;
use siltstone_native::NativeEnv;
use std::collections::HashMap;
use std::ops::Bound::Excluded;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct SiltstoneStore {
    database: Option<Database>,
    held: HashMap<u32, Snapshot>,
}

fn refused(error: Error) -> Refusal {
    let text = error.to_string().replace('\n', " ");
    if error.is_busy() { Refusal::Busy(text) } else { Refusal::Failed(error.code(), text) }
}

pub(crate) fn options(opening: &Opening) -> Options {
    Options::new()
        .page_size(opening.page_size)
        .block_size(opening.block_size)
        .autoflush(opening.autoflush.into())
        .autocheckpoint(opening.autocheckpoint.into())
        .automerge(opening.automerge)
        .max_freelist(opening.max_freelist)
        .durability(match opening.safety {
            0 => Durability::None,
            1 => Durability::Normal,
            _ => Durability::Full,
        })
        .mapping(if opening.map { Mapping::All } else { Mapping::Off })
        .autowork(opening.autowork)
        .read_only(opening.read_only)
        .use_log(opening.use_log)
        .background(match opening.background {
            0 => Background::None,
            1 => Background::Merge,
            2 => Background::Checkpoint,
            _ => Background::Both,
        })
        .busy_timeout(opening.busy)
}

fn rows(snapshot: &Snapshot, backward: bool) -> Outcome<Vec<Row>> {
    let iterator = snapshot.iter().map_err(refused)?;
    let row = |item: siltstone::Result<(Vec<u8>, Vec<u8>)>| {
        item.map(|(key, value)| Row::new(&key, &value)).map_err(refused)
    };
    if backward { iterator.rev().map(row).collect() } else { iterator.map(row).collect() }
}

impl SiltstoneStore {
    fn database(&self) -> Outcome<&Database> {
        self.database.as_ref().ok_or_else(|| Refusal::Failed(-1, "nothing is open".into()))
    }
}

impl Store for SiltstoneStore {
    fn open(&mut self, opening: &Opening) -> Outcome<()> {
        let hooks = Hooks::of_process();
        hooks.delay(opening.delays);
        let env = HookedEnv::sharing(NativeEnv::shared(), Arc::clone(hooks));
        let opened = options(opening).open_with_env(env, &opening.path);
        self.database = Some(opened.map_err(refused)?);
        Ok(())
    }

    fn transact(&mut self, asked: &Asked<'_>) -> Outcome<(u32, u32)> {
        let transaction = self.database()?.begin_timeout(asked.wait).map_err(refused)?;
        let clock = transaction.get(CLOCK).map_err(refused)?;
        let (before, tag_before) = checked_clock(clock.as_deref())?;
        let serial = before + 1;
        let written = || -> siltstone::Result<()> {
            transaction.insert(journal_key(serial), asked.tag.to_string())?;
            let mut savepoint = None;
            for change in asked.changes {
                match change {
                    Change::Put { key, seed, len } => {
                        transaction.insert(key, value(*seed, *len))?;
                    }
                    Change::Delete(key) => transaction.remove(key)?,
                    Change::DeleteRange(low, high) => {
                        transaction.remove_range::<Vec<u8>>((Excluded(low), Excluded(high)))?;
                    }
                    Change::Savepoint => savepoint = Some(transaction.savepoint()?),
                    Change::Undo => savepoint.take().map_or(Ok(()), |point| point.rollback())?,
                    Change::Keep => savepoint.take().map_or(Ok(()), |point| point.release())?,
                }
            }
            transaction.insert(CLOCK, clock_value(serial, asked.tag))
        };
        written().map_err(refused)?;
        match asked.ending {
            Ending::Rollback => transaction.rollback(),
            Ending::Wait if server::wait("before the commit") != "go" => transaction.rollback(),
            Ending::Wait | Ending::Commit => transaction.commit(),
        }
        .map_err(refused)?;
        Ok((serial, tag_before))
    }

    fn get(&mut self, key: &[u8]) -> Outcome<Option<Row>> {
        let value = self.database()?.get(key).map_err(refused)?;
        Ok(value.map(|value| Row::new(key, &value)))
    }

    fn scan(&mut self, backward: bool) -> Outcome<Vec<Row>> {
        rows(&self.database()?.snapshot().map_err(refused)?, backward)
    }

    fn hold(&mut self, slot: u32) -> Outcome<()> {
        let snapshot = self.database()?.snapshot().map_err(refused)?;
        self.held.insert(slot, snapshot);
        Ok(())
    }

    fn look(&mut self, slot: u32, backward: bool) -> Outcome<Vec<Row>> {
        let held = self.held.get(&slot);
        rows(held.ok_or_else(|| Refusal::Failed(-1, "nothing is held".into()))?, backward)
    }

    fn release(&mut self, slot: u32) -> Outcome<()> {
        self.held.remove(&slot);
        Ok(())
    }

    fn work(&mut self, kb: u32) -> Outcome<()> {
        let limit = WorkLimit { bytes: Some(u64::from(kb) << 10), segments: None };
        self.database()?.work(limit).map(drop).map_err(refused)
    }

    fn checkpoint(&mut self) -> Outcome<()> {
        self.database()?.checkpoint().map(drop).map_err(refused)
    }

    fn flush(&mut self) -> Outcome<()> {
        self.database()?.flush().map_err(refused)
    }

    fn compact(&mut self) -> Outcome<()> {
        self.database()?.compact().map(drop).map_err(refused)
    }

    fn check(&mut self) -> Outcome<Vec<String>> {
        Ok(self.database()?.check().map_err(refused)?.problems)
    }

    fn another(&self) -> Outcome<Box<dyn Store + Send>> {
        let database = Some(self.database()?.clone());
        Ok(Box::new(SiltstoneStore { database, held: HashMap::new() }))
    }

    fn close(&mut self) -> Outcome<()> {
        self.held.clear();
        match self.database.take() {
            Some(database) => database.close().map_err(refused),
            None => Ok(()),
        }
    }
}
