//! From the operating system's error numbers to what the engine distinguishes.

use nix::errno::Errno;
use siltstone_env::EnvError;
use std::io;

/// Meaning of an error number.
pub(crate) fn from_errno(errno: Errno) -> EnvError {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => EnvError::NotFound,
        Errno::EACCES | Errno::EPERM | Errno::EROFS => EnvError::ReadOnly,
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => EnvError::Full,
        Errno::EISDIR | Errno::ENXIO => EnvError::NotAFile,
        Errno::ENOMEM => EnvError::OutOfMemory,
        other => EnvError::Io(other as i32),
    }
}

/// Meaning of a standard library error.
#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(crate) fn from_io(error: io::Error) -> EnvError {
    match error.raw_os_error() {
        Some(number) => from_errno(Errno::from_raw(number)),
        None => match error.kind() {
            io::ErrorKind::NotFound => EnvError::NotFound,
            io::ErrorKind::OutOfMemory => EnvError::OutOfMemory,
            io::ErrorKind::WriteZero => EnvError::Full,
            // A name with a NUL byte is refused before the system is asked.
            io::ErrorKind::InvalidInput => EnvError::Io(Errno::EINVAL as i32),
            _ => EnvError::Io(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_their_meaning() {
        for (errno, error) in [
            (Errno::ENOENT, EnvError::NotFound),
            (Errno::ENOTDIR, EnvError::NotFound),
            (Errno::EROFS, EnvError::ReadOnly),
            (Errno::EACCES, EnvError::ReadOnly),
            (Errno::EDQUOT, EnvError::Full),
            (Errno::EFBIG, EnvError::Full),
            (Errno::EISDIR, EnvError::NotAFile),
            (Errno::EIO, EnvError::Io(Errno::EIO as i32)),
        ] {
            assert_eq!(from_errno(errno), error);
            assert_eq!(from_io(io::Error::from_raw_os_error(errno as i32)), error);
        }
    }
}
