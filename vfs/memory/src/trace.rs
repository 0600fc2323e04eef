//! What happened to the files of a world, event by event.

use crate::damage::Damage;
use crate::disk::Disk;
use crate::world::{MemoryWorld, Settings};
use siltstone_env::{FilePath, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// One change, in the order the world saw it. Files are named by number: names come and go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// A file got its name.
    Create {
        /// The name.
        path: FilePath,
        /// The file's number.
        file: u64,
    },
    /// A name was removed.
    Remove {
        /// The name.
        path: FilePath,
    },
    /// Names in the directory of `path` became durable.
    SyncDirectory {
        /// A name in that directory.
        path: FilePath,
    },
    /// Bytes were written.
    Write {
        /// The file's number.
        file: u64,
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The file was cut.
    Truncate {
        /// The file's number.
        file: u64,
        /// The new size.
        size: u64,
    },
    /// Everything written to the file became durable.
    Sync {
        /// The file's number.
        file: u64,
    },
    /// A failed sync dropped what was not durable yet: readers still see it, but no later sync
    /// makes it durable.
    PagesLost {
        /// The file's number.
        file: u64,
    },
    /// A remark of the test, such as the number of a finished commit.
    Mark(u64),
}

/// The events since recording began.
#[derive(Debug)]
pub(crate) struct Recorder {
    base: Disk,
    events: Vec<Event>,
    /// The disk after the first `followed` events.
    present: Disk,
    followed: usize,
}

impl Recorder {
    pub(crate) fn new(base: Disk) -> Self {
        Recorder { present: base.clone(), base, events: Vec::new(), followed: 0 }
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The disk as it is now.
    pub(crate) fn present(&mut self) -> Result<&Disk> {
        for event in self.events.iter().skip(self.followed) {
            self.present.apply(event)?;
            self.followed += 1;
        }
        Ok(&self.present)
    }

    pub(crate) fn trace(&self, settings: Settings) -> Trace {
        Trace { base: self.base.clone(), events: self.events.clone(), settings }
    }
}

/// A recorded run: the disk at its beginning and every event since.
///
/// Any number of power cuts can be derived from one run without running it again:
///
/// ```
/// use siltstone_env::{Access, Env};
/// use siltstone_memory::{Damage, MemoryWorld, Sectors};
///
/// let world = MemoryWorld::new();
/// world.record();
/// let process = world.process();
/// let file = process.open(&process.canonical_path(b"f")?, Access::ReadWriteCreate)?;
/// file.write_at(0, &[1; 2000])?;
/// file.sync()?;
/// let trace = world.trace().ok_or(siltstone_env::EnvError::Unsupported)?;
/// let mut replay = trace.replay();
/// loop {
///     for seed in 0..3 {
///         let after = replay.image(&Damage::random(Sectors::Torn, 512), seed)?;
///         // open the database in `after.process()` and look
///         assert!(after.files().len() <= 1);
///     }
///     if replay.step()?.is_none() {
///         break;
///     }
/// }
/// # Ok::<(), siltstone_env::EnvError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trace {
    base: Disk,
    events: Vec<Event>,
    settings: Settings,
}

impl Trace {
    /// The events in their order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// A number that two runs share if and, but for chance, only if they did the same.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.events.hash(&mut hasher);
        hasher.finish()
    }

    /// Stands before the first event.
    #[must_use]
    pub fn replay(&self) -> Replay<'_> {
        Replay { trace: self, disk: self.base.clone(), position: 0 }
    }

    /// The world after a power cut behind the first `events` events. To cut at many points, step
    /// through a [`Replay`], which does not begin anew each time.
    ///
    /// # Errors
    /// None but `Full`, if the recorded run wrote absurdly far out.
    pub fn image_after(&self, events: usize, damage: &Damage, seed: u64) -> Result<MemoryWorld> {
        let mut replay = self.replay();
        replay.advance_to(events)?;
        replay.image(damage, seed)
    }
}

/// A point in a recorded run. Clones are cheap: threads can share the work by cloning.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    trace: &'a Trace,
    disk: Disk,
    position: usize,
}

impl<'a> Replay<'a> {
    /// How many events lie behind.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Lets the next event happen and tells it; `None` at the end.
    ///
    /// # Errors
    /// None but `Full`, if the recorded run wrote absurdly far out.
    pub fn step(&mut self) -> Result<Option<&'a Event>> {
        let Some(event) = self.trace.events.get(self.position) else { return Ok(None) };
        self.disk.apply(event)?;
        self.position += 1;
        Ok(Some(event))
    }

    /// Lets events happen until `position` of them (or all) lie behind. Never goes back.
    ///
    /// # Errors
    /// As `step`.
    pub fn advance_to(&mut self, position: usize) -> Result<()> {
        while self.position < position && self.step()?.is_some() {}
        Ok(())
    }

    /// The world found after a power cut here.
    ///
    /// # Errors
    /// None but `Full`, if the recorded run wrote absurdly far out.
    pub fn image(&self, damage: &Damage, seed: u64) -> Result<MemoryWorld> {
        Ok(MemoryWorld::from_directory(self.trace.settings, self.disk.cut(damage, seed)?))
    }
}
