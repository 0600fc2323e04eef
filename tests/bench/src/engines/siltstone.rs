//! Siltstone with its defaults, which are those of C lsm1.

use crate::engine::{Digest, Engine, Key, Reader, Row, Store};
use anyhow::Result;
use siltstone::{Cursor, Database, Durability, Options, Seek, Sharing};
use std::path::Path;

pub(crate) struct Siltstone;

struct Open(Database);

struct View<'a> {
    database: &'a Database,
    cursor: Cursor<'static>,
}

impl Engine for Siltstone {
    fn name(&self) -> &'static str {
        "siltstone"
    }

    fn settings(&self) -> String {
        "defaults: page 4096, block 1 MiB, autoflush 1 MiB, autocheckpoint 2 MiB, automerge 4, whole \
         file mapped, exclusive mode; gets by Database::get, scans by one Cursor"
            .to_owned()
    }

    fn durability(&self) -> (&'static str, &'static str) {
        ("Normal: checkpoints synced, commits not", "Full: one log sync per commit")
    }

    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>> {
        let durability = if durable { Durability::Full } else { Durability::Normal };
        let options = Options::new().durability(durability).sharing(Sharing::Exclusive);
        Ok(Box::new(Open(options.open(directory.join("bench.lsm"))?)))
    }
}

impl Store for Open {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        Ok(self.0.insert(row.key, row.value)?)
    }

    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let transaction = self.0.begin()?;
        for row in rows {
            transaction.insert(row.key, row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        Ok(self.0.remove(key)?)
    }

    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()> {
        Ok(self.0.remove_range(*from..*to)?)
    }

    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.0.get(key)? {
            digest.add(key, &value);
        }
        Ok(())
    }

    fn reader(&mut self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(View { cursor: self.0.cursor()?, database: &self.0 }))
    }

    fn compact(&mut self) -> Result<()> {
        self.0.compact()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.close()?)
    }
}

impl Reader for View<'_> {
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.database.get(key)? {
            digest.add(key, &value);
        }
        Ok(())
    }

    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()> {
        let mut more = match from {
            Some(key) => self.cursor.seek(key, Seek::AtLeast)?,
            None => self.cursor.first()?,
        };
        let mut left = limit;
        while more && left > 0 {
            if let Some((key, value)) = self.cursor.entry()? {
                digest.add(key, value);
            }
            left -= 1;
            more = left > 0 && self.cursor.next()?;
        }
        Ok(())
    }
}
