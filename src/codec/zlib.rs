//! Codec 10002: a record is one zlib stream with its Adler-32, nothing before or behind it.
//!
//! Format: docs/format-codecs.md, "zlib".

use super::pool::Pool;
use super::{Codec, CodecError, Result, append, damaged};
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::CompressionLevel;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// zlib: small, slow. In pure Rust.
#[derive(Debug)]
pub struct Zlib {
    compressors: Pool<Box<CompressorOxide>>,
    decompressors: Pool<Box<DecompressorOxide>>,
}

impl Zlib {
    /// The codec, at zlib's default level.
    #[must_use]
    pub const fn new() -> Self {
        Zlib { compressors: Pool::new(), decompressors: Pool::new() }
    }
}

impl Default for Zlib {
    fn default() -> Self {
        Self::new()
    }
}

fn new(level: CompressionLevel) -> Box<CompressorOxide> {
    Box::new(CompressorOxide::with_format_and_level(DataFormat::Zlib, level))
}

fn deflate(compressor: &mut CompressorOxide, page: &[u8], room: &mut [u8]) -> Result<usize> {
    compressor.reset();
    match compress(compressor, page, room, TDEFLFlush::Finish) {
        (TDEFLStatus::Done, _, count) => Ok(count),
        (status, ..) => Err(CodecError::new(format!("zlib: {status:?}"))),
    }
}

impl Codec for Zlib {
    fn id(&self) -> u32 {
        super::ZLIB
    }

    fn bound(&self, page_len: usize) -> usize {
        page_len + (page_len >> 12) + (page_len >> 14) + 13
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let bound = self.bound(page.len());
        let mut compressor =
            self.compressors.take().unwrap_or_else(|| new(CompressionLevel::DefaultLevel));
        let done = append(out, bound, |room| deflate(&mut compressor, page, room));
        self.compressors.put(compressor);
        // Should compression ever blow a page up beyond the bound, it is stored.
        done.or_else(|_| {
            append(out, bound, |room| {
                deflate(&mut new(CompressionLevel::NoCompression), page, room)
            })
        })
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()> {
        let mut decompressor = self.decompressors.take().unwrap_or_default();
        decompressor.init();
        let flags = TINFL_FLAG_PARSE_ZLIB_HEADER
            | TINFL_FLAG_COMPUTE_ADLER32
            | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let result = decompress(&mut decompressor, record, page, 0, flags);
        self.decompressors.put(decompressor);
        let whole = (TINFLStatus::Done, record.len(), page.len());
        if result == whole { Ok(()) } else { Err(damaged()) }
    }
}
