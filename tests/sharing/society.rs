//! A group of simulated processes that share a database, with what they must see.

use siltstone::{Database, Durability, Iter, Options, Snapshot, WorkLimit, WriteTransaction};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use siltstone_tests::rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const NAME: &str = "shared.lsm";

/// What a process may hold while others go on.
struct Held {
    snapshot: Snapshot,
    iterator: Iter<'static>,
    seen: Map,
    passed: usize,
}

struct Member {
    env: Arc<MemoryEnv>,
    database: Option<Database>,
    read_only: bool,
    held: Vec<Held>,
    transaction: Option<(WriteTransaction, Map)>,
}

/// The processes and the truth.
pub(crate) struct Society {
    world: MemoryWorld,
    options: Options,
    members: Vec<Member>,
    committed: Map,
    keys: usize,
    value: usize,
}

fn contents(iterator: Iter<'_>) -> Map {
    iterator.map(|entry| entry.unwrap()).collect()
}

impl Society {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let page = *rng.pick(&[256, 1024, 4096]);
        let options = Options::new()
            .page_size(page)
            .block_size(65536)
            .autoflush(*rng.pick(&[4_000, 20_000, 60_000]))
            .autocheckpoint(*rng.pick(&[0, 20_000, 100_000]))
            .automerge(rng.between(2, 4) as u32)
            .max_freelist(rng.between(2, 24) as u32)
            .durability(*rng.pick(&[Durability::None, Durability::Normal, Durability::Full]))
            .busy_timeout(Duration::ZERO);
        let world = MemoryWorld::new();
        let members = (0..rng.between(2, 5))
            .map(|_| Member {
                env: world.process(),
                database: None,
                read_only: false,
                held: Vec::new(),
                transaction: None,
            })
            .collect();
        let (keys, value) = (*rng.pick(&[20, 200, 2000]), *rng.pick(&[10, 100, 3000]));
        Society { world, options, members, committed: Map::new(), keys, value }
    }

    fn key(&self, rng: &mut Rng) -> Vec<u8> {
        format!("key{:05}", rng.below(self.keys)).into_bytes()
    }

    fn value(&self, rng: &mut Rng) -> Vec<u8> {
        let byte = rng.below(256) as u8;
        vec![byte; rng.below(self.value)]
    }

    fn writer(&self) -> Option<usize> {
        self.members.iter().position(|member| member.transaction.is_some())
    }

    /// One operation of one process.
    pub(crate) fn step(&mut self, rng: &mut Rng) -> String {
        let index = rng.below(self.members.len());
        let (what, act): (&str, fn(&mut Self, usize, &mut Rng)) =
            if self.members[index].database.is_none() {
                ("opens", Self::open)
            } else if self.members[index].transaction.is_some() {
                ("goes on", Self::go_on)
            } else {
                match rng.below(100) {
                    0..=39 => ("writes", Self::write),
                    40..=54 => ("looks", Self::look),
                    55..=64 => ("holds", Self::hold),
                    65..=72 => ("begins", Self::begin),
                    73..=78 => ("works", Self::work),
                    79..=81 => ("flushes", Self::flush),
                    82..=84 => ("checkpoints", Self::checkpoint),
                    85..=89 => ("lets go", Self::let_go),
                    90..=94 => ("closes", Self::close),
                    95..=97 => ("is killed", Self::kill),
                    _ => ("checks", Self::check),
                }
            };
        act(self, index, rng);
        format!("process {index} {what}")
    }

    /// Checks the file as every process sees it.
    pub(crate) fn check_all(&mut self) {
        for index in 0..self.members.len() {
            if let Some(database) = &self.members[index].database {
                let report = database.check().unwrap();
                assert!(report.is_sound(), "as process {index} sees it: {:?}", report.problems);
            }
        }
    }

    fn database(&self, index: usize) -> &Database {
        self.members[index].database.as_ref().unwrap()
    }

    fn open(&mut self, index: usize, rng: &mut Rng) {
        let read_only = rng.chance(20) && self.world.read_file(NAME).is_some();
        let member = &mut self.members[index];
        let options = self.options.clone().read_only(read_only);
        member.database = Some(options.open_with_env(member.env.clone(), NAME).unwrap());
        member.read_only = read_only;
    }

    fn write(&mut self, index: usize, rng: &mut Rng) {
        if self.members[index].read_only {
            let refused = self.database(index).insert("x", "y").unwrap_err();
            assert_eq!(refused.code(), 8, "{refused}");
            return;
        }
        let key = self.key(rng);
        let busy = self.writer().is_some();
        let outcome = match rng.below(10) {
            0 | 1 => {
                let done = self.database(index).remove(&key);
                if done.is_ok() {
                    self.committed.remove(&key);
                }
                done
            }
            2 => {
                let mut ends = [key, self.key(rng)];
                ends.sort();
                let [low, high] = ends;
                let done = self.database(index).remove_range(low.clone()..=high.clone());
                if done.is_ok() {
                    self.committed.retain(|key, _| *key < low || *key > high);
                }
                done
            }
            _ => {
                let value = self.value(rng);
                let done = self.database(index).insert(&key, &value);
                if done.is_ok() {
                    self.committed.insert(key, value);
                }
                done
            }
        };
        match outcome {
            Ok(()) => assert!(!busy, "two writers at once"),
            Err(error) => assert!(busy && error.is_busy(), "{error}"),
        }
    }

    fn begin(&mut self, index: usize, _: &mut Rng) {
        if self.members[index].read_only {
            return;
        }
        let busy = self.writer().is_some();
        match self.database(index).begin() {
            Ok(transaction) => {
                assert!(!busy, "two writers at once");
                self.members[index].transaction = Some((transaction, self.committed.clone()));
            }
            Err(error) => assert!(busy && error.is_busy(), "{error}"),
        }
    }

    fn go_on(&mut self, index: usize, rng: &mut Rng) {
        let (key, value) = (self.key(rng), self.value(rng));
        let (transaction, mut map) = self.members[index].transaction.take().unwrap();
        match rng.below(20) {
            0..=1 => {
                transaction.commit().unwrap();
                self.committed = map;
                return;
            }
            2 => return transaction.rollback().unwrap(),
            3 => return self.kill_with(index, transaction),
            4 => {
                let savepoint = transaction.savepoint().unwrap();
                transaction.insert("in a savepoint", "x").unwrap();
                transaction.remove_range(key..).unwrap();
                savepoint.rollback().unwrap();
            }
            5..=6 => assert!(contents(transaction.iter().unwrap()) == map, "a writer's own view"),
            7..=8 => {
                transaction.remove(&key).unwrap();
                map.remove(&key);
            }
            _ => {
                for _ in 0..rng.below(20) {
                    let key = self.key(rng);
                    transaction.insert(&key, &value).unwrap();
                    map.insert(key, value.clone());
                }
            }
        }
        self.members[index].transaction = Some((transaction, map));
    }

    fn look(&mut self, index: usize, rng: &mut Rng) {
        let database = self.database(index);
        if rng.chance(50) {
            let key = self.key(rng);
            assert_eq!(database.get(&key).unwrap().as_ref(), self.committed.get(&key));
        } else {
            let found = contents(database.iter().unwrap());
            assert!(
                found == self.committed,
                "a scan sees {} entries of {}",
                found.len(),
                self.committed.len()
            );
        }
    }

    fn hold(&mut self, index: usize, rng: &mut Rng) {
        for held in &mut self.members[index].held {
            for _ in 0..rng.below(20) {
                let entry = held.iterator.next().map(|entry| entry.unwrap());
                let expected = held.seen.iter().nth(held.passed);
                assert_eq!(
                    entry.as_ref().map(|(key, value)| (key, value)),
                    expected,
                    "an old iterator"
                );
                held.passed += 1;
            }
            let key = format!("key{:05}", rng.below(self.keys)).into_bytes();
            assert_eq!(held.snapshot.get(&key).unwrap().as_ref(), held.seen.get(&key));
        }
        if self.members[index].held.len() < 3 {
            let snapshot = self.database(index).snapshot().unwrap();
            let iterator = snapshot.iter().unwrap();
            let held = Held { snapshot, iterator, seen: self.committed.clone(), passed: 0 };
            self.members[index].held.push(held);
        }
    }

    fn let_go(&mut self, index: usize, rng: &mut Rng) {
        let held = &mut self.members[index].held;
        if !held.is_empty() {
            let held = held.swap_remove(rng.below(held.len()));
            assert!(contents(held.snapshot.iter().unwrap()) == held.seen, "an old snapshot");
        }
    }

    fn work(&mut self, index: usize, rng: &mut Rng) {
        if self.members[index].read_only {
            return;
        }
        let limit = WorkLimit {
            bytes: rng.chance(70).then(|| rng.below(100_000) as u64),
            segments: rng.chance(30).then(|| rng.between(1, 4) as u32),
        };
        self.database(index).work(limit).unwrap();
    }

    fn flush(&mut self, index: usize, _: &mut Rng) {
        if self.members[index].read_only {
            return;
        }
        let busy = self.writer().is_some();
        match self.database(index).flush() {
            Ok(()) => assert!(!busy),
            Err(error) => assert!(busy && error.is_busy(), "{error}"),
        }
    }

    fn checkpoint(&mut self, index: usize, _: &mut Rng) {
        if !self.members[index].read_only {
            self.database(index).checkpoint().unwrap();
        }
    }

    fn check(&mut self, index: usize, _: &mut Rng) {
        let report = self.database(index).check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    }

    fn close(&mut self, index: usize, _: &mut Rng) {
        let member = &mut self.members[index];
        member.held.clear();
        member.database.take().unwrap().close().unwrap();
    }

    fn kill(&mut self, index: usize, _: &mut Rng) {
        self.leave_dead(index);
    }

    fn leave_dead(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.env.kill();
        member.held.clear();
        member.database = None;
        member.env = self.world.process();
    }

    fn kill_with(&mut self, index: usize, transaction: WriteTransaction) {
        self.members[index].env.kill();
        drop(transaction);
        self.leave_dead(index);
    }

    /// All leave; the file must hold everything and nothing else must be left.
    pub(crate) fn end(mut self) {
        for index in 0..self.members.len() {
            self.members[index].transaction = None;
            self.members[index].held.clear();
            if let Some(database) = self.members[index].database.take() {
                database.close().unwrap();
            }
        }
        let env = self.world.process();
        let database = self.options.open_with_env(env, NAME).unwrap();
        assert!(contents(database.iter().unwrap()) == self.committed, "after the end");
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        database.close().unwrap();
    }
}
