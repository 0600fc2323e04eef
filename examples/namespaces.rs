//! Several tables in one database: a prefix of the key is the name of the table. Entries of one
//! table lie side by side, so listing and emptying it are ranges.
//!
//! `cargo run --example namespaces`

use siltstone::{Database, Result, WriteTransaction};

/// A table: all keys that begin with its name and a zero byte, which no name has.
struct Table(Vec<u8>);

impl Table {
    fn new(name: &str) -> Self {
        assert!(!name.as_bytes().contains(&0));
        Table([name.as_bytes(), &[0]].concat())
    }

    fn key(&self, key: &str) -> Vec<u8> {
        [&self.0, key.as_bytes()].concat()
    }

    /// The keys and values, without the name.
    fn entries(&self, database: &Database) -> Result<Vec<(String, Vec<u8>)>> {
        let name = self.0.len();
        let entry = |(key, value): (Vec<u8>, Vec<u8>)| {
            (String::from_utf8_lossy(key.get(name..).unwrap_or_default()).into_owned(), value)
        };
        database.prefix(&self.0)?.map(|found| found.map(entry)).collect()
    }

    /// Deletes everything in it: one record, however much that is.
    fn clear(&self, transaction: &WriteTransaction) -> Result<()> {
        // Behind the zero byte comes the one.
        let mut end = self.0.clone();
        end.pop();
        end.push(1);
        transaction.remove_range(self.0.as_slice()..end.as_slice())
    }
}

fn main() -> Result<()> {
    let name = format!("siltstone-namespaces-{}.lsm", std::process::id());
    let path = std::env::temp_dir().join(name);
    let database = Database::create(&path)?;
    let (users, sessions) = (Table::new("user"), Table::new("user-session"));
    // One transaction may span tables.
    database.write(|transaction| {
        for user in ["ada", "grace", "hedy"] {
            transaction.insert(users.key(user), "1")?;
            transaction.insert(sessions.key(user), "logged in")?;
        }
        Ok(())
    })?;
    for (user, _) in users.entries(&database)? {
        println!("user {user}");
    }
    database.write(|transaction| sessions.clear(transaction))?;
    assert_eq!(users.entries(&database)?.len(), 3);
    assert_eq!(sessions.entries(&database)?.len(), 0);
    database.close()?;
    let _ = std::fs::remove_file(path);
    Ok(())
}
