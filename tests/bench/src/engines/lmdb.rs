//! LMDB through heed, the only engine whose opening is `unsafe`: its map must not be changed from
//! outside.

use crate::engine::{Digest, Engine, Key, Reader, Row, Store};
use anyhow::{Context, Result};
use heed::types::Bytes;
use heed::{
    CommitOrAbort, CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithoutTls,
};
use std::ops::Bound;
use std::path::{Path, PathBuf};

pub(crate) struct Lmdb;

struct Open {
    directory: PathBuf,
    durable: bool,
    // `None` only inside `compact` and `close`.
    inner: Option<Inner>,
}

/// An open environment and its table.
pub(crate) struct Inner {
    pub(crate) environment: Env<WithoutTls>,
    pub(crate) table: Database<'static, Bytes, Bytes>,
}

struct View<'a> {
    transaction: RoTxn<'a, WithoutTls>,
    table: Database<'static, Bytes, Bytes>,
}

impl Engine for Lmdb {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn settings(&self) -> String {
        "LMDB of heed 0.23: map 16 GiB, no WRITE_MAP; one read transaction for many reads; compaction \
         by copying the environment"
            .to_owned()
    }

    fn durability(&self) -> (&'static str, &'static str) {
        ("NO_SYNC: written to the operating system", "two syncs per commit (data, meta page)")
    }

    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>> {
        let inner = Some(open(directory, durable)?);
        Ok(Box::new(Open { directory: directory.to_owned(), durable, inner }))
    }
}

/// Opens, or makes, an environment with one table. All who open it are LMDB, and this process opens
/// it once.
pub(crate) fn open(directory: &Path, durable: bool) -> Result<Inner> {
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
    Ok(Inner { environment, table })
}

impl Open {
    fn inner(&self) -> Result<&Inner> {
        self.inner.as_ref().context("LMDB is closed")
    }

    fn shut(&mut self) {
        if let Some(inner) = self.inner.take() {
            inner.environment.prepare_for_closing().wait();
        }
    }
}

impl Inner {
    fn view(&self) -> Result<View<'_>> {
        Ok(View { transaction: self.environment.read_txn()?, table: self.table })
    }
}

impl Store for Open {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        self.put_batch(std::slice::from_ref(row))
    }

    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let inner = self.inner()?;
        let mut transaction = inner.environment.write_txn()?;
        for row in rows {
            inner.table.put(&mut transaction, &row.key, row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        let inner = self.inner()?;
        let mut transaction = inner.environment.write_txn()?;
        inner.table.delete(&mut transaction, key)?;
        Ok(transaction.commit()?)
    }

    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()> {
        let inner = self.inner()?;
        let mut transaction = inner.environment.write_txn()?;
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        inner.table.delete_range(&mut transaction, &range)?;
        Ok(transaction.commit()?)
    }

    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        self.inner()?.view()?.get(key, digest)
    }

    fn reader(&mut self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(self.inner()?.view()?))
    }

    fn compact(&mut self) -> Result<()> {
        let copy = self.directory.join("compacted.mdb");
        self.inner()?.environment.copy_to_path(&copy, CompactionOption::Enabled)?;
        self.shut();
        std::fs::rename(&copy, self.directory.join("data.mdb"))?;
        self.inner = Some(open(&self.directory, self.durable)?);
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.shut();
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Reader for View<'_> {
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.table.get(&self.transaction, key)? {
            digest.add(key, value);
        }
        Ok(())
    }

    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()> {
        let from = from.map_or(Bound::Unbounded, |key| Bound::Included(key.as_slice()));
        let range = (from, Bound::Unbounded);
        for row in self.table.range(&self.transaction, &range)?.take(limit) {
            let (key, value) = row?;
            digest.add(key, value);
        }
        Ok(())
    }
}
