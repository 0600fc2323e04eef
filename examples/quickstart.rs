//! Opens a database, writes, reads in order, and closes it.
//!
//! `cargo run --example quickstart`

use siltstone::Database;

fn main() -> siltstone::Result<()> {
    let path = std::env::temp_dir().join("siltstone-quickstart.lsm");
    let database = Database::open(&path)?;
    database.write(|transaction| {
        for (city, people) in [("Oslo", "717710"), ("Bergen", "291940"), ("Reykjavik", "139875")] {
            transaction.insert(city, people)?;
        }
        Ok(())
    })?;
    for entry in database.iter()? {
        let (city, people) = entry?;
        println!("{}: {}", String::from_utf8_lossy(&city), String::from_utf8_lossy(&people));
    }
    assert_eq!(database.get("Oslo")?.as_deref(), Some(&b"717710"[..]));
    println!("{:?}", database.stats()?);
    database.close()
}
