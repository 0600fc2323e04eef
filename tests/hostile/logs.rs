//! Damage in the log can only shorten history.

use crate::image::{Image, options, scan};
use crate::runner::run;
use siltstone_tests::Row;
use siltstone_tests::rng::Rng;

/// A database whose content is all in the log: its image and the content after each commit.
fn logged() -> (Image, Vec<Vec<Row>>) {
    let world = siltstone_memory::MemoryWorld::new();
    let process = world.process();
    let database = options().autowork(false).open_with_env(process.clone(), "db").unwrap();
    let mut rng = Rng::new(7);
    let mut states = vec![Vec::new()];
    for commit in 0..40 {
        let transaction = database.begin().unwrap();
        for _ in 0..rng.between(1, 4) {
            let key = format!("k{:02}", rng.below(60));
            match rng.below(8) {
                0 => transaction.remove(key).unwrap(),
                1 => transaction.remove_range(key..format!("k{:02}", rng.below(60))).unwrap(),
                _ => transaction.insert(key, rng.bytes(30)).unwrap(),
            }
        }
        transaction.insert("commit", format!("{commit}")).unwrap();
        transaction.commit().unwrap();
        states.push(scan(&database).unwrap());
    }
    process.kill();
    let image = Image {
        name: "log".to_owned(),
        database: world.read_file("db").unwrap(),
        log: world.read_file("db-log"),
        keys: vec![b"commit".to_vec()].into(),
    };
    (image, states)
}

fn is_a_prefix(image: &Image, states: &[Vec<Row>]) -> bool {
    let database = image.open_to_read().expect("a damaged log is no error");
    let rows = scan(&database).unwrap();
    let commits = states.iter().position(|state| *state == rows);
    let commits = commits.expect("the content after some commit");
    assert!(database.check().unwrap().is_sound());
    commits + 1 < states.len()
}

#[test]
fn one_changed_byte_leaves_a_prefix() {
    let (base, states) = logged();
    let log = base.log.clone().unwrap();
    let make = |index: usize| {
        let (place, way) = (index / 3, index % 3);
        let mut image = base.clone();
        let byte = &mut image.log.as_mut().unwrap()[place];
        let new = [*byte ^ 1, 0, 0xFF][way];
        (std::mem::replace(byte, new) != new).then_some(image)
    };
    let tally =
        run("log, every byte changed", log.len() * 3, make, |image| is_a_prefix(image, &states));
    assert!(tally.noticed > tally.images / 2, "{tally:?}");
}

#[test]
fn cut_filled_and_shuffled_logs_leave_a_prefix() {
    let (base, states) = logged();
    let log = base.log.clone().unwrap();
    let make = |seed: usize| {
        let mut rng = Rng::new(seed as u64);
        let mut bytes = log.clone();
        let from = rng.below(bytes.len());
        let to = rng.between(from, (from + 600).min(bytes.len()));
        match rng.below(4) {
            0 => bytes.truncate(from),
            1 => bytes[from..to].fill(rng.below(256) as u8),
            2 => {
                let moved = bytes[from..to].to_vec();
                let at = rng.below(bytes.len() - moved.len() + 1);
                bytes[at..at + moved.len()].copy_from_slice(&moved);
            }
            _ => drop(bytes.drain(from..to)),
        }
        (bytes != log).then(|| Image { log: Some(bytes), ..base.clone() })
    };
    let count = if crate::all() { 200_000 } else { 4_000 };
    run("log, cut, filled and shuffled", count, make, |image| is_a_prefix(image, &states));
}

#[test]
fn damage_before_good_commits_is_reported() {
    let (base, states) = logged();
    assert_eq!(base.open_to_read().unwrap().stats().unwrap().recovery.bytes_after_end, 0);
    let mut image = base.clone();
    let log = image.log.as_mut().unwrap();
    // A byte of a value in the middle: the records behind it still look like records.
    let at = log.len() / 2;
    let place =
        (at..log.len() - 12).find(|&at| log[at..at + 12].iter().all(|byte| *byte == log[at]));
    log[place.unwrap() + 6] ^= 0x10;
    let database = image.open_to_read().unwrap();
    let recovery = database.stats().unwrap().recovery;
    assert!(recovery.bytes_after_end > 0, "{recovery:?}");
    assert!((recovery.transactions as usize) < states.len() - 1, "{recovery:?}");
}
