//! Canonical names of files.
//!
//! Absolute, with every symbolic link of the directory resolved. A link as last component is
//! followed too, even one whose target does not exist yet, because opening it creates the target:
//! otherwise the name would change its meaning with the first open.

use crate::errno::from_io;
use nix::errno::Errno;
use siltstone_env::{EnvError, FilePath, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As many links as the system itself follows.
const MOST_LINKS: usize = 40;

/// The path a canonical name stands for.
pub(crate) fn as_path(path: &FilePath) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

/// Directory of a path; the current one for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The canonical form of `name`.
pub(crate) fn canonical(name: &[u8]) -> Result<FilePath> {
    if name.is_empty() {
        return Err(EnvError::NotFound);
    }
    if name.ends_with(b"/") || name.ends_with(b"/.") || name == b"." {
        return Err(EnvError::NotAFile);
    }
    let mut path = PathBuf::from(OsStr::from_bytes(name));
    for _ in 0..MOST_LINKS {
        let last = path.file_name().ok_or(EnvError::NotAFile)?;
        let whole = parent(&path).canonicalize().map_err(from_io)?.join(last);
        match whole.read_link() {
            Ok(target) => path = parent(&whole).join(target),
            // Not a link, or nothing there.
            Err(_) => return Ok(FilePath::from_bytes(whole.as_os_str().as_bytes())),
        }
    }
    Err(EnvError::Io(Errno::ELOOP as i32))
}
