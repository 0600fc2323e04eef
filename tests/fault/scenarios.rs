//! What runs while calls fail: lists of steps, so that a step can be tried again.

use siltstone::codec::{LZ4, built_in};
use siltstone::{Durability, Options};

/// A change within a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Key and length of a value.
    Put(String, usize),
    Remove(String),
    /// From the first key up to the second, which stays.
    Range(String, String),
    /// Behind a savepoint that is kept or rolled back.
    Savepoint(bool, Vec<Change>),
}

/// One call of the application.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Vec<Change>),
    GiveUp(Vec<Change>),
    Flush,
    Work(Option<u64>, Option<u32>),
    Checkpoint,
    Compact,
    Reopen,
    Read,
}

/// A way to open a database, and what to do with it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) options: Options,
    /// Whether each commit is synced.
    pub(crate) full: bool,
    pub(crate) steps: Vec<Step>,
}

fn options(page: u32, autoflush: u64, autocheckpoint: u64) -> Options {
    Options::new()
        .page_size(page)
        .block_size(65536)
        .autoflush(autoflush)
        .autocheckpoint(autocheckpoint)
        .automerge(2)
        .durability(Durability::Full)
}

fn key(number: usize) -> String {
    format!("key{number:03}")
}

fn puts(range: std::ops::Range<usize>, length: usize) -> Vec<Change> {
    range.map(|number| Change::Put(key(number), length)).collect()
}

/// Small commits and all kinds of changes; everything stays in memory until the end.
fn small() -> Vec<Step> {
    let mut steps: Vec<Step> =
        (0..6).map(|number| Step::Commit(puts(number..number + 2, 40))).collect();
    steps.push(Step::GiveUp(puts(3..9, 100)));
    steps.push(Step::Commit(vec![
        Change::Put(key(20), 10),
        Change::Savepoint(false, vec![Change::Remove(key(1)), Change::Put(key(2), 300)]),
        Change::Savepoint(true, vec![Change::Range(key(2), key(4))]),
    ]));
    steps.extend([Step::Read, Step::Reopen, Step::Commit(puts(30..33, 50)), Step::Read]);
    steps
}

/// Flushes, merges and checkpoints all the time.
fn busy() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..8 {
        steps.push(Step::Commit(puts(round..round + 12, 150)));
        if round % 3 == 2 {
            steps.push(Step::Commit(vec![Change::Range(key(round), key(round + 5))]));
        }
    }
    steps.extend([Step::Read, Step::Reopen, Step::Commit(puts(3..20, 100)), Step::Read]);
    steps
}

/// Everything asked for by the application.
fn by_hand() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..3 {
        steps.push(Step::Commit(puts(round * 10..round * 10 + 30, 300)));
        steps.push(Step::Flush);
        steps.push(Step::Checkpoint);
    }
    steps.push(Step::Work(Some(2048), Some(2)));
    steps.push(Step::Commit(vec![Change::Range(key(5), key(25))]));
    steps.push(Step::Work(None, Some(1)));
    steps.extend([Step::Compact, Step::Commit(puts(0..3, 10)), Step::Compact, Step::Read]);
    steps
}

/// Transactions larger than the log's buffer.
fn large() -> Vec<Step> {
    vec![
        Step::Commit(puts(0..50, 1000)),
        Step::GiveUp(puts(0..60, 900)),
        Step::Commit(vec![
            Change::Put(key(1), 70_000),
            Change::Savepoint(false, puts(100..140, 1000)),
            Change::Put(key(2), 10),
        ]),
        Step::Flush,
        Step::Commit(puts(0..2, 45_000)),
        Step::Read,
    ]
}

/// The log starts over and jumps.
fn wrapping() -> Vec<Step> {
    let mut steps = vec![
        Step::Commit(puts(0..140, 1000)),
        Step::Work(None, Some(1)),
        Step::Flush,
        Step::Checkpoint,
        Step::GiveUp(puts(0..2, 10)),
    ];
    for round in 0..5 {
        steps.push(Step::Commit(vec![
            Change::Savepoint(true, puts(round..round + 20, 1000)),
            Change::Savepoint(false, puts(200..230, 1000)),
        ]));
    }
    steps.extend([Step::Commit(puts(0..60, 1000)), Step::Commit(puts(300..302, 10)), Step::Read]);
    steps
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let scenario = |name, options, steps| Scenario { name, options, full: true, steps };
    let manual = |page| options(page, 1 << 20, 0).autowork(false);
    vec![
        scenario("small", options(4096, 1 << 20, 2 << 20), small()),
        scenario("busy", options(512, 2000, 8192), busy()),
        Scenario {
            full: false,
            ..scenario(
                "busy, normal",
                options(1024, 1500, 8192).durability(Durability::Normal),
                busy(),
            )
        },
        scenario("by hand", manual(1024), by_hand()),
        scenario("large", options(2048, 64 << 10, 64 << 10), large()),
        scenario("wrapping", manual(4096), wrapping()),
        scenario("compressed", options(1024, 2000, 8192).codec(built_in(LZ4).unwrap()), busy()),
    ]
}
