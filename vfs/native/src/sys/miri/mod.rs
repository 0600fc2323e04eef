//! Under Miri: files through the standard library, the rest in memory of the process.

pub(crate) mod fork;
pub(crate) mod locks;
pub(crate) mod maps;
pub(crate) mod space;

/// Files cannot be mapped.
pub(crate) const MAPS: bool = false;
/// Only the 29 locks exist.
pub(crate) const RANGE_LOCKS: bool = false;
/// No flags.
pub(crate) const OPEN_FLAGS: i32 = 0;
