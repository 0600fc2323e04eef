//! Checksummed pages (codec 10010): the answer is right or there is none.

use crate::image::{Image, options, scan, scan_backward};
use crate::runner::run;
use siltstone::codec::Checksum;
use siltstone_tests::Row;
use siltstone_tests::rng::Rng;
use std::sync::Arc;

/// A checksummed database of several blocks and levels, closed, and its content.
fn database() -> (Image, Vec<Row>) {
    let world = siltstone_memory::MemoryWorld::new();
    let options = options().page_size(1024).block_size(65536).autowork(false);
    let options = options.codec(Arc::new(Checksum));
    let database = options.open_with_env(world.process(), "db").unwrap();
    let mut rng = Rng::new(3);
    for round in 0..3 {
        for _ in 0..900 >> round {
            let key = format!("key{:04}", rng.below(2000));
            database.insert(key, vec![b'v'; 300]).unwrap();
        }
        database.remove_range("key0500".."key0600").unwrap();
        database.flush().unwrap();
    }
    let rows = scan(&database).unwrap();
    database.close().unwrap();
    let bytes = world.read_file("db").unwrap();
    let keys = rows.iter().step_by(100).map(|row| row.0.clone()).collect();
    (Image { name: "checksummed".to_owned(), database: bytes, log: None, keys }, rows)
}

/// Every answer is right or an error; returns whether one was an error.
fn is_right(image: &Image, rows: &[Row]) -> bool {
    let Ok(database) = image.open_to_read() else { return true };
    let mut refused = false;
    for answer in [scan(&database), scan_backward(&database)] {
        match answer {
            Ok(found) => assert!(found == rows, "{} rows instead of {}", found.len(), rows.len()),
            Err(_) => refused = true,
        }
    }
    for key in image.keys.iter() {
        match database.get(key) {
            Ok(found) => {
                let row = rows.iter().find(|row| row.0 == *key);
                assert!(found.as_ref() == row.map(|row| &row.1), "{key:?}");
            }
            Err(_) => refused = true,
        }
    }
    refused
}

#[test]
fn damage_behind_the_meta_pages_never_gives_wrong_answers() {
    let (base, rows) = database();
    assert!(!is_right(&base, &rows));
    let data = base.database.len() - 8192;
    let step = if crate::all() { 1 } else { 211 };
    let make = |index: usize| {
        let mut image = base.clone();
        let byte = &mut image.database[8192 + (index / 3 * step).min(data - 1)];
        let new = [*byte ^ 1, 0, 0xFF][index % 3];
        (std::mem::replace(byte, new) != new).then_some(image)
    };
    let judge = |image: &Image| is_right(image, &rows);
    run("checksummed, sampled bytes changed", data / step * 3, make, judge);
}

#[test]
fn damaged_block_pointers_never_give_wrong_answers() {
    let (base, rows) = database();
    let blocks = base.database.len() / 65536;
    assert!(blocks > 3);
    // Every pointer to every block, before and behind.
    let make = |index: usize| {
        let (block, rest) = (index / (2 * (blocks + 2)), index % (2 * (blocks + 2)));
        let (pointer, behind) = ((rest / 2) as u32, rest % 2 == 1);
        let start = if block == 0 { 8192 } else { block * 65536 };
        let at = if behind { block * 65536 + 65532 } else { start };
        let mut image = base.clone();
        let slot = image.database.get_mut(at..at + 4)?;
        let changed = *slot != pointer.to_be_bytes();
        slot.copy_from_slice(&pointer.to_be_bytes());
        changed.then_some(image)
    };
    let count = blocks * 2 * (blocks + 2);
    run("checksummed, block pointers changed", count, make, |image| is_right(image, &rows));
}
