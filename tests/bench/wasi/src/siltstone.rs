//! Siltstone with its defaults, but for a page cache that holds the rows; natively with maps or, as
//! inside runtimes, without.

use crate::{Outcome, Store, VALUE, key};
use siltstone::{Database, Durability, Mapping, Options, Sharing};
use std::ops::Range;
use std::path::{Path, PathBuf};

struct Open {
    database: Database,
    file: PathBuf,
    mapping: Mapping,
}

fn open_file(file: PathBuf, mapping: Mapping) -> Outcome<Box<dyn Store>> {
    let options = Options::new().sharing(Sharing::Exclusive).cache_size(64 << 20);
    let database = options.mapping(mapping).open(&file)?;
    Ok(Box::new(Open { database, file, mapping }))
}

pub(crate) fn open(folder: &Path, maps: bool) -> Outcome<Box<dyn Store>> {
    let mapping = if maps { Mapping::All } else { Mapping::Off };
    open_file(folder.join("bench.lsm"), mapping)
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
        open_file(self.file, self.mapping)
    }
}
