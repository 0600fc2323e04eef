//! Defects of C lsm1 by the recipes of docs/c-defects.md. They prove that the driver drives the real
//! thing, and tell us when C changes: a test that fails here means C got better, and the row in the
//! table and the exclusions of the differential tests can go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing helper fails the test")]

use siltstone_peer::{CConfig, Command, Info, PeerError, PeerProcess, Rows, Seek, Setting};
use std::path::{Path, PathBuf};
use std::time::Duration;

siltstone_peer::peer_test!();

struct Scene {
    directory: tempfile::TempDir,
    config: CConfig,
}

impl Scene {
    fn new(config: CConfig) -> Self {
        Scene { directory: tempfile::tempdir().unwrap(), config }
    }

    /// Page 512, no autowork, automerge 2: the setting of most recipes.
    fn small() -> Self {
        let config = CConfig::new().sizes(512, 64);
        Scene::new(config.set(Setting::Autowork, 0).set(Setting::Automerge, 2))
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file.lsm")
    }

    fn open(&self) -> PeerProcess {
        open(&self.path(), &self.config)
    }
}

fn open(path: &Path, config: &CConfig) -> PeerProcess {
    let mut peer = PeerProcess::spawn().unwrap();
    peer.open(path, config).unwrap();
    peer
}

fn puts(keys: impl Iterator<Item = String>, value: &[u8]) -> Vec<Command> {
    keys.map(|key| Command::Put(key.into_bytes(), value.to_vec())).collect()
}

fn key_of(position: Option<(Vec<u8>, Vec<u8>)>) -> Option<String> {
    position.map(|(key, _)| String::from_utf8(key).unwrap())
}

fn keys(rows: &Rows) -> Vec<String> {
    rows.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

/// Copies a fixture and opens the copy.
fn fixture(name: &str, config: &CConfig) -> (tempfile::TempDir, PeerProcess) {
    let directory = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/c-lsm1");
    let path = directory.path().join("file.lsm");
    std::fs::write(&path, std::fs::read(source.join(format!("{name}.lsm"))).unwrap()).unwrap();
    let peer = open(&path, config);
    (directory, peer)
}

#[test]
fn db_1_flush_checkpoint_crash_loses_later_commits() {
    let scene = Scene::new(CConfig::new());
    let mut peer = scene.open();
    peer.put("a", "1").unwrap();
    peer.flush().unwrap();
    peer.checkpoint().unwrap();
    peer.put("b", "2").unwrap();
    peer.put("c", "3").unwrap();
    peer.abort().unwrap();
    assert_eq!(keys(&scene.open().scan().unwrap()), ["a"], "right would be a, b, c");
}

#[test]
fn db_2_stale_cascade_pointers_hide_a_key() {
    let scene = Scene::small();
    let mut peer = scene.open();
    peer.ask_all(&puts((0..400).map(|i| format!("k{i}")), b"v")).unwrap();
    peer.flush().unwrap();
    peer.put("k1", "w").unwrap();
    peer.flush().unwrap();
    peer.work(2, -1).unwrap();
    let deletes: Vec<_> = (2..400).map(|i| Command::Delete(format!("k{i}").into_bytes())).collect();
    peer.ask_all(&deletes).unwrap();
    peer.flush().unwrap();
    peer.put("k0", "w").unwrap();
    peer.flush().unwrap();
    peer.put("x1", "w").unwrap();
    peer.put("x2", "w").unwrap();
    peer.flush().unwrap();
    peer.work(2, -1).unwrap();
    assert!(keys(&peer.scan().unwrap()).contains(&"k1".to_owned()));
    match peer.get("k1") {
        Ok(found) => assert_eq!(found, None, "right would be the value"),
        Err(error) => assert!(error.is_fatal(), "{error}"),
    }
}

#[test]
fn db_14_close_loops_forever_over_a_small_half_done_merge() {
    let (_directory, mut peer) = fixture("flush-stuck", &CConfig::new());
    peer.put("one more", "x").unwrap();
    peer.set_timeout(Duration::from_secs(2));
    assert!(matches!(peer.close(), Err(PeerError::Timeout)), "right would be to close");
}

#[test]
fn db_15_greater_or_equal_misses_the_start_of_a_range() {
    let scene = Scene::new(CConfig::new().sizes(1024, 64).set(Setting::Autowork, 0));
    let mut peer = scene.open();
    peer.ask_all(&puts((0..700).map(|i| format!("g{i:05}")), b"v")).unwrap();
    peer.flush().unwrap();
    peer.delete_range("g00040", "g00090").unwrap();
    peer.flush().unwrap();
    assert_eq!(peer.get("g00040").unwrap(), Some(b"v".to_vec()));
    let found = key_of(peer.seek(Seek::Ge, "g00040").unwrap());
    assert_eq!(found.as_deref(), Some("g00090"), "right would be g00040");
    peer.quit().unwrap();
}

#[test]
fn db_16_greater_or_equal_before_the_split_key_ends_early() {
    let scene = Scene::small();
    let mut peer = scene.open();
    peer.ask_all(&puts((0..200).map(|i| format!("k{i:03}")), &[b'v'; 20])).unwrap();
    peer.flush().unwrap();
    let deletes: Vec<_> =
        (17..=46).map(|i| Command::Delete(format!("k{i:03}").into_bytes())).collect();
    peer.ask_all(&deletes).unwrap();
    peer.flush().unwrap();
    peer.work(2, 1).unwrap();
    for key in ["k017", "k030", "k046"] {
        assert_eq!(peer.seek(Seek::Ge, key).unwrap(), None, "right would be k047 for {key}");
    }
    assert_eq!(peer.scan().unwrap().len(), 170, "scans are right");
}

#[test]
fn db_17_a_range_over_the_split_key_does_not_hide_it() {
    let base = || {
        let scene = Scene::small();
        let mut peer = scene.open();
        peer.ask_all(&puts((85..200).map(|i| format!("k{i:03}")), &[b'v'; 20])).unwrap();
        peer.flush().unwrap();
        peer.put("k086", "w").unwrap();
        peer.flush().unwrap();
        peer.work(2, -1).unwrap();
        (scene, peer)
    };
    let (_scene, mut peer) = base();
    peer.put("k0895", vec![b'x'; 476]).unwrap();
    peer.delete_range("k099", "k120").unwrap();
    peer.flush().unwrap();
    peer.delete_range("k095", "k110").unwrap();
    peer.flush().unwrap();
    peer.work(2, 1).unwrap();
    let found = key_of(peer.seek(Seek::Ge, "k096").unwrap());
    assert_eq!(found.as_deref(), Some("k110"), "right would be k120");

    let (_scene, mut peer) = base();
    peer.put("k0895", vec![b'x'; 467]).unwrap();
    peer.delete_range("k090", "k098").unwrap();
    peer.delete_range("k099", "k107").unwrap();
    peer.put("k107", "w").unwrap();
    peer.flush().unwrap();
    for (first, last) in [("k090", "k098"), ("k098", "k100"), ("k101", "k109")] {
        peer.delete_range(first, last).unwrap();
    }
    peer.flush().unwrap();
    peer.work(2, 1).unwrap();
    let found = key_of(peer.seek(Seek::Le, "k100").unwrap());
    assert_eq!(found.as_deref(), Some("k100"), "right would be k098");
}

#[test]
fn db_18_and_tree_0_a_range_bound_damages_its_key() {
    let scene = Scene::new(CConfig::new());
    let mut peer = scene.open();
    peer.put("b", vec![b'x'; 32420]).unwrap();
    let value: Vec<u8> = (0..79).map(|i| b'0' + i).collect();
    peer.put("mmmm", &value).unwrap();
    peer.delete_range("c", "mmmm").unwrap();
    assert_ne!(peer.get("mmmm").unwrap(), Some(value), "right would be the value");
}

/// Setup S of the log recipes: the next write transaction wraps the log.
fn wrap_next(scene: &Scene) -> PeerProcess {
    let mut peer = scene.open();
    let value = vec![b's'; 1000];
    peer.begin(1).unwrap();
    peer.ask_all(&puts((0..150).map(|i| format!("s{i:03}")), &value)).unwrap();
    peer.commit(0).unwrap();
    peer.ask_all(&puts((0..10).map(|i| format!("t{i:03}")), &value[..500])).unwrap();
    peer.work(1, 1 << 20).unwrap();
    peer.checkpoint().unwrap();
    peer
}

fn log_scene() -> Scene {
    let config = CConfig::new().set(Setting::Autowork, 0).set(Setting::Autoflush, 64);
    Scene::new(config.set(Setting::Autocheckpoint, 0))
}

#[test]
fn log_1_a_rolled_back_wrap_loses_later_commits() {
    for (rolled_back, expected) in [(false, 165), (true, 160)] {
        let scene = log_scene();
        let mut peer = wrap_next(&scene);
        if rolled_back {
            peer.begin(1).unwrap();
            peer.put("gone", "x").unwrap();
            peer.rollback(0).unwrap();
        }
        peer.ask_all(&puts((0..5).map(|i| format!("u{i}")), b"later")).unwrap();
        peer.kill();
        assert_eq!(scene.open().scan().unwrap().len(), expected, "right would be 165");
    }
}

#[test]
fn log_2_a_savepoint_rollback_over_a_jump_breaks_the_regions() {
    let scene = log_scene();
    let mut peer = wrap_next(&scene);
    peer.configure(Setting::Autoflush, 1 << 20).unwrap();
    let value = vec![b'w'; 1000];
    peer.put("first", "x").unwrap();
    peer.begin(1).unwrap();
    peer.ask_all(&puts((0..140).map(|i| format!("w{i:03}")), &value)).unwrap();
    peer.begin(2).unwrap();
    peer.ask_all(&puts((0..30).map(|i| format!("x{i:03}")), &value)).unwrap();
    peer.rollback(2).unwrap();
    peer.put("last", "x").unwrap();
    peer.commit(0).unwrap();
    let regions: Vec<i64> = peer
        .info(Info::Log)
        .unwrap()
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(regions[4] > regions[5], "right would be start <= end: {regions:?}");
    peer.ask_all(&puts((0..20).map(|i| format!("y{i:03}")), &value[..800])).unwrap();
    peer.kill();
    assert!(scene.open().scan().unwrap().len() < 322, "right would be 322");
}

#[test]
fn log_3_the_first_flush_exports_a_wrong_log_pointer() {
    let scene = Scene::new(CConfig::new().set(Setting::Safety, 2));
    let mut peer = scene.open();
    peer.put("a", "1").unwrap();
    peer.flush().unwrap();
    peer.checkpoint().unwrap();
    peer.put("b", "2").unwrap();
    peer.kill();
    assert_eq!(keys(&scene.open().scan().unwrap()), ["a"], "right would be a, b");
}

#[test]
fn api_3_a_cursor_across_an_automatic_flush_makes_the_writer_busy() {
    let scene = Scene::new(CConfig::new().set(Setting::Autoflush, 64));
    let mut peer = scene.open();
    peer.put("a", "1").unwrap();
    peer.ask(&Command::CursorOpen(1)).unwrap();
    peer.ask(&Command::CursorFirst(1)).unwrap();
    let failure = peer.ask_all(&puts((0..400).map(|i| format!("k{i:04}")), &[b'v'; 200]));
    assert_eq!(failure.unwrap_err().code(), Some(siltstone_peer::BUSY), "right would be success");
}

#[test]
fn api_6_the_user_version_survives_a_rollback_and_dies_with_the_last_handle() {
    let scene = Scene::new(CConfig::new());
    let mut peer = scene.open();
    peer.begin(1).unwrap();
    peer.ask(&Command::SetUserVersion(42)).unwrap();
    peer.rollback(0).unwrap();
    assert_eq!(peer.ask(&Command::UserVersion).unwrap().text, "42", "right would be 0");
    peer.quit().unwrap();
    assert_eq!(scene.open().ask(&Command::UserVersion).unwrap().text, "0");
}
