//! Many threads read, each from a state of its own that stays as it is, while another one writes.
//!
//! `cargo run --example readers`

use siltstone::{Background, Database, Options, Result};
use std::thread;

const READERS: u64 = 8;
const ROUNDS: u64 = 300;

/// Every round changes all keys together, so a state with two different values would be torn.
fn write(database: &Database) -> Result<()> {
    for round in 1..=ROUNDS {
        database.write(|transaction| {
            (0..10).try_for_each(|key| transaction.insert(format!("{key}"), round.to_string()))
        })?;
    }
    Ok(())
}

fn read(database: &Database) -> Result<usize> {
    let mut states = 0;
    loop {
        // Readers wait for nobody. The snapshot stays valid for as long as it is kept.
        let snapshot = database.snapshot()?;
        let first = snapshot.get("0")?;
        for entry in snapshot.iter()? {
            let (_, value) = entry?;
            assert_eq!(Some(value), first, "a snapshot is one state");
        }
        states += 1;
        if first == Some(ROUNDS.to_string().into_bytes()) {
            return Ok(states);
        }
    }
}

fn main() -> Result<()> {
    let name = format!("siltstone-readers-{}.lsm", std::process::id());
    let path = std::env::temp_dir().join(name);
    // Small trees, so that threads of the database's own have something to flush and to merge.
    let options = Options::new().autoflush(32 << 10).background(Background::Both);
    let database = options.open(&path)?;
    let before = database.snapshot()?;
    thread::scope(|scope| -> Result<()> {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(&database))).collect();
        write(&database)?;
        for (number, reader) in readers.into_iter().enumerate() {
            let states = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            println!("reader {number}: {states} snapshots");
        }
        Ok(())
    })?;
    // The snapshot taken at the beginning still shows the empty database.
    assert_eq!(before.iter()?.count(), 0);
    assert_eq!(database.iter()?.count(), 10);
    drop(before);
    database.close()?;
    let _ = std::fs::remove_file(path);
    Ok(())
}
