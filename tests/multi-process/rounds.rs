//! The rounds: `SILTSTONE_ROUNDS` of them (300 if nothing is said), `SILTSTONE_SEED` for one
//! database again.

use crate::actor::{C_CRASHED, Tally};
use crate::campaign::Campaign;
use siltstone_tests::parallel::for_each_on;
use siltstone_tests::variables::number;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rounds on one database.
const ROUNDS: usize = 4;

#[test]
fn random_processes_live_and_die_on_one_database() {
    let rounds = number("SILTSTONE_ROUNDS").unwrap_or(300) as usize;
    let only = number("SILTSTONE_SEED");
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = only.unwrap_or(clock.as_nanos() as u64);
    println!("first seed {first:#x}, {rounds} rounds");
    let campaigns = rounds.div_ceil(ROUNDS) as u64;
    let (sum, failure) = (Mutex::new(Tally::new()), Mutex::new(None));
    // Two databases at a time: processes wait for each other a lot.
    for_each_on(2, 0..campaigns, |number| {
        if failure.lock().unwrap().is_some() {
            return;
        }
        // One seed is one database; with a seed given, that database again and again.
        let own = first.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let seed = only.unwrap_or(own);
        match Campaign::new(seed).run(ROUNDS) {
            Ok(tally) => {
                let mut sum = sum.lock().unwrap();
                for (what, count) in tally {
                    *sum.entry(what).or_default() += count;
                }
            }
            Err(problem) => {
                failure.lock().unwrap().get_or_insert(format!(
                    "seed {seed:#x} (again: SILTSTONE_SEED={seed:#x} cargo test -p \
                     siltstone-tests --test multi_process random -- --nocapture)\n{problem}"
                ));
            }
        }
    });
    let sum = sum.into_inner().unwrap();
    for (what, count) in &sum {
        println!("{count:>9} {what}");
    }
    if let Some(problem) = failure.into_inner().unwrap() {
        panic!("{problem}");
    }
    let of = |what: &str| sum.get(what).copied().unwrap_or_default();
    // Rarer than that, unless files are damaged, over which C crashes as well.
    assert!(50 * of(C_CRASHED) <= rounds + 150, "C crashes too often: {sum:?}");
    if rounds >= 300 && only.is_none() && std::env::var_os("SILTSTONE_MIX").is_none() {
        assert!(3 * of("rounds with C and Siltstone") >= rounds, "a third is mixed: {sum:?}");
        for what in [
            "committed",
            "committed by C",
            "committed by one of several threads",
            "killed",
            "stops",
            "states read by C",
        ] {
            assert!(of(what) > 0, "nothing {what}: {sum:?}");
        }
    }
}
