//! Defects 20.2, 20.9: pointers from one segment into the next.

use crate::scene::{keys, put, small, work};
use siltstone::{Database, Options, Seek};
use siltstone_peer::{CConfig, PeerProcess};
use siltstone_tests::fixtures;

#[test]
fn stale_pointers_fixture_reads_right() {
    let fixture = fixtures::copy("stale-pointers");
    let database = Options::new().open(&fixture.path).unwrap();
    for (key, value) in &fixture.expected {
        assert_eq!(database.get(key).unwrap().as_ref(), Some(value));
        for mode in [Seek::AtLeast, Seek::AtMost, Seek::Exact] {
            let mut cursor = database.cursor().unwrap();
            assert!(cursor.seek(key, mode).unwrap());
            assert_eq!(cursor.entry().unwrap(), Some((&key[..], &value[..])));
        }
    }
    database.close().unwrap();
}

#[test]
fn short_merge_output_has_a_root() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let database = small().open(&path).unwrap();
    put(&database, (0..400).map(|i| format!("k{i}")), "v");
    database.flush().unwrap();
    database.insert("k1", "w").unwrap();
    database.flush().unwrap();
    work(&database, 2, -1);
    (2..400).for_each(|i| database.remove(format!("k{i}")).unwrap());
    database.flush().unwrap();
    database.insert("k0", "w").unwrap();
    database.flush().unwrap();
    put(&database, ["x1".to_owned(), "x2".to_owned()], "w");
    database.flush().unwrap();
    work(&database, 2, -1);
    let found = |database: &Database| {
        assert_eq!(keys(database), ["k0", "k1", "x1", "x2"]);
        for key in ["k0", "k1", "x1", "x2"] {
            assert_eq!(database.get(key).unwrap(), Some(b"w".to_vec()), "{key}");
        }
        (2..400).for_each(|i| assert_eq!(database.get(format!("k{i}")).unwrap(), None));
    };
    found(&database);
    database.close().unwrap();
    found(&small().open(&path).unwrap());
    // C follows every pointer it finds; the ones here are safe to follow.
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &CConfig::new()).unwrap();
    for key in ["k0", "k1", "x1", "x2"] {
        assert_eq!(c.get(key).unwrap(), Some(b"w".to_vec()), "{key}");
    }
    assert_eq!(c.get("k2").unwrap(), None);
    c.close().unwrap();
}

#[test]
fn user_key_like_a_free_list_key() {
    let scene = crate::scene::Scene::new(small().max_freelist(2).autocheckpoint(8 << 10));
    let database = scene.open();
    // The free-list record of block n has the complement of n as its key.
    let key = |block: u32| (!block).to_be_bytes();
    for round in 0u32..12 {
        for block in 0..60u32 {
            let value = vec![round as u8; 900 + block as usize];
            database.insert(key(block), value).unwrap();
        }
        database.flush().unwrap();
        work(&database, if round % 4 == 3 { 1 } else { 2 }, if round % 3 == 0 { 20 } else { -1 });
        database.checkpoint().unwrap();
        for block in 0..60u32 {
            let value = vec![round as u8; 900 + block as usize];
            assert_eq!(database.get(key(block)).unwrap(), Some(value), "block {block}");
        }
    }
    assert!(database.stats().unwrap().free_blocks > 2, "the recipe needs a free list");
    assert_eq!(database.iter().unwrap().count(), 60);
    let report = database.check().unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    database.kill();
    assert_eq!(scene.open().iter().unwrap().count(), 60);
}
