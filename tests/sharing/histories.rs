//! Random histories of several processes.

use crate::society::Society;
use siltstone_tests::rng::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Histories in CI.
const DEFAULT: u64 = 1500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

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
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
                    assert!(outcome.is_ok(), "history failed: SILTSTONE_SEED={seed}");
                }
            });
        }
    });
}
