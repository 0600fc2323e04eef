//! Random histories of several processes.

use crate::society::Society;
use siltstone_tests::parallel::for_each;
use siltstone_tests::rng::Rng;
use siltstone_tests::variables::number;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Histories in CI.
const DEFAULT: u64 = 1500;

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut society = Society::new(&mut rng);
    let narrow = number("SILTSTONE_NARROW").is_some();
    for step in 0..rng.between(100, 600) {
        let done = society.step(&mut rng);
        if narrow {
            eprintln!("{step}: {done}");
            society.check_all();
        }
    }
    society.end();
}

#[test]
fn processes_see_one_history() {
    if let Some(seed) = number("SILTSTONE_SEED") {
        return run(seed);
    }
    let count = number("SILTSTONE_HISTORIES").unwrap_or(DEFAULT);
    for_each(0..count, |seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
        assert!(outcome.is_ok(), "history failed: SILTSTONE_SEED={seed}");
    });
}
