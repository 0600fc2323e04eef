//! What recovery saves of databases damaged on purpose.

use super::{RecoverReport, recover_with_env};
use crate::{Database, Options};
use siltstone_memory::MemoryWorld;

fn options() -> Options {
    Options::new().page_size(512).block_size(65536).autowork(false)
}

fn key(number: u32) -> String {
    format!("key{number:05}")
}

/// 2000 entries in three segments: some replaced, one range deleted; two more in the log.
fn database() -> MemoryWorld {
    let world = MemoryWorld::new();
    let process = world.process();
    let database = options().open_with_env(process.clone(), "old").unwrap();
    database.write(|t| (0..2000).try_for_each(|n| t.insert(key(n), [b'a'; 40]))).unwrap();
    database.flush().unwrap();
    database.remove_range(key(500)..key(600)).unwrap();
    database.flush().unwrap();
    database.write(|t| (0..100).try_for_each(|n| t.insert(key(n * 3), "new"))).unwrap();
    database.flush().unwrap();
    database.checkpoint().unwrap();
    database.insert("logged 1", "x").unwrap();
    database.insert("logged 2", "x").unwrap();
    process.kill();
    world
}

fn recover(world: &MemoryWorld) -> (RecoverReport, Database) {
    let before = world.read_file("old").unwrap();
    let report =
        recover_with_env(world.process(), "old", "new", &options(), &mut |_, _| true).unwrap();
    assert_eq!(world.read_file("old").unwrap(), before, "the damaged file is only read");
    let database = options().open_with_env(world.process(), "new").unwrap();
    assert!(database.check().unwrap().is_sound());
    assert_eq!(database.iter().unwrap().count() as u64, report.entries);
    (report, database)
}

fn damage(world: &MemoryWorld, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = world.read_file("old").unwrap();
    change(&mut bytes);
    world.write_file("old", &bytes).unwrap();
}

#[test]
fn an_undamaged_database_is_saved_exactly() {
    let world = database();
    let (report, database) = recover(&world);
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.pages_damaged, 0);
    assert_eq!(report.entries, 1902);
    assert_eq!(database.get(key(3)).unwrap(), Some(b"new".to_vec()));
    assert_eq!(database.get(key(500)).unwrap(), None);
    assert_eq!(database.get(key(599)).unwrap(), None);
    assert_eq!(database.get(key(600)).unwrap(), Some(vec![b'a'; 40]));
    assert_eq!(database.get("logged 2").unwrap(), Some(b"x".to_vec()));
}

#[test]
fn all_but_a_damaged_page_is_saved() {
    let world = database();
    // A page in the middle of the first block.
    damage(&world, |bytes| bytes[512 * 40..512 * 41].fill(0xFF));
    let (report, _) = recover(&world);
    assert_eq!(report.pages_damaged, 1, "{report:?}");
    assert!(report.entries >= 1880 && report.entries < 1902, "{report:?}");
}

#[test]
fn what_lies_behind_a_broken_chain_is_saved_from_its_end() {
    let world = database();
    // The pointer from the first to the second block.
    damage(&world, |bytes| bytes[65532..65536].fill(0xFF));
    let (report, _) = recover(&world);
    assert!(!report.problems.is_empty());
    assert!(report.entries >= 1890, "{report:?}");
}

#[test]
fn without_a_checkpoint_pages_are_searched_for() {
    let world = database();
    damage(&world, |bytes| bytes[..8192].fill(0xFF));
    world.remove_file("old-log");
    let (report, database) = recover(&world);
    assert_eq!(report.entries, 2000, "deletes cannot be applied: {report:?}");
    assert_eq!(database.get(key(1999)).unwrap(), Some(vec![b'a'; 40]));
}

#[test]
fn a_checkpoint_with_a_wrong_checksum_is_better_than_none() {
    let world = database();
    // The running count of pages written, of both meta pages.
    damage(&world, |bytes| {
        bytes[8 * 4] ^= 1;
        bytes[4096 + 8 * 4] ^= 1;
    });
    let (report, _) = recover(&world);
    assert_eq!(report.entries, 1902, "{report:?}");
}

#[test]
fn an_existing_target_and_a_missing_source_are_refused() {
    let world = database();
    world.write_file("new", b"").unwrap();
    let recover = |from, to| {
        recover_with_env(world.process(), from, to, &options(), &mut |_, _| true).unwrap_err()
    };
    assert_eq!(recover("old", "new").code(), 14);
    assert_eq!(recover("missing", "other").code(), 266);
    assert!(world.read_file("other").is_none());
}

#[test]
fn it_can_be_stopped() {
    let world = database();
    let stop = &mut |_, _| false;
    let error = recover_with_env(world.process(), "old", "new", &options(), stop).unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
}
