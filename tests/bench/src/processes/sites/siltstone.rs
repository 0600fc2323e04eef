//! Siltstone in shared mode, with its defaults or with its work in the background.

use crate::engine::{Digest, Key, Row};
use crate::processes::site::{Connection, Kind, Site};
use anyhow::Result;
use siltstone::{Background, Database, Durability, Options};
use std::path::Path;
use std::time::Duration;

const DURABILITY: (&str, &str) =
    ("Normal: checkpoints synced, commits not", "Full: one log sync per commit or group of them");

pub(in crate::processes) const PLAIN: Kind = Kind {
    name: "siltstone",
    settings: "shared mode, page 4096, block 1 MiB, autoflush 1 MiB, autocheckpoint 2 MiB, \
               automerge 4, whole file mapped; one database per process, used by all its threads; \
               single gets by Database::get, many by Snapshot::get; busy_timeout 60 s",
    durability: DURABILITY,
    open: |directory, durable| open(directory, durable, Background::None),
};

pub(in crate::processes) const BACKGROUND: Kind = Kind {
    name: "siltstone+bg",
    settings: "the same with Background::Both",
    durability: DURABILITY,
    open: |directory, durable| open(directory, durable, Background::Both),
};

struct Open(Database);

struct Handle<'a>(&'a Database);

fn open(directory: &Path, durable: bool, background: Background) -> Result<Box<dyn Site>> {
    let durability = if durable { Durability::Full } else { Durability::Normal };
    let options = Options::new()
        .durability(durability)
        .background(background)
        .busy_timeout(Duration::from_secs(60));
    Ok(Box::new(Open(options.open(directory.join("bench.lsm"))?)))
}

impl Site for Open {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(&self.0)))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.close()?)
    }
}

impl Connection for Handle<'_> {
    fn write(&mut self, rows: &[Row<'_>]) -> Result<()> {
        if let [row] = rows {
            return Ok(self.0.insert(row.key, row.value)?);
        }
        let transaction = self.0.begin()?;
        for row in rows {
            transaction.insert(row.key, row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, keys: &[Key], digest: &mut Digest) -> Result<()> {
        if let [key] = keys {
            if let Some(value) = self.0.get(key)? {
                digest.add(key, &value);
            }
            return Ok(());
        }
        let snapshot = self.0.snapshot()?;
        for key in keys {
            if let Some(value) = snapshot.get(key)? {
                digest.add(key, &value);
            }
        }
        Ok(())
    }
}
