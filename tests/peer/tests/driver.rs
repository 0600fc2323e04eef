//! The driver itself: C writes and C reads, in this process and in its own, with every codec.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing helper fails the test")]

use siltstone_peer::{
    BUSY, CConfig, CDatabase, Command, Info, LZ4, MISMATCH, MISUSE, PeerError, PeerProcess, Rows,
    Seek, Setting, ZLIB, ZRLE, ZSTD,
};

siltstone_peer::peer_test!();

fn rows(range: std::ops::Range<u32>) -> Rows {
    range
        .map(|i| (format!("key{i:05}").into_bytes(), vec![(i % 7) as u8; i as usize % 90]))
        .collect()
}

#[test]
fn c_reads_what_c_wrote_with_every_codec() {
    for codec in [None, Some(LZ4), Some(ZLIB), Some(ZSTD), Some(ZRLE)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let mut config = CConfig::new().sizes(1024, 64);
        if let Some(id) = codec {
            config = config.codec(id);
        }
        let expected = rows(0..2000);
        let database = CDatabase::open(&path, &config).unwrap();
        for (key, value) in &expected {
            database.insert(key, value).unwrap();
        }
        database.insert(b"zz", b"").unwrap();
        database.insert(b"zzz", b"").unwrap();
        database.delete(b"zz").unwrap();
        database.delete_range(b"zyz", b"zzzz").unwrap();
        database.close().unwrap();

        let database = CDatabase::open(&path, &config).unwrap();
        assert_eq!(database.scan().unwrap(), expected);
        assert_eq!(
            database.scan_backward().unwrap(),
            expected.iter().rev().cloned().collect::<Rows>()
        );
        assert_eq!(database.get(b"key00007").unwrap(), Some(vec![0; 7]));
        assert_eq!(database.get(b"key").unwrap(), None);
        assert_eq!(database.info(Info::Codec).unwrap(), codec.unwrap_or(1).to_string());
        assert_eq!(database.configure(Setting::PageSize, -1), Ok(1024));
        database.close().unwrap();

        if codec.is_some() {
            let plain = CDatabase::open(&path, &CConfig::new()).unwrap();
            assert_eq!(plain.scan(), Err(MISMATCH));
        }
    }
}

#[test]
fn cursors_and_transactions_work_in_process() {
    let directory = tempfile::tempdir().unwrap();
    let database = CDatabase::open(directory.path().join("file.lsm"), &CConfig::new()).unwrap();
    database.begin(1).unwrap();
    database.insert(b"a", b"1").unwrap();
    database.begin(2).unwrap();
    database.insert(b"c", b"2").unwrap();
    database.rollback(2).unwrap();
    database.insert(b"d", b"3").unwrap();
    database.commit(0).unwrap();
    let cursor = database.cursor().unwrap();
    assert_eq!(cursor.seek(b"b", Seek::Ge).unwrap(), Some((b"d".to_vec(), b"3".to_vec())));
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.prev(), Err(MISUSE));
    assert_eq!(cursor.seek(b"b", Seek::Le).unwrap(), Some((b"a".to_vec(), b"1".to_vec())));
    assert_eq!(cursor.seek(b"b", Seek::Eq).unwrap(), None);
    assert_eq!(database.close(), Err(MISUSE), "a cursor is open");
    drop(cursor);
}

#[test]
fn an_abandoned_database_leaves_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let database = CDatabase::open(&path, &CConfig::new()).unwrap();
    database.insert(b"a", b"1").unwrap();
    database.abandon();
    let copy = directory.path().join("copy.lsm");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(directory.path().join("file.lsm-log"), directory.path().join("copy.lsm-log"))
        .unwrap();
    let recovered = CDatabase::open(&copy, &CConfig::new()).unwrap();
    assert_eq!(recovered.scan().unwrap(), [(b"a".to_vec(), b"1".to_vec())]);
}

fn drive(mut peer: PeerProcess) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let config = CConfig::new().sizes(512, 64).set(Setting::Autowork, 0);
    peer.open(&path, &config).unwrap();
    let expected = rows(0..500);
    let puts: Vec<_> =
        expected.iter().map(|(key, value)| Command::Put(key.clone(), value.clone())).collect();
    peer.ask_all(&puts).unwrap();
    peer.put("", "").unwrap();
    assert_eq!(peer.get("").unwrap(), Some(vec![]));
    peer.delete("").unwrap();
    peer.flush().unwrap();
    peer.checkpoint().unwrap();
    assert!(peer.info(Info::Structure).unwrap().starts_with("{0 {"));
    assert_eq!(peer.scan().unwrap(), expected);
    assert_eq!(peer.seek(Seek::Ge, "key00100x").unwrap(), Some(expected[101].clone()));
    peer.ask(&Command::CursorOpen(1)).unwrap();
    peer.ask(&Command::CursorFirst(1)).unwrap();
    let second = peer.ask(&Command::CursorNext(1)).unwrap().rows;
    assert_eq!(second, [expected[1].clone()]);
    assert_eq!(peer.close().unwrap_err().code(), Some(MISUSE));
    peer.ask(&Command::CursorClose(1)).unwrap();
    peer.put("later", "x").unwrap();

    let mut other = PeerProcess::spawn().unwrap();
    other.open(&path, &config).unwrap();
    peer.begin(1).unwrap();
    assert_eq!(other.put("a", "b").unwrap_err().code(), Some(BUSY), "two processes, one writer");
    peer.rollback(0).unwrap();
    assert_eq!(other.scan().unwrap().len(), 501);
    other.quit().unwrap();

    peer.abort().unwrap();
    assert!(directory.path().join("file.lsm-log").exists(), "a crash leaves the log");
    let mut next = PeerProcess::spawn().unwrap();
    next.open(&path, &config).unwrap();
    assert_eq!(next.get("key00001").unwrap(), Some(vec![1]));
    next.quit().unwrap();
    assert!(!directory.path().join("file.lsm-log").exists(), "the last close removes the log");
}

#[test]
fn the_test_binary_serves_as_the_peer() {
    drive(PeerProcess::spawn().unwrap());
}

#[test]
fn the_program_serves_as_the_peer() {
    drive(PeerProcess::spawn_program(env!("CARGO_BIN_EXE_siltstone-c-peer")).unwrap());
}

#[test]
fn a_killed_peer_is_reported_as_dead() {
    let mut peer = PeerProcess::spawn().unwrap();
    peer.kill();
    assert!(matches!(peer.put("a", "b"), Err(PeerError::Died(Some(status))) if !status.success()));
    let silent = PeerProcess::spawn_program("/bin/true");
    assert!(matches!(silent, Err(PeerError::Died(_))));
}
