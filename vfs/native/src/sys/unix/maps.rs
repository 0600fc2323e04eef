//! Read-only maps: the system is asked for them without a safe interface.
#![allow(unsafe_code, reason = "mapping a file cannot be expressed safely")]

use crate::errno::from_io;
use memmap2::{Mmap, MmapOptions};
use siltstone_env::{EnvError, FileMap, Result};
use std::fs::File;
use std::sync::Arc;

/// A map, or nothing for an empty file.
#[derive(Debug)]
struct NativeMap(Option<Mmap>);

impl FileMap for NativeMap {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Maps the first `size` bytes; `None` where the file system cannot map.
pub(crate) fn map(file: &File, size: u64) -> Result<Option<Arc<dyn FileMap>>> {
    if size == 0 {
        return Ok(Some(Arc::new(NativeMap(None))));
    }
    let length = usize::try_from(size).map_err(|_| EnvError::OutOfMemory)?;
    // SAFETY: the map is private to this object, read-only and unmapped only when the last owner
    // drops it, so the address stays valid for every borrow of `bytes`. The bytes themselves may
    // change while borrowed if the file is written in that range, or become inaccessible if it is
    // cut; `FileMap` makes it the caller's duty to borrow only ranges that nothing writes or cuts
    // meanwhile. The engine borrows pages of snapshots only, which their locks keep immutable.
    let mapped = unsafe { MmapOptions::new().len(length).map(file) };
    match mapped {
        Ok(map) => Ok(Some(Arc::new(NativeMap(Some(map))))),
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
        Err(error) => Err(from_io(error)),
    }
}
