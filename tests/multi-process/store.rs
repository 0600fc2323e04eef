//! What a process does for the driver, whichever engine it runs, and how transactions are numbered.
//!
//! Every transaction reads the clock, adds one, and writes the new number under the clock's key and
//! its own tag in the journal under the number. So the database itself says in which order
//! transactions were committed, and any state that is read names the history that must have led to
//! it (`history` compares).

use crate::protocol::{Change, Ending, Opening, Row};
use std::time::Duration;

/// Sorts behind every other key.
pub(crate) const CLOCK: &[u8] = b"~clock";

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Busy(String),
    Failed(i32, String),
}

pub(crate) type Outcome<T> = Result<T, Refusal>;

/// A transaction as the driver asks for it.
pub(crate) struct Asked<'a> {
    pub(crate) tag: u32,
    pub(crate) wait: Duration,
    pub(crate) ending: Ending,
    pub(crate) changes: &'a [Change],
}

/// An engine in a process.
pub(crate) trait Store {
    fn open(&mut self, opening: &Opening) -> Outcome<()>;
    /// Number of the transaction, and the tag of the one before.
    fn transact(&mut self, asked: &Asked<'_>) -> Outcome<(u32, u32)>;
    fn get(&mut self, key: &[u8]) -> Outcome<Option<Row>>;
    fn scan(&mut self, backward: bool) -> Outcome<Vec<Row>>;
    fn hold(&mut self, slot: u32) -> Outcome<()>;
    fn look(&mut self, slot: u32, backward: bool) -> Outcome<Vec<Row>>;
    fn release(&mut self, slot: u32) -> Outcome<()>;
    fn work(&mut self, kb: u32) -> Outcome<()>;
    fn checkpoint(&mut self) -> Outcome<()>;
    fn flush(&mut self) -> Outcome<()>;
    fn compact(&mut self) -> Outcome<()>;
    fn check(&mut self) -> Outcome<Vec<String>>;
    fn close(&mut self) -> Outcome<()>;
    /// The same open database, for another thread of the process.
    fn another(&self) -> Outcome<Box<dyn Store + Send>>;
}

/// Sorts before every other key.
pub(crate) fn journal_key(serial: u32) -> Vec<u8> {
    format!("!{serial:08x}").into_bytes()
}

/// The number a journal key stands for.
pub(crate) fn journal_serial(key: &[u8]) -> Option<u32> {
    u32::from_str_radix(str::from_utf8(key.strip_prefix(b"!")?).ok()?, 16).ok()
}

/// Value of the clock: number and tag of the newest transaction.
pub(crate) fn clock_value(serial: u32, tag: u32) -> Vec<u8> {
    format!("{serial} {tag}").into_bytes()
}

/// The inverse; no clock at all is number 0.
pub(crate) fn read_clock(value: Option<&[u8]>) -> Option<(u32, u32)> {
    let Some(value) = value else { return Some((0, 0)) };
    let (serial, tag) = str::from_utf8(value).ok()?.split_once(' ')?;
    Some((serial.parse().ok()?, tag.parse().ok()?))
}

/// The clock as a transaction reads it.
pub(crate) fn checked_clock(value: Option<&[u8]>) -> Outcome<(u32, u32)> {
    read_clock(value).ok_or_else(|| Refusal::Failed(-1, format!("clock {value:?}")))
}
