//! Histories that guest and judge know by seed: transaction after transaction, and what a database
//! must hold after any of them.
#![forbid(unsafe_code)]

use siltstone::{Database, Durability, Options, Result, WriteTransaction};
use std::collections::BTreeMap;

/// The key under which each transaction leaves its number.
pub const COUNT: &str = "count";
/// Keys in use.
const KEYS: u64 = 600;

/// A small random source, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number (SplitMix64).
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_number() % bound.max(1)
    }
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes a key.
    Insert(String, Vec<u8>),
    /// Deletes a key.
    Remove(String),
    /// Deletes the keys from the first to before the second.
    RemoveRange(String, String),
}

/// What a database holds.
pub type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(number: u64) -> String {
    format!("k{number:04}")
}

/// The changes of transaction `number`, counted from 1.
#[must_use]
pub fn transaction(seed: u64, number: u64) -> Vec<Change> {
    let mut random = Random::new(seed.wrapping_mul(0x1000_0001).wrapping_add(number));
    let mut changes = Vec::new();
    for _ in 0..=random.below(8) {
        let place = random.below(KEYS);
        changes.push(match random.below(100) {
            0..4 => Change::RemoveRange(key(place), key(place + random.below(40))),
            4..20 => Change::Remove(key(place)),
            kind => {
                let longest = if kind < 24 { 9000 } else { 400 };
                let length = usize::try_from(random.below(longest)).unwrap_or(0);
                let fill = random.next_number().to_le_bytes();
                Change::Insert(key(place), fill.into_iter().cycle().take(length).collect())
            }
        });
    }
    changes.push(Change::Insert(COUNT.to_owned(), number.to_string().into_bytes()));
    changes
}

/// What the database holds after the first `count` transactions.
#[must_use]
pub fn content(seed: u64, count: u64) -> Content {
    let mut content = Content::new();
    for change in (1..=count).flat_map(|number| transaction(seed, number)) {
        match change {
            Change::Insert(key, value) => drop(content.insert(key.into_bytes(), value)),
            Change::Remove(key) => drop(content.remove(key.as_bytes())),
            Change::RemoveRange(from, to) => {
                let outside = |key: &[u8]| key < from.as_bytes() || key >= to.as_bytes();
                content.retain(|key, _| outside(key));
            }
        }
    }
    content
}

/// Makes the changes.
///
/// # Errors
/// Those of the engine.
pub fn make(changes: &[Change], transaction: &WriteTransaction) -> Result<()> {
    for change in changes {
        match change {
            Change::Insert(key, value) => transaction.insert(key, value)?,
            Change::Remove(key) => transaction.remove(key)?,
            // An empty range is none.
            Change::RemoveRange(from, to) if from >= to => {}
            Change::RemoveRange(from, to) => transaction.remove_range(from.as_str()..to)?,
        }
    }
    Ok(())
}

/// How many transactions the database holds.
///
/// # Errors
/// Those of the engine.
pub fn count(database: &Database) -> Result<u64> {
    let value = database.get(COUNT)?;
    let text = value.and_then(|value| String::from_utf8(value).ok());
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Options that make flushes, merges and checkpoints frequent, each seed its own.
#[must_use]
pub fn options(seed: u64) -> Options {
    let mut random = Random::new(!seed);
    Options::new()
        .page_size(512 << random.below(4))
        .block_size(64 << 10)
        .autoflush(8192 << random.below(4))
        .autocheckpoint(32_768 << random.below(3))
        .automerge(2 + u32::from(random.below(2) == 1))
        .cache_size(64 << 10)
        .durability(match random.below(3) {
            0 => Durability::None,
            1 => Durability::Normal,
            _ => Durability::Full,
        })
}

/// Compares a database with what it must hold.
///
/// # Errors
/// The first difference, or what the engine says.
pub fn compare(database: &Database, wanted: &Content) -> std::result::Result<(), String> {
    let mut rows = wanted.iter();
    let entries = database.iter().map_err(|error| error.to_string())?;
    for entry in entries {
        let (key, value) = entry.map_err(|error| error.to_string())?;
        let row = rows.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
        if row != Some((&key, &value)) {
            let wanted = row.map(|row| String::from_utf8_lossy(row.0).into_owned());
            let found = String::from_utf8_lossy(&key);
            return Err(format!("found {found} ({} bytes), wanted {wanted:?}", value.len()));
        }
    }
    match rows.next() {
        Some((key, _)) => Err(format!("{} is missing", String::from_utf8_lossy(key))),
        None => Ok(()),
    }
}

/// Everything a database must be after `acknowledged` transactions were: sound, and exactly the
/// content of so many transactions or of one more. Tells how many.
///
/// # Errors
/// What is wrong.
pub fn judge(
    database: &Database,
    seed: u64,
    acknowledged: u64,
) -> std::result::Result<u64, String> {
    let failed = |error: siltstone::Error| error.to_string();
    let count = count(database).map_err(failed)?;
    if !(acknowledged..=acknowledged + 1).contains(&count) {
        return Err(format!("{acknowledged} commits were acknowledged, it holds {count}"));
    }
    compare(database, &content(seed, count))?;
    let report = database.check().map_err(failed)?;
    if report.is_sound() { Ok(count) } else { Err(report.problems.join("; ")) }
}
