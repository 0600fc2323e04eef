//! Errors a world can return. The engine adds path, operation and advice.

/// Result of an environment call.
pub type Result<T> = core::result::Result<T, EnvError>;

/// Why a call to the world failed.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvError {
    /// A lock is held by somebody else (lsm code 5).
    #[error("locked by another user")]
    Busy,
    /// The file or its directory does not exist (266).
    #[error("no such file or directory")]
    NotFound,
    /// The file, directory or file system does not permit writing (8).
    #[error("permission denied or read-only")]
    ReadOnly,
    /// No space, quota exceeded or file too large (13).
    #[error("no space left")]
    Full,
    /// The name is that of a directory, a device or anything else that is no regular file (14).
    #[error("not a regular file")]
    NotAFile,
    /// The name leads out of the directories this program was given, as in a sandbox (14).
    #[error(
        "the name leads out of the directories this program was given; name a file below one of \
         them, without `..`"
    )]
    Outside,
    /// The program was given no directory at all (14).
    #[error(
        "this program was given no directory; start it with one (a preopened directory; wasmtime: \
         --dir)"
    )]
    NoDirectory,
    /// The file that says who owns the database was removed or replaced while it was in use (5).
    #[error("the owner file was removed or replaced; somebody else may be using the database")]
    Displaced,
    /// Memory could not be had (7).
    #[error("out of memory")]
    OutOfMemory,
    /// This world cannot do that; see `Capabilities`.
    #[error("not supported by this environment")]
    Unsupported,
    /// The file system has no locks or shared maps that reach every process using it, as many
    /// network file systems: only one process at a time may have the database open (10).
    #[error(
        "this file system has no locks or shared maps that reach every process using it; \
         keep the database on a local file system"
    )]
    CannotShare,
    /// The process is a fork of the one that opened the file and must open it anew (21).
    #[error("opened before fork(); a child process must open the database itself")]
    Forked,
    /// Input/output failed; the number is the operating system's, or 0 (10).
    #[error("input/output error (os error {0})")]
    Io(i32),
    /// A code of a C `lsm_env`, passed through unchanged.
    #[error("environment code {0}")]
    Code(i32),
}

impl EnvError {
    /// The lsm result code of this error.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            EnvError::Busy | EnvError::Displaced => 5,
            EnvError::OutOfMemory => 7,
            EnvError::ReadOnly => 8,
            EnvError::Unsupported | EnvError::CannotShare | EnvError::Io(_) => 10,
            EnvError::Full => 13,
            EnvError::NotAFile | EnvError::Outside | EnvError::NoDirectory => 14,
            EnvError::Forked => 21,
            EnvError::NotFound => 266,
            EnvError::Code(code) => code,
        }
    }
}
