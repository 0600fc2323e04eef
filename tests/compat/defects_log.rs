//! Defects W1, W2, W3: rollbacks around a log that wraps, and the log pointer of the first flush.

use crate::scene::{Running, Scene, keys, put, work};
use siltstone::{Durability, Options};

fn log_scene() -> Scene {
    Scene::new(Options::new().autowork(false).autoflush(64 << 10).autocheckpoint(0))
}

/// The next write transaction wraps the log.
fn wrap_next(scene: &Scene) -> Running {
    let running = scene.open();
    running
        .write(|transaction| {
            (0..150).try_for_each(|i| transaction.insert(format!("s{i:03}"), vec![b's'; 1000]))
        })
        .unwrap();
    put(&running, (0..10).map(|i| format!("t{i:03}")), [b's'; 500]);
    work(&running, 1, 1 << 20);
    running.checkpoint().unwrap();
    running
}

fn wrapped(running: &Running) -> bool {
    let [first, second, _] = running.structure().unwrap().log_regions;
    first.1 != 0 || second.1 != 0
}

#[test]
fn rolled_back_wrap() {
    for rolled_back in [false, true] {
        let scene = log_scene();
        let running = wrap_next(&scene);
        if rolled_back {
            let transaction = running.begin().unwrap();
            transaction.insert("gone", "x").unwrap();
            transaction.rollback().unwrap();
        }
        put(&running, (0..5).map(|i| format!("u{i}")), "later");
        assert!(wrapped(&running), "the recipe must wrap the log");
        running.kill();
        assert_eq!(keys(&scene.open()).len(), 165);
    }
}

#[test]
fn savepoint_across_a_jump() {
    let scene = log_scene();
    let running = wrap_next(&scene);
    running.set_autoflush(1 << 30).unwrap();
    running.insert("first", "x").unwrap();
    let transaction = running.begin().unwrap();
    let value = vec![b'w'; 1000];
    for i in 0..140 {
        transaction.insert(format!("w{i:03}"), &value).unwrap();
    }
    let savepoint = transaction.savepoint().unwrap();
    for i in 0..30 {
        transaction.insert(format!("x{i:03}"), &value).unwrap();
    }
    savepoint.rollback().unwrap();
    transaction.insert("last", "x").unwrap();
    transaction.commit().unwrap();
    assert!(wrapped(&running), "the recipe must wrap the log");
    for (start, end) in running.structure().unwrap().log_regions {
        assert!(start <= end, "{start} {end}");
    }
    put(&running, (0..20).map(|i| format!("y{i:03}")), &value[..800]);
    running.kill();
    assert_eq!(keys(&scene.open()).len(), 322);
}

#[test]
fn first_flush_exports_a_true_pointer() {
    let scene = Scene::new(Options::new().durability(Durability::Full));
    let running = scene.open();
    running.insert("a", "1").unwrap();
    running.flush().unwrap();
    running.checkpoint().unwrap();
    let checkpoint = siltstone_tests::counters::newest(&scene.file()).unwrap().unwrap();
    assert_ne!(checkpoint.log.checksum, [0, 0]);
    assert_ne!(checkpoint.log.offset(), 0);
    running.insert("b", "2").unwrap();
    running.kill();
    assert_eq!(keys(&scene.open()), ["a", "b"]);
}
