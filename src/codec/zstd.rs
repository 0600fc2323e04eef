//! Codec 10003: a record is one Zstandard frame, nothing before or behind it.
//!
//! Decompression goes straight into the page, so no frame can ask for a window of its own.
//! Format: docs/format-codecs.md, "Zstandard".

use super::pool::Pool;
use super::{Codec, CodecError, Result, append, damaged};
use ::zstd::bulk::{Compressor, Decompressor};
use std::io;

/// Level of the reference library's one-shot call.
const DEFAULT_LEVEL: i32 = 3;

/// Zstandard: smallest. The reference library.
#[derive(Debug)]
pub struct Zstd {
    level: i32,
    compressors: Pool<Compressor<'static>>,
    decompressors: Pool<Decompressor<'static>>,
}

impl Zstd {
    /// The codec, at the library's default level.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_level(DEFAULT_LEVEL)
    }

    /// The codec, compressing at `level` (1 = fastest to 22 = smallest). Files may mix levels.
    #[must_use]
    pub const fn with_level(level: i32) -> Self {
        Zstd { level, compressors: Pool::new(), decompressors: Pool::new() }
    }
}

impl Default for Zstd {
    fn default() -> Self {
        Self::new()
    }
}

fn failed(error: &io::Error) -> CodecError {
    CodecError::new(format!("zstd: {error}"))
}

impl Codec for Zstd {
    fn id(&self) -> u32 {
        super::ZSTD
    }

    fn bound(&self, page_len: usize) -> usize {
        ::zstd::zstd_safe::compress_bound(page_len)
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut compressor = match self.compressors.take() {
            Some(compressor) => compressor,
            None => Compressor::new(self.level).map_err(|error| failed(&error))?,
        };
        append(out, self.bound(page.len()), |room| {
            compressor.compress_to_buffer(page, room).map_err(|error| failed(&error))
        })?;
        self.compressors.put(compressor);
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()> {
        let mut decompressor = match self.decompressors.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(|error| failed(&error))?,
        };
        let result = decompressor.decompress_to_buffer(record, page);
        self.decompressors.put(decompressor);
        match result {
            Ok(count) if count == page.len() => Ok(()),
            _ => Err(damaged()),
        }
    }
}
