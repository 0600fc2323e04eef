//! Any unix.

pub(crate) mod fork;
pub(crate) mod locks;
pub(crate) mod maps;
pub(crate) mod space;

/// Whether files can be mapped.
pub(crate) const MAPS: bool = true;
/// Whether any range can be locked.
pub(crate) const RANGE_LOCKS: bool = true;
/// Opening must not wait for the other end of a named pipe; regular files do not care.
pub(crate) const OPEN_FLAGS: i32 = nix::libc::O_NONBLOCK;
