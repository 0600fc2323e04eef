//! The checkpoint: everything that must be known to read the database file.
//!
//! The same array of 32-bit words is a *checkpoint* when it stands big-endian in a meta page and a
//! *snapshot* when it stands in shared memory. Decoding validates every rule that needs no page:
//! docs/format.md, "Checkpoint" and "Validation".

mod decode;

use super::geometry::{BlockId, Geometry, PageId};
use crate::error::{Error, Place, Result};

/// Most words a checkpoint can have.
pub const MAX_WORDS: usize = super::geometry::META_PAGE_USED / 4;
/// Words of a snapshot's place in shared memory.
pub const SNAPSHOT_WORDS: usize = 1024;
/// Fewest words: no level, no redirect, no free block.
pub const MIN_WORDS: usize = 25;
/// Most redirects.
pub const MAX_REDIRECTS: usize = 16;
/// Most free blocks a checkpoint carries itself.
pub const MAX_FREE_ENTRIES: usize = 24;
/// Most segments (levels, or inputs of a level being merged) before a level may be added.
pub const MAX_SEGMENTS: usize = 40;
/// Id of the snapshot of an empty database.
pub const FIRST_ID: i64 = 10;
/// Log checksum an empty database starts with.
pub const FIRST_LOG_CHECKSUM: [u32; 2] = [1234, 5678];
/// Compression id: not fixed yet.
pub const COMPRESSION_EMPTY: u32 = 0;
/// Compression id: plain pages.
pub const COMPRESSION_NONE: u32 = 1;

/// A sorted run of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// First page; 0 = the segment is empty.
    pub first: PageId,
    /// Last page (compressed files: last byte, padding included).
    pub last: PageId,
    /// Root of the b-tree, 0 = none.
    pub root: PageId,
    /// Pages (compressed files: bytes); informational.
    pub size: u64,
}

impl Segment {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == 0
    }
}

/// A record of a segment, by page and index of its cell. Page 0 = exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellPosition {
    /// The page.
    pub page: PageId,
    /// Index of the cell; in b-tree inputs `(index + 1) << 8 | depth`.
    pub cell: u32,
}

/// How far a merge has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// Next record of each input: the right segments, then perhaps the next level's b-tree.
    pub inputs: Vec<CellPosition>,
    /// Pages whose first keys are still to be left out of the b-tree.
    pub skip: u32,
    /// The next key to be merged, as the position of an input.
    pub split: CellPosition,
    /// Last pointer taken from the oldest input.
    pub current_pointer: u64,
}

/// A level: one segment, or several being merged into one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// 0 = flushed; merging age `a` gives `a + 1`.
    pub age: u16,
    /// Holds free-list records only.
    pub freelist_only: bool,
    /// The segment; of a merging level what has been written so far.
    pub left: Segment,
    /// Inputs of the merge, newest first; empty = no merge.
    pub right: Vec<Segment>,
    /// State of the merge; present exactly when `right` is not empty.
    pub merge: Option<Merge>,
}

impl Level {
    /// Whether a merge is in progress.
    #[must_use]
    pub fn is_merging(&self) -> bool {
        !self.right.is_empty()
    }

    /// All segments, newest first.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        std::iter::once(&self.left).chain(self.right.iter())
    }
}

/// Pages of block `from`, as far as the oldest segment names them, are now in block `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// Old block.
    pub from: BlockId,
    /// Where its content is.
    pub to: BlockId,
}

/// A change to the free list kept in the database itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreeEntry {
    /// The block.
    pub block: BlockId,
    /// Snapshot in which it became free; -1 = it is not free any more.
    pub id: i64,
}

/// Where recovery starts reading the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPointer {
    /// `byte offset << 1 | toggle`.
    pub pointer: i64,
    /// Checksum state at that offset.
    pub checksum: [u32; 2],
}

impl LogPointer {
    /// The byte offset.
    #[must_use]
    pub fn offset(&self) -> u64 {
        (self.pointer as u64) >> 1
    }
}

/// A decoded checkpoint (or snapshot).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Strictly increasing.
    pub id: i64,
    /// Codec of the pages: 0 not fixed, 1 none.
    pub compression: u32,
    /// Highest block ever allocated.
    pub block_count: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Bytes of a page.
    pub page_size: u32,
    /// Running count of pages written, modulo 2^32; only differences count.
    pub pages_written: u32,
    /// Log position up to which everything is in segments.
    pub log: LogPointer,
    /// First unused pages behind finished segments; 0 = unused slot.
    pub append_points: [PageId; 4],
    /// Newest first.
    pub levels: Vec<Level>,
    /// Ascending by `from`; they belong to the oldest segment.
    pub redirects: Vec<Redirect>,
    /// Ascending by block.
    pub free: Vec<FreeEntry>,
}

impl Checkpoint {
    /// The checkpoint of a database in which nothing was ever written.
    #[must_use]
    pub fn empty(page_size: u32, block_size: u32) -> Self {
        Checkpoint {
            id: FIRST_ID,
            compression: COMPRESSION_EMPTY,
            block_count: 0,
            block_size,
            page_size,
            pages_written: 0,
            log: LogPointer { pointer: 0, checksum: FIRST_LOG_CHECKSUM },
            append_points: [0; 4],
            levels: Vec::new(),
            redirects: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Page and block geometry; checked when decoded.
    ///
    /// # Errors
    /// `Corrupt` when the sizes are illegal.
    pub fn geometry(&self) -> Result<Geometry> {
        Geometry::new(self.page_size, self.block_size, self.compression > COMPRESSION_NONE)
    }

    /// Segments as the limit of 40 counts them.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.levels.iter().map(|level| level.right.len().max(1)).sum()
    }

    /// Decodes and validates a blob whose checksum may still be wrong.
    ///
    /// # Errors
    /// `Corrupt` at [`Place::Checkpoint`] naming the broken rule.
    pub fn decode(words: &[u32]) -> Result<Self> {
        decode::Decoder::new(words)?.checkpoint()
    }

    /// Encodes, with length and checksum.
    ///
    /// # Errors
    /// `Corrupt` if the content exceeds what a meta page holds (the engine keeps to the limits, so
    /// this means damage in memory).
    pub fn encode(&self) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(64);
        push_i64(&mut out, self.id);
        out.extend([0, self.compression, self.block_count, self.block_size]);
        out.extend([self.levels.len() as u32, self.page_size, self.pages_written]);
        push_i64(&mut out, self.log.pointer);
        out.extend(self.log.checksum);
        for &point in &self.append_points {
            push_i64(&mut out, point as i64);
        }
        for level in &self.levels {
            encode_level(&mut out, level);
        }
        out.push(self.redirects.len() as u32);
        for redirect in &self.redirects {
            out.extend([redirect.from, redirect.to]);
        }
        out.push(self.free.len() as u32);
        for entry in &self.free {
            out.push(entry.block);
            push_i64(&mut out, entry.id);
        }
        let count = out.len() + 2;
        if count > MAX_WORDS {
            return Err(broken(format!("{count} words do not fit a meta page")));
        }
        if let Some(slot) = out.get_mut(2) {
            *slot = count as u32;
        }
        out.extend([0, 0]);
        let sum = checksum(&out);
        out.truncate(count - 2);
        out.extend(sum);
        Ok(out)
    }
}

fn encode_level(out: &mut Vec<u32>, level: &Level) {
    out.push(u32::from(level.age) | u32::from(level.freelist_only) << 16);
    out.push(level.right.len() as u32);
    for segment in level.segments() {
        for value in [segment.first, segment.last, segment.root, segment.size] {
            push_i64(out, value as i64);
        }
    }
    if let (true, Some(merge)) = (level.is_merging(), &level.merge) {
        out.extend([merge.inputs.len() as u32, merge.skip]);
        for position in merge.inputs.iter().chain(std::iter::once(&merge.split)) {
            push_i64(out, position.page as i64);
            out.push(position.cell);
        }
        push_i64(out, merge.current_pointer as i64);
    }
}

fn push_i64(out: &mut Vec<u32>, value: i64) {
    out.extend([(value >> 32) as u32, value as u32]);
}

fn broken(rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::corrupt(Place::Checkpoint, rule)
}

/// Checksum of a blob: over all words but the last two.
#[must_use]
pub fn checksum(words: &[u32]) -> [u32; 2] {
    let (mut first, mut second) = (1u32, 2u32);
    let body = words.get(..words.len().saturating_sub(2)).unwrap_or_default();
    let (pairs, rest) = body.as_chunks::<2>();
    if let &[odd] = rest {
        first = first.wrapping_add(odd & 0x0000_FFFF);
        second = second.wrapping_add(odd & 0xFFFF_0000);
    }
    for &[a, b] in pairs {
        first = first.wrapping_add(second).wrapping_add(a);
        second = second.wrapping_add(first).wrapping_add(b);
    }
    [first, second]
}

/// The blob's own length if it is plausible and its checksum holds.
#[must_use]
pub fn verified_len(words: &[u32]) -> Option<usize> {
    let len = *words.get(2)? as usize;
    if !(3..=MAX_WORDS).contains(&len) {
        return None;
    }
    let blob = words.get(..len)?;
    (blob.get(len - 2..)? == checksum(blob)).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let segment = |first, last| Segment { first, last, root: 0, size: last - first + 1 };
        let mut checkpoint = Checkpoint::empty(1024, 65536);
        checkpoint.id = 77;
        checkpoint.compression = 1;
        checkpoint.block_count = 4;
        checkpoint.levels = vec![
            Level { left: segment(20, 22), ..Level::default() },
            Level {
                age: 1,
                left: segment(70, 80),
                right: vec![segment(30, 31), segment(33, 40)],
                merge: Some(Merge {
                    inputs: vec![CellPosition { page: 31, cell: 2 }, CellPosition::default()],
                    skip: 1,
                    split: CellPosition { page: 31, cell: 2 },
                    current_pointer: 5,
                }),
                ..Level::default()
            },
        ];
        checkpoint.redirects = vec![Redirect { from: 4, to: 2 }];
        checkpoint.free = vec![FreeEntry { block: 3, id: 12 }, FreeEntry { block: 4, id: -1 }];
        checkpoint
    }

    #[test]
    fn encoding_round_trips_and_verifies() {
        for checkpoint in [sample(), Checkpoint::empty(4096, 1 << 20)] {
            let words = checkpoint.encode().unwrap();
            assert_eq!(verified_len(&words), Some(words.len()));
            assert_eq!(Checkpoint::decode(&words).unwrap(), checkpoint);
        }
        assert_eq!(Checkpoint::empty(4096, 1 << 20).encode().unwrap().len(), MIN_WORDS);
    }

    #[test]
    fn every_changed_word_is_noticed_by_the_checksum_or_harmless() {
        let words = sample().encode().unwrap();
        for index in 0..words.len() {
            let mut damaged = words.clone();
            damaged[index] ^= 1;
            assert_ne!(verified_len(&damaged), Some(words.len()), "word {index}");
        }
    }

    #[test]
    fn no_changed_word_panics_the_decoder() {
        let words = sample().encode().unwrap();
        for index in 0..words.len() {
            for value in [0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, words[index] ^ 1] {
                let mut damaged = words.clone();
                damaged[index] = value;
                let _ = Checkpoint::decode(&damaged);
            }
        }
    }
}
