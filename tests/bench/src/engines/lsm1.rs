//! C lsm1: one connection, single-process, everything else C's default.

use crate::engine::{Digest, Engine, Key, Reader, Row, Store};
use anyhow::{Result, anyhow};
use siltstone_peer::{CConfig, CCursor, CDatabase, Seek, Setting};
use std::path::Path;

pub(crate) struct Lsm1;

struct Open(CDatabase);

struct View(CCursor);

fn c<T>(result: Result<T, i32>) -> Result<T> {
    result.map_err(|code| anyhow!("C lsm1 returned {code}"))
}

impl Engine for Lsm1 {
    fn name(&self) -> &'static str {
        "lsm1"
    }

    fn settings(&self) -> String {
        "C lsm1 of lsmlite-rs 0.2.2: page 4096, block 1 MiB, autoflush 1 MiB, autocheckpoint 2 MiB, \
         automerge 4, mmap on, MULTIPLE_PROCESSES 0; one open cursor for gets and scans"
            .to_owned()
    }

    fn durability(&self) -> (&'static str, &'static str) {
        ("SAFETY 1: checkpoints synced, commits not", "SAFETY 2: two log syncs per commit")
    }

    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>> {
        let config = CConfig::new()
            .set(Setting::MultipleProcesses, 0)
            .set(Setting::Mmap, 1)
            .set(Setting::Autoflush, 1024)
            .set(Setting::Autocheckpoint, 2048)
            .set(Setting::Safety, if durable { 2 } else { 1 });
        Ok(Box::new(Open(c(CDatabase::open(directory.join("bench.lsm"), &config))?)))
    }
}

impl Store for Open {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        c(self.0.insert(&row.key, row.value))
    }

    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()> {
        c(self.0.begin(1))?;
        for row in rows {
            c(self.0.insert(&row.key, row.value))?;
        }
        c(self.0.commit(0))
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        c(self.0.delete(key))
    }

    /// C deletes strictly between two keys; all keys have 16 bytes, so the key before `from` is as
    /// good as `from` included.
    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()> {
        let before = u128::from_be_bytes(*from).wrapping_sub(1).to_be_bytes();
        c(self.0.delete_range(&before, to))
    }

    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        View(c(self.0.cursor())?).get(key, digest)
    }

    fn reader(&mut self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(View(c(self.0.cursor())?)))
    }

    fn compact(&mut self) -> Result<()> {
        c(self.0.flush())?;
        c(self.0.work(1, -1))?;
        c(self.0.checkpoint())?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        c(self.0.close())
    }
}

impl Reader for View {
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if c(self.0.to_key(key, Seek::Eq))? {
            digest.add_sum(c(self.0.digest_value(key))?);
        }
        Ok(())
    }

    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()> {
        let mut more = c(match from {
            Some(key) => self.0.to_key(key, Seek::Ge),
            None => self.0.to_first(),
        })?;
        let mut left = limit;
        while more && left > 0 {
            digest.add_sum(c(self.0.digest())?);
            left -= 1;
            more = left > 0 && c(self.0.to_next())?;
        }
        Ok(())
    }
}
