//! SQLite in WAL mode: one connection per thread, a table without row ids.

use crate::engine::{Digest, Key, Row};
use crate::processes::site::{Connection, Kind, Site};
use anyhow::Result;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(in crate::processes) const SQLITE: Kind = Kind {
    name: "sqlite",
    settings: "SQLite of rusqlite 0.41: WAL, a table without row ids, cached statements, one \
               connection per thread; busy_timeout 60 s",
    durability: ("synchronous NORMAL: checkpoints synced", "synchronous FULL: one sync per commit"),
    open: |directory, durable| {
        let site = Open { path: directory.join("bench.sqlite"), durable };
        let made = "CREATE TABLE IF NOT EXISTS bench (key BLOB PRIMARY KEY, value BLOB NOT NULL) \
                    WITHOUT ROWID";
        site.open()?.execute_batch(made)?;
        Ok(Box::new(site))
    },
};

const INSERT: &str = "INSERT OR REPLACE INTO bench (key, value) VALUES (?1, ?2)";
const SELECT: &str = "SELECT value FROM bench WHERE key = ?1";

struct Open {
    path: PathBuf,
    durable: bool,
}

impl Open {
    fn open(&self) -> Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open(Path::new(&self.path))?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        let synchronous = if self.durable { "full" } else { "normal" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        Ok(connection)
    }
}

struct Handle(rusqlite::Connection);

impl Site for Open {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self.open()?)))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn read_one(connection: &rusqlite::Connection, key: &Key, digest: &mut Digest) -> Result<()> {
    let mut select = connection.prepare_cached(SELECT)?;
    let found = select.query_row(params![key], |row| {
        digest.add(key, row.get_ref(0)?.as_blob()?);
        Ok(())
    });
    Ok(found.optional().map(|_| ())?)
}

impl Connection for Handle {
    fn write(&mut self, rows: &[Row<'_>]) -> Result<()> {
        if let [row] = rows {
            self.0.prepare_cached(INSERT)?.execute(params![row.key, row.value])?;
            return Ok(());
        }
        let transaction = Transaction::new(&mut self.0, TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for row in rows {
                insert.execute(params![row.key, row.value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, keys: &[Key], digest: &mut Digest) -> Result<()> {
        if let [key] = keys {
            return read_one(&self.0, key, digest);
        }
        let transaction = Transaction::new(&mut self.0, TransactionBehavior::Deferred)?;
        keys.iter().try_for_each(|key| read_one(&transaction, key, digest))?;
        Ok(transaction.commit()?)
    }
}
