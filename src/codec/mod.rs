//! Page codecs: how a page of a compressed file becomes a record.
use crate::env::MaybeSync;
use crate::error::Result;
use std::fmt::Debug;

/// Turns pages into records and back; see docs/format.md, "Compressed files".
pub trait Codec: MaybeSync + Debug {
    /// Id stored in the file; applications use 10000 and above.
    fn id(&self) -> u32;
    /// Most bytes `compress` can produce for a page of `page_len` bytes.
    fn bound(&self, page_len: usize) -> usize;
    /// Appends the record of `page` to `out`.
    ///
    /// # Errors
    /// `Codec`.
    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// Fills `page` from `record`; anything but exactly a page is an error.
    ///
    /// # Errors
    /// `Codec`.
    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()>;
}
