//! Random histories of two connections against a model of what each may see.
//!
//! The connections are of one process or of two. The model says which calls are busy, what every
//! cursor shows before and after each call, and what is committed.

use super::{Connection, CursorId};
use crate::error::{BusyRole, ErrorKind, Result};
use crate::log::model_tests::Random;
use crate::sorted::Seek;
use crate::work::WorkLimit;
use siltstone_memory::MemoryWorld;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

const SEEDS: u64 = 40;
const STEPS: usize = 400;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a cursor must show.
#[derive(Clone, Debug)]
struct Place {
    id: CursorId,
    key: Option<Vec<u8>>,
    /// The value a rollback has left to be seen.
    kept: Option<Vec<u8>>,
}

/// What a connection must see.
struct Side {
    connection: Connection,
    /// What is read: good while a cursor or transaction is open.
    rows: Rows,
    /// The rows at the opening of each level.
    levels: Vec<Rows>,
    cursors: Vec<Place>,
    /// How much others and itself had committed when it last looked.
    version: u64,
}

/// What both must agree on.
#[derive(Default)]
struct Truth {
    rows: Rows,
    version: u64,
    /// The version at which something was last done that changes no row: a flush, or a transaction
    /// whose changes came to nothing. It may make the state of open cursors count as old, or not.
    blurred_at: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    Between(Vec<u8>, Vec<u8>),
}

impl Change {
    fn random(random: &mut Random) -> Self {
        match random.below(8) {
            0 | 1 => Change::Remove(key(random)),
            2 => Change::Between(key(random), key(random)),
            _ => {
                let value = vec![b'a' + random.below(26) as u8; random.below(90) as usize];
                Change::Insert(key(random), value)
            }
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Change::Between(low, high) if low >= high)
    }

    fn of(&self, rows: &mut Rows) {
        match self {
            Change::Insert(key, value) => drop(rows.insert(key.clone(), value.clone())),
            Change::Remove(key) => drop(rows.remove(key)),
            Change::Between(low, high) => rows.retain(|key, _| key <= low || key >= high),
        }
    }

    fn on(&self, connection: &mut Connection) -> Result<()> {
        match self {
            Change::Insert(key, value) => connection.insert(key, value),
            Change::Remove(key) => connection.remove(key),
            Change::Between(low, high) => connection.remove_between(low, high),
        }
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    format!("{:03}", random.below(200)).into_bytes()
}

fn busy(outcome: &Result<()>) -> Option<BusyRole> {
    match outcome {
        Ok(()) => None,
        Err(error) => match error.kind() {
            ErrorKind::Busy(role) => Some(*role),
            _ => panic!("{error}"),
        },
    }
}

impl Side {
    fn is_idle(&self) -> bool {
        self.cursors.is_empty() && self.levels.is_empty()
    }

    /// Whether a write transaction may begin; `Err` says why not.
    fn may_begin(&self, truth: &Truth, other_writes: bool) -> std::result::Result<(), BusyRole> {
        if other_writes {
            Err(BusyRole::Writer)
        } else if !self.cursors.is_empty() && self.version != truth.version {
            Err(BusyRole::StaleSnapshot)
        } else {
            Ok(())
        }
    }

    /// Whether `outcome` of a beginning is what it must be; tells whether it has begun.
    fn begun(&self, truth: &Truth, other_writes: bool, outcome: &Result<()>) -> bool {
        let got = busy(outcome);
        match self.may_begin(truth, other_writes) {
            Ok(()) if got == Some(BusyRole::StaleSnapshot) => {
                assert!(!self.cursors.is_empty() && truth.blurred_at == truth.version);
                false
            }
            Ok(()) => {
                assert_eq!(got, None);
                true
            }
            Err(role) => {
                assert_eq!(got, Some(role));
                false
            }
        }
    }

    fn look(&mut self, truth: &Truth) {
        if self.is_idle() {
            self.rows.clone_from(&truth.rows);
            self.version = truth.version;
        }
    }

    fn change(&mut self, truth: &mut Truth, other_writes: bool, change: &Change) {
        let outcome = change.on(&mut self.connection);
        if change.is_nothing() {
            assert!(outcome.is_ok());
            return;
        }
        let in_transaction = !self.levels.is_empty();
        if !in_transaction && !self.begun(truth, other_writes, &outcome) {
            return;
        }
        assert!(outcome.is_ok());
        self.cursors.iter_mut().for_each(|place| place.kept = None);
        if in_transaction {
            change.of(&mut self.rows);
            return;
        }
        self.rows.clone_from(&truth.rows);
        change.of(&mut self.rows);
        self.committed(truth);
    }

    /// What it sees now is committed.
    fn committed(&mut self, truth: &mut Truth) {
        if truth.rows == self.rows {
            // Changes that came to nothing, or none.
            truth.blurred_at = truth.version;
        } else {
            truth.rows.clone_from(&self.rows);
            truth.version += 1;
        }
        self.version = truth.version;
    }

    fn begin(&mut self, truth: &Truth, other_writes: bool, level: usize) {
        let outcome = self.connection.begin(level as u32);
        if level <= self.levels.len() {
            assert!(outcome.is_ok());
            return;
        }
        if self.levels.is_empty() {
            if !self.begun(truth, other_writes, &outcome) {
                return;
            }
            self.rows.clone_from(&truth.rows);
            self.version = truth.version;
        }
        outcome.unwrap();
        self.levels.resize(level, self.rows.clone());
    }

    fn commit(&mut self, truth: &mut Truth, level: usize) {
        self.connection.commit(level as u32).unwrap();
        if level >= self.levels.len() {
            return;
        }
        self.levels.truncate(level);
        if level == 0 {
            self.committed(truth);
        }
    }

    fn roll_back(&mut self, level: usize) {
        self.connection.rollback(level as u32).unwrap();
        let open = self.levels.len();
        if open == 0 || level > open {
            return;
        }
        for place in &mut self.cursors {
            if place.kept.is_none() {
                place.kept = place.key.as_ref().and_then(|key| self.rows.get(key)).cloned();
            }
        }
        let index = level.max(1) - 1;
        self.rows.clone_from(&self.levels[index]);
        self.levels.truncate(level);
    }

    fn open_cursor(&mut self, truth: &Truth) {
        self.look(truth);
        let id = self.connection.open_cursor().unwrap();
        self.cursors.push(Place { id, key: None, kept: None });
    }

    fn move_cursor(&mut self, random: &mut Random) {
        if self.cursors.is_empty() {
            return;
        }
        let at = random.below(self.cursors.len() as u64) as usize;
        let place = &mut self.cursors[at];
        let rows = &self.rows;
        let wanted = key(random);
        let mut cursor = self.connection.cursor(place.id).unwrap();
        let first = |range: (Bound<&Vec<u8>>, Bound<&Vec<u8>>)| {
            rows.range::<Vec<u8>, _>(range).next().map(|(key, _)| key.clone())
        };
        let last = |range: (Bound<&Vec<u8>>, Bound<&Vec<u8>>)| {
            rows.range::<Vec<u8>, _>(range).next_back().map(|(key, _)| key.clone())
        };
        let (valid, expected) = match random.below(9) {
            0 => (cursor.first(), rows.keys().next().cloned()),
            1 => (cursor.last(), rows.keys().next_back().cloned()),
            2 => {
                let there = rows.contains_key(&wanted).then(|| wanted.clone());
                (cursor.seek(&wanted, Seek::Exact), there)
            }
            3 => {
                let range = (Bound::Included(&wanted), Bound::Unbounded);
                (cursor.seek(&wanted, Seek::AtLeast), first(range))
            }
            4 => {
                let range = (Bound::Unbounded, Bound::Included(&wanted));
                (cursor.seek(&wanted, Seek::AtMost), last(range))
            }
            5 | 6 => {
                let next = place.key.as_ref();
                let next = next.and_then(|key| first((Bound::Excluded(key), Bound::Unbounded)));
                (cursor.next(), next)
            }
            _ => {
                let previous = place.key.as_ref();
                let previous =
                    previous.and_then(|key| last((Bound::Unbounded, Bound::Excluded(key))));
                (cursor.previous(), previous)
            }
        };
        assert_eq!(valid.unwrap(), expected.is_some());
        place.key = expected;
        place.kept = None;
    }

    fn close_cursor(&mut self, random: &mut Random) {
        if !self.cursors.is_empty() {
            let at = random.below(self.cursors.len() as u64) as usize;
            let place = self.cursors.swap_remove(at);
            self.connection.close_cursor(place.id).unwrap();
        }
    }

    /// Shows a cursor everything it must show, and all cursors where they stand.
    fn check(&mut self, truth: &Truth, scan: bool) {
        for place in &self.cursors {
            let mut cursor = self.connection.cursor(place.id).unwrap();
            assert_eq!(cursor.key(), place.key.as_deref());
            let value = place.key.as_ref().and_then(|key| self.rows.get(key));
            let value = place.kept.as_ref().or(value).map(Vec::as_slice);
            assert_eq!(cursor.value().unwrap(), value);
        }
        if !scan {
            return;
        }
        self.look(truth);
        let id = self.connection.open_cursor().unwrap();
        let mut cursor = self.connection.cursor(id).unwrap();
        let mut expected = self.rows.iter();
        let mut valid = cursor.first().unwrap();
        while valid {
            let (key, value) = expected.next().unwrap();
            assert_eq!(cursor.key(), Some(key.as_slice()));
            assert_eq!(cursor.value().unwrap(), Some(value.as_slice()));
            valid = cursor.next().unwrap();
        }
        assert_eq!(expected.next(), None);
        self.connection.close_cursor(id).unwrap();
    }

    fn work(&mut self, truth: &mut Truth, other_writes: bool, random: &mut Random) {
        let idle = self.is_idle();
        let misuse = |outcome: Result<()>| assert_eq!(outcome.unwrap_err().code(), 21);
        match random.below(3) {
            0 => {
                let outcome = self.connection.flush();
                if !idle {
                    misuse(outcome);
                } else if other_writes {
                    assert_eq!(busy(&outcome), Some(BusyRole::Writer));
                } else {
                    outcome.unwrap();
                    truth.blurred_at = truth.version;
                }
            }
            1 => {
                let outcome = self.connection.work(WorkLimit::bytes(random.below(1 << 16)));
                if idle {
                    outcome.unwrap();
                } else {
                    misuse(outcome.map(|_| ()));
                }
            }
            _ => drop(self.connection.checkpoint().unwrap()),
        }
    }
}

fn side(env: Arc<dyn crate::env::Env>, random: &mut Random) -> Side {
    let mut connection = Connection::new(env);
    let (flush, merge) = (random.below(12 << 10), 2 + random.below(4) as u32);
    let durability = match random.below(3) {
        0 => crate::Durability::None,
        1 => crate::Durability::Normal,
        _ => crate::Durability::Full,
    };
    let small = |options: crate::Options| {
        options
            .autoflush(flush)
            .automerge(merge)
            .page_size(256)
            .block_size(1 << 16)
            .autocheckpoint(1 << 16)
            .durability(durability)
    };
    connection.configure(small).unwrap();
    connection.open(b"app.lsm").unwrap();
    let (rows, levels, cursors) = Default::default();
    Side { connection, rows, levels, cursors, version: 0 }
}

fn history(seed: u64) {
    let mut random = Random(seed);
    let world = MemoryWorld::new();
    let process = world.process();
    let other = if seed.is_multiple_of(2) { world.process() } else { Arc::clone(&process) };
    let mut truth = Truth { version: 1, ..Truth::default() };
    let mut sides = [side(process, &mut random), side(other, &mut random)];
    for _ in 0..STEPS {
        let at = random.below(2) as usize;
        let other_writes = !sides[1 - at].levels.is_empty();
        let side = &mut sides[at];
        let level = random.below(4) as usize;
        match random.below(24) {
            0..=8 => {
                let change = Change::random(&mut random);
                side.change(&mut truth, other_writes, &change);
            }
            9 | 10 => side.begin(&truth, other_writes, level),
            11 | 12 => side.commit(&mut truth, level),
            13 => side.roll_back(level),
            14 if side.cursors.len() < 4 => side.open_cursor(&truth),
            15 => side.close_cursor(&mut random),
            16 => side.work(&mut truth, other_writes, &mut random),
            _ => side.move_cursor(&mut random),
        }
        let scan = random.below(8) == 0;
        side.check(&truth, scan);
    }
    let [mut one, two] = sides;
    drop(two);
    one.connection.rollback(0).unwrap();
    for place in one.cursors.drain(..) {
        one.connection.close_cursor(place.id).unwrap();
    }
    one.levels.clear();
    one.check(&truth, true);
    one.connection.close().unwrap();
}

#[test]
fn two_connections_follow_the_model() {
    let first = std::env::var("SILTSTONE_SEED").ok();
    let first = first.map(|text| text.parse::<u64>().expect("SILTSTONE_SEED is a number"));
    let seeds = first.map_or(1..=SEEDS, |seed| seed..=seed);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| history(seed));
        if let Err(panic) = outcome {
            eprintln!(
                "again with SILTSTONE_SEED={seed} cargo test -p siltstone --lib two_connections"
            );
            std::panic::resume_unwind(panic);
        }
    }
}
