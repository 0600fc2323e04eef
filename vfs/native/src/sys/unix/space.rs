//! Vectored writes and reservation of space.

use crate::errno::from_errno;
use nix::errno::Errno;
use siltstone_env::Result;
use std::fs::File;
use std::io::IoSlice;
use std::ops::Range;

/// Slices per call; every unix takes at least this many.
const SLICES: usize = 1024;

/// Writes all slices one after the other from `offset`, continuing after short writes.
pub(crate) fn write_vectored(file: &File, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
    let mut at = offset;
    let mut slices: Vec<IoSlice<'_>> =
        slices.iter().filter(|slice| !slice.is_empty()).map(|slice| IoSlice::new(slice)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match write_some(file, at, rest.get(..rest.len().min(SLICES)).unwrap_or_default()) {
            Ok(0) => return Err(from_errno(Errno::ENOSPC)),
            Ok(count) => {
                at += count as u64;
                IoSlice::advance_slices(&mut rest, count);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(from_errno(errno)),
        }
    }
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
fn write_some(file: &File, offset: u64, slices: &[IoSlice<'_>]) -> nix::Result<usize> {
    let offset = nix::libc::off_t::try_from(offset).map_err(|_| Errno::EFBIG)?;
    nix::sys::uio::pwritev(file, slices, offset)
}

/// Older Apple systems have no vectored positioned write: one slice at a time.
#[cfg(target_vendor = "apple")]
fn write_some(file: &File, offset: u64, slices: &[IoSlice<'_>]) -> nix::Result<usize> {
    use std::os::unix::fs::FileExt;
    let first = slices.first().map_or(&[][..], |slice| slice);
    file.write_at(first, offset)
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// Reserves space for the range, which begins at the present end, without changing the size.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn reserve(file: &File, range: Range<u64>) -> Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    use nix::libc::off_t;
    let (Ok(start), Ok(length)) =
        (off_t::try_from(range.start), off_t::try_from(range.end.saturating_sub(range.start)))
    else {
        return Err(from_errno(Errno::EFBIG));
    };
    loop {
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, start, length) {
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(from_errno(errno)),
        }
    }
}

/// Elsewhere reservation would change the size or cost as much as writing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn reserve(_file: &File, _range: Range<u64>) -> Result<()> {
    Ok(())
}
