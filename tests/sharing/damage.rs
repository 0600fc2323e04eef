//! Damage to the live header of shared memory, byte by byte, while clients are connected.
//!
//! Between two operations one byte of chunk 0 is changed, in one copy of what is kept twice or in
//! both. Whatever is done next works, or says `Protocol` or `Corrupt`, before long; and once nobody
//! is left, by closing or by being killed, a newcomer finds everything that was committed.
//!
//! All bytes instead of a sample: `SILTSTONE_HOSTILE=all`; one case again: `SILTSTONE_CASE=n`.

use crate::scene::{
    Client, HeaderChunk, META_PAGE, Map, NAME, SNAPSHOTS, TREE_HEADERS, USED_BYTES, WRITER,
    assert_same, contents, entry, expect_after_all_left, put,
};
use siltstone::{Database, Durability, ErrorKind, Options, WorkLimit};
use siltstone_memory::MemoryWorld;
use siltstone_tests::parallel::for_each_of;
use siltstone_tests::variables::number;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

/// More than all timeouts together may come to.
const LONG: Duration = Duration::from_secs(100);

fn options() -> Options {
    Options::new()
        .page_size(256)
        .block_size(65536)
        .autoflush(3000)
        .autocheckpoint(0)
        .durability(Durability::Normal)
        .busy_timeout(Duration::from_millis(50))
}

/// Files to begin with.
struct Image {
    database: Vec<u8>,
    log: Vec<u8>,
    committed: Map,
}

impl Image {
    /// A database with levels, checkpoints in both meta pages or none, and a log.
    fn new(checkpoints: bool) -> Self {
        let world = MemoryWorld::new();
        let client = Client::open(&world, &options()).unwrap();
        let mut committed = Map::new();
        for number in 0..120 {
            put(&client.database, &mut committed, number);
            if checkpoints && (number == 40 || number == 80) {
                client.database.flush().unwrap();
                client.database.checkpoint().unwrap();
            }
        }
        for number in 30..40 {
            let (key, _) = entry(number);
            client.database.remove(&key).unwrap();
            committed.remove(&key);
        }
        client.kill();
        let read = |name: &str| world.read_file(name).unwrap_or_default();
        Image { database: read(NAME), log: read(&format!("{NAME}-log")), committed }
    }

    fn world(&self) -> MemoryWorld {
        let world = MemoryWorld::new();
        world.write_file(NAME, &self.database).unwrap();
        world.write_file(&format!("{NAME}-log"), &self.log).unwrap();
        world
    }
}

/// How everybody leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Killed,
    Closed,
    /// A client that came after the damage closes last.
    NewcomerCloses,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Zero,
    Ones,
    Flip,
}

/// One change of one byte, or of the byte and its twin in the other copy.
#[derive(Clone, Copy, Debug)]
struct Case {
    byte: usize,
    twin: Option<usize>,
    change: Change,
    checkpoints: bool,
    /// An unflushed old tree and readers that hold slots are there.
    busy: bool,
    /// Nothing is done between the damage and the end but a newcomer's arrival.
    idle: bool,
    ending: Ending,
}

/// The same byte in the second copy.
fn twin(byte: usize) -> Option<usize> {
    for [first, second] in [SNAPSHOTS, TREE_HEADERS] {
        if first.contains(&(byte / 4)) {
            return Some(byte + (second.start - first.start) * 4);
        }
    }
    None
}

const CHANGES: [Change; 3] = [Change::Zero, Change::Ones, Change::Flip];
const ENDINGS: [Ending; 3] = [Ending::Killed, Ending::Closed, Ending::NewcomerCloses];

/// All cases, and how many of them, from the first, are never left out.
fn cases() -> (Vec<Case>, usize) {
    let mut cases = Vec::new();
    // What stands there once, in every situation.
    for byte in WRITER * 4..TREE_HEADERS[0].start * 4 {
        for change in CHANGES {
            for ending in ENDINGS {
                for bits in 0..8 {
                    let [checkpoints, busy, idle] = [1, 2, 4].map(|bit| bits & bit != 0);
                    cases.push(Case { byte, twin: None, change, checkpoints, busy, idle, ending });
                }
            }
        }
    }
    let always = cases.len();
    for byte in 0..USED_BYTES {
        for twin in [None, twin(byte)] {
            for change in CHANGES {
                // Every combination comes, but not for every byte.
                let count = cases.len();
                let (checkpoints, busy, idle) = (count % 4 != 0, count % 8 < 5, count % 5 == 0);
                let ending = ENDINGS[count % 3];
                cases.push(Case { byte, twin, change, checkpoints, busy, idle, ending });
            }
            if twin.is_none() && self::twin(byte).is_none() {
                break;
            }
        }
    }
    (cases, always)
}

/// The result, unless the damage was noticed.
fn tolerate<T>(what: &str, outcome: siltstone::Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            let noticed = matches!(
                error.kind(),
                ErrorKind::Protocol(_) | ErrorKind::Corrupt { .. } | ErrorKind::Poisoned(_)
            );
            assert!(noticed, "{what}: {error}");
            None
        }
    }
}

fn look(what: &str, database: &Database, committed: &Map) {
    if let Some(found) = tolerate(what, contents(database)) {
        assert_same(&found, committed, what);
    }
}

fn write(what: &str, database: &Database, committed: &mut Map, number: usize) {
    let (key, value) = entry(number);
    if tolerate(what, database.insert(&key, &value)).is_some() {
        committed.insert(key, value);
    }
}

fn run(image: &Image, case: Case) -> BTreeMap<&'static str, usize> {
    let world = image.world();
    let mut committed = image.committed.clone();
    let first = Client::open(&world, &options()).unwrap();
    let mut next = 1000..;
    let mut number = || next.next().unwrap();
    let second = Client::open(&world, &options()).unwrap();
    for client in [&first, &second] {
        put(&client.database, &mut committed, number());
    }
    first.database.work(WorkLimit { bytes: Some(2000), segments: None }).unwrap();
    if case.checkpoints {
        second.database.checkpoint().unwrap();
    }
    let held = case.busy.then(|| {
        let held = second.database.snapshot().unwrap();
        first.database.set_autowork(false);
        for _ in 0..30 {
            put(&first.database, &mut committed, number());
        }
        first.database.set_autowork(true);
        held
    });

    let memory = HeaderChunk::of(&world);
    let mut changed = false;
    for byte in [Some(case.byte), case.twin].into_iter().flatten() {
        let before = memory.byte(byte);
        let after = match case.change {
            Change::Zero => 0,
            Change::Ones => 0xff,
            Change::Flip => !before,
        };
        memory.set_byte(byte, after);
        changed |= before != after;
    }
    let started = world_time(&first);
    let mut tally = BTreeMap::new();
    let mut tell = |what: &'static str, fine: bool| {
        if changed && !fine {
            *tally.entry(what).or_default() += 1;
        }
    };

    let newcomer = tolerate("a newcomer opens", Client::open(&world, &options()));
    tell("newcomer refused", newcomer.is_some());
    if !case.idle {
        let clients = [Some(&first), Some(&second), newcomer.as_ref()];
        let clients = clients.map(|client| client.map(|client| &client.database));
        operate(&world, clients, &mut committed, &mut tell);
    }
    drop(held);
    match case.ending {
        Ending::Killed => {
            first.kill();
            second.kill();
            newcomer.into_iter().for_each(Client::kill);
        }
        Ending::Closed => {
            drop(newcomer);
            tell("close refused", tolerate("close", first.database.close()).is_some());
            tell("last close refused", tolerate("last close", second.database.close()).is_some());
        }
        Ending::NewcomerCloses => {
            first.kill();
            second.kill();
            if let Some(newcomer) = newcomer {
                tolerate("the newcomer closes", newcomer.database.close());
            }
        }
    }
    let spent = world_time(&Client::open(&world, &options()).unwrap()) - started;
    assert!(spent < LONG, "it took {spent:?}");
    expect_after_all_left(&world, &options(), &committed, "afterwards");
    tally
}

/// Something of everything, by the clients there were and one that came since.
fn operate(
    world: &MemoryWorld,
    clients: [Option<&Database>; 3],
    committed: &mut Map,
    tell: &mut dyn FnMut(&'static str, bool),
) {
    let [Some(first), Some(second), newcomer] = clients else { return };
    look("the second client reads", second, committed);
    let reader = Client::open(world, &options().read_only(true));
    if let Some(reader) = tolerate("a reader opens", reader) {
        look("a read-only client reads", &reader.database, committed);
    }
    let mut number = 2000..;
    let mut number = || number.next().unwrap();
    let before = committed.len();
    for _ in 0..3 {
        write("the first client writes", first, committed, number());
    }
    tell("write refused", committed.len() == before + 3);
    look("the first client reads", first, committed);
    let limit = WorkLimit { bytes: Some(3000), segments: None };
    tell("work refused", tolerate("work", second.work(limit)).is_some());
    tolerate("a checkpoint", second.checkpoint());
    write("the second client writes", second, committed, number());
    if let Some(newcomer) = newcomer {
        for _ in 0..20 {
            write("the newcomer writes", newcomer, committed, number());
        }
        tolerate("a flush", newcomer.flush());
        look("the newcomer reads", newcomer, committed);
    }
    if let Some(report) = tolerate("a check", first.check()) {
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

fn world_time(client: &Client) -> Duration {
    siltstone_env::Env::now(&*client.env)
}

#[test]
fn every_byte_of_the_live_header() {
    let images = [Image::new(false), Image::new(true)];
    let (cases, always) = cases();
    let check = |index: u64| {
        let case = cases[index as usize];
        let outcome =
            catch_unwind(AssertUnwindSafe(|| run(&images[usize::from(case.checkpoints)], case)));
        outcome.unwrap_or_else(|_| panic!("SILTSTONE_CASE={index}: {case:?}"))
    };
    if let Some(index) = number("SILTSTONE_CASE") {
        check(index);
        return;
    }
    let all = std::env::var("SILTSTONE_HOSTILE").is_ok_and(|amount| amount == "all");
    let (count, always) = (cases.len() as u64, always as u64);
    let chosen: Vec<u64> =
        (0..count).filter(|at| all || *at < always || at % 8 == at / 8 % 8).collect();
    let totals = Mutex::new(BTreeMap::new());
    for_each_of(&chosen, |index| {
        for (what, count) in check(*index) {
            *totals.lock().unwrap().entry(what).or_insert(0) += count;
        }
    });
    println!("{} of {} cases: {:?}", chosen.len(), cases.len(), totals.lock().unwrap());
}

/// Merges until nothing is left to merge.
fn work_all(database: &Database) {
    while !database.work(WorkLimit { bytes: None, segments: Some(1) }).unwrap().finished {}
}

/// Blocks that the checkpoint on disk names stay, even if shared memory says there is none.
#[test]
fn a_lost_meta_page_number_frees_nothing() {
    for (word, joined) in [(0, false), (0, true), (0xff, true), (2, false), (2, true)] {
        let world = MemoryWorld::new();
        let options = options().autoflush(60_000).max_freelist(4);
        let writer = Client::open(&world, &options).unwrap();
        let mut committed = Map::new();
        for number in 0..4000 {
            put(&writer.database, &mut committed, number);
        }
        writer.database.flush().unwrap();
        writer.database.checkpoint().unwrap();
        let memory = HeaderChunk::of(&world);
        assert_eq!(memory.word(META_PAGE), 1);
        memory.set_word(META_PAGE, word);
        let writer = if joined {
            let newcomer = Client::open(&world, &options).unwrap();
            writer.kill();
            newcomer
        } else {
            writer
        };
        for round in 0..4 {
            for number in (round % 2..4000).step_by(2) {
                put(&writer.database, &mut committed, number);
            }
            writer.database.flush().unwrap();
            work_all(&writer.database);
        }
        writer.kill();
        expect_after_all_left(&world, &options, &committed, &format!("{word} {joined}"));
    }
}

/// The log is removed only by who has put everything on disk, whatever shared memory says.
#[test]
fn a_wrong_meta_page_number_is_no_checkpoint() {
    for word in [0xff, 1, 2] {
        let world = MemoryWorld::new();
        let writer = Client::open(&world, &options()).unwrap();
        let mut committed = Map::new();
        for number in 0..50 {
            put(&writer.database, &mut committed, number);
        }
        // Everything is in the snapshot, which only shared memory has.
        writer.database.flush().unwrap();
        HeaderChunk::of(&world).set_word(META_PAGE, word);
        let newcomer = Client::open(&world, &options()).unwrap();
        writer.kill();
        newcomer.database.close().unwrap();
        expect_after_all_left(&world, &options(), &committed, &format!("page {word}"));
    }
}
