//! A world in memory: what a machine is to real processes.

use crate::content::Content;
use crate::damage::Damage;
use crate::disk::Disk;
use crate::environment::{MemoryEnv, canonical};
use crate::locks::HeldLock;
use crate::shared::{Directory, Node, Shared};
use crate::trace::{Event, Recorder, Trace};
use siltstone_env::{FilePath, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How a world behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seed of `Env::random`.
    pub seed: u64,
    /// What `File::sector_size` reports.
    pub sector_size: u32,
    /// Whether files have shared memory; without it the world is a single-process one.
    pub shared_memory: bool,
    /// Whether clock and sleep are real. The default clock is simulated: it moves one microsecond
    /// per look and by the length of every sleep, and sleeping returns at once.
    pub real_time: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { seed: 0, sector_size: 512, shared_memory: true, real_time: false }
    }
}

/// A machine with files, locks, shared memory and a clock, but no operating system.
///
/// Cloning gives another name for the same world. [`MemoryWorld::process`] makes the environment
/// to open databases with; several of them behave like several processes.
#[derive(Clone, Debug)]
pub struct MemoryWorld {
    pub(crate) shared: Arc<Shared>,
}

impl Default for MemoryWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryWorld {
    /// An empty world with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// An empty world.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        Self::from_directory(settings, Directory::default())
    }

    pub(crate) fn from_directory(settings: Settings, directory: Directory) -> Self {
        MemoryWorld { shared: Shared::new(settings, directory) }
    }

    /// Starts a process.
    #[must_use]
    pub fn process(&self) -> Arc<MemoryEnv> {
        MemoryEnv::new(self.shared.clone())
    }

    /// Names of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<FilePath> {
        self.shared.directory().files.keys().cloned().collect()
    }

    fn node(&self, name: &str) -> Option<Arc<Node>> {
        let path = canonical(name.as_bytes()).ok()?;
        self.shared.directory().files.get(&path).cloned()
    }

    /// Bytes of a file, if it exists.
    #[must_use]
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.node(name)?.image().to_vec())
    }

    /// Puts a durable file with these bytes in place, behind the back of all processes: an existing
    /// file keeps its identity. Not recorded as an event.
    ///
    /// # Errors
    /// `NotFound` for a name without letters, `Full` for absurd sizes.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = canonical(name.as_bytes())?;
        let content = Content::from_bytes(bytes)?;
        let mut directory = self.shared.directory();
        if let Some(node) = directory.files.get(&path) {
            *node.content.write().unwrap_or_else(std::sync::PoisonError::into_inner) = content;
        } else {
            let number = self.shared.next_number();
            directory.files.insert(path, Node::new(number, content));
        }
        Ok(())
    }

    /// Removes a file behind the back of all processes; tells whether it existed.
    pub fn remove_file(&self, name: &str) -> bool {
        canonical(name.as_bytes())
            .is_ok_and(|path| self.shared.directory().files.remove(&path).is_some())
    }

    /// How many chunks the shared memory of database `name` has; `None` if it does not exist.
    #[must_use]
    pub fn shared_memory_chunks(&self, name: &str) -> Option<usize> {
        let path = canonical(name.as_bytes()).ok()?.with_suffix("-shm");
        self.shared.directory().memory.get(&path).map(|object| object.len())
    }

    /// Removes the name of the shared memory of database `name`, as an administrator deleting the
    /// `-shm` file does; tells whether it existed.
    pub fn remove_shared_memory(&self, name: &str) -> bool {
        canonical(name.as_bytes()).is_ok_and(|path| {
            self.shared.directory().memory.remove(&path.with_suffix("-shm")).is_some()
        })
    }

    /// Who holds which locks on a file.
    #[must_use]
    pub fn locks(&self, name: &str) -> Vec<HeldLock> {
        self.node(name).map(|node| node.locks().list()).unwrap_or_default()
    }

    /// Makes the medium read-only, or writable again.
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.read_only.store(read_only, Ordering::SeqCst);
    }

    /// Moves the simulated clock forward.
    pub fn advance(&self, duration: Duration) {
        self.shared.clock.advance(duration);
    }

    /// How many changes (create, remove, write, truncate, sync, directory sync, mark) happened.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.shared.events()
    }

    /// Lets `events` more changes happen; after the last one every call of every process fails
    /// with `Io`. `u64::MAX` takes the order back.
    pub fn crash_after(&self, events: u64) {
        self.shared.crash_after(events);
    }

    /// Starts recording: what exists now counts as durable, what happens from now on only once it
    /// is synced. Begin while no other thread uses the world; beginning again forgets the past.
    pub fn record(&self) {
        let disk = Disk::new(&self.shared.directory());
        self.shared.set_recorder(Some(Recorder::new(disk)));
    }

    /// Puts a remark into the record, such as the number of a finished commit.
    pub fn mark(&self, remark: u64) {
        // After a simulated crash nothing is recorded any more, remarks included.
        let _ = self.shared.event(|| Event::Mark(remark));
    }

    /// The record so far; `None` unless recording.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        self.shared.recorder().as_ref().map(|recorder| recorder.trace(self.shared.settings))
    }

    /// The world as found when power fails now: its files damaged as told, its shared memory and
    /// processes gone. This world goes on unharmed. `None` unless recording: without a record
    /// nobody knows what was synced.
    #[must_use]
    pub fn power_cut(&self, damage: &Damage, seed: u64) -> Option<MemoryWorld> {
        let mut recorder = self.shared.recorder();
        let directory =
            recorder.as_mut()?.present().and_then(|disk| disk.cut(damage, seed)).ok()?;
        Some(Self::from_directory(self.shared.settings, directory))
    }

    /// What a failed sync does on many systems: unsynced changes of the file are forgotten by the
    /// disk, though readers still see them, and later syncs succeed without them. Tells whether the
    /// file exists.
    pub fn lose_unsynced(&self, name: &str) -> bool {
        self.node(name).is_some_and(|node| {
            self.shared.event(|| Event::PagesLost { file: node.number }).is_ok()
        })
    }

    /// Copies the shared memory of all databases from another world, as a `-shm` file left behind
    /// by an earlier boot.
    pub fn inherit_shared_memory(&self, from: &MemoryWorld) {
        let copies: Vec<_> = {
            let directory = from.shared.directory();
            directory.memory.iter().map(|(name, object)| (name.clone(), object.copy())).collect()
        };
        self.shared.directory().memory.extend(copies);
    }
}
