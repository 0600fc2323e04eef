//! Under Miri: files through the standard library, the rest in memory of the process.

pub(crate) mod chunks;
pub(crate) mod file_system;
pub(crate) mod fork;
pub(crate) mod locks;
pub(crate) mod maps;
pub(crate) mod space;

/// Files cannot be mapped.
pub(crate) const MAPS: bool = false;
/// No flags.
pub(crate) const OPEN_FLAGS: i32 = 0;
/// No flags.
pub(crate) const NO_LINKS: i32 = 0;
