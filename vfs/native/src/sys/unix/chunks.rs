//! Chunks of shared memory, mapped so that every process sees them.
#![allow(unsafe_code, reason = "words shared with other processes cannot be had safely")]

use crate::errno::from_io;
use crate::handles::Identity;
use memmap2::{MmapOptions, MmapRaw};
use siltstone_env::{CHUNK_BYTES, CHUNK_WORDS, EnvError, Result, SharedChunk};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// A map of exactly one chunk.
#[derive(Debug)]
struct MappedChunk(MmapRaw);

impl SharedChunk for MappedChunk {
    fn words(&self) -> &[AtomicU32; CHUNK_WORDS] {
        // SAFETY: the map has `CHUNK_BYTES` bytes (asked for in `map`), begins at a page boundary or
        // a multiple of `CHUNK_BYTES` behind one, hence is aligned, and is unmapped only when `self`
        // is dropped, so the reference is valid for its lifetime. Everybody in this process reaches
        // the words through such references only, as atomics; any bits are a valid `AtomicU32`.
        // Other processes may store at any time, which atomics allow. Where the map is for reading
        // only, nobody stores (the contract of `is_writable`), and loads of 32 bits are plain loads
        // on every unix target. The file reaches the chunk's end (`NativeMemory`) and never shrinks.
        unsafe { &*self.0.as_ptr().cast() }
    }
}

/// Maps the chunk at `start` of a file that reaches its end. `identity` and the file's size before
/// it grew tell platforms without maps which memory is meant.
pub(crate) fn map(
    file: &File,
    _identity: Identity,
    start: u64,
    _size_before: u64,
    writable: bool,
) -> Result<Arc<dyn SharedChunk>> {
    let mut options = MmapOptions::new();
    let options = options.offset(start).len(CHUNK_BYTES);
    let mapped = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
    match mapped {
        Ok(map) => Ok(Arc::new(MappedChunk(map))),
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Err(EnvError::CannotShare),
        Err(error) => Err(from_io(error)),
    }
}
