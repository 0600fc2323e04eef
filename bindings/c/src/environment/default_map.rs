//! `xRemap` of the default environment: a whole file mapped for reading and writing.
//!
//! The engine never asks for such a map; programs that use the default environment's functions
//! themselves may.

use siltstone::env::{EnvError, File, FilePath, Result};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Files grow by this much at a time while they are small, and by the second when they are not.
const STEPS: (u64, u64) = (256 << 10, 1 << 20);
/// Where small ends.
const SMALL: u64 = 2 << 20;

enum Bytes {
    Nothing,
    Readable(memmap2::Mmap),
    Writable(memmap2::MmapMut),
}

/// A map of a file, and the descriptor it was made with.
pub(super) struct FileMapping {
    bytes: Bytes,
    _file: std::fs::File,
}

fn failed(error: io::Error) -> EnvError {
    EnvError::Io(error.raw_os_error().unwrap_or(0))
}

impl FileMapping {
    /// Maps `file`, which has this path, after letting it grow to at least `least` bytes.
    pub(super) fn new(
        path: &FilePath,
        file: &dyn File,
        writable: bool,
        least: u64,
    ) -> Result<Self> {
        let mut size = file.size()?;
        let name = OsStr::from_bytes(path.as_bytes());
        let opened = OpenOptions::new().read(true).write(writable).open(name).map_err(failed)?;
        if size < least {
            let step = if least <= SMALL { STEPS.0 } else { STEPS.1 };
            size = least.checked_next_multiple_of(step).ok_or(EnvError::Full)?;
            if !writable {
                return Err(EnvError::ReadOnly);
            }
            opened.set_len(size).map_err(failed)?;
        }
        let bytes = if size == 0 {
            Bytes::Nothing
        } else if writable {
            // SAFETY: the map is only ever handed to C as an address; what C reads and writes there
            // is its own affair, as with any map of a file.
            Bytes::Writable(unsafe { memmap2::MmapMut::map_mut(&opened) }.map_err(failed)?)
        } else {
            // SAFETY: as above.
            Bytes::Readable(unsafe { memmap2::Mmap::map(&opened) }.map_err(failed)?)
        };
        Ok(FileMapping { bytes, _file: opened })
    }

    /// Address and length.
    pub(super) fn range(&mut self) -> (*mut u8, usize) {
        match &mut self.bytes {
            Bytes::Nothing => (std::ptr::null_mut(), 0),
            Bytes::Readable(map) => (map.as_ptr().cast_mut(), map.len()),
            Bytes::Writable(map) => (map.as_mut_ptr(), map.len()),
        }
    }

    /// Hands what was written through the map to the file.
    pub(super) fn flush(&self) -> Result<()> {
        match &self.bytes {
            Bytes::Writable(map) => map.flush().map_err(failed),
            Bytes::Readable(_) | Bytes::Nothing => Ok(()),
        }
    }
}
