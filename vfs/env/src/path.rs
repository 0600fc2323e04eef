//! Names of files as a world understands them.

use std::fmt;
use std::sync::Arc;

/// The canonical name of a file: two equal paths are the same file as far as the world can tell.
///
/// Bytes, because unix names need not be UTF-8. Made by [`Env::canonical_path`].
///
/// [`Env::canonical_path`]: crate::Env::canonical_path
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(Arc<[u8]>);

impl FilePath {
    /// Wraps bytes that a world has already made canonical.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        FilePath(bytes.into())
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name of a companion file: `app.lsm` with `-log` is `app.lsm-log`.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        FilePath([&self.0, suffix.as_bytes()].concat().into())
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
