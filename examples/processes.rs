//! One database, several processes: two move money between accounts while two others look on.
//!
//! `cargo run --example processes`: the program starts itself four times over.

use siltstone::{Database, Options, Result};
use std::process::Command;
use std::time::Duration;

const ACCOUNTS: usize = 10;
const EACH: i64 = 100;
const TRANSFERS: usize = 5_000;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "writer", path, number] => Ok(write(path, number.parse()?)?),
        [_, "reader", path] => Ok(read(path)?),
        _ => parent(),
    }
}

/// Every process opens the file the same way, and waits for its turn to write.
fn open(path: &str) -> Result<Database> {
    Options::new().busy_timeout(Duration::from_secs(30)).open(path)
}

fn account(number: usize) -> String {
    format!("account/{:02}", number % ACCOUNTS)
}

fn amount(bytes: Option<Vec<u8>>) -> i64 {
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0)
}

/// Transactions of all processes come one after the other, each complete or not at all.
fn write(path: &str, number: usize) -> Result<()> {
    let database = open(path)?;
    for step in 0..TRANSFERS {
        let (from, to) = (account(step + number), account(step * step));
        database.write(|transaction| {
            let left = amount(transaction.get(&from)?) - 1;
            transaction.insert(&from, left.to_string())?;
            let grown = amount(transaction.get(&to)?) + 1;
            transaction.insert(&to, grown.to_string())
        })?;
    }
    println!("writer {number}: {TRANSFERS} transfers committed");
    database.close()
}

/// A snapshot is a state between two transactions, whoever wrote them: no money is ever missing.
fn read(path: &str) -> Result<()> {
    let database = open(path)?;
    let (mut looks, mut states, mut before) = (0, 0, Vec::new());
    while !database.contains_key("done")? {
        let accounts: Vec<_> = database.snapshot()?.prefix("account/")?.collect::<Result<_>>()?;
        let total: i64 = accounts.iter().map(|(_, value)| amount(Some(value.clone()))).sum();
        assert_eq!(total, ACCOUNTS as i64 * EACH);
        looks += 1;
        states += usize::from(accounts != before);
        before = accounts;
    }
    println!("reader: looked {looks} times, saw {states} states, each of them whole");
    database.close()
}

fn parent() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("siltstone-processes-{}.lsm", std::process::id()));
    let path = path.to_str().ok_or("the folder for temporary files has no readable name")?;
    let database = open(path)?;
    database.write(|transaction| {
        (0..ACCOUNTS).try_for_each(|number| transaction.insert(account(number), EACH.to_string()))
    })?;
    let start = |arguments: &[&str]| Command::new(std::env::current_exe()?).args(arguments).spawn();
    let readers = [start(&["reader", path])?, start(&["reader", path])?];
    let writers = [start(&["writer", path, "1"])?, start(&["writer", path, "2"])?];
    for mut writer in writers {
        assert!(writer.wait()?.success());
    }
    database.insert("done", "")?;
    for mut reader in readers {
        assert!(reader.wait()?.success());
    }
    let total: i64 = database
        .prefix("account/")?
        .map(|entry| entry.map(|(_, value)| amount(Some(value))))
        .sum::<Result<i64>>()?;
    println!("four processes later: {total} in {ACCOUNTS} accounts");
    assert_eq!(total, ACCOUNTS as i64 * EACH);
    // The last process to close leaves one file, ready for anybody, C lsm1 included.
    database.close()?;
    assert!(!std::path::Path::new(&format!("{path}-shm")).exists());
    Ok(std::fs::remove_file(path)?)
}
