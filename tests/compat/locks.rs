//! One file, two engines: together in shared mode; with one of them in exclusive mode whoever comes
//! second is told that the file is busy.

use siltstone::{Durability, Options, Sharing};
use siltstone_native::{LockStyle, NativeEnv};
use siltstone_peer::{BUSY, CConfig, PeerProcess, Setting};
use std::path::PathBuf;
use std::time::Duration;

fn exclusive() -> Options {
    Options::new().sharing(Sharing::Exclusive).busy_timeout(Duration::ZERO)
}

/// A file that C has open with one row in it.
struct OfC {
    _directory: tempfile::TempDir,
    path: PathBuf,
    c: PeerProcess,
}

fn c_with_a_row(multiple_processes: bool) -> OfC {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &c_config(multiple_processes)).unwrap();
    c.put("key", "value").unwrap();
    OfC { _directory: directory, path, c }
}

fn c_config(multiple_processes: bool) -> CConfig {
    CConfig::new().set(Setting::MultipleProcesses, i32::from(multiple_processes))
}

#[test]
fn siltstone_is_busy_while_c_has_the_file() {
    for multiple_processes in [false, true] {
        let OfC { _directory, path, mut c } = c_with_a_row(multiple_processes);
        let error = exclusive().open(&path).unwrap_err();
        assert_eq!(error.code(), BUSY, "{error}");
        let error = exclusive().read_only(true).open(&path).unwrap_err();
        assert_eq!(error.code(), BUSY, "{error}");
        c.close().unwrap();
        let database = exclusive().open(&path).unwrap();
        assert_eq!(database.get("key").unwrap(), Some(b"value".to_vec()));
        database.close().unwrap();
    }
}

#[test]
fn siltstone_takes_over_from_a_killed_c() {
    for multiple_processes in [false, true] {
        let OfC { _directory, path, mut c } = c_with_a_row(multiple_processes);
        c.kill();
        let database = Options::new().open(&path).unwrap();
        assert_eq!(database.get("key").unwrap(), Some(b"value".to_vec()));
        database.insert("other", "value").unwrap();
        database.close().unwrap();
        let mut c = PeerProcess::spawn().unwrap();
        c.open(&path, &c_config(multiple_processes)).unwrap();
        assert_eq!(c.scan().unwrap().len(), 2);
    }
}

#[test]
fn c_is_busy_while_siltstone_has_the_file() {
    for multiple_processes in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let database = exclusive().open(&path).unwrap();
        database.insert("key", "value").unwrap();
        let mut c = PeerProcess::spawn().unwrap();
        let error = c.open(&path, &c_config(multiple_processes)).unwrap_err();
        assert_eq!(error.code(), Some(BUSY), "{error}");
        database.insert("key2", "value").unwrap();
        database.close().unwrap();
        c.open(&path, &c_config(multiple_processes)).unwrap();
        assert_eq!(c.scan().unwrap().len(), 2);
    }
}

#[test]
fn an_exclusive_c_keeps_sharing_processes_out_and_the_reverse() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &c_config(false)).unwrap();
    let error = Options::new().busy_timeout(Duration::ZERO).open(&path).unwrap_err();
    assert_eq!(error.code(), BUSY, "{error}");
    assert!(!path.with_extension("lsm-shm").exists(), "nothing is created beside it");
    c.close().unwrap();
    let database = Options::new().open(&path).unwrap();
    let error = c.open(&path, &c_config(false)).unwrap_err();
    assert_eq!(error.code(), Some(BUSY), "{error}");
    let error = exclusive().open(&path).unwrap_err();
    assert_eq!(error.code(), 21, "one process, two modes: {error}");
    database.close().unwrap();
}

#[test]
fn siltstone_and_c_read_and_write_one_live_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let database = Options::new().autoflush(20_000).open(&path).unwrap();
    let mut c = PeerProcess::spawn().unwrap();
    let small = c_config(true).set(Setting::Autoflush, 20);
    c.open(&path, &small).unwrap();
    let mut expected = std::collections::BTreeMap::new();
    for round in 0..2000 {
        let key = format!("key{:04}", round * 7919 % 1000).into_bytes();
        let value = vec![round as u8; 10 + round % 90];
        match round % 3 {
            0 => c.put(&key, &value).unwrap(),
            _ => database.insert(&key, &value).unwrap(),
        }
        expected.insert(key.clone(), value.clone());
        assert_eq!(database.get(&key).unwrap().as_ref(), Some(&value), "round {round}");
        assert_eq!(c.get(&key).unwrap().as_ref(), Some(&value), "round {round}");
        if round % 100 == 0 {
            let ours: Vec<_> = database.iter().unwrap().map(Result::unwrap).collect();
            let model: Vec<_> = expected.clone().into_iter().collect();
            assert!(ours == model, "round {round}: Siltstone's scan");
            assert!(c.scan().unwrap() == model, "round {round}: C's scan");
        }
    }
    let report = database.check().unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    database.close().unwrap();
    assert_eq!(c.scan().unwrap().len(), expected.len());
    c.close().unwrap();
    assert!(!path.with_extension("lsm-shm").exists(), "the last one has cleaned up");
    let database = Options::new().open(&path).unwrap();
    assert_eq!(database.iter().unwrap().count(), expected.len());
}

/// C removes the log at its last close although a read-only client keeps the shared memory (W5).
#[test]
fn a_log_that_c_removed_too_early_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &c_config(true)).unwrap();
    for row in 0..50 {
        c.put(format!("c{row}"), "value").unwrap();
    }
    let reader = Options::new()
        .read_only(true)
        .open_with_env(NativeEnv::separate(LockStyle::Best), &path)
        .unwrap();
    assert_eq!(reader.iter().unwrap().count(), 50);
    c.close().unwrap();
    assert!(path.with_extension("lsm-shm").exists() && !path.with_extension("lsm-log").exists());
    let database = Options::new().durability(Durability::Full).open(&path).unwrap();
    database.insert("ours", "value").unwrap();
    assert_eq!(reader.iter().unwrap().count(), 51);
    // As everybody's death would leave the files.
    let copy = directory.path().join("copy.lsm");
    for end in ["", "-log"] {
        let name = |path: &std::path::Path| format!("{}{end}", path.display());
        std::fs::copy(name(&path), name(&copy)).unwrap();
    }
    let survivors = Options::new().open(&copy).unwrap();
    assert_eq!(survivors.get("ours").unwrap(), Some(b"value".to_vec()));
    assert_eq!(survivors.iter().unwrap().count(), 51);
}
