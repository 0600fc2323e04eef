//! LMDB through heed: one environment per process, used by all its threads.

use crate::engine::{Digest, Key, Row};
use crate::processes::site::{Connection, Kind, Site};
use anyhow::Result;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use std::path::Path;

pub(in crate::processes) const LMDB: Kind = Kind {
    name: "lmdb",
    settings: "LMDB of heed 0.23: map 16 GiB, no WRITE_MAP; one environment per process",
    durability: ("NO_SYNC: written to the operating system", "two syncs per commit"),
    open,
};

struct Open {
    environment: Env<WithoutTls>,
    table: Database<'static, Bytes, Bytes>,
}

fn open(directory: &Path, durable: bool) -> Result<Box<dyn Site>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(16 << 30);
    if !durable {
        // SAFETY: without sync only power loss can damage the file, which a benchmark throws away.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the file lies in a directory of this run; all who open it are LMDB.
    let environment = unsafe { options.open(directory) }?;
    let table = environment
        .create_databases_and_commit(environment.write_txn()?, |opener, transaction| {
            let table = opener.create_database::<Bytes, Bytes>(transaction, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
        })?
        .unwrap_commit();
    Ok(Box::new(Open { environment, table }))
}

impl Site for Open {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.environment.prepare_for_closing().wait();
        Ok(())
    }
}

impl Connection for &Open {
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
