//! Defects 20.14, N1: work that never ends.

use crate::scene::{Scene, keys, put, work};
use siltstone::Options;
use siltstone_tests::{fixtures, python};

#[test]
fn flush_stuck_fixture_closes() {
    let fixture = fixtures::copy("flush-stuck");
    let database = Options::new().open(&fixture.path).unwrap();
    database.insert("one more", "x").unwrap();
    database.close().unwrap();
    python::check(&fixture.path).unwrap();
    let database = Options::new().open(&fixture.path).unwrap();
    assert_eq!(database.iter().unwrap().count(), fixture.expected.len() + 1);
}

#[test]
fn flushes_over_a_half_done_merge_of_few_inputs() {
    let scene = Scene::new(Options::new().page_size(512).block_size(64 << 10).autowork(false));
    let database = scene.open();
    let batch = |round: usize| (0..100).map(move |i| format!("k{:05}", i * 37 + round));
    for round in 0..2 {
        put(&database, batch(round), [b'v'; 100]);
        database.flush().unwrap();
    }
    work(&database, 2, 2);
    assert!(database.structure().unwrap().levels.iter().any(|level| !level.merging.is_empty()));
    for round in 2..60 {
        put(&database, batch(round % 37), [b'v'; 100]);
        database.flush().unwrap();
    }
    let expected = keys(&database);
    assert_eq!(expected.len(), 3700);
    database.database.clone().close().ok();
    drop(database);
    assert_eq!(keys(&scene.open()), expected);
}

#[test]
fn tiny_autocheckpoint_makes_progress() {
    for autowork in [false, true] {
        let options = Options::new().page_size(16384).block_size(64 << 10).autowork(autowork);
        let scene = Scene::new(options.autocheckpoint(8 << 10));
        let database = scene.open();
        for round in 0..12 {
            put(&database, [format!("a{round}")], [b'v'; 20_000]);
            database.flush().unwrap();
            work(&database, 2, 16);
        }
        assert_eq!(keys(&database).len(), 12);
    }
}
