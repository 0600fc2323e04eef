//! Whole histories of the engine against a sorted map, on the in-memory world: every operation,
//! whatever it shows, must show what the map shows; afterwards the file must be sound.
//!
//! Defaults are sized for CI. For more: `SILTSTONE_HISTORIES=100000 cargo test --release -p
//! siltstone-tests --test model`. One history again: `SILTSTONE_SEED=n`; with `SILTSTONE_NARROW=1` it
//! scans after every operation and so names the first wrong one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use siltstone_tests::counters::Counters;
use siltstone_tests::history::History;
use siltstone_tests::parallel::for_each;
use siltstone_tests::profile::Profile;
use siltstone_tests::siltstone_subject::SiltstoneSubject;
use siltstone_tests::variables::number;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Histories in CI.
const DEFAULT: u64 = 2000;

/// Mostly small ones; few with everything, because they take long.
fn profile(seed: u64) -> Profile {
    match seed % 20 {
        0 | 1 => Profile::everything().operations(500),
        2..=8 => Profile::dense().operations(400),
        _ => Profile::quick().operations(400),
    }
}

fn run(seed: u64) -> Result<Counters, String> {
    let history = History::new(&profile(seed), seed);
    let mut subject = SiltstoneSubject::in_memory(&history.settings);
    let outcome = catch_unwind(AssertUnwindSafe(|| subject.run(&history)));
    match outcome {
        Ok(Ok(_)) => Ok(subject.counters),
        Ok(Err(divergence)) => Err(format!("{divergence:?}")),
        Err(_) => Err(format!("panic, seed {seed}, {:?}", history.settings)),
    }
}

#[test]
fn histories_show_what_a_sorted_map_shows() {
    if let Some(seed) = number("SILTSTONE_SEED") {
        run(seed).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let first = number("SILTSTONE_FIRST_SEED").unwrap_or(0);
    let count = number("SILTSTONE_HISTORIES").unwrap_or(DEFAULT);
    let found = Mutex::new((Counters::default(), Vec::new()));
    for_each(first..first + count, |seed| {
        if found.lock().unwrap().1.len() > 8 {
            return;
        }
        let outcome = run(seed);
        let mut found = found.lock().unwrap();
        match outcome {
            Ok(own) => found.0.add(&own),
            Err(failure) => found.1.push(failure),
        }
    });
    let (counters, failures) = found.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{}\n{} histories failed. Again: SILTSTONE_SEED=n SILTSTONE_NARROW=1 \
         cargo test -p siltstone-tests --test model",
        failures.join("\n"),
        failures.len()
    );
    println!("{count} histories: {counters:?}");
    if count >= 200 {
        assert!(counters.unfinished_merges > 0, "{counters:?}");
        assert!(counters.separator_merges > 0, "{counters:?}");
        assert!(counters.many_levels > 0, "{counters:?}");
        assert!(counters.range_deletes > 0, "{counters:?}");
        assert!(counters.log_wraps > 0, "{counters:?}");
        assert!(counters.redirects > 0, "{counters:?}");
        assert!(counters.free_list_in_pages > 0, "{counters:?}");
        assert!(counters.reused_blocks > 0, "{counters:?}");
        assert!(counters.compressed > 0, "{counters:?}");
    }
}
