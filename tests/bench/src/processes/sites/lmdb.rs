//! LMDB through heed: one environment per process, used by all its threads.

use crate::engine::{Digest, Key, Row};
use crate::engines::lmdb::{self, Inner};
use crate::processes::site::{Connection, Kind, Site};
use anyhow::Result;
use std::path::Path;

pub(in crate::processes) const LMDB: Kind = Kind {
    name: "lmdb",
    settings: "LMDB of heed 0.23: map 16 GiB, no WRITE_MAP; one environment per process",
    durability: ("NO_SYNC: written to the operating system", "two syncs per commit"),
    open,
};

fn open(directory: &Path, durable: bool) -> Result<Box<dyn Site>> {
    Ok(Box::new(lmdb::open(directory, durable)?))
}

impl Site for Inner {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.environment.prepare_for_closing().wait();
        Ok(())
    }
}

impl Connection for &Inner {
    fn write(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let mut transaction = self.environment.write_txn()?;
        for row in rows {
            self.table.put(&mut transaction, &row.key, row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, keys: &[Key], digest: &mut Digest) -> Result<()> {
        let transaction = self.environment.read_txn()?;
        for key in keys {
            if let Some(value) = self.table.get(&transaction, key)? {
                digest.add(key, value);
            }
        }
        Ok(())
    }
}
