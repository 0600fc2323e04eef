//! Names of the built-in page codecs and the ids files carry.

use crate::failure::{Failure, Result};
use clap::ValueEnum;
use siltstone::Codec;
use std::sync::Arc;

/// A built-in codec, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecName {
    /// Pages as they are.
    None,
    /// LZ4: fast.
    Lz4,
    /// zlib.
    Zlib,
    /// Zstandard: small.
    Zstd,
    /// Not smaller, but every page carries a CRC-32: bit rot is found.
    Checksum,
}

impl CodecName {
    const BUILT_IN: [CodecName; 4] =
        [CodecName::Lz4, CodecName::Zlib, CodecName::Zstd, CodecName::Checksum];

    /// The id in the file.
    fn id(self) -> u32 {
        match self {
            CodecName::None => 1,
            CodecName::Lz4 => 10001,
            CodecName::Zlib => 10002,
            CodecName::Zstd => 10003,
            CodecName::Checksum => 10010,
        }
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CodecName::None => "none",
            CodecName::Lz4 => "lz4",
            CodecName::Zlib => "zlib",
            CodecName::Zstd => "zstd",
            CodecName::Checksum => "checksum",
        }
    }

    /// The codec; `None` for no codec.
    pub(crate) fn codec(self) -> Result<Option<Arc<dyn Codec>>> {
        if self == CodecName::None {
            return Ok(None);
        }
        let codec = siltstone::codec::built_in(self.id()).ok_or_else(|| {
            Failure::Usage(format!("codec {} is not part of this build", self.name()))
        })?;
        Ok(Some(codec))
    }
}

/// How a file's compression id is called.
pub(crate) fn describe(id: u32) -> String {
    match id {
        0 => "not fixed yet".to_owned(),
        1 => "none".to_owned(),
        id => match CodecName::BUILT_IN.iter().find(|codec| codec.id() == id) {
            Some(codec) => format!("{} ({id})", codec.name()),
            None => format!("id {id}"),
        },
    }
}

/// Whether pages are stored as records of varying size.
pub(crate) fn is_compressed(id: u32) -> bool {
    id > 1
}
