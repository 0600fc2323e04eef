//! redb with its defaults; commits that need not be durable use `Durability::None`.

use crate::engine::{Digest, Engine, Key, Reader, Row, Store};
use anyhow::Result;
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, WriteTransaction,
};
use std::path::Path;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

pub(crate) struct Redb;

struct Open {
    database: Database,
    durability: Durability,
}

struct View(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn settings(&self) -> String {
        "redb 4.4: defaults (cache 1 GiB); one read transaction for many reads; range delete by \
         Table::retain_in"
            .to_owned()
    }

    fn durability(&self) -> (&'static str, &'static str) {
        (
            "Durability::None: nothing kept after a crash",
            "Durability::Immediate: one sync per commit",
        )
    }

    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>> {
        let database = Database::create(directory.join("bench.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        Ok(Box::new(Open { database, durability }))
    }
}

impl Open {
    fn begin(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        Ok(transaction)
    }

    fn view(&self) -> Result<View> {
        Ok(View(self.database.begin_read()?.open_table(TABLE)?))
    }
}

impl Store for Open {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        self.put_batch(std::slice::from_ref(row))
    }

    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let transaction = self.begin()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for row in rows {
                table.insert(row.key.as_slice(), row.value)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        let transaction = self.begin()?;
        transaction.open_table(TABLE)?.remove(key.as_slice())?;
        Ok(transaction.commit()?)
    }

    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()> {
        let transaction = self.begin()?;
        transaction
            .open_table(TABLE)?
            .retain_in::<&[u8], _>(from.as_slice()..to.as_slice(), |_, _| false)?;
        Ok(transaction.commit()?)
    }

    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        self.view()?.get(key, digest)
    }

    fn reader(&mut self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(self.view()?))
    }

    fn compact(&mut self) -> Result<()> {
        // What is not durable yet has to become so first.
        self.database.begin_write()?.commit()?;
        self.database.compact()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.begin_write()?.commit()?)
    }
}

impl Reader for View {
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()> {
        if let Some(value) = self.0.get(key.as_slice())? {
            digest.add(key, value.value());
        }
        Ok(())
    }

    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()> {
        let from = from.map_or(&[][..], Key::as_slice);
        for row in self.0.range(from..)?.take(limit) {
            let (key, value) = row?;
            digest.add(key.value(), value.value());
        }
        Ok(())
    }
}
