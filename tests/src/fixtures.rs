//! The databases in tests/fixtures/c-lsm1: where they are, what they must show.

use crate::Row;
use std::fs;
use std::path::{Path, PathBuf};

/// All of them.
pub const NAMES: [&str; 16] = [
    "empty",
    "small-default",
    "many-levels",
    "mid-merge",
    "range-deletes",
    "range-deletes-mid-merge",
    "large-values",
    "blocks-64k",
    "live-log",
    "log-only",
    "compressed-zrle",
    "freelist-in-lsm",
    "redirects",
    "stale-pointers",
    "ge-at-range-start",
    "flush-stuck",
];

/// Where the fixtures lie; never open them there.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/c-lsm1")
}

/// A private copy of a fixture.
pub struct Fixture {
    /// Keeps the copy; gone with the value.
    pub directory: tempfile::TempDir,
    /// The database file; its log, if any, lies beside it.
    pub path: PathBuf,
    /// What a full scan must show.
    pub expected: Vec<Row>,
}

/// Copies fixture `name` and loads its expectation.
#[must_use]
pub fn copy(name: &str) -> Fixture {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("file.lsm");
    let source = self::directory().join(format!("{name}.lsm"));
    fs::write(&path, fs::read(&source).expect("the fixture")).expect("the copy");
    let log = source.with_extension("lsm-log");
    if log.exists() {
        fs::write(log_of(&path), fs::read(log).expect("the log")).expect("the copy of the log");
    }
    Fixture { directory, path, expected: expected(name) }
}

/// What a full scan of fixture `name` must show, in order.
#[must_use]
pub fn expected(name: &str) -> Vec<Row> {
    let path = directory().join(format!("{name}.expect.txt"));
    rows(&fs::read_to_string(path).expect("the expectation"))
}

/// The log file of a database.
#[must_use]
pub fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-log");
    name.into()
}

/// Parses `hex key TAB hex value` lines.
#[must_use]
pub fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .map(|line| {
            let (key, value) = line.split_once('\t').expect("a tab between key and value");
            (unhex(key), unhex(value))
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "odd number of digits");
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    pairs.iter().map(|&[high, low]| digit(high) << 4 | digit(low)).collect()
}
