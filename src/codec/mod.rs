//! Page codecs: how a page of a compressed file becomes a record, and back.
//!
//! A codec sees one page at a time and keeps no state between pages. Records are bytes from a
//! file: a codec checks everything, never panics, and never takes more memory than the page and a
//! fixed amount. Built-in codecs are behind features; their records: docs/format-codecs.md.

use crate::env::MaybeSync;
use crate::error::{Error, ErrorKind};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

#[cfg(feature = "checksum")]
mod checksum;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
mod pool;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;

#[cfg(feature = "checksum")]
pub use checksum::Checksum;
#[cfg(feature = "lz4")]
pub use lz4::Lz4;
#[cfg(feature = "zlib")]
pub use zlib::Zlib;
#[cfg(feature = "zstd")]
pub use zstd::Zstd;

/// Id of LZ4 pages (feature `lz4`).
pub const LZ4: u32 = 10001;
/// Id of zlib pages (feature `zlib`).
pub const ZLIB: u32 = 10002;
/// Id of Zstandard pages (feature `zstd`).
pub const ZSTD: u32 = 10003;
/// Id of checksummed pages (feature `checksum`).
pub const CHECKSUM: u32 = 10010;

/// Result of a codec.
pub type Result<T> = core::result::Result<T, CodecError>;

/// Why a codec refused a page or a record. The engine adds file and page.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("{0}")]
pub struct CodecError(Cow<'static, str>);

impl CodecError {
    /// An error with this explanation.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        CodecError(message.into())
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        Error::new(ErrorKind::Codec(error.0))
    }
}

/// Turns pages into records and back; see docs/format-codecs.md.
///
/// A record must be shorter than 131,072 bytes. Methods may be called from several threads.
pub trait Codec: MaybeSync + Debug {
    /// Id stored in the file; applications use 10000 and above.
    fn id(&self) -> u32;
    /// Most bytes `compress` can produce for a page of `page_len` bytes.
    fn bound(&self, page_len: usize) -> usize;
    /// Appends the record of `page` to `out`.
    ///
    /// # Errors
    /// When the page cannot be compressed; `out` may hold part of a record then.
    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// Fills `page` from `record`; anything but exactly a page is an error.
    ///
    /// # Errors
    /// When `record` is damaged; `page` may hold anything then.
    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()>;
}

/// The codec with this id, if it is built in and its feature is enabled.
#[must_use]
pub fn built_in(id: u32) -> Option<Arc<dyn Codec>> {
    match id {
        #[cfg(feature = "lz4")]
        LZ4 => Some(Arc::new(Lz4::new())),
        #[cfg(feature = "zlib")]
        ZLIB => Some(Arc::new(Zlib::new())),
        #[cfg(feature = "zstd")]
        ZSTD => Some(Arc::new(Zstd::new())),
        #[cfg(feature = "checksum")]
        CHECKSUM => Some(Arc::new(Checksum)),
        _ => None,
    }
}

/// Lets `fill` write a record of at most `bound` bytes behind `out`, and keeps what it wrote.
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
fn append(
    out: &mut Vec<u8>,
    bound: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<usize>,
) -> Result<()> {
    let start = out.len();
    out.resize(start + bound, 0);
    let filled = fill(out.get_mut(start..).unwrap_or_default());
    out.truncate(start + filled.as_ref().map_or(0, |&count| count));
    filled.map(|_| ())
}

#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
fn damaged() -> CodecError {
    CodecError::new("the record does not decompress to exactly one page")
}
