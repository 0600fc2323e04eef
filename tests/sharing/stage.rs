//! A victim, stopped before any of its calls, and others that go on.
//!
//! The victim's environment asks a script before each call. The script may kill the victim there,
//! or let other processes act and the victim go on.

use crate::scene::{
    Client, HeaderChunk, Map, NAME, assert_same, contents, entry, expect_after_all_left, put,
};
use siltstone::{Background, Database, Durability, Options, WorkLimit};
use siltstone_env::EnvError;
use siltstone_memory::{Call, MemoryEnv, MemoryWorld, StepEnv, Verdict};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Script = Box<dyn FnMut(&Call<'_>) -> Verdict + Send>;

/// What a call into a killed process gives.
pub const DEAD: Verdict = Verdict::Fail(EnvError::Io(5));

/// The process that is stopped.
pub struct Victim {
    pub inner: Arc<MemoryEnv>,
    env: Arc<StepEnv>,
    script: Arc<Mutex<Option<Script>>>,
    pub database: Option<Database>,
}

impl Victim {
    pub fn new(world: &MemoryWorld) -> Self {
        let inner = world.process();
        let script: Arc<Mutex<Option<Script>>> = Arc::default();
        let asked = Arc::clone(&script);
        let env = StepEnv::calling(inner.clone(), move |call| {
            asked.lock().unwrap().as_mut().map_or(Verdict::Proceed, |script| script(call))
        });
        Victim { inner, env, script, database: None }
    }

    pub fn open(&mut self, options: &Options) -> siltstone::Result<()> {
        self.database = Some(options.open_with_env(self.env.clone(), NAME)?);
        Ok(())
    }

    pub fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// Asks `script` before each call from now on.
    pub fn arm(&self, script: impl FnMut(&Call<'_>) -> Verdict + Send + 'static) {
        *self.script.lock().unwrap() = Some(Box::new(script));
    }

    pub fn disarm(&self) {
        *self.script.lock().unwrap() = None;
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(&mut self) {
        self.inner.kill();
        self.disarm();
        self.database = None;
    }
}

/// A victim, perhaps somebody who survives it, and what was committed.
pub struct Stage {
    pub world: MemoryWorld,
    pub options: Options,
    pub victim: Victim,
    pub survivor: Option<Client>,
    pub committed: Map,
    pub numbers: std::ops::RangeFrom<usize>,
    /// Chunks of memory shall be recycled.
    pub large: bool,
}

impl Stage {
    pub fn new() -> Self {
        let world = MemoryWorld::new();
        let options = Options::new()
            .page_size(256)
            .block_size(65536)
            .autoflush(3000)
            .autocheckpoint(4000)
            .automerge(2)
            .background(Background::None)
            .durability(Durability::Full)
            .busy_timeout(Duration::from_millis(20));
        let victim = Victim::new(&world);
        Stage {
            world,
            options,
            victim,
            survivor: None,
            committed: Map::new(),
            numbers: 0..,
            large: false,
        }
    }

    pub fn client(&self) -> Client {
        Client::open(&self.world, &self.options).unwrap()
    }

    pub fn survivor(&self) -> &Database {
        &self.survivor.as_ref().unwrap().database
    }

    /// Puts `count` entries through `database`.
    pub fn put(&mut self, database: &Database, count: usize) {
        for _ in 0..count {
            let number = self.numbers.next().unwrap();
            put(database, &mut self.committed, number);
        }
    }

    /// Commits `count` entries that each take more than a chunk.
    pub fn put_large(&mut self, database: &Database, count: usize) {
        for _ in 0..count {
            let number = self.numbers.next().unwrap();
            let (key, value) = (entry(number).0, vec![number as u8; 40_000]);
            database.insert(&key, &value).unwrap();
            self.committed.insert(key, value);
        }
    }

    /// Leaves chunks that nobody needs, which the next transactions recycle.
    pub fn leave_free_chunks(&mut self, database: &Database) {
        self.large = true;
        self.put_large(database, 3);
        database.flush().unwrap();
        self.put_large(database, 1);
        database.flush().unwrap();
    }

    pub fn put_by_victim(&mut self, count: usize) {
        let database = self.victim.database().clone();
        self.put(&database, count);
    }

    pub fn put_by_survivor(&mut self, count: usize) {
        let database = self.survivor().clone();
        self.put(&database, count);
    }
}

/// What `database` sees, which is one of the two.
pub fn one_of(database: &Database, before: &Map, after: &Map, what: &str) -> Map {
    let found = contents(database).unwrap_or_else(|error| panic!("{what}: {error}"));
    if found != *after {
        assert_same(&found, before, what);
    }
    found
}

/// The victim is dead. Whoever is left, or comes, finds `before` or `after`, goes on with all kinds
/// of work, and in the end the file holds exactly what was seen and done. Gives back what was seen.
pub fn aftermath(mut stage: Stage, before: &Map, after: &Map, what: &str) -> Map {
    stage.victim.kill();
    if stage.survivor.is_none() {
        let newcomer = Client::open(&stage.world, &stage.options);
        stage.survivor = Some(newcomer.unwrap_or_else(|error| panic!("{what}: {error}")));
    }
    let database = stage.survivor().clone();
    let seen = one_of(&database, before, after, what);
    stage.committed = seen.clone();
    stage.put(&database, 1);
    HeaderChunk::of(&stage.world).check_chunk_list(what);
    if stage.large {
        stage.put_large(&database, 3);
    }
    assert_same(&contents(&database).unwrap(), &stage.committed, what);
    stage.put(&database, 40);
    let other = stage.client();
    assert_same(&contents(&other.database).unwrap(), &stage.committed, what);
    other.database.work(WorkLimit::bytes(20_000)).unwrap_or_else(|error| panic!("{what}: {error}"));
    stage.put(&other.database, 3);
    database.checkpoint().unwrap_or_else(|error| panic!("{what}: {error}"));
    for database in [&database, &other.database] {
        let report = database.check().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(report.is_sound(), "{what}: {:?}", report.problems);
        assert_same(&contents(database).unwrap(), &stage.committed, what);
    }
    drop(database);
    let Stage { world, options, survivor, committed, .. } = stage;
    survivor.into_iter().chain([other]).for_each(Client::kill);
    expect_after_all_left(&world, &options, &committed, what);
    seen
}

/// Something of everything, while the victim is stopped: it works, or somebody is busy.
pub fn interlude(
    world: &MemoryWorld,
    options: &Options,
    survivor: Option<&Database>,
    [before, after]: [&Map; 2],
    what: &str,
) -> Map {
    let mut added = Map::new();
    let fine = |outcome: siltstone::Result<()>| match outcome {
        Ok(()) => true,
        Err(error) => {
            assert!(error.is_busy(), "{what}: {error}");
            false
        }
    };
    let newcomer = match Client::open(world, options) {
        Ok(client) => Some(client),
        Err(error) => {
            assert!(error.is_busy(), "{what}: a newcomer: {error}");
            None
        }
    };
    let clients = survivor.into_iter().chain(newcomer.as_ref().map(|client| &client.database));
    for (index, database) in clients.enumerate() {
        let found = contents(database).unwrap_or_else(|error| panic!("{what}: {error}"));
        let old = |(key, _): &(&Vec<u8>, &Vec<u8>)| !added.contains_key(*key);
        let rest: Map = found.iter().filter(old).map(|(k, v)| (k.clone(), v.clone())).collect();
        if rest != *after {
            assert_same(&rest, before, what);
        }
        assert_eq!(found.len(), rest.len() + added.len(), "{what}");
        for number in 0..15 {
            let (key, value) = entry(7000 + 100 * index + number);
            if fine(database.insert(&key, &value)) {
                added.insert(key, value);
            }
        }
        fine(database.work(WorkLimit { bytes: Some(5000), segments: None }).map(drop));
        fine(database.checkpoint().map(drop));
    }
    if let Some(newcomer) = newcomer {
        fine(newcomer.database.close());
    }
    added
}
