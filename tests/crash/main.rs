//! Power cuts: after every write, sync, truncation, creation and removal of many workloads, with
//! everything unsynced lost, kept, mixed, torn, turned to noise or reordered, the database must
//! open, show exactly a prefix of what was committed, and be sound.
//!
//! Under full durability nothing acknowledged may be missing; otherwise nothing that a checkpoint
//! or a close made durable; and after a mere kill nothing at all. Recovery is cut as well.
//!
//! `SILTSTONE_IMAGES` says how many images that differ to look at (20,000). `SILTSTONE_SEED`,
//! `SILTSTONE_WORKLOAD`, `SILTSTONE_POINT` and `SILTSTONE_DRAW` repeat one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod content;
mod damages;
mod driver;
mod examine;
mod explore;
mod workloads;

use explore::{Only, Tally, explore};
use siltstone_tests::variables::number;
use std::sync::{Mutex, PoisonError};

const SEED: u64 = 0x5157_0000;

/// Everything that must have been cut behind at least once.
const SITES: [&str; 14] = [
    "create database",
    "create log",
    "remove log",
    "sync directory of database",
    "sync directory of log",
    "sync database",
    "sync log",
    "truncate database",
    "write meta page 1",
    "write meta page 2",
    "write pages",
    "write log",
    "write log from its start again",
    "write log behind a jump",
];

#[test]
fn every_crash_leaves_a_prefix_of_history() {
    let images = number("SILTSTONE_IMAGES").unwrap_or(20_000) as usize;
    let seed = number("SILTSTONE_SEED").unwrap_or(SEED);
    let workload = std::env::var("SILTSTONE_WORKLOAD").ok();
    let as_size = |number| number as usize;
    let only = Only {
        point: number("SILTSTONE_POINT").map(as_size),
        draw: number("SILTSTONE_DRAW").map(as_size),
    };
    let workloads = workloads::matching(workload.as_deref());
    assert!(!workloads.is_empty(), "no workload {workload:?}");
    println!("crash: {} workloads from seed {seed:#x}", workloads.len());
    let tally = Mutex::new(Tally::default());
    let everything = only.point.is_none() && workload.is_none();
    for round in 0.. {
        let enough = if round == 0 { usize::MAX } else { images };
        explore(&workloads, seed.wrapping_add(round), only, enough, &tally);
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        println!("crash: round {round}: {} images that differ", tally.images());
        if !everything || tally.images() >= images || !tally.failures.is_empty() {
            break;
        }
    }
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "crash: {} images that differ, {} of crashes in recovery, {} with a shorter history\n\
         crash: by damage {:?}\ncrash: by site {:?}\ncrash: {:?}",
        tally.images(),
        tally.nested,
        tally.shortened,
        tally.kinds,
        tally.sites,
        tally.seen
    );
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    if !everything {
        return;
    }
    assert!(tally.workloads.len() >= 20);
    assert!(tally.images() >= images);
    assert!(tally.nested >= 1000, "crashes in recovery");
    for site in SITES {
        assert!(tally.sites.get(site).is_some_and(|&count| count > 0), "never cut behind: {site}");
    }
    let seen = tally.seen;
    assert!(
        seen.unfinished_merge
            && seen.redirect
            && seen.free_list_in_database
            && seen.free_block
            && seen.log_wrap
            && seen.log_jump
            && seen.many_levels,
        "{seen:?}"
    );
}
