//! The shared memory of a database: the file `<database>-shm`, mapped in chunks of 32 KiB.
//!
//! Invariants: the file only ever grows, and a chunk is mapped only after the file was seen to
//! reach its end, so that touching a map never meets missing bytes. Nothing is made before the
//! first chunk is asked for, and nothing at all through a database opened read-only. The name is
//! never followed through a link, since whoever may write the folder could lead it anywhere. The
//! content of the file is specified in docs/format-tree.md, "Chunks".

use crate::beside::Belonging;
use crate::environment::same_process;
use crate::errno::from_io;
use crate::handles::Identity;
use crate::names;
use crate::sys::{self, chunks};
use nix::errno::Errno;
use siltstone_env::{CHUNK_BYTES, EnvError, FilePath, Result, SharedChunk, SharedMemory};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pointers into shared memory have 32 bits.
const MOST_CHUNKS: u32 = (u32::MAX / CHUNK_BYTES as u32) + 1;

/// One handle's maps of the memory.
#[derive(Debug)]
pub(crate) struct NativeMemory {
    path: FilePath,
    process: u32,
    belonging: Belonging,
    /// Whether the database file is open for writing.
    may_make: bool,
    opened: Mutex<Option<Opened>>,
}

/// The file behind the name, once a chunk was asked for.
#[derive(Debug)]
struct Opened {
    file: File,
    identity: Identity,
    writable: bool,
    chunks: BTreeMap<u32, Arc<dyn SharedChunk>>,
}

impl Opened {
    fn new(file: File, writable: bool) -> Result<Self> {
        let metadata = file.metadata().map_err(from_io)?;
        if !metadata.is_file() {
            return Err(EnvError::NotAFile);
        }
        let identity = (metadata.dev(), metadata.ino());
        Ok(Opened { file, identity, writable, chunks: BTreeMap::new() })
    }

    fn chunk(&mut self, index: u32, may_grow: bool) -> Result<Arc<dyn SharedChunk>> {
        if let Some(chunk) = self.chunks.get(&index) {
            return Ok(chunk.clone());
        }
        if index >= MOST_CHUNKS {
            return Err(EnvError::Full);
        }
        let start = u64::from(index) * CHUNK_BYTES as u64;
        let end = start + CHUNK_BYTES as u64;
        let size = self.file.metadata().map_err(from_io)?.len();
        if size < end {
            if !may_grow {
                return Err(EnvError::NotFound);
            }
            sys::space::grow(&self.file, size..end)?;
        }
        let chunk = chunks::map(&self.file, self.identity, start, size, self.writable)?;
        self.chunks.insert(index, chunk.clone());
        Ok(chunk)
    }
}

impl NativeMemory {
    pub(crate) fn new(path: FilePath, process: u32, belonging: Belonging, may_make: bool) -> Self {
        NativeMemory { path, process, belonging, may_make, opened: Mutex::new(None) }
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_existing(&self, writable: bool) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(writable)
            .custom_flags(sys::OPEN_FLAGS | sys::NO_LINKS)
            .open(names::as_path(&self.path))
    }

    fn open_for_writing(&self) -> io::Result<File> {
        let flags = sys::OPEN_FLAGS | sys::NO_LINKS;
        match self.open_existing(true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_make => {
                match self.belonging.create(names::as_path(&self.path), flags) {
                    // Somebody was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.open_existing(true)
                    }
                    made => made,
                }
            }
            done => done,
        }
    }

    /// The file, made if allowed, for reading alone only where the database is.
    fn open(&self) -> Result<Opened> {
        match self.open_for_writing().map_err(unless_a_link) {
            Ok(file) => Opened::new(file, true),
            Err(EnvError::ReadOnly) if !self.may_make => {
                Opened::new(self.open_existing(false).map_err(unless_a_link)?, false)
            }
            Err(error) => Err(error),
        }
    }

    /// What file the name leads to now, if any; the name of a link is its own.
    fn named(&self) -> Result<Option<Identity>> {
        match std::fs::symlink_metadata(names::as_path(&self.path)).map_err(from_io) {
            Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
            Err(EnvError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Refused links are files of the wrong kind. Systems disagree about the number they give.
fn unless_a_link(error: io::Error) -> EnvError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP | Errno::EMLINK) => EnvError::NotAFile,
        _ => from_io(error),
    }
}

impl SharedMemory for NativeMemory {
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>> {
        same_process(self.process)?;
        let mut opened = self.opened();
        let present = match opened.as_mut() {
            Some(present) => present,
            None => opened.insert(self.open()?),
        };
        present.chunk(index, self.may_make)
    }

    fn release(&self, delete: bool) -> Result<()> {
        same_process(self.process)?;
        if delete && !self.may_make {
            return Err(EnvError::ReadOnly);
        }
        let released = self.opened().take();
        if !delete {
            return Ok(());
        }
        if let Some(released) = released
            && self.named()? != Some(released.identity)
        {
            return Ok(());
        }
        match std::fs::remove_file(names::as_path(&self.path)).map_err(from_io) {
            Err(EnvError::NotFound) => Ok(()),
            done => done,
        }
    }

    fn is_current(&self) -> Result<bool> {
        same_process(self.process)?;
        let Some(identity) = self.opened().as_ref().map(|opened| opened.identity) else {
            return Ok(true);
        };
        Ok(self.named()? == Some(identity))
    }

    fn has_name(&self) -> Result<bool> {
        same_process(self.process)?;
        match self.opened().as_ref() {
            Some(opened) => Ok(opened.file.metadata().map_err(from_io)?.nlink() > 0),
            None => Ok(true),
        }
    }

    fn is_writable(&self) -> bool {
        if same_process(self.process).is_err() {
            return false;
        }
        match self.opened().as_ref() {
            Some(opened) => opened.writable,
            None => self.may_make || self.open_existing(true).is_ok(),
        }
    }
}
