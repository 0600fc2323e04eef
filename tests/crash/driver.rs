//! Runs a workload against a database in a recorded world and keeps what each commit must show.
//!
//! Remarks in the record tell, for every point of it, which commits were acknowledged, which one
//! was under way, and which must survive even without a sync per commit.

use crate::content::{Model, hash_database};
use siltstone::{Database, Durability, Options, Structure, WorkLimit, WriteTransaction};
use siltstone_env::EnvError;
use siltstone_memory::{
    Effect, Event, Fault, FaultEnv, FaultPlan, MemoryEnv, MemoryWorld, Settings, Trace,
};
use siltstone_tests::rng::Rng;
use std::sync::Arc;

/// Name of the database in all worlds.
pub(crate) const NAME: &str = "app.lsm";

pub(crate) const ATTEMPT: u64 = 1 << 48;
pub(crate) const COMMITTED: u64 = 2 << 48;
pub(crate) const DURABLE: u64 = 3 << 48;
/// A commit that was never acknowledged, but found by another process.
const RECOVERED: u64 = 4 << 48;

/// Rare structures a recorded run went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) unfinished_merge: bool,
    pub(crate) redirect: bool,
    pub(crate) free_list_in_database: bool,
    pub(crate) free_block: bool,
    pub(crate) log_wrap: bool,
    pub(crate) log_jump: bool,
    pub(crate) many_levels: bool,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.unfinished_merge |= other.unfinished_merge;
        self.redirect |= other.redirect;
        self.free_list_in_database |= other.free_list_in_database;
        self.free_block |= other.free_block;
        self.log_wrap |= other.log_wrap;
        self.log_jump |= other.log_jump;
        self.many_levels |= other.many_levels;
    }

    fn look(&mut self, structure: &Structure) {
        self.unfinished_merge |= structure.levels.iter().any(|level| !level.merging.is_empty());
        self.free_list_in_database |= structure.levels.iter().any(|level| level.freelist_only);
        self.redirect |= !structure.redirects.is_empty();
        self.free_block |= !structure.free.is_empty();
        self.many_levels |= structure.levels.len() >= 3;
        let used = structure.log_regions.iter().filter(|(start, end)| end > start).count();
        self.log_wrap |= used >= 2;
        self.log_jump |= used == 3 || structure.log_regions[1].1 > 0;
    }
}

/// What must be found after a cut at some point of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Expected {
    /// Commits that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Commits that must survive power loss.
    pub(crate) durable: usize,
    /// The newest commit that may be there.
    pub(crate) newest: usize,
}

/// Follows the remarks of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follower {
    pub(crate) expected: Expected,
    full: bool,
}

impl Follower {
    pub(crate) fn new(durability: Durability) -> Self {
        Self::from(durability, 0)
    }

    /// Begins with so many commits recovered from files that count as durable. Without a sync per
    /// commit the next one still shares a sector with the last, and may take it down with itself.
    pub(crate) fn from(durability: Durability, commits: usize) -> Self {
        let full = durability == Durability::Full;
        let durable = if full { commits } else { 0 };
        Follower { expected: Expected { acknowledged: commits, durable, newest: commits }, full }
    }

    pub(crate) fn see(&mut self, event: &Event) {
        let Event::Mark(mark) = event else { return };
        let number = (mark & (ATTEMPT - 1)) as usize;
        match mark & !(ATTEMPT - 1) {
            ATTEMPT => self.expected.newest = number,
            COMMITTED => {
                self.expected.acknowledged = number;
                if self.full {
                    self.expected.durable = number;
                }
            }
            DURABLE => self.expected.durable = number,
            RECOVERED => self.expected.acknowledged = number,
            _ => {}
        }
    }
}

/// How a workload opens its database.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) durability: Durability,
    /// Sector size of the world, and of the damage.
    pub(crate) sector: u32,
}

/// A finished record.
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    pub(crate) trace: Trace,
    /// Hash of the content after so many commits.
    pub(crate) states: Vec<u64>,
    pub(crate) seen: Seen,
}

/// A workload under way.
pub(crate) struct Driver {
    pub(crate) rng: Rng,
    setup: Setup,
    world: MemoryWorld,
    process: Arc<MemoryEnv>,
    /// The process as the database sees it.
    env: Arc<FaultEnv>,
    database: Option<Database>,
    model: Model,
    states: Vec<u64>,
    seen: Seen,
}

/// A write transaction that tells the model too.
pub(crate) struct Writing<'a> {
    pub(crate) rng: &'a mut Rng,
    transaction: &'a WriteTransaction,
    model: Model,
}

impl Writing<'_> {
    pub(crate) fn insert(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.transaction.insert(key.as_ref(), value.as_ref()).unwrap();
        self.model.insert(key.as_ref(), value.as_ref());
    }

    /// A value of random bytes, hard to compress.
    pub(crate) fn fill(&mut self, key: impl AsRef<[u8]>, length: usize) {
        let value: Vec<u8> = (0..length).map(|_| self.rng.next_u64() as u8).collect();
        self.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: impl AsRef<[u8]>) {
        self.transaction.remove(key.as_ref()).unwrap();
        self.model.remove(key.as_ref());
    }

    pub(crate) fn remove_range(&mut self, low: &str, high: &str) {
        self.transaction.remove_range(low..high).unwrap();
        if low < high {
            self.model.remove_range(low.as_bytes(), high.as_bytes());
        }
    }

    /// Runs `body` behind a savepoint and keeps or undoes what it did.
    pub(crate) fn savepoint(&mut self, keep: bool, body: impl FnOnce(&mut Self)) {
        let before = self.model.clone();
        let savepoint = self.transaction.savepoint().unwrap();
        body(self);
        if keep {
            savepoint.release().unwrap();
        } else {
            savepoint.rollback().unwrap();
            self.model = before;
        }
    }
}

impl Driver {
    fn new(setup: Setup, seed: u64) -> Self {
        let settings = Settings { seed, sector_size: setup.sector, ..Settings::default() };
        let world = MemoryWorld::with(settings);
        world.record();
        let process = world.process();
        let env = FaultEnv::new(process.clone(), FaultPlan::default());
        let model = Model::default();
        let states = vec![model.hash()];
        let mut driver = Driver {
            rng: Rng::new(seed),
            setup,
            world,
            process,
            env,
            database: None,
            model,
            states,
            seen: Seen::default(),
        };
        driver.open();
        driver
    }

    /// Runs `work` from an empty world to a clean close.
    pub(crate) fn record(
        name: &'static str,
        setup: Setup,
        seed: u64,
        work: fn(&mut Driver),
    ) -> Recorded {
        let mut driver = Driver::new(setup, seed);
        work(&mut driver);
        let (hash, _) = hash_database(driver.database()).unwrap();
        assert_eq!(hash, driver.model.hash(), "{name}: content differs before any crash");
        driver.close();
        Recorded {
            name,
            setup: driver.setup,
            trace: driver.world.trace().unwrap(),
            states: driver.states,
            seen: driver.seen,
        }
    }

    fn open(&mut self) {
        let database = self.setup.options.open_with_env(self.env.clone(), NAME);
        self.database = Some(database.expect("opening"));
    }

    /// Ends the process as it is; another one opens the database.
    fn restart(&mut self) {
        self.process.kill();
        self.database = None;
        self.process = self.world.process();
        self.env = FaultEnv::new(self.process.clone(), FaultPlan::default());
        self.open();
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn commits(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    fn look(&mut self) {
        let structure = self.database().structure().unwrap();
        self.seen.look(&structure);
    }

    /// Looks for records of the free list in all segments.
    pub(crate) fn look_for_free_list(&mut self) {
        const SYSTEM: u8 = 0x20;
        let database = self.database();
        let structure = database.structure().unwrap();
        let segments = structure
            .levels
            .iter()
            .flat_map(|level| std::iter::once(&level.segment).chain(&level.merging))
            .filter(|segment| segment.first != 0);
        let mut pages = segments.flat_map(|segment| database.segment_pages(segment.first).unwrap());
        let found = pages.any(|page| {
            database.page(page).unwrap().cells.iter().any(|cell| cell.flags & SYSTEM != 0)
        });
        self.seen.free_list_in_database |= found;
    }

    /// One transaction.
    pub(crate) fn commit(&mut self, body: impl FnOnce(&mut Writing<'_>)) {
        let transaction = self.database.as_ref().unwrap().begin().unwrap();
        let mut writing =
            Writing { rng: &mut self.rng, transaction: &transaction, model: self.model.clone() };
        body(&mut writing);
        self.model = writing.model;
        self.states.push(self.model.hash());
        self.world.mark(ATTEMPT | self.commits());
        transaction.commit().unwrap();
        self.world.mark(COMMITTED | self.commits());
        self.look();
    }

    /// A transaction that is given up.
    pub(crate) fn give_up(&mut self, body: impl FnOnce(&mut Writing<'_>)) {
        let transaction = self.database.as_ref().unwrap().begin().unwrap();
        let mut writing =
            Writing { rng: &mut self.rng, transaction: &transaction, model: self.model.clone() };
        body(&mut writing);
        transaction.rollback().unwrap();
    }

    /// One row in a transaction of its own.
    pub(crate) fn put(&mut self, key: impl AsRef<[u8]>, length: usize) {
        self.commit(|writing| writing.fill(key, length));
    }

    pub(crate) fn flush(&mut self) {
        self.database().flush().unwrap();
        self.look();
    }

    pub(crate) fn work(&mut self, bytes: Option<u64>, segments: Option<u32>) {
        self.database().work(WorkLimit { bytes, segments }).unwrap();
        self.look();
    }

    pub(crate) fn checkpoint(&mut self) {
        self.database().checkpoint().unwrap();
        self.look();
    }

    /// Flush and checkpoint: nothing before may be lost, whatever the durability.
    pub(crate) fn store(&mut self) {
        self.flush();
        self.checkpoint();
        self.world.mark(DURABLE | self.commits());
    }

    pub(crate) fn compact(&mut self) {
        self.database().compact().unwrap();
        self.world.mark(DURABLE | self.commits());
        self.look();
    }

    fn close(&mut self) {
        self.database.take().unwrap().close().unwrap();
        self.world.mark(DURABLE | self.commits());
    }

    /// Closes and opens again.
    pub(crate) fn reopen(&mut self) {
        self.close();
        self.open();
    }

    /// The process is killed; another one opens the database.
    pub(crate) fn kill(&mut self) {
        self.restart();
        let (hash, _) = hash_database(self.database()).unwrap();
        assert_eq!(hash, self.model.hash(), "a kill lost something");
    }

    /// The process dies at its `calls`-th call from now, whatever it is doing then. Nothing it
    /// wrote last is synced, but the next process sees it.
    pub(crate) fn live_and_die(&mut self, calls: u64) {
        let death = Fault::at(calls, Effect::Error(EnvError::Io(5))).for_ever();
        self.env.hook().add(death);
        let attempted = loop {
            match self.rng.below(9) {
                0 => drop(self.database().flush()),
                1 => drop(self.database().checkpoint()),
                2 => {
                    let closed = self.database.take().unwrap().close();
                    let opened = self.setup.options.open_with_env(self.env.clone(), NAME);
                    match (closed, opened) {
                        (Ok(()), Ok(database)) => self.database = Some(database),
                        _ => break None,
                    }
                }
                _ => {
                    if let Err(attempted) = self.try_commit() {
                        break attempted;
                    }
                }
            }
        };
        self.restart();
        let (hash, _) = hash_database(self.database()).unwrap();
        if let Some(model) = attempted {
            if hash == model.hash() {
                self.model = model;
                self.world.mark(RECOVERED | self.commits());
            } else {
                // The commit never was: the state before it is the newest again.
                self.states.push(self.model.hash());
                self.world.mark(ATTEMPT | self.commits());
                self.world.mark(COMMITTED | self.commits());
            }
        }
        assert_eq!(hash, self.model.hash(), "a death lost something");
    }

    /// A small transaction. If it fails: the content it would have made, if it came to that.
    fn try_commit(&mut self) -> Result<(), Option<Model>> {
        let mut model = self.model.clone();
        let Ok(transaction) = self.database.as_ref().unwrap().begin() else { return Err(None) };
        for _ in 0..1 + self.rng.below(6) {
            let key = format!("key{:02}", self.rng.below(40));
            let value = self.rng.next_u64().to_le_bytes().repeat(1 + self.rng.below(40));
            let done = if self.rng.chance(20) {
                model.remove(key.as_bytes());
                transaction.remove(&key)
            } else {
                model.insert(key.as_bytes(), &value);
                transaction.insert(&key, &value)
            };
            if done.is_err() {
                return Err(None);
            }
        }
        self.states.push(model.hash());
        self.world.mark(ATTEMPT | self.commits());
        if transaction.commit().is_err() {
            return Err(Some(model));
        }
        self.model = model;
        self.world.mark(COMMITTED | self.commits());
        Ok(())
    }
}
