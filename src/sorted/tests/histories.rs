//! Random histories of the worker, judged by our own reader after every step and by the independent
//! one now and then.

use super::store::{Random, Store};
use super::support::fixtures;

fn history(name: &str, page_size: u32, compressed: bool, seed: u64, (steps, judged): (u64, u64)) {
    let mut random = Random(seed);
    let mut store = Store::new(name, page_size, compressed);
    // Every other history keeps its free list in the database.
    store.config.max_freelist = if seed & 1 == 0 { 24 } else { 2 };
    run(&mut store, &mut random, name, seed, (steps, judged));
}

fn run(store: &mut Store, random: &mut Random, name: &str, seed: u64, (steps, judged): (u64, u64)) {
    for step in 0..steps {
        let context = format!("{name} seed {seed} step {step}");
        match random.below(12) {
            0..5 => {
                let most = if random.below(3) == 0 { 300 } else { 60 };
                let writes = 1 + random.below(most);
                store.flush_random(random, writes).expect(&context);
            }
            5..9 => {
                let merge_count = 1 + random.below(4) as usize;
                let pages = 1 + random.below(12);
                store.with_worker(|worker| worker.work(merge_count, pages)).expect(&context);
            }
            9 => drop(store.with_worker(|worker| worker.work(2, u64::MAX)).expect(&context)),
            10 if random.below(3) == 0 => store.crash(),
            _ => store.checkpoint(),
        }
        store.verify(&context);
        if step % judged == judged - 1 || step + 1 == steps {
            store.judge_now(&context);
            store.judge(&store.on_disk, &store.on_disk_model, &format!("{context} on disk"));
        }
    }
    // Optimised to the end, with checkpoints so that blocks can move.
    for round in 0..200 {
        let done = store.with_worker(|worker| worker.work(1, 200)).unwrap();
        store.checkpoint();
        if done.finished {
            break;
        }
        assert!(round < 199, "{name} seed {seed}: optimising does not end");
    }
    assert!(store.now.levels.iter().filter(|level| !level.freelist_only).count() <= 1);
    store.judge_now(&format!("{name} seed {seed} optimised"));
}

#[test]
fn random_histories_with_the_smallest_pages() {
    history("plain-256", 256, false, 0x5EED_0001, (36, 12));
    history("packed-256", 256, true, 0xC0DE_0001, (24, 12));
}

#[test]
fn random_histories_with_small_pages() {
    history("plain-512", 512, false, 0x5EED_0002, (36, 12));
    history("packed-512", 512, true, 0xC0DE_0002, (24, 12));
}

#[test]
fn random_histories_with_pages_of_one_kilobyte() {
    history("plain-1024", 1024, false, 0x5EED_0003, (36, 12));
    history("packed-1024", 1024, true, 0xC0DE_0003, (24, 12));
}

#[test]
fn random_histories_with_the_default_page() {
    history("plain-4096", 4096, false, 0x5EED_0004, (36, 12));
}

#[test]
fn random_histories_with_four_pages_in_a_block() {
    history("plain-16384", 16384, false, 0x5EED_0005, (24, 12));
    history("packed-16384", 16384, true, 0xC0DE_0004, (36, 12));
}

#[test]
fn merges_left_by_c_lsm1_are_finished() {
    for (name, bytes) in fixtures() {
        let mut store = Store::of_file(&format!("fixture-{name}"), &bytes);
        let mut random = Random(0xF1C5 + bytes.len() as u64);
        store.verify(&name);
        for step in 0..6 {
            store.with_worker(|worker| worker.work(2, 1 + step)).expect(&name);
            store.verify(&format!("{name} step {step}"));
        }
        run(&mut store, &mut random, &name, bytes.len() as u64, (12, 12));
    }
}

/// `cargo xtask soak` asks for many: `SILTSTONE_WORKER_HISTORIES`, from `SILTSTONE_FIRST_SEED` on.
#[test]
fn long_random_histories() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let first = number("SILTSTONE_FIRST_SEED").unwrap_or(1);
    let count = number("SILTSTONE_WORKER_HISTORIES").unwrap_or(1);
    println!("{count} histories from seed {first} on");
    for seed in first..first + count {
        let page_size = 256 << (seed % 7);
        history("long", page_size, seed % 3 == 0, seed * 0x9E37_79B9, (150, 50));
    }
}

#[test]
fn a_full_disk_damages_nothing() {
    let mut random = Random(77);
    let mut store = Store::new("full-disk", 512, false);
    for round in 0..12 {
        store.flush_random(&mut random, 120).unwrap();
        store.checkpoint();
        store.file.limit_writes(round % 4);
        let before = store.now.clone();
        let flushed = store.flush_random(&mut random, 120);
        let merged = store.with_worker(|worker| worker.work(2, u64::MAX));
        if round % 4 == 0 {
            assert!(flushed.is_err() || merged.is_err());
            assert_eq!(store.now, before, "a failed worker leaves no trace");
        }
        store.file.limit_writes(u64::MAX);
        store.judge_now(&format!("round {round}"));
    }
}
