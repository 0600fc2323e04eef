//! What histories are made of, and which defects of C they stay away from.
//!
//! A history that is compared with C must avoid what C does wrong, or the comparison would fail for
//! C's fault. Each avoidance has a name, the number of the defect in docs/c-defects.md, and one place
//! in `history` where it takes effect, so that it is plain what the comparison does not cover.

use crate::rng::Rng;
use siltstone_peer::{CConfig, LZ4, Setting, ZLIB, ZRLE, ZSTD};

/// A defect of C that a history can stay away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CDefect {
    /// After an explicit flush the checkpoint may carry a wrong log pointer: no crash until the
    /// database has been closed in order.
    FlushThenCrash,
    /// A rolled back transaction (or savepoint) that wrapped the log spoils it: no crash until the
    /// database has been closed in order.
    RollbackThenCrash,
    /// Work with a merge count unlike automerge, or an automerge that changes, leads to stale
    /// pointers, crashes and endless loops: merge count 0 only, and automerge stays.
    OtherMergeCount,
    /// Seeks that land at the start of a range or between two ranges go too far: in histories with
    /// range deletes only exact seeks.
    SeekAmongRanges,
    /// A greater-or-equal seek into the gap before a split key fails: such seeks only for keys that
    /// exist.
    SeekBeforeSplitKey,
    /// A range bound that is a key may damage that key: bounds that are never keys.
    RangeBoundIsKey,
    /// Forward scans go wrong after recovery with ranges and unfinished merges: no crash in histories
    /// with range deletes.
    RangesAndRecovery,
    /// Forward scans skip rows while a merge is unfinished, also without ranges and without a crash:
    /// backward scans and exact seeks only, no forward steps.
    ForwardOverMerge,
    /// A cursor open across an automatic flush makes its own writer busy: no writes while a cursor is
    /// open.
    CursorAcrossFlush,
    /// An automatic checkpoint due after less than a page makes work loop forever: at least a page.
    TinyAutocheckpoint,
    /// A four-byte key equal to a free-list key confuses merges: no keys that begin with ff ff.
    KeyLikeFreeList,
}

impl CDefect {
    /// All of them.
    pub const ALL: [CDefect; 11] = [
        CDefect::FlushThenCrash,
        CDefect::RollbackThenCrash,
        CDefect::OtherMergeCount,
        CDefect::SeekAmongRanges,
        CDefect::SeekBeforeSplitKey,
        CDefect::RangeBoundIsKey,
        CDefect::RangesAndRecovery,
        CDefect::ForwardOverMerge,
        CDefect::CursorAcrossFlush,
        CDefect::TinyAutocheckpoint,
        CDefect::KeyLikeFreeList,
    ];

    /// The numbers in docs/c-defects.md.
    #[must_use]
    pub fn numbers(self) -> &'static str {
        match self {
            CDefect::FlushThenCrash => "20.1, W3",
            CDefect::RollbackThenCrash => "W1, W2",
            CDefect::OtherMergeCount => "20.2, 20.14",
            CDefect::SeekAmongRanges => "20.15, 20.17",
            CDefect::SeekBeforeSplitKey => "20.16",
            CDefect::RangeBoundIsKey => "20.18, T0",
            CDefect::RangesAndRecovery | CDefect::ForwardOverMerge => "K-1",
            CDefect::CursorAcrossFlush => "K-3",
            CDefect::TinyAutocheckpoint => "N1",
            CDefect::KeyLikeFreeList => "20.9",
        }
    }
}

/// How a database is created and opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes of a block, at least four pages.
    pub block_size: u32,
    /// Segments merged at once.
    pub automerge: u32,
    /// Bytes of tree at which a commit freezes it.
    pub autoflush: u32,
    /// Whether writes do merge work.
    pub autowork: bool,
    /// Bytes written after which work writes a checkpoint; 0 = never.
    pub autocheckpoint: u32,
    /// 0 none, 1 normal, 2 full.
    pub safety: u8,
    /// Free blocks kept in the checkpoint itself.
    pub max_freelist: u32,
    /// Whether files are mapped.
    pub map: bool,
    /// Whether other processes may open the file.
    pub multiple_processes: bool,
    /// Codec of the pages.
    pub codec: Option<u32>,
}

impl Settings {
    /// A legal combination, small pages and trees more often than not, so that a few hundred
    /// operations reach many levels and blocks.
    pub fn random(rng: &mut Rng, profile: &Profile) -> Self {
        let codec = rng.chance(profile.codecs).then(|| *rng.pick(profile.codec_ids));
        let page_size = *rng.pick(profile.page_sizes);
        let block_size = (65536 << rng.weighted(&[6, 2, 1])).max(4 * page_size);
        Settings {
            page_size,
            block_size,
            automerge: rng.between(2, 8) as u32,
            autoflush: *rng.pick(&[0, 1024, 4096, 4096, 16384, 65536, 1 << 20]),
            autowork: rng.chance(75),
            autocheckpoint: profile
                .autocheckpoint(*rng.pick(&[0, 8192, 65536, 2 << 20]), page_size),
            safety: *rng.pick(&[0, 1, 1, 2]),
            max_freelist: *rng.pick(&[2, 4, 24, 24]),
            map: rng.chance(50),
            multiple_processes: rng.chance(70),
            codec,
        }
    }

    /// The same for C.
    #[must_use]
    pub fn c_config(&self) -> CConfig {
        let kilobytes = |bytes: u32| (bytes / 1024) as i32;
        let config = CConfig::new()
            .sizes(self.page_size as i32, kilobytes(self.block_size))
            .set(Setting::Automerge, self.automerge as i32)
            .set(Setting::Autoflush, kilobytes(self.autoflush))
            .set(Setting::Autowork, i32::from(self.autowork))
            .set(Setting::Autocheckpoint, kilobytes(self.autocheckpoint))
            .set(Setting::Safety, i32::from(self.safety))
            .set(Setting::MaxFreelist, self.max_freelist as i32)
            .set(Setting::Mmap, i32::from(self.map))
            .set(Setting::MultipleProcesses, i32::from(self.multiple_processes));
        match self.codec {
            Some(id) => config.codec(id),
            None => config,
        }
    }
}

/// Bounds within which a seed chooses.
#[derive(Clone, Debug)]
pub struct Profile {
    /// For messages.
    pub name: &'static str,
    /// Operations at least.
    pub operations: usize,
    /// Distinct keys, so that writes collide.
    pub keys: (usize, usize),
    /// Longest key.
    pub longest_key: usize,
    /// Longest value.
    pub longest_value: usize,
    /// In how many histories of a hundred ranges are deleted.
    pub ranges: usize,
    /// In how many histories of a hundred the process crashes.
    pub crashes: usize,
    /// In how many histories of a hundred pages are compressed.
    pub codecs: usize,
    /// Which codecs.
    pub codec_ids: &'static [u32],
    /// Which page sizes.
    pub page_sizes: &'static [u32],
    /// In how many histories of a hundred there are very long values.
    pub long_values: usize,
    /// What to stay away from.
    pub avoid: &'static [CDefect],
}

impl Profile {
    /// Everything that is legal.
    #[must_use]
    pub fn everything() -> Self {
        Profile {
            name: "everything",
            operations: 600,
            keys: (20, 600),
            longest_key: 3000,
            longest_value: 61_000,
            ranges: 60,
            crashes: 50,
            codecs: 25,
            codec_ids: &[LZ4, ZLIB, ZSTD, ZRLE],
            page_sizes: &[256, 512, 512, 1024, 1024, 2048, 4096, 16384, 65536],
            long_values: 30,
            avoid: &[],
        }
    }

    /// Everything that C does right.
    #[must_use]
    pub fn c_safe() -> Self {
        Profile { name: "c_safe", avoid: &CDefect::ALL, ..Profile::everything() }
    }

    /// Few keys and short ones: collisions, many versions of a key, dense ranges.
    #[must_use]
    pub fn dense() -> Self {
        let name = "dense";
        Profile {
            name,
            keys: (5, 60),
            longest_key: 12,
            longest_value: 300,
            ..Profile::everything()
        }
    }

    /// Small pages, few rows, short histories: most structure for the time; also with checksums.
    #[must_use]
    pub fn quick() -> Self {
        Profile {
            name: "quick",
            operations: 250,
            keys: (10, 400),
            longest_key: 300,
            longest_value: 2000,
            codec_ids: &[LZ4, ZLIB, ZSTD, siltstone::codec::CHECKSUM],
            page_sizes: &[256, 256, 512, 512, 1024, 2048, 4096],
            ..Profile::everything()
        }
    }

    /// The same profile with this many operations.
    #[must_use]
    pub fn operations(mut self, operations: usize) -> Self {
        self.operations = operations;
        self
    }

    /// The value for autocheckpoint, given what is wished for.
    #[must_use]
    pub fn autocheckpoint(&self, wish: u32, page_size: u32) -> u32 {
        if wish > 0 && self.avoids(CDefect::TinyAutocheckpoint) {
            wish.max(page_size)
        } else {
            wish
        }
    }

    /// Whether a defect is to be stayed away from.
    #[must_use]
    pub fn avoids(&self, defect: CDefect) -> bool {
        self.avoid.contains(&defect)
    }
}
