//! The program under test, and its judge.
//!
//! * `write FILE SEED COUNT`: goes on with the history of this seed, COUNT transactions more, and says
//!   the number of each when it is committed. Breaks the lock of a killed predecessor.
//! * `judge`: for each line `SEED ACKNOWLEDGED FILE` of stdin opens the file as it is, compares and
//!   checks it, and says the number of transactions or what is wrong. Run natively.
//! * `calls FILE`: does some operations after saying on stderr which and how many, for a host that
//!   counts its calls.
#![forbid(unsafe_code)]

use siltstone::{Batch, Durability, Options};
use siltstone_wasi_guest::{count, judge, make, options, transaction};
use std::io::{BufRead, Write};
use std::process::ExitCode;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["write", file, seed, commits] => write(file, seed, commits),
        ["judge"] => judge_all(),
        ["calls", file] => calls(file),
        _ => Err("usage: write FILE SEED COUNT | judge | calls FILE".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(file: &str, seed: &str, commits: &str) -> Outcome {
    let (seed, commits): (u64, u64) = (seed.parse()?, commits.parse()?);
    siltstone::break_lock(file)?;
    let database = options(seed).open(file)?;
    let first = count(&database)? + 1;
    let mut out = std::io::stdout();
    writeln!(out, "open")?;
    for number in first..first + commits {
        let changes = transaction(seed, number);
        database.write(|transaction| make(&changes, transaction))?;
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    database.close()?;
    writeln!(out, "closed")?;
    Ok(())
}

fn judge_all() -> Outcome {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match judge_one(&line) {
            Ok(count) => writeln!(out, "{count}")?,
            Err(problem) => writeln!(out, "{line}: {problem}")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn judge_one(line: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (seed, acknowledged, file): (u64, u64, &str) = (word().parse()?, word().parse()?, word());
    siltstone::break_lock(file)?;
    let database = options(seed).open(file)?;
    let count = judge(&database, seed, acknowledged)?;
    database.close()?;
    Ok(count)
}

/// Says what comes next, with how many operations.
fn mark(what: &str, count: u64) {
    // In one piece: stderr has no buffer.
    let _ = std::io::stderr().write_all(format!("mark {what} = {count}\n").as_bytes());
}

fn calls(file: &str) -> Outcome {
    let options = || Options::new().autowork(false).autocheckpoint(0).cache_size(16 << 20);
    let key = |number: u64| format!("key{number:06}");
    let database = options().create_new(true).open(file)?;
    for first in (0..20_000).step_by(1000) {
        let mut batch = Batch::new();
        for number in first..first + 1000 {
            batch.insert(key(number), [b'v'; 100]);
        }
        database.apply(&batch)?;
    }
    database.close()?;

    mark("open of a closed database", 1);
    let database = options().open(file)?;
    mark("first scan", 1);
    assert_eq!(database.iter()?.count(), 20_000);
    mark("cached get", 1000);
    for number in 0..1000 {
        database.get(key(number * 17))?;
    }
    mark("get of a missing key", 1000);
    for number in 0..1000 {
        database.get(key(number * 17 + 1) + "x")?;
    }
    mark("cached scan", 1);
    assert_eq!(database.iter()?.count(), 20_000);
    mark("first insert, which makes the log", 1);
    database.insert(key(0), [b'w'; 100])?;
    mark("insert", 500);
    for number in 0..500 {
        database.insert(key(number), [b'w'; 100])?;
    }
    mark("get from the tree", 500);
    for number in 0..500 {
        database.get(key(number))?;
    }
    mark("transaction of 100 inserts", 20);
    for _ in 0..20 {
        database.write(|transaction| {
            (0..100).try_for_each(|number| transaction.insert(key(number), [b'x'; 100]))
        })?;
    }
    database.set_durability(Durability::Full);
    mark("full insert", 100);
    for number in 0..100 {
        database.insert(key(number), [b'y'; 100])?;
    }
    mark("flush", 1);
    database.flush()?;
    mark("checkpoint", 1);
    database.checkpoint()?;
    mark("close", 1);
    database.close()?;
    mark("end", 1);
    Ok(())
}
