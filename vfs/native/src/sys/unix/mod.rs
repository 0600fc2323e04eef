//! Any unix.

pub(crate) mod chunks;
pub(crate) mod file_system;
pub(crate) mod fork;
pub(crate) mod locks;
pub(crate) mod maps;
pub(crate) mod space;

/// Whether files can be mapped.
pub(crate) const MAPS: bool = true;
/// Opening must not wait for the other end of a named pipe; regular files do not care.
pub(crate) const OPEN_FLAGS: i32 = nix::libc::O_NONBLOCK;
/// Opening fails at a symbolic link.
pub(crate) const NO_LINKS: i32 = nix::libc::O_NOFOLLOW;
