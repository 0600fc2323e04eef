//! The bounds of docs/limits.md, "Memory", held for the whole process: every byte on the heap,
//! whichever thread took it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use siltstone::{Database, Durability, ErrorKind, Mapping, Options, Sharing};
use siltstone_tests::allocator::{Counting, peak_of_process};
use siltstone_tests::rng::Rng;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a database with pages of up to 4 KiB takes beside trees, page cache and the rows in hand:
/// docs/limits.md.
const FIXED: usize = 2 << 20;

const CACHE: usize = 256 << 10;

/// Tests that count the whole process must not run side by side.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Exclusive, so that the trees are on the heap, where they are counted.
fn options(memory_limit: u64) -> Options {
    Options::new()
        .sharing(Sharing::Exclusive)
        .memory_limit(memory_limit)
        .cache_size(CACHE)
        .durability(Durability::None)
        .mapping(Mapping::Off)
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(number: u64) -> [u8; 100] {
    let mut rng = Rng::new(number);
    std::array::from_fn(|_| rng.next_u64() as u8)
}

fn insert(database: &Database, rows: std::ops::Range<u64>, batch: u64) {
    let mut first = rows.start;
    while first < rows.end {
        let last = rows.end.min(first + batch);
        database
            .write(|transaction| {
                (first..last).try_for_each(|n| transaction.insert(key(n), value(n)))
            })
            .unwrap();
        first = last;
    }
}

fn verify(database: &Database, rows: u64) {
    let mut rng = Rng::new(1);
    for _ in 0..2000 {
        let number = rng.below(rows as usize) as u64;
        assert_eq!(database.get(key(number)).unwrap().as_deref(), Some(&value(number)[..]));
    }
    assert_eq!(database.iter().unwrap().count() as u64, rows);
}

#[track_caller]
fn within(what: &str, peak: usize, bound: usize) {
    println!("{what}: {peak} of {bound} bytes");
    assert!(peak <= bound, "{what}: {peak} bytes held at once, {bound} are promised");
}

#[test]
fn a_load_of_many_megabytes_stays_within_its_bound() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (autoflush, rows) = (512 << 10, 300_000);
    let plain = options(64 << 20).autoflush(autoflush);
    let ways = [
        ("plain", plain.clone()),
        ("mapped", plain.clone().mapping(Mapping::All)),
        ("large pages", plain.clone().page_size(65536)),
        ("lz4", plain.clone().codec(siltstone::codec::built_in(10001).unwrap())),
    ];
    for (name, options) in ways {
        let path = directory.path().join(name);
        let ((), peak) = peak_of_process(|| {
            let database = options.open(&path).unwrap();
            insert(&database, 0..rows, 500);
            verify(&database, rows);
            database.remove_range(key(0)..).unwrap();
            database.compact().unwrap();
            database.close().unwrap();
        });
        within(name, peak, 2 * autoflush as usize + CACHE + FIXED);
    }
}

#[test]
fn a_transaction_over_the_limit_fails_and_takes_no_more() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.lsm");
    let limit = 8 << 20;
    // Small rows, rows of several chunks, and one row that alone is too large.
    for (length, fewest) in [(10, 40_000), (100_000, 60), (20 << 20, 0)] {
        let large = vec![7; length];
        let ((), peak) = peak_of_process(|| {
            let database = options(limit).open(&path).unwrap();
            insert(&database, 0..20_000, 1000);
            let transaction = database.begin().unwrap();
            transaction.insert("kept", "row").unwrap();
            let savepoint = transaction.savepoint().unwrap();
            let mut rows = 1_000_000..;
            let error = rows
                .by_ref()
                .find_map(|number| transaction.insert(key(number), &large).err())
                .unwrap();
            assert!(matches!(error.kind(), ErrorKind::OutOfMemory(_)), "{error}");
            assert!(error.to_string().contains("memory_limit"), "{error}");
            let inserted = rows.start - 1_000_001;
            println!("rows of {length} bytes: {inserted}");
            assert!(inserted >= fewest && inserted * length as u64 <= limit);
            savepoint.rollback().unwrap();
            transaction.commit().unwrap();
            assert!(database.contains_key("kept").unwrap());
            let transaction = database.begin().unwrap();
            while transaction.insert("other", &large).is_ok() {}
            transaction.rollback().unwrap();
            database.remove("kept").unwrap();
            insert(&database, 20_000..25_000, 100);
            verify(&database, 25_000);
            database.close().unwrap();
        });
        within("a transaction over the limit", peak, limit as usize + CACHE + FIXED);
        std::fs::remove_file(&path).unwrap();
    }
}

/// Database and log.
fn files(path: &Path) -> [PathBuf; 2] {
    [path.to_owned(), path.with_extension("lsm-log")]
}

fn contents(path: &Path) -> [Vec<u8>; 2] {
    files(path).map(|path| std::fs::read(path).unwrap())
}

/// Copies the files as a killed process would leave them.
fn copy_of(path: &Path, to: &Path) {
    for (from, to) in files(path).iter().zip(files(to)) {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn recovery_takes_no_more_than_the_limit() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("app.lsm"), directory.path().join("copy.lsm"));
    let rows = 100_000;
    let small = 4 << 20;
    // Trees are flushed as they grow, but without a checkpoint the log keeps everything.
    let database = options(small).autoflush(256 << 10).autocheckpoint(0).open(&path).unwrap();
    insert(&database, 0..1000, 1000);
    database.checkpoint().unwrap();
    insert(&database, 1000..rows, 1000);
    copy_of(&path, &copy);
    database.close().unwrap();

    let before = contents(&copy);
    assert!(before[1].len() as u64 > 2 * small);
    let (error, peak) = peak_of_process(|| options(small).open(&copy).unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::OutOfMemory(_)), "{error}");
    assert!(error.to_string().contains("memory_limit"), "{error}");
    within("refused recovery", peak, small as usize + CACHE + FIXED);
    assert!(contents(&copy) == before, "a refused recovery changes the files");

    // A copy of everything can be had within the small limit.
    let saved = directory.path().join("saved.lsm");
    let (report, peak) = peak_of_process(|| {
        let options = options(small);
        siltstone::recover(&copy, &saved, &options, &mut |_, _| true).unwrap()
    });
    assert_eq!((report.entries, report.problems.len()), (rows, 0));
    within("recover", peak, small as usize + CACHE + FIXED + (2 << 20));
    verify(&options(small).open(&saved).unwrap(), rows);
    assert!(contents(&copy) == before, "`recover` changes the damaged files");

    let large = 32 << 20;
    let (database, peak) = peak_of_process(|| options(large).open(&copy).unwrap());
    within("recovery", peak, large as usize + CACHE + FIXED);
    assert_eq!(database.stats().unwrap().recovery.transactions, rows / 1000);
    verify(&database, rows);
    database.close().unwrap();
}

#[test]
fn with_the_default_sizes_recovery_needs_little() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("app.lsm"), directory.path().join("copy.lsm"));
    for (length, batch) in [(0, 700), (100, 700), (3000, 60)] {
        let value = vec![length as u8; length];
        let database = options(1 << 30).open(&path).unwrap();
        let mut most = 0;
        for round in 0..120 {
            let mut keys = (round * batch..(round + 1) * batch).map(key);
            database.write(|it| keys.try_for_each(|key| it.insert(key, &value))).unwrap();
            if round % 3 == 0 {
                copy_of(&path, &copy);
                let copied = options(8 << 20).open(&copy).unwrap();
                most = most.max(copied.stats().unwrap().memory_bytes);
                copied.close().unwrap();
                std::fs::remove_file(&copy).unwrap();
            }
        }
        println!("values of {length} bytes: recovered into {most} bytes at most");
        database.close().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
