//! What all processes of a world share: directory, clock, random source, event counter.
//!
//! Lock order: directory, then a file's content, then the recorder. No hook or callback runs while
//! one of them is held.

use crate::clock::Clock;
use crate::content::Content;
use crate::locks::LockTable;
use crate::memory::SharedObject;
use crate::random::Random;
use crate::trace::{Event, Recorder};
use crate::world::Settings;
use siltstone_env::{EnvError, FileId, FilePath, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The number the operating system would give a failed transfer (EIO).
pub(crate) const EIO: i32 = 5;

/// One file, with or without a name.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) content: RwLock<Content>,
    pub(crate) locks: Mutex<LockTable>,
}

impl Node {
    pub(crate) fn new(number: u64, content: Content) -> Arc<Self> {
        Arc::new(Node { number, content: RwLock::new(content), locks: Mutex::default() })
    }

    /// Identity of the file for the engine.
    pub(crate) fn id(&self) -> FileId {
        FileId(self.number.to_be_bytes().to_vec())
    }

    pub(crate) fn locks(&self) -> MutexGuard<'_, LockTable> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cheap copy of the bytes.
    pub(crate) fn image(&self) -> Content {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Names of files and of shared memory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) files: BTreeMap<FilePath, Arc<Node>>,
    pub(crate) memory: BTreeMap<FilePath, Arc<SharedObject>>,
}

/// The common part of a world.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) random: Mutex<Random>,
    pub(crate) read_only: AtomicBool,
    directory: Mutex<Directory>,
    numbers: AtomicU64,
    /// Changes still allowed before the lights go out; `u64::MAX` means no end.
    remaining: AtomicU64,
    crashed: AtomicBool,
    events: AtomicU64,
    recording: AtomicBool,
    recorder: Mutex<Option<Recorder>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, directory: Directory) -> Arc<Self> {
        let highest = directory.files.values().map(|node| node.number).max().unwrap_or(0);
        Arc::new(Shared {
            settings,
            clock: if settings.real_time { Clock::real() } else { Clock::simulated() },
            random: Mutex::new(Random::new(settings.seed)),
            read_only: AtomicBool::new(false),
            directory: Mutex::new(directory),
            numbers: AtomicU64::new(highest + 1),
            remaining: AtomicU64::new(u64::MAX),
            crashed: AtomicBool::new(false),
            events: AtomicU64::new(0),
            recording: AtomicBool::new(false),
            recorder: Mutex::new(None),
        })
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Option<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_recorder(&self, recorder: Option<Recorder>) {
        self.recording.store(recorder.is_some(), Ordering::SeqCst);
        *self.recorder() = recorder;
    }

    /// A number never given before: for files, handles and processes.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Fails once the simulated crash has happened.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.crashed.load(Ordering::SeqCst) { Err(EnvError::Io(EIO)) } else { Ok(()) }
    }

    pub(crate) fn writable(&self) -> Result<()> {
        if self.read_only.load(Ordering::SeqCst) { Err(EnvError::ReadOnly) } else { Ok(()) }
    }

    pub(crate) fn crash_after(&self, events: u64) {
        self.remaining.store(events, Ordering::SeqCst);
        self.crashed.store(events == 0, Ordering::SeqCst);
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::SeqCst)
    }

    /// Counts and records a change that is about to be applied; refuses it after the crash.
    pub(crate) fn event(&self, event: impl FnOnce() -> Event) -> Result<()> {
        if self.remaining.load(Ordering::SeqCst) != u64::MAX {
            let left = self
                .remaining
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            match left {
                Ok(1) => self.crashed.store(true, Ordering::SeqCst),
                Ok(_) => {}
                Err(_) => return Err(EnvError::Io(EIO)),
            }
        }
        self.events.fetch_add(1, Ordering::SeqCst);
        if self.recording.load(Ordering::SeqCst)
            && let Some(recorder) = self.recorder().as_mut()
        {
            recorder.push(event());
        }
        Ok(())
    }
}
