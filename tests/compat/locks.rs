//! One file, two engines: whoever comes second is told that the file is busy.

use siltstone::Options;
use siltstone_peer::{BUSY, CConfig, PeerProcess, Setting};

fn c_config(multiple_processes: bool) -> CConfig {
    CConfig::new().set(Setting::MultipleProcesses, i32::from(multiple_processes))
}

#[test]
fn siltstone_is_busy_while_c_has_the_file() {
    for multiple_processes in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let mut c = PeerProcess::spawn().unwrap();
        c.open(&path, &c_config(multiple_processes)).unwrap();
        c.put("key", "value").unwrap();
        let error = Options::new().open(&path).unwrap_err();
        assert_eq!(error.code(), BUSY, "{error}");
        let error = Options::new().read_only(true).open(&path).unwrap_err();
        assert_eq!(error.code(), BUSY, "{error}");
        c.close().unwrap();
        let database = Options::new().open(&path).unwrap();
        assert_eq!(database.get("key").unwrap(), Some(b"value".to_vec()));
        database.close().unwrap();
    }
}

#[test]
fn siltstone_takes_over_from_a_killed_c() {
    for multiple_processes in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let mut c = PeerProcess::spawn().unwrap();
        c.open(&path, &c_config(multiple_processes)).unwrap();
        c.put("key", "value").unwrap();
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
        let database = Options::new().open(&path).unwrap();
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
