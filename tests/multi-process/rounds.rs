//! The rounds: `SILTSTONE_ROUNDS` of them (300 if nothing is said), `SILTSTONE_SEED` for one database again.

use crate::actor::Tally;
use crate::campaign::Campaign;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Rounds on one database.
const ROUNDS: usize = 4;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[test]
fn random_processes_live_and_die_on_one_database() {
    let rounds = number("SILTSTONE_ROUNDS").unwrap_or(300) as usize;
    let only = number("SILTSTONE_SEED");
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = only.unwrap_or(clock.as_nanos() as u64);
    println!("first seed {first:#x}, {rounds} rounds");
    let campaigns = rounds.div_ceil(ROUNDS);
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Tally::new()));
    let failure = Mutex::new(None);
    // Two databases at a time: processes wait for each other a lot.
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= campaigns || failure.lock().unwrap().is_some() {
                    return;
                }
                // One seed is one database; with a seed given, that database again and again.
                let seed = match only {
                    Some(seed) => seed,
                    None => first.wrapping_add((number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                };
                match Campaign::new(seed).run(ROUNDS) {
                    Ok(tally) => {
                        let mut sum = sum.lock().unwrap();
                        for (what, count) in tally {
                            *sum.entry(what).or_default() += count;
                        }
                    }
                    Err(problem) => {
                        let mut failure = failure.lock().unwrap();
                        failure.get_or_insert(format!(
                            "seed {seed:#x} (again: SILTSTONE_SEED={seed:#x} cargo test -p \
                             siltstone-tests --test multi_process random -- --nocapture)\n{problem}"
                        ));
                    }
                }
            }
        };
        scope.spawn(work);
        scope.spawn(work);
    });
    let sum = sum.into_inner().unwrap();
    for (what, count) in &sum {
        println!("{count:>9} {what}");
    }
    if let Some(problem) = failure.into_inner().unwrap() {
        panic!("{problem}");
    }
    let of = |what: &str| sum.get(what).copied().unwrap_or_default();
    if rounds >= 300 && only.is_none() && std::env::var_os("SILTSTONE_MIX").is_none() {
        assert!(3 * of("rounds with C and Siltstone") >= rounds, "a third is mixed: {sum:?}");
        for what in ["committed", "committed by C", "killed", "stops", "states read by C"] {
            assert!(of(what) > 0, "nothing {what}: {sum:?}");
        }
    }
}
