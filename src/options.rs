//! How a database is opened (`Options::open` itself is in `database`): every lsm_config parameter as
//! a typed option, sizes in bytes.
//!
//! Values are checked at open; an illegal one is an error that names the option and its range,
//! never silently ignored.

use crate::codec::Codec;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::format::geometry::{
    MAX_BLOCK_SIZE, MAX_PAGE_SIZE, MIN_BLOCK_SIZE, MIN_PAGE_SIZE, MIN_PAGES_PER_BLOCK,
};
use crate::work::WorkEvent;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// When a commit is safe from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Durability {
    /// Nothing is synced. A process crash loses nothing; power loss may damage the file
    /// (lsm safety 0).
    None,
    /// Checkpoints are synced, commits are not. Power loss may lose the last commits but leaves a
    /// consistent prefix of history (safety 1).
    #[default]
    Normal,
    /// Each commit is synced to the log before it returns: power loss loses nothing that was
    /// acknowledged (safety 2).
    Full,
}

/// Which work threads of the database's own do, where there are threads to be had.
///
/// Without them the calls that commit do it, a little at a time. The work is that of the database,
/// whichever processes made it necessary: several of them may have such threads, which take turns,
/// or one, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Background {
    /// None.
    #[default]
    None,
    /// Flushes and merges, and the checkpoints that fall due on the way.
    Merge,
    /// Checkpoints; commits still flush and merge.
    Checkpoint,
    /// Flushes and merges on one thread, checkpoints on another: commits wait for neither.
    Both,
}

/// How much of the database file is read through a read-only memory map where the world offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mapping {
    /// Nothing: pages are read into the page cache.
    Off,
    /// Everything.
    #[default]
    All,
    /// The first so many bytes; pages beyond go through the page cache.
    First(u64),
}

/// Who may use the database file at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Sharing {
    /// Any number of processes, C lsm1 among them, read and write together, through shared memory
    /// beside the file (`app.lsm-shm`). An error where the world has none (sandboxes, browsers) and
    /// on file systems whose locks or maps do not reach everybody, as many network file systems.
    #[default]
    Shared,
    /// This process alone, with any number of threads; others get `Busy`, and so does this one
    /// while others have the file open. Read-only, it refuses to open beside writers, and shows the
    /// state of that moment from then on.
    Exclusive,
}

/// Asked once when a file needs a codec the handle does not have.
pub type CodecFactory = dyn CodecSource;

/// Finds the codec for a file.
///
/// Implemented by every function from an id to an optional codec.
pub trait CodecSource: crate::env::MaybeSync {
    /// The codec with this id, if it can be had.
    fn codec(&self, id: u32) -> Option<Arc<dyn Codec>>;
}

impl<F: Fn(u32) -> Option<Arc<dyn Codec>> + crate::env::MaybeSync> CodecSource for F {
    fn codec(&self, id: u32) -> Option<Arc<dyn Codec>> {
        self(id)
    }
}

/// Told about flushes, merges and checkpoints as they end.
pub trait WorkObserver: crate::env::MaybeSync {
    /// Called on the thread that did the work, with the worker role held: signal, do not work.
    fn observe(&self, event: &WorkEvent);
}

impl<F: Fn(&WorkEvent) + crate::env::MaybeSync> WorkObserver for F {
    fn observe(&self, event: &WorkEvent) {
        self(event);
    }
}

/// Builder for [`Database`](crate::Database)s.
///
/// ```
/// use siltstone::{Durability, Options};
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// let options = Options::new().page_size(1024).durability(Durability::Full);
/// let database = options.open_with_env(world.process(), "app.lsm")?;
/// database.insert("key", "value")?;
/// database.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) page_size: u32,
    pub(crate) block_size: u32,
    pub(crate) autoflush: u64,
    pub(crate) autocheckpoint: u64,
    pub(crate) automerge: u32,
    pub(crate) max_freelist: u32,
    pub(crate) autowork: bool,
    pub(crate) background: Background,
    pub(crate) durability: Durability,
    pub(crate) use_log: bool,
    pub(crate) mapping: Mapping,
    pub(crate) cache_bytes: usize,
    pub(crate) tree_limit: u64,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) busy_timeout: Duration,
    sharing: Option<Sharing>,
    /// The rules of a `Connection`: takes over the sharing mode the file is open in, and reads
    /// beside writers of this process without being in their way.
    pub(crate) low_level: bool,
    pub(crate) codec: Option<Arc<dyn Codec>>,
    pub(crate) codec_factory: Option<Arc<CodecFactory>>,
    pub(crate) on_work: Option<Arc<dyn WorkObserver>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            page_size: 4096,
            block_size: 1 << 20,
            autoflush: 1 << 20,
            autocheckpoint: 2 << 20,
            automerge: 4,
            max_freelist: 24,
            autowork: true,
            background: Background::None,
            durability: Durability::Normal,
            use_log: true,
            mapping: Mapping::All,
            cache_bytes: 2 << 20,
            tree_limit: 1 << 30,
            read_only: false,
            create: true,
            create_new: false,
            busy_timeout: Duration::from_secs(5),
            sharing: None,
            low_level: false,
            codec: None,
            codec_factory: None,
            on_work: None,
        }
    }
}

impl Options {
    /// The defaults: those of lsm1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of a page of a database that is created: a power of two 256..=65536, default 4096.
    /// An existing database keeps its own.
    #[must_use]
    pub fn page_size(mut self, bytes: u32) -> Self {
        self.page_size = bytes;
        self
    }

    /// Bytes of a block of a database that is created: a power of two 64 KiB..=64 MiB, at least
    /// four pages, default 1 MiB. An existing database keeps its own.
    #[must_use]
    pub fn block_size(mut self, bytes: u32) -> Self {
        self.block_size = bytes;
        self
    }

    /// Size of the in-memory tree above which a commit hands it over for flushing: 0..=1 GiB,
    /// default 1 MiB.
    #[must_use]
    pub fn autoflush(mut self, bytes: u64) -> Self {
        self.autoflush = bytes;
        self
    }

    /// Bytes written to the database file after which a checkpoint is written: up to 2^40,
    /// 0 = never by itself, default 2 MiB.
    #[must_use]
    pub fn autocheckpoint(mut self, bytes: u64) -> Self {
        self.autocheckpoint = bytes;
        self
    }

    /// How many segments of one age are merged together: 2..=1000, default 4.
    #[must_use]
    pub fn automerge(mut self, segments: u32) -> Self {
        self.automerge = segments;
        self
    }

    /// Free blocks a checkpoint lists itself before they move into the database: 2..=24,
    /// default 24. For tests.
    #[must_use]
    pub fn max_freelist(mut self, entries: u32) -> Self {
        self.max_freelist = entries;
        self
    }

    /// Whether writes flush and merge as they go, or have it done in the background; default true.
    /// Without, nothing is done by itself, in the background neither: call
    /// [`Database::work`](crate::Database::work) yourself.
    #[must_use]
    pub fn autowork(mut self, on: bool) -> Self {
        self.autowork = on;
        self
    }

    /// Which work is done by threads of the database's own; default none. They do what commits
    /// would do without them (see [`autowork`](Self::autowork)), serve all handles of the file in
    /// this process from the first that asks for them, and end with its last handle. Commits of
    /// other processes still do what falls due there, unless these threads were faster.
    ///
    /// Commits are slowed down, by fractions of milliseconds at first, when the live tree grows over
    /// [`autoflush`](Self::autoflush) while the one before is not yet flushed; at four times that
    /// (256 KiB at least) each waits for the worker, two
    /// seconds at most. Calls such as [`Database::work`](crate::Database::work) wait for these
    /// threads whatever the busy timeout. A world without threads does the work in the commits.
    #[must_use]
    pub fn background(mut self, background: Background) -> Self {
        self.background = background;
        self
    }

    /// What survives power loss; default [`Durability::Normal`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether commits are logged; default true. Without, a crash loses what was committed since
    /// the last flush and checkpoint.
    #[must_use]
    pub fn use_log(mut self, on: bool) -> Self {
        self.use_log = on;
        self
    }

    /// How much of the file is read through a memory map; default all. Compressed files never are.
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Cap of the page cache in bytes: 64 KiB..=64 GiB, default 2 MiB. Mapped pages do not count.
    #[must_use]
    pub fn cache_size(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Cap of the in-memory trees in bytes: 1 MiB..=4 GiB - 64 KiB, default 1 GiB. A transaction
    /// that would exceed it fails with `OutOfMemory` and can be rolled back. Recovery needs as much
    /// as the log holds, up to this cap.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.tree_limit = bytes;
        self
    }

    /// Opens for reading only: never creates, writes or deletes. Reads beside writers of other
    /// processes, and by itself where there are none.
    #[must_use]
    pub fn read_only(mut self, on: bool) -> Self {
        self.read_only = on;
        self
    }

    /// Whether a missing file is created; default true.
    #[must_use]
    pub fn create(mut self, on: bool) -> Self {
        self.create = on;
        self
    }

    /// Whether the file must be new: opening fails if it holds a database or anything else.
    #[must_use]
    pub fn create_new(mut self, on: bool) -> Self {
        self.create_new = on;
        self
    }

    /// How long calls wait for others before they fail with `Busy`; default 5 seconds. A thread that
    /// begins a transaction while it has another one open waits for itself, except in a world without
    /// threads, where that is `Busy` at once.
    ///
    /// This is the time a transaction waits for its turn, a flush, merge or checkpoint for
    /// somebody else's, and opening for a process that has the file for itself. Threads of one
    /// process get their turn in the order they came. Readers wait for nobody; opening and closing
    /// always wait some seconds for somebody who just opens or closes the file.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Who may use the file at the same time; default [`Sharing::Shared`] where processes can share
    /// memory, [`Sharing::Exclusive`] where they cannot: there, to ask for the former is `Misuse`.
    /// All handles of one process must ask for the same, else opening fails with `Misuse`.
    ///
    /// Processes that share a file should have the same [`durability`](Self::durability) and
    /// [`use_log`](Self::use_log). The rest is in docs/sharing.md of the repository.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// The codec pages are written with; default none.
    #[must_use]
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Self {
        self.codec = Some(codec);
        self
    }

    /// Asked for the right codec when a file was written with another one. Default: the built-in
    /// codecs of the enabled features.
    #[must_use]
    pub fn codec_factory(mut self, factory: Arc<CodecFactory>) -> Self {
        self.codec_factory = Some(factory);
        self
    }

    /// Called after each flush, merge step and checkpoint.
    #[must_use]
    pub fn on_work(mut self, observer: Arc<dyn WorkObserver>) -> Self {
        self.on_work = Some(observer);
        self
    }

    /// How the file is shared in this world.
    pub(crate) fn sharing_in(&self, env: &dyn Env) -> Result<Sharing> {
        match (self.sharing, env.capabilities().multi_process) {
            (Some(Sharing::Shared), false) => Err(Error::misuse(
                "shared mode is not to be had here, where processes share no memory; open the \
                 database in exclusive mode",
            )),
            (Some(sharing), _) => Ok(sharing),
            (None, true) => Ok(Sharing::Shared),
            (None, false) => Ok(Sharing::Exclusive),
        }
    }

    /// Checks every value.
    pub(crate) fn validate(&self) -> Result<()> {
        let power = |value: u32, low: u32, high: u32| {
            value.is_power_of_two() && (low..=high).contains(&value)
        };
        let illegal = |what: String| Err(Error::misuse(what));
        if !power(self.page_size, MIN_PAGE_SIZE, MAX_PAGE_SIZE) {
            return illegal(format!(
                "page_size {}: give a power of two from 256 to 65536",
                self.page_size
            ));
        }
        if !power(self.block_size, MIN_BLOCK_SIZE, MAX_BLOCK_SIZE) {
            return illegal(format!(
                "block_size {}: give a power of two from 65536 to 67108864",
                self.block_size
            ));
        }
        if self.block_size / self.page_size < MIN_PAGES_PER_BLOCK {
            return illegal(format!(
                "block_size {} holds fewer than 4 pages of {}: give a larger block or smaller page",
                self.block_size, self.page_size
            ));
        }
        let ranges: [(&str, u64, u64, u64); 6] = [
            ("autoflush", self.autoflush, 0, 1 << 30),
            ("autocheckpoint", self.autocheckpoint, 0, 1 << 40),
            ("automerge", u64::from(self.automerge), 2, 1000),
            ("max_freelist", u64::from(self.max_freelist), 2, 24),
            ("cache_size", self.cache_bytes as u64, 64 << 10, 64 << 30),
            ("memory_limit", self.tree_limit, 1 << 20, (4 << 30) - (64 << 10)),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return illegal(format!("{name} {value}: give a value from {low} to {high}"));
            }
        }
        if self.read_only && self.create_new {
            return illegal("create_new and read_only exclude each other".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("page_size", &self.page_size)
            .field("block_size", &self.block_size)
            .field("autoflush", &self.autoflush)
            .field("autocheckpoint", &self.autocheckpoint)
            .field("automerge", &self.automerge)
            .field("background", &self.background)
            .field("durability", &self.durability)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_mode_is_refused_where_there_is_none_before_any_file_is_touched() {
        use siltstone_memory::{MemoryWorld, Settings};
        let settings = Settings { shared_memory: false, ..Settings::default() };
        let world = MemoryWorld::with(settings);
        let shared = Options::new().sharing(Sharing::Shared);
        let error = shared.open_with_env(world.process(), "a.lsm").unwrap_err();
        assert_eq!((error.name(), error.code()), ("Misuse", 21));
        assert!(world.files().is_empty());
        // Unasked, it is what the world can do; asked for or not, all handles agree.
        let process = world.process();
        let one = Options::new().open_with_env(process.clone(), "a.lsm").unwrap();
        let exclusive = Options::new().sharing(Sharing::Exclusive);
        drop(exclusive.open_with_env(process, "a.lsm").unwrap());
        one.close().unwrap();
        let process = MemoryWorld::new().process();
        let _one = Options::new().open_with_env(process.clone(), "a.lsm").unwrap();
        shared.open_with_env(process.clone(), "a.lsm").unwrap();
        assert_eq!(exclusive.open_with_env(process, "a.lsm").unwrap_err().name(), "Misuse");
    }

    #[test]
    fn illegal_values_name_the_option() {
        let cases: Vec<(Options, &str)> = vec![
            (Options::new().page_size(1000), "page_size"),
            (Options::new().page_size(128), "page_size"),
            (Options::new().block_size(65537), "block_size"),
            (Options::new().page_size(65536).block_size(65536), "fewer than 4"),
            (Options::new().autoflush(1 << 31), "autoflush"),
            (Options::new().automerge(1), "automerge"),
            (Options::new().max_freelist(25), "max_freelist"),
            (Options::new().cache_size(1), "cache_size"),
            (Options::new().memory_limit(1), "memory_limit"),
        ];
        for (options, name) in cases {
            let error = options.validate().unwrap_err();
            assert_eq!(error.code(), 21);
            assert!(error.to_string().contains(name), "{error}");
        }
        Options::new().validate().unwrap();
    }
}
