//! Vectored writes one slice at a time; no reservation.

use crate::errno::from_io;
use siltstone_env::Result;
use std::fs::File;
use std::io::IoSlice;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Writes all slices one after the other from `offset`.
pub(crate) fn write_vectored(file: &File, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
    let mut at = offset;
    for slice in slices {
        file.write_all_at(slice, at).map_err(from_io)?;
        at += slice.len() as u64;
    }
    Ok(())
}

/// Reserves nothing.
pub(crate) fn reserve(_file: &File, _range: Range<u64>) -> Result<()> {
    Ok(())
}

/// Lets the file grow from its size, the range's begin, to the range's end.
pub(crate) fn grow(file: &File, range: Range<u64>) -> Result<()> {
    file.set_len(range.end).map_err(from_io)
}
