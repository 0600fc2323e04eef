//! Defects 20.6, 20.11, T6, K-3, K-6, K-7, K-8, K-11: what the interface promises.

use crate::scene::{Scene, keys, put};
use siltstone::{ErrorKind, Options, Seek, WorkLimit};

#[test]
fn work_reports_bytes() {
    for page_size in [512, 4096, 16384] {
        let options = Options::new().page_size(page_size).autowork(false);
        let scene = Scene::new(options.autoflush(1 << 30));
        let database = scene.open();
        for _ in 0..4 {
            put(&database, (0..1000).map(|i| format!("{i:04}")), [b'v'; 100]);
            database.flush().unwrap();
        }
        let before = scene.file().len() as u64;
        let report = database.work(WorkLimit::ALL).unwrap();
        assert!(report.finished);
        let content = 1000 * 104;
        let grown = scene.file().len() as u64 - before;
        assert!(report.bytes_written >= content, "{page_size}: {report:?}");
        assert!(report.bytes_written <= grown + u64::from(page_size), "{page_size}: {report:?}");
    }
}

#[test]
fn read_only_uses_the_files_geometry() {
    let scene = Scene::new(Options::new().page_size(512).block_size(128 << 10));
    let database = scene.open();
    put(&database, (0..3000).map(|i| format!("{i:04}")), [b'v'; 100]);
    database.database.close().unwrap();
    let options = Options::new().read_only(true);
    let database = options.open_with_env(scene.world.process(), "file.lsm").unwrap();
    let stats = database.stats().unwrap();
    assert_eq!((stats.page_size, stats.block_size), (512, 128 << 10));
    assert_eq!(keys(&database).len(), 3000);
}

#[test]
fn read_only_scans_everything() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    put(&database, (0..20_000).map(|i| format!("{i:05}")), [b'v'; 60]);
    let expected = keys(&database);
    database.kill();
    // From the live log first, from the file alone then.
    let options = Options::new().read_only(true);
    for _ in 0..2 {
        let database = options.open_with_env(scene.world.process(), "file.lsm").unwrap();
        assert_eq!(keys(&database), expected);
        database.close().unwrap();
        scene.open().database.close().unwrap();
    }
}

#[test]
fn null_key_is_the_empty_key() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    database.insert("", "value of the empty key").unwrap();
    database.insert("a", "").unwrap();
    for _ in 0..2 {
        assert_eq!(database.get("").unwrap(), Some(b"value of the empty key".to_vec()));
        assert_eq!(database.get("a").unwrap(), Some(Vec::new()));
        let mut cursor = database.cursor().unwrap();
        assert!(cursor.seek("", Seek::AtLeast).unwrap());
        assert_eq!(cursor.key(), Some(&b""[..]));
        database.flush().unwrap();
    }
    database.remove("").unwrap();
    assert_eq!(keys(&database), ["a"]);
}

#[test]
fn user_version_rolls_back() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    let transaction = database.begin().unwrap();
    transaction.set_user_version(42).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(database.user_version().unwrap(), 0);
    let transaction = database.begin().unwrap();
    transaction.set_user_version(7).unwrap();
    let savepoint = transaction.savepoint().unwrap();
    transaction.set_user_version(8).unwrap();
    savepoint.rollback().unwrap();
    transaction.commit().unwrap();
    assert_eq!(database.user_version().unwrap(), 7);
    database.database.close().unwrap();
    assert_eq!(scene.open().user_version().unwrap(), 0, "volatile, as documented");
}

#[test]
fn own_flush_is_not_stale() {
    let scene = Scene::new(Options::new().autoflush(64 << 10));
    let database = scene.open();
    database.insert("a", "1").unwrap();
    let mut cursor = database.cursor().unwrap();
    assert!(cursor.first().unwrap());
    put(&database, (0..400).map(|i| format!("k{i:04}")), [b'v'; 200]);
    assert!(database.stats().unwrap().level_count > 0, "flushed meanwhile");
    assert!(!cursor.next().unwrap(), "the cursor shows the state it was opened on");
    assert_eq!(keys(&database).len(), 401);
}

#[test]
fn idle_checkpoint_reports_zero() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    put(&database, (0..1000).map(|i| format!("{i:04}")), [b'v'; 100]);
    database.flush().unwrap();
    assert!(database.checkpoint().unwrap() >= 100_000);
    assert_eq!(database.checkpoint().unwrap(), 0);
    assert_eq!(database.checkpoint().unwrap(), 0);
}

#[test]
fn foreign_files_are_refused() {
    let text = "Not a database, but somebody's letter.\n".repeat(300);
    for len in [1, 10, 4096, text.len()] {
        for read_only in [false, true] {
            let scene = Scene::new(Options::new().read_only(read_only));
            scene.world.write_file("file.lsm", &text.as_bytes()[..len]).unwrap();
            let opened = scene.options.open_with_env(scene.world.process(), "file.lsm");
            let error = opened.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NotADatabase(_)), "{error}");
            assert_eq!(scene.file(), &text.as_bytes()[..len], "untouched");
        }
    }
}
