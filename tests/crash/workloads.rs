//! The workloads: small, and together through everything that writes.

use crate::driver::{Driver, Recorded, Setup};
use siltstone::codec::{CHECKSUM, LZ4, ZLIB, ZSTD, built_in};
use siltstone::{Durability, Options};

use Durability::{Full, None, Normal};

/// A workload by name.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    setup: fn() -> Setup,
    work: fn(&mut Driver),
}

impl Workload {
    pub(crate) fn record(&self, seed: u64) -> Recorded {
        Driver::record(self.name, (self.setup)(), seed, self.work)
    }
}

/// Page size, bytes of tree before a flush, bytes between checkpoints, segments per merge.
fn options(page: u32, autoflush: u64, autocheckpoint: u64, automerge: u32) -> Options {
    Options::new()
        .page_size(page)
        .block_size(65536)
        .autoflush(autoflush)
        .autocheckpoint(autocheckpoint)
        .automerge(automerge)
        .cache_size(256 << 10)
}

fn setup(options: Options, durability: Durability) -> Setup {
    Setup { options: options.durability(durability), durability, sector: 512 }
}

fn plain(page: u32, durability: Durability) -> Setup {
    setup(options(page, 1 << 20, 2 << 20, 4), durability)
}

/// Everything happens all the time.
fn busy(page: u32, automerge: u32, durability: Durability) -> Setup {
    setup(options(page, 3000, 16 << 10, automerge), durability)
}

fn packed(id: u32, page: u32, durability: Durability) -> Setup {
    let mut setup = busy(page, 2, durability);
    setup.options = setup.options.codec(built_in(id).unwrap());
    setup
}

macro_rules! workloads {
    ($($name:ident: $setup:expr => $work:expr;)*) => {
        /// All of them.
        pub(crate) const ALL: &[Workload] = &[$(
            Workload { name: stringify!($name), setup: || $setup, work: $work },
        )*];
    };
}

workloads! {
    inserts_full: plain(4096, Full) => inserts;
    inserts_normal: plain(4096, Normal) => inserts;
    inserts_unsynced: busy(1024, 2, None) => inserts;
    overwrites_full: busy(1024, 2, Full) => overwrites;
    overwrites_normal: busy(2048, 3, Normal) => overwrites;
    deletes_full: busy(512, 3, Full) => deletes;
    deletes_normal: busy(4096, 2, Normal) => deletes;
    range_deletes_full: busy(512, 2, Full) => range_deletes;
    range_deletes_normal: busy(1024, 4, Normal) => range_deletes;
    savepoints_full: plain(4096, Full) => savepoints;
    savepoints_normal: busy(512, 2, Normal) => savepoints;
    big_values_full: busy(4096, 2, Full) => big_values;
    big_values_normal: busy(512, 2, Normal) => big_values;
    big_transactions_full: busy(2048, 4, Full) => big_transactions;
    big_transactions_normal: plain(1024, Normal) => big_transactions;
    tiny_flushes_full: setup(options(512, 200, 4096, 2), Full) => tiny_flushes;
    tiny_flushes_normal: setup(options(1024, 0, 8192, 3), Normal) => tiny_flushes;
    log_wrap_full: wrapping(Full) => log_wrap;
    log_wrap_normal: wrapping(Normal) => log_wrap;
    log_held_full: wrapping(Full) => log_held;
    log_held_normal: wrapping(Normal) => log_held;
    flush_checkpoint_full: plain(4096, Full) => flush_checkpoint;
    flush_checkpoint_normal: plain(1024, Normal) => flush_checkpoint;
    compaction_full: by_hand(4096, Full) => compaction;
    compaction_normal: by_hand(1024, Normal) => compaction;
    free_list_full: free_list(1024, Full) => churn;
    free_list_normal: free_list(512, Normal) => churn;
    reopen_full: busy(2048, 2, Full) => reopen;
    reopen_normal: busy(4096, 4, Normal) => reopen;
    kill_full: busy(1024, 2, Full) => kill;
    kill_normal: busy(512, 3, Normal) => kill;
    deaths_full: busy(1024, 2, Full) => deaths;
    deaths_normal: busy(2048, 2, Normal) => deaths;
    deaths_apart_full: plain(4096, Full) => deaths;
    deaths_apart_normal: plain(512, Normal) => deaths;
    deaths_lz4_normal: packed(LZ4, 1024, Normal) => deaths;
    partial_merges_full: by_hand(512, Full) => partial_merges;
    partial_merges_normal: by_hand(1024, Normal) => partial_merges;
    lz4_full: packed(LZ4, 4096, Full) => mixed;
    zlib_normal: packed(ZLIB, 2048, Normal) => mixed;
    zstd_full: packed(ZSTD, 1024, Full) => mixed;
    checksum_normal: packed(CHECKSUM, 4096, Normal) => mixed;
    mixed_full: busy(512, 4, Full) => mixed;
    mixed_normal: busy(2048, 2, Normal) => mixed;
    large_sectors_full: large_sectors(Full) => mixed;
    large_sectors_normal: large_sectors(Normal) => mixed;
}

fn wrapping(durability: Durability) -> Setup {
    let mut setup = setup(options(4096, 64 << 10, 0, 4), durability);
    setup.options = setup.options.autowork(false);
    setup
}

fn by_hand(page: u32, durability: Durability) -> Setup {
    let mut setup = setup(options(page, 1 << 20, 0, 2), durability);
    setup.options = setup.options.autowork(false);
    setup
}

fn free_list(page: u32, durability: Durability) -> Setup {
    let mut setup = setup(options(page, 8 << 10, 48 << 10, 2), durability);
    setup.options = setup.options.max_freelist(2);
    setup
}

/// Sectors of 4096 bytes need pages of as many.
fn large_sectors(durability: Durability) -> Setup {
    Setup { sector: 4096, ..busy(4096, 2, durability) }
}

fn key(number: usize) -> String {
    format!("key{number:04}")
}

fn inserts(driver: &mut Driver) {
    for number in 0..40 {
        let length = driver.rng.below(200);
        driver.put(key(number * 37 % 40), length);
    }
}

fn overwrites(driver: &mut Driver) {
    for round in 0..45 {
        let length = driver.rng.below(400);
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            writing.fill(key(round % 7), length);
        });
    }
}

fn deletes(driver: &mut Driver) {
    driver.commit(|writing| (0..60).for_each(|number| writing.fill(key(number), 60)));
    for round in 0..35 {
        let number = driver.rng.below(60);
        if round % 3 == 0 {
            driver.put(key(number), 150);
        } else {
            driver.commit(|writing| {
                writing.remove(key(number));
                writing.insert("round", format!("{round}"));
            });
        }
    }
}

fn range_deletes(driver: &mut Driver) {
    for round in 0..30 {
        let low = driver.rng.below(80);
        let width = driver.rng.below(30);
        driver.commit(|writing| match round % 3 {
            0 => (low..low + 12).for_each(|number| writing.fill(key(number), 70)),
            1 => writing.remove_range(&key(low), &key(low + width)),
            _ => {
                writing.fill(key(low), 90);
                writing.remove_range(&key(low), &key(low + width));
                writing.fill(key(low + width / 2), 90);
            }
        });
    }
}

fn savepoints(driver: &mut Driver) {
    for round in 0..25 {
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            writing.fill(key(round), 100);
            writing.savepoint(round % 2 == 0, |writing| {
                writing.fill(key(round + 1), 300);
                writing.remove(key(round / 2));
                writing.savepoint(round % 3 == 0, |writing| {
                    writing.remove_range(&key(round.saturating_sub(4)), &key(round));
                });
                writing.fill(key(round + 2), 50);
            });
            writing.fill(key(round + 3), 20);
        });
        if round % 4 == 0 {
            driver.give_up(|writing| {
                writing.fill(key(round), 500);
                writing.remove_range(&key(0), &key(99));
            });
        }
    }
}

fn big_values(driver: &mut Driver) {
    for round in 0..8 {
        let length = [40_000, 10, 70_000, 9_000][round % 4] + driver.rng.below(5000);
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            writing.fill(key(round % 3), length);
        });
        if round % 3 == 1 {
            driver.give_up(|writing| writing.fill(key(round), 50_000));
        }
    }
}

fn big_transactions(driver: &mut Driver) {
    for round in 0..5 {
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            for number in 0..300 {
                writing.fill(key(number * 7 % 300), 60 + number % 50);
            }
            writing.savepoint(round % 2 == 1, |writing| {
                (300..700).for_each(|number| writing.fill(key(number), 100));
            });
            writing.remove_range(&key(20 * round), &key(40 * round));
        });
        driver.put("small", 10);
        if round == 2 {
            driver.give_up(|writing| {
                (0..500).for_each(|number| writing.fill(key(number), 100));
            });
        }
    }
}

fn tiny_flushes(driver: &mut Driver) {
    for round in 0..35 {
        let number = driver.rng.below(25);
        let length = driver.rng.below(120);
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            writing.fill(key(number), length);
            if round % 5 == 4 {
                writing.remove(key(number / 2));
            }
        });
    }
}

/// The log starts over, also in transactions that are given up or rolled back across the jump.
fn log_wrap(driver: &mut Driver) {
    driver.commit(|writing| (0..150).for_each(|number| writing.fill(key(number), 1000)));
    (0..5).for_each(|number| driver.put(key(200 + number), 500));
    driver.work(Option::None, Some(1));
    driver.store();
    driver.put("after", 10);
    driver.give_up(|writing| writing.fill("lost", 100));
    driver.put("wrapped", 400);
    for round in 0..6 {
        driver.commit(|writing| {
            (0..20).for_each(|number| writing.fill(key(number + round), 900));
            writing.savepoint(false, |writing| {
                (0..30).for_each(|number| writing.fill(key(300 + number), 1000));
            });
        });
    }
    for round in 0..14 {
        driver.commit(|writing| {
            (0..6).for_each(|number| writing.fill(key(400 + number + round), 1000));
        });
    }
    driver.work(Option::None, Some(1));
    driver.store();
    (0..8).for_each(|number| driver.put(key(500 + number), 700));
}

/// The log may not start over before a checkpoint is on disk, however much was flushed.
fn log_held(driver: &mut Driver) {
    driver.put("first", 200);
    driver.store();
    for round in 0..3 {
        driver.commit(|writing| (0..50).for_each(|number| writing.fill(key(number + round), 1000)));
    }
    driver.flush();
    (0..6).for_each(|number| driver.put(key(100 + number), 500));
    driver.store();
    (0..4).for_each(|number| driver.put(key(200 + number), 500));
}

/// What C loses: commits behind the first flush and checkpoint.
fn flush_checkpoint(driver: &mut Driver) {
    driver.put("a", 10);
    driver.flush();
    driver.checkpoint();
    driver.put("b", 10);
    driver.put("c", 10);
    for round in 0..8 {
        driver.put(key(round), 300);
        driver.flush();
        driver.put(key(round + 1), 30);
        driver.checkpoint();
        driver.put(key(round + 2), 30);
        if round % 3 == 2 {
            driver.store();
        }
        driver.checkpoint();
        driver.flush();
    }
    driver.put("z", 5);
}

/// One segment, moved to the front; then growth again, and again.
fn compaction(driver: &mut Driver) {
    for round in 0..3 {
        for part in 0..4 {
            driver.commit(|writing| {
                writing.insert("round", format!("{round}.{part}"));
                (0..60).for_each(|number| writing.fill(key(number * 4 + part), 400));
            });
            driver.flush();
        }
        driver.checkpoint();
        driver.commit(|writing| writing.remove_range(&key(20), &key(200)));
        driver.compact();
        driver.put("between", 50);
        driver.compact();
        driver.put("behind", 50);
    }
}

/// Blocks are freed and used again until the list of them lives in the database.
fn churn(driver: &mut Driver) {
    for round in 0..18 {
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            (0..40).for_each(|number| writing.fill(key(number * 3 % 100), 500));
        });
        if round % 5 == 4 {
            driver.work(Option::None, Some(1));
            driver.checkpoint();
        }
        driver.look_for_free_list();
    }
}

fn reopen(driver: &mut Driver) {
    for round in 0..8 {
        for number in 0..4 {
            driver.put(key(round * 2 + number), 300);
        }
        if round % 3 == 1 {
            driver.commit(|writing| writing.remove_range("a", "z"));
        }
        driver.reopen();
        if round % 4 == 3 {
            driver.reopen();
        }
    }
}

fn kill(driver: &mut Driver) {
    for round in 0..8 {
        for number in 0..4 {
            driver.put(key(round * 3 + number), 250);
        }
        if round % 3 == 2 {
            driver.store();
        }
        driver.kill();
        if round % 4 == 3 {
            driver.put("once", 10);
            driver.kill();
        }
    }
}

/// Processes die in the middle of anything; others go on with what they left unsynced.
fn deaths(driver: &mut Driver) {
    for _ in 0..14 {
        let calls = driver.rng.between(1, 40) as u64;
        driver.live_and_die(calls);
        driver.put("alive", 30);
    }
}

/// Merges in small steps with checkpoints and writes in between.
fn partial_merges(driver: &mut Driver) {
    for round in 0..5 {
        driver.commit(|writing| {
            writing.insert("round", format!("{round}"));
            (0..30).for_each(|number| writing.fill(key(number * 5 + round), 200));
        });
        driver.flush();
        driver.checkpoint();
    }
    for step in 0..12 {
        driver.work(Some(2048), Some(2));
        if step % 2 == 0 {
            driver.checkpoint();
        }
        driver.put(key(step * 9), 100);
        if step % 5 == 3 {
            driver.store();
        }
    }
    driver.work(Option::None, Some(1));
}

/// A bit of everything, at random.
fn mixed(driver: &mut Driver) {
    for round in 0..30 {
        let (kind, number) = (driver.rng.below(16), driver.rng.below(60));
        let length = driver.rng.below(800);
        match kind {
            0..=5 => driver.put(key(number), length),
            6..=8 => driver.commit(|writing| {
                writing.insert("round", format!("{round}"));
                (0..8).for_each(|step| writing.fill(key(number + step), length / 4));
                writing.savepoint(round % 2 == 0, |writing| writing.remove(key(number)));
            }),
            9 => driver.commit(|writing| writing.remove_range(&key(number), &key(number + 9))),
            10 => driver.give_up(|writing| writing.fill(key(number), length)),
            11 => driver.flush(),
            12 => driver.checkpoint(),
            13 => driver.work(Option::None, Some(1)),
            14 => driver.compact(),
            _ => driver.reopen(),
        }
    }
}

/// The workload with this name.
pub(crate) fn matching(name: Option<&str>) -> Vec<&'static Workload> {
    ALL.iter().filter(|workload| name.is_none_or(|name| name == workload.name)).collect()
}
