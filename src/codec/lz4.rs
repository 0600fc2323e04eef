//! Codec 10001: a record is one LZ4 block, nothing before or behind it.
//!
//! Format: docs/format-codecs.md, "LZ4".

use super::pool::Pool;
use super::{Codec, CodecError, Result, append, damaged};
use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

/// LZ4: fast, moderately small. In pure Rust.
#[derive(Debug)]
pub struct Lz4 {
    tables: Pool<CompressTable>,
}

impl Lz4 {
    /// The codec.
    #[must_use]
    pub const fn new() -> Self {
        Lz4 { tables: Pool::new() }
    }
}

impl Default for Lz4 {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec for Lz4 {
    fn id(&self) -> u32 {
        super::LZ4
    }

    fn bound(&self, page_len: usize) -> usize {
        page_len + page_len / 255 + 16
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut table = self.tables.take().unwrap_or_default();
        // The library insists on more room than a block can take.
        let room = get_maximum_output_size(page.len()).max(self.bound(page.len()));
        let done = append(out, room, |room| {
            compress_into_with_table(page, room, &mut table)
                .map_err(|error| CodecError::new(error.to_string()))
        });
        self.tables.put(table);
        done
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()> {
        // A damaged block must not leave bytes of another page here.
        page.fill(0);
        match decompress_into(record, page) {
            Ok(count) if count == page.len() => Ok(()),
            _ => Err(damaged()),
        }
    }
}
