//! redb with its defaults: a page cache of 1 GiB.

use crate::{Outcome, Store, VALUE, key};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::ops::Range;
use std::path::{Path, PathBuf};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

struct Open {
    database: Database,
    file: PathBuf,
}

fn open_file(file: PathBuf) -> Outcome<Box<dyn Store>> {
    Ok(Box::new(Open { database: Database::create(&file)?, file }))
}

pub(crate) fn open(folder: &Path) -> Outcome<Box<dyn Store>> {
    open_file(folder.join("bench.redb"))
}

impl Store for Open {
    fn batch(&mut self, rows: Range<u64>, synced: bool) -> Outcome<()> {
        let mut transaction = self.database.begin_write()?;
        let durability = if synced { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for row in rows {
                table.insert(key(row).as_slice(), [row as u8; VALUE].as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&mut self, key: &[u8]) -> Outcome<Option<usize>> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|value| value.value().len()))
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let (mut rows, mut bytes) = (0, 0);
        for row in table.range::<&[u8]>(..)? {
            let (key, value) = row?;
            rows += 1;
            bytes += (key.value().len() + value.value().len()) as u64;
        }
        Ok((rows, bytes))
    }

    fn reopen(self: Box<Self>) -> Outcome<Box<dyn Store>> {
        drop(self.database);
        open_file(self.file)
    }
}
