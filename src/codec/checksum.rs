//! Codec 10010: a record is the page itself and its CRC-32, so that bit rot is found.
//!
//! Record: the page's bytes, then the CRC-32 of all of them (polynomial 04C11DB7 reflected, as in
//! zlib, PNG and Ethernet), four bytes, big-endian. Any change of up to 32 consecutive bits is
//! found, other damage with odds of one in four thousand million to be missed.
//! Format: docs/format-codecs.md, "Checksummed pages".

use super::{Codec, CodecError, Result};

const SUM_LEN: usize = 4;

/// Checksummed pages: not smaller, but no damage goes unnoticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum;

impl Codec for Checksum {
    fn id(&self) -> u32 {
        super::CHECKSUM
    }

    fn bound(&self, page_len: usize) -> usize {
        page_len + SUM_LEN
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(page);
        out.extend_from_slice(&crc32fast::hash(page).to_be_bytes());
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()> {
        let Some((bytes, sum)) = record.split_last_chunk::<SUM_LEN>() else {
            return Err(CodecError::new("the record is shorter than a checksum"));
        };
        if bytes.len() != page.len() {
            return Err(CodecError::new("the record does not hold exactly one page"));
        }
        if crc32fast::hash(bytes) != u32::from_be_bytes(*sum) {
            return Err(CodecError::new("the page does not match its checksum"));
        }
        page.copy_from_slice(bytes);
        Ok(())
    }
}
