//! Defects 20.18, T0, T7: a range whose bound is a key must not damage it; sizes after rollbacks.

use crate::scene::{Scene, keys, remove_between};
use siltstone::Options;

#[test]
fn range_bounds_that_are_keys() {
    // The filler moves the record of the bound across the end of its 32 KiB chunk.
    for filler in 32_380..32_520 {
        let scene = Scene::new(Options::new());
        let database = scene.open();
        let value: Vec<u8> = (0..79).map(|i| b'0' + i).collect();
        database.insert("b", vec![b'x'; filler]).unwrap();
        database.insert("mmmm", &value).unwrap();
        remove_between(&database, "c", "mmmm");
        assert_eq!(database.get("mmmm").unwrap(), Some(value.clone()), "{filler}");
        remove_between(&database, "mmmm", "z");
        assert_eq!(database.get("mmmm").unwrap(), Some(value.clone()), "{filler}");
        assert_eq!(keys(&database), ["b", "mmmm"]);
        if filler % 10 == 0 {
            database.flush().unwrap();
            assert_eq!(database.get("mmmm").unwrap(), Some(value), "{filler}");
        }
    }
}

#[test]
fn range_bounds_with_values_of_many_chunks() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    let value: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    for key in ["d", "m", "t"] {
        database.insert(key, &value).unwrap();
    }
    database.insert("e", "gone").unwrap();
    remove_between(&database, "d", "m");
    remove_between(&database, "m", "t");
    for key in ["d", "m", "t"] {
        assert!(database.get(key).unwrap().as_ref() == Some(&value), "{key}");
    }
    database.flush().unwrap();
    assert_eq!(keys(&database), ["d", "m", "t"]);
    for key in ["d", "m", "t"] {
        assert!(database.get(key).unwrap().as_ref() == Some(&value), "{key}");
    }
}

#[test]
fn rollbacks_restore_the_size() {
    let scene = Scene::new(Options::new().autowork(false));
    let database = scene.open();
    for key in 0..500 {
        database.insert(format!("{key:04}"), [b'v'; 50]).unwrap();
    }
    let size = database.stats().unwrap().live_tree_bytes;
    for _ in 0..100 {
        let transaction = database.begin().unwrap();
        for key in (0..700).step_by(7) {
            transaction.insert(format!("{key:04}"), [b'w'; 90]).unwrap();
        }
        let savepoint = transaction.savepoint().unwrap();
        transaction.remove_range("0100".."0200").unwrap();
        savepoint.rollback().unwrap();
        transaction.rollback().unwrap();
    }
    assert_eq!(database.stats().unwrap().live_tree_bytes, size);
}
