//! Siltstone with its defaults, but for a page cache that holds the rows.

use crate::{Outcome, Store, VALUE, key};
use siltstone::{Database, Durability, Options, Sharing};
use std::ops::Range;
use std::path::{Path, PathBuf};

struct Open {
    database: Database,
    file: PathBuf,
}

fn open_file(file: PathBuf) -> Outcome<Box<dyn Store>> {
    let options = Options::new().sharing(Sharing::Exclusive).cache_size(64 << 20);
    Ok(Box::new(Open { database: options.open(&file)?, file }))
}

pub(crate) fn open(folder: &Path) -> Outcome<Box<dyn Store>> {
    open_file(folder.join("bench.lsm"))
}

impl Store for Open {
    fn batch(&mut self, rows: Range<u64>, synced: bool) -> Outcome<()> {
        self.database.set_durability(if synced { Durability::Full } else { Durability::Normal });
        let transaction = self.database.begin()?;
        for row in rows {
            transaction.insert(key(row), [row as u8; VALUE])?;
        }
        Ok(transaction.commit()?)
    }

    fn get(&mut self, key: &[u8]) -> Outcome<Option<usize>> {
        Ok(self.database.get(key)?.map(|value| value.len()))
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let mut cursor = self.database.cursor()?;
        let (mut rows, mut bytes, mut more) = (0, 0, cursor.first()?);
        while more {
            if let Some((key, value)) = cursor.entry()? {
                rows += 1;
                bytes += (key.len() + value.len()) as u64;
            }
            more = cursor.next()?;
        }
        Ok((rows, bytes))
    }

    fn reopen(self: Box<Self>) -> Outcome<Box<dyn Store>> {
        self.database.close()?;
        open_file(self.file)
    }
}
