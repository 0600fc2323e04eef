//! Any bytes as a history of calls: the database answers as a sorted map does, also after it was
//! closed or killed and opened again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siltstone::{Database, Durability, Options, WorkLimit};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use std::collections::BTreeMap;
use std::sync::Arc;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(process: Arc<MemoryEnv>) -> Database {
    let options = Options::new().page_size(256).block_size(65536).autoflush(16 << 10);
    options.durability(Durability::Full).open_with_env(process, "db").expect("open")
}

fn assert_same(database: &Database, model: &Model) {
    let rows: Model = database.iter().expect("iterator").map(|row| row.expect("row")).collect();
    assert_eq!(&rows, model);
    let mut backward: Vec<_> =
        database.iter().expect("iterator").rev().map(|row| row.expect("row").0).collect();
    backward.reverse();
    assert!(backward.iter().eq(model.keys()));
    let report = database.check().expect("check");
    assert!(report.is_sound(), "{:?}", report.problems);
}

fn key(byte: u8) -> Vec<u8> {
    let len = if byte >= 250 { 300 } else { usize::from(byte % 7) };
    std::iter::once(byte).chain(std::iter::repeat_n(byte, len)).collect()
}

fuzz_target!(|data: &[u8]| {
    let world = MemoryWorld::new();
    let mut process = world.process();
    let mut database = open(process.clone());
    let mut model = Model::new();
    for &[operation, first, second] in data.as_chunks::<3>().0.iter().take(400) {
        match operation % 16 {
            0..=5 => {
                let value = vec![second; usize::from(second) * usize::from(operation >> 4)];
                database.insert(key(first), &value).expect("insert");
                model.insert(key(first), value);
            }
            6 | 7 => {
                database.remove(key(first)).expect("remove");
                model.remove(&key(first));
            }
            8 | 9 => {
                let (low, high) = (key(first).min(key(second)), key(first).max(key(second)));
                database.remove_range::<&[u8]>(&low[..]..&high[..]).expect("remove_range");
                model.retain(|key, _| *key < low || *key >= high);
            }
            10 => database.flush().expect("flush"),
            11 => {
                let limit = WorkLimit {
                    bytes: Some(u64::from(first) * 256),
                    segments: Some(u32::from(second % 4) + 1),
                };
                database.work(limit).expect("work");
            }
            12 => {
                database.checkpoint().expect("checkpoint");
            }
            13 => {
                let found = database.get(key(first)).expect("get");
                assert_eq!(found.as_ref(), model.get(&key(first)));
            }
            14 => {
                if first % 2 == 0 {
                    database.close().expect("close");
                } else {
                    process.kill();
                    drop(database);
                    process = world.process();
                }
                database = open(process.clone());
            }
            _ => assert_same(&database, &model),
        }
    }
    assert_same(&database, &model);
    database.compact().expect("compact");
    assert_same(&database, &model);
});
