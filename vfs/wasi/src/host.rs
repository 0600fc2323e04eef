//! What is asked of a host, in words both previews share.
//!
//! Everything here may do less than asked: a read or write may stop short, any call may be
//! interrupted. Whoever calls loops.

use siltstone_env::{EnvError, MaybeSync};
use std::fmt::Debug;

/// A file as the host finds it: the number of a preopened directory and a path below it, without
/// `.`, `..` and empty components.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Which preopened directory.
    pub(crate) directory: usize,
    /// The way down from there.
    pub(crate) path: String,
}

impl Place {
    /// The place of a companion file.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Place { directory: self.directory, path: format!("{}{suffix}", self.path) }
    }
}

/// How to open a file. Symbolic links are never followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For both; made if missing.
    Create,
    /// For both; must not exist.
    CreateNew,
}

impl How {
    /// Whether the file may be changed.
    pub(crate) fn writes(self) -> bool {
        self != How::Read
    }
}

/// What a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// Anything else, such as a directory or a symbolic link.
    Other,
}

/// What the host tells about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Device and number of the file, where the host tells.
    pub(crate) identity: Option<(u64, u64)>,
}

/// Why a host refused a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// No such file or directory.
    NotFound,
    /// The file is there already.
    Exists,
    /// No space, over quota, or larger than a file may be.
    Full,
    /// The directory or file may not be written, or not be used in this way.
    NotPermitted,
    /// A directory, a symbolic link, or a name no file can have.
    #[cfg_attr(not(target_os = "wasi"), expect(dead_code, reason = "said by real hosts only"))]
    NotAFile,
    /// The host is out of memory.
    OutOfMemory,
    /// Nothing happened yet: ask again.
    Interrupted,
    /// The host cannot do that with this kind of descriptor.
    Unsupported,
    /// Anything else, by the host's number.
    Other(u16),
}

impl From<Refusal> for EnvError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => EnvError::NotFound,
            Refusal::Exists => EnvError::Busy,
            Refusal::Full => EnvError::Full,
            Refusal::NotPermitted => EnvError::ReadOnly,
            Refusal::NotAFile => EnvError::NotAFile,
            Refusal::OutOfMemory => EnvError::OutOfMemory,
            Refusal::Unsupported => EnvError::Unsupported,
            Refusal::Interrupted => EnvError::Io(0),
            Refusal::Other(number) => EnvError::Io(i32::from(number)),
        }
    }
}

/// What a host answers.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// How often a call is repeated before the host is taken to be unable to answer it.
const MOST_ATTEMPTS: u32 = 10_000;

/// Repeats a call the host interrupted.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> Answer<T>) -> Answer<T> {
    let mut attempt = 1;
    loop {
        match call() {
            Err(Refusal::Interrupted) if attempt < MOST_ATTEMPTS => attempt += 1,
            answer => return answer,
        }
    }
}

/// A host, as one instance sees it.
pub(crate) trait Host: MaybeSync + Debug {
    /// The names of the preopened directories, in the host's order.
    fn directories(&self) -> &[String];

    /// Opens a file.
    fn open(&self, place: &Place, how: How) -> Answer<Box<dyn Descriptor>>;

    /// What a name leads to, without following symbolic links.
    fn stat(&self, place: &Place) -> Answer<Stat>;

    /// Removes a name.
    fn unlink(&self, place: &Place) -> Answer<()>;

    /// Makes names below a preopened directory durable, as far as the host can.
    fn sync_directory(&self, directory: usize) -> Answer<()>;

    /// Fills `buffer` with random bytes.
    fn random(&self, buffer: &mut [u8]) -> Answer<()>;
}

/// An open file of a host; closed when dropped.
pub(crate) trait Descriptor: MaybeSync + Debug {
    /// Reads some bytes; 0 at the end of the file.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Answer<usize>;

    /// Writes some of the bytes.
    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<usize>;

    /// Makes contents and size durable.
    fn sync(&self) -> Answer<()>;

    /// What the descriptor leads to.
    fn stat(&self) -> Answer<Stat>;

    /// Cuts or extends the file.
    fn set_size(&self, size: u64) -> Answer<()>;
}
