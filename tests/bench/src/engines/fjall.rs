//! fjall with its defaults, which include background threads for flushes and compactions.

use crate::engine::{Digest, Engine, Key, Reader, Row, Store};
use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::path::Path;

pub(crate) struct Fjall;

struct Open {
    database: Database,
    keyspace: Keyspace,
    durable: bool,
}

struct View<'a> {
    snapshot: Snapshot,
    keyspace: &'a Keyspace,
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn settings(&self) -> String {
        "fjall 3.1: defaults (64 MiB memtable, 32 MiB cache, filters, LZ4 below level 1, background \
         threads, whose CPU time counts until they rest); range delete by a batch of removals"
            .to_owned()
    }

    fn durability(&self) -> (&'static str, &'static str) {
        ("journal to the operating system", "persist(SyncData) after each commit")
    }

    fn has_background_threads(&self) -> bool {
        true
    }

    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>> {
        let database = Database::builder(directory.join("bench.fjall")).open()?;
        let keyspace = database.keyspace("bench", KeyspaceCreateOptions::default)?;
        Ok(Box::new(Open { database, keyspace, durable }))
    }
}

impl Open {
    fn persist(&self) -> Result<()> {
        if self.durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Store for Open {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        self.keyspace.insert(row.key.as_slice(), row.value)?;
        self.persist()
    }

    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let mut batch = self.database.batch();
        for row in rows {
            batch.insert(&self.keyspace, row.key.as_slice(), row.value);
        }
        batch.commit()?;
        self.persist()
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        self.keyspace.remove(key.as_slice())?;
        self.persist()
    }

    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()> {
        let mut batch = self.database.batch();
        for row in self.keyspace.range(from.as_slice()..to.as_slice()) {
            batch.remove(&self.keyspace, row.key()?);
        }
        batch.commit()?;
        self.persist()
    }

    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.keyspace.get(key)? {
            digest.add(key, &value);
        }
        Ok(())
    }

    fn reader(&mut self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(View { snapshot: self.database.snapshot(), keyspace: &self.keyspace }))
    }

    fn compact(&mut self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Reader for View<'_> {
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.snapshot.get(self.keyspace, key)? {
            digest.add(key, &value);
        }
        Ok(())
    }

    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()> {
        let from = from.map_or(&[][..], Key::as_slice);
        for row in self.snapshot.range(self.keyspace, from..).take(limit) {
            let (key, value) = row.into_inner()?;
            digest.add(&key, &value);
        }
        Ok(())
    }
}
