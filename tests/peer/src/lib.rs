//! C lsm1 as a peer for tests. Not published.
//!
//! `lsmlite-rs` builds the C library into an archive that is linked into whatever depends on it, and
//! the archive exports all 34 functions of `lsm.h`. Its own safe API fixes single-process mode and
//! most settings, so this crate declares the functions itself (in `ffi`) and offers two ways to C:
//!
//! * [`PeerProcess`]: C in a process of its own under a watchdog. The normal way, because C has
//!   defects that loop or crash (docs/c-defects.md).
//! * [`CDatabase`], [`CCursor`]: C in this process, for short and harmless work.
//!
//! Every error is the result code of `lsm.h`.

mod client;
mod codec;
mod command;
mod config;
mod database;
mod ffi;
mod server;
pub mod supervision;

pub use client::{PeerError, PeerProcess};
pub use codec::{LZ4, ZLIB, ZRLE, ZSTD, zrle_bound, zrle_compress, zrle_uncompress};
pub use command::{Answer, Command, Info, Position, Seek};
pub use config::{CConfig, Setting};
pub use database::{CCursor, CDatabase};
pub use server::{run, serve, serve_if_asked};

/// Rows of a scan.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// A cheap sum of a row for benchmarks: enough to notice a wrong row, cheap enough not to be what is
/// measured. Both ends of key and value count; of large ones every byte, because that is what a
/// reader pays for.
#[inline]
#[must_use]
pub fn digest(key: &[u8], value: &[u8]) -> u64 {
    fn fold(bytes: &[u8]) -> u64 {
        let first = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
        let last = bytes.last_chunk().copied().map_or(0, u64::from_le_bytes);
        let ends = first.rotate_left(29) ^ last;
        if bytes.len() <= 1024 {
            return ends;
        }
        let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        words.fold(ends, u64::wrapping_add)
    }
    let key = fold(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (key ^ fold(value)).wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(value.len() as u64)
}

/// `LSM_ERROR`.
pub const ERROR: i32 = 1;
/// `LSM_BUSY`.
pub const BUSY: i32 = 5;
/// `LSM_READONLY`.
pub const READONLY: i32 = 8;
/// `LSM_IOERR`.
pub const IOERR: i32 = 10;
/// `LSM_CORRUPT`.
pub const CORRUPT: i32 = 11;
/// `LSM_MISUSE`.
pub const MISUSE: i32 = 21;
/// `LSM_MISMATCH`.
pub const MISMATCH: i32 = 50;

/// Lets the test binary it stands in (at the root of the test crate) become the peer process that
/// [`PeerProcess::spawn`] starts.
#[macro_export]
macro_rules! peer_test {
    () => {
        /// Becomes the C peer when `PeerProcess::spawn` asks for it; otherwise nothing.
        #[test]
        fn siltstone_c_peer() {
            $crate::serve_if_asked();
        }
    };
}
