//! Vectored writes, reservation of space, growth.

use crate::errno::{from_errno, from_io};
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
/// Elsewhere than on Linux that would change the size or cost as much as writing: nothing is done.
pub(crate) fn reserve(file: &File, range: Range<u64>) -> Result<()> {
    allocate(file, &range, true).map(|_| ())
}

/// Lets the file grow from its size, the range's begin, to the range's end; the new bytes are zero.
/// They are there, not just promised, where the system can do that: storing into a map of a promise
/// ends the process when the disk is full.
pub(crate) fn grow(file: &File, range: Range<u64>) -> Result<()> {
    // Asked again, because setting a size could also shrink.
    if allocate(file, &range, false)? || file.metadata().map_err(from_io)?.len() >= range.end {
        return Ok(());
    }
    file.set_len(range.end).map_err(from_io)
}

/// Tells whether the space was allocated; not every file system can.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn allocate(file: &File, range: &Range<u64>, keep_size: bool) -> Result<bool> {
    use nix::fcntl::{FallocateFlags, fallocate};
    use nix::libc::off_t;
    let (Ok(start), Ok(length)) =
        (off_t::try_from(range.start), off_t::try_from(range.end.saturating_sub(range.start)))
    else {
        return Err(from_errno(Errno::EFBIG));
    };
    let mut flags = FallocateFlags::empty();
    flags.set(FallocateFlags::FALLOC_FL_KEEP_SIZE, keep_size);
    loop {
        match fallocate(file, flags, start, length) {
            Ok(()) => return Ok(true),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(from_errno(errno)),
        }
    }
}

/// Not known.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn allocate(_file: &File, _range: &Range<u64>, _keep_size: bool) -> Result<bool> {
    Ok(false)
}
