//! `check` and `recover` as a user calls them.

use siltstone::{Options, WorkLimit, recover_with_env};
use siltstone_memory::MemoryWorld;

fn options() -> Options {
    Options::new().page_size(512).block_size(65536).autowork(false).automerge(2)
}

#[test]
fn a_database_is_sound_in_every_state_of_its_life() {
    let world = MemoryWorld::new();
    let database = options().open_with_env(world.process(), "app.lsm").unwrap();
    let sound = || {
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert_eq!(report.entries, database.iter().unwrap().count() as u64);
    };
    sound();
    for round in 0..12u32 {
        for number in 0..300u32 {
            let key = format!("key{:04}", (number * 7 + round * 131) % 2000);
            database.insert(key, vec![b'v'; (number % 90) as usize]).unwrap();
        }
        database
            .remove_range(format!("key{:04}", round * 90)..format!("key{:04}", round * 99))
            .unwrap();
        database.insert(vec![b'l'; 700], vec![b'w'; 3000]).unwrap();
        sound();
        database.flush().unwrap();
        sound();
        // Merges are left unfinished again and again.
        database.work(WorkLimit { bytes: Some(8192), segments: Some(2) }).unwrap();
        sound();
        if round % 3 == 0 {
            database.checkpoint().unwrap();
        }
    }
    database.compact().unwrap();
    sound();
}

#[test]
fn checking_can_be_stopped_and_tells_how_far_it_is() {
    let world = MemoryWorld::new();
    let database = options().open_with_env(world.process(), "app.lsm").unwrap();
    database.write(|t| (0..3000).try_for_each(|n| t.insert(format!("{n:05}"), "value"))).unwrap();
    database.flush().unwrap();
    let mut seen = Vec::new();
    let note = &mut |done, total| {
        seen.push((done, total));
        true
    };
    assert!(database.check_with(note).unwrap().is_sound());
    assert!(seen.is_sorted() && seen.len() > 10);
    assert!(seen.last().is_some_and(|(done, total)| done == total));
    let error = database.check_with(&mut |_, _| false).unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
}

#[test]
fn recovery_saves_what_damage_left_and_needs_the_file_for_itself() {
    let world = MemoryWorld::new();
    let process = world.process();
    let database = options().open_with_env(process.clone(), "app.lsm").unwrap();
    database.write(|t| (0..3000).try_for_each(|n| t.insert(format!("{n:05}"), "value"))).unwrap();
    database.flush().unwrap();
    let other = world.process();
    let saved = recover_with_env(other.clone(), "app.lsm", "new.lsm", &options(), &mut |_, _| true);
    assert!(saved.unwrap_err().is_busy());
    database.close().unwrap();
    let mut bytes = world.read_file("app.lsm").unwrap();
    bytes[20 * 512..21 * 512].fill(0xEE);
    world.write_file("app.lsm", &bytes).unwrap();
    let report =
        recover_with_env(other, "app.lsm", "new.lsm", &options(), &mut |_, _| true).unwrap();
    assert_eq!(report.pages_damaged, 1);
    assert!((2900..3000).contains(&report.entries), "{report:?}");
    assert_eq!(world.read_file("app.lsm").unwrap(), bytes);
    let database = options().open_with_env(world.process(), "new.lsm").unwrap();
    assert_eq!(database.get("02999").unwrap(), Some(b"value".to_vec()));
    assert!(database.check().unwrap().is_sound());
}

/// The output of the last merge takes a block that the free list, just being merged, calls free.
#[test]
fn a_merge_into_a_reused_block_keeps_blocks_accounted_for() {
    let world = MemoryWorld::new();
    let open = || {
        let options = Options::new().page_size(256).block_size(65536).autoflush(16 << 10);
        options.open_with_env(world.process(), "app.lsm").unwrap()
    };
    let database = open();
    database.insert("b", [b'v'; 585]).unwrap();
    database.close().unwrap();
    let database = open();
    let sound = || {
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    };
    database.remove("c").unwrap();
    database.flush().unwrap();
    database.work(WorkLimit { bytes: Some(255 * 256), segments: Some(1) }).unwrap();
    sound();
    database.remove_range("b".."z").unwrap();
    database.flush().unwrap();
    sound();
    database.work(WorkLimit { bytes: None, segments: Some(1) }).unwrap();
    sound();
    database.compact().unwrap();
    sound();
}
