//! A simulated machine with one database, its shared memory laid open.
//!
//! What stands between two stores into shared memory cannot be reached by stopping a process at its
//! calls; the words of chunk 0 are therefore saved, mixed and put back from outside. Places are those
//! of docs/format-tree.md, "The header chunk".

use siltstone::{Database, Options};
use siltstone_env::{Access, Env, File, SharedChunk, SharedMemory};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

pub type Map = BTreeMap<Vec<u8>, Vec<u8>>;

pub const NAME: &str = "live.lsm";

/// Words of chunk 0.
pub const SNAPSHOTS: [Range<usize>; 2] = [0..1024, 1024..2048];
pub const WRITER: usize = 2048;
pub const META_PAGE: usize = 2049;
pub const TREE_HEADERS: [Range<usize>; 2] = [2050..2088, 2088..2126];
pub const SLOTS: Range<usize> = 2126..2150;
pub const USED_BYTES: usize = 8600;

/// Chunk 0 as an outsider sees it, who holds no lock.
pub struct HeaderChunk {
    _file: Arc<dyn File>,
    memory: Arc<dyn SharedMemory>,
    chunk: Arc<dyn SharedChunk>,
}

impl HeaderChunk {
    pub fn of(world: &MemoryWorld) -> Self {
        let env = world.process();
        let file =
            env.open(&env.canonical_path(NAME.as_bytes()).unwrap(), Access::ReadWrite).unwrap();
        let memory = file.shared_memory().unwrap().unwrap();
        let chunk = memory.chunk(0).unwrap();
        HeaderChunk { _file: file, memory, chunk }
    }

    /// While nobody writes all chunks form one list, by ids that ascend by one.
    pub fn check_chunk_list(&self, what: &str) {
        let header = self.words(TREE_HEADERS[0].clone());
        assert_eq!(header, self.words(TREE_HEADERS[1].clone()), "{what}: two tree headers");
        assert_eq!(self.word(WRITER), 0, "{what}: the mark of a writer");
        let [_, next_id, first, count, ..] = header[..] else { panic!("a short header") };
        let (mut number, mut id) = (first, next_id.wrapping_add(1).wrapping_sub(count));
        for _ in 1..count {
            assert!((1..count).contains(&number), "{what}: chunk {number} of {count}");
            let chunk = self.memory.chunk(number).unwrap();
            assert_eq!(chunk.words()[0].load(SeqCst), id, "{what}: id of chunk {number}");
            (number, id) = (chunk.words()[1].load(SeqCst), id.wrapping_add(1));
        }
        assert_eq!((number, id), (0, next_id), "{what}: the end of the list of chunks");
    }

    pub fn word(&self, at: usize) -> u32 {
        self.chunk.words()[at].load(SeqCst)
    }

    pub fn set_word(&self, at: usize, value: u32) {
        self.chunk.words()[at].store(value, SeqCst);
    }

    pub fn words(&self, at: Range<usize>) -> Vec<u32> {
        at.map(|at| self.word(at)).collect()
    }

    pub fn set_words(&self, at: Range<usize>, words: &[u32]) {
        for (at, word) in at.zip(words) {
            self.set_word(at, *word);
        }
    }

    /// Byte `at` as it stands in the `-shm` file.
    pub fn byte(&self, at: usize) -> u8 {
        self.word(at / 4).to_ne_bytes()[at % 4]
    }

    pub fn set_byte(&self, at: usize, value: u8) {
        let mut bytes = self.word(at / 4).to_ne_bytes();
        bytes[at % 4] = value;
        self.set_word(at / 4, u32::from_ne_bytes(bytes));
    }

    /// Number of words of the snapshot as stored.
    pub fn snapshot_words(&self) -> usize {
        self.word(2) as usize
    }
}

/// A process with the database open.
pub struct Client {
    pub env: Arc<MemoryEnv>,
    pub database: Database,
}

impl Client {
    pub fn open(world: &MemoryWorld, options: &Options) -> siltstone::Result<Self> {
        let env = world.process();
        Ok(Client { database: options.open_with_env(env.clone(), NAME)?, env })
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(self) {
        self.env.kill();
    }
}

pub fn contents(database: &Database) -> siltstone::Result<Map> {
    database.iter()?.collect()
}

/// Everything a newcomer sees once nobody is left must be `committed`, and the file sound.
pub fn expect_after_all_left(world: &MemoryWorld, options: &Options, committed: &Map, what: &str) {
    let client = Client::open(world, options).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = contents(&client.database).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_same(&found, committed, what);
    let report = client.database.check().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(report.is_sound(), "{what}: {:?}", report.problems);
    client.database.close().unwrap_or_else(|error| panic!("{what}: {error}"));
}

pub fn assert_same(found: &Map, expected: &Map, what: &str) {
    let name = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    let missing: Vec<_> =
        expected.keys().filter(|key| !found.contains_key(*key)).map(name).collect();
    let extra: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).map(name).collect();
    assert!(
        found == expected,
        "{what}: {} entries instead of {}; missing {missing:?}, extra {extra:?}",
        found.len(),
        expected.len()
    );
}

/// A key and value of their own number.
pub fn entry(number: usize) -> (Vec<u8>, Vec<u8>) {
    let value = format!("value {number} ").into_bytes().repeat(1 + number % 7);
    (format!("key{number:05}").into_bytes(), value)
}

/// Commits entry `number`.
pub fn put(database: &Database, committed: &mut Map, number: usize) {
    let (key, value) = entry(number);
    database.insert(&key, &value).unwrap();
    committed.insert(key, value);
}
