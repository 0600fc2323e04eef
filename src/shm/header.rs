//! Chunk 0: two copies of the snapshot, two of the tree header, the writer's mark, the number of
//! the newest meta page and the reader slots.
//!
//! Whatever is kept twice is written second copy first, with a release fence between, and read
//! into private memory and verified by its checksum before anybody looks at it, so a reader that
//! meets a writer half-way takes the other copy. docs/format-tree.md, "The header chunk".

use super::atomics::{AtomicU32, Ordering, Ordering::Relaxed, fence, spin_loop};
use super::{Shm, Words};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::format::checkpoint::{self, SNAPSHOT_WORDS};
use crate::format::tree_header::{TreeHeader, WORDS, join_long, split_long};
use std::borrow::Cow;

const WRITER: usize = 2 * SNAPSHOT_WORDS;
const META_PAGE: usize = WRITER + 1;
const TREE_HEADERS: usize = META_PAGE + 1;
const READERS: usize = TREE_HEADERS + 2 * WORDS;
const USED_WORDS: usize = READERS + 4 * READER_SLOTS as usize;
/// How often two bad copies are read again before giving up.
const ATTEMPTS: u32 = 10_000;

/// Number of reader slots.
pub(crate) const READER_SLOTS: u8 = crate::env::LockId::READER_SLOTS;

/// Which of two copies was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderCopy {
    /// The copy written last.
    First,
    /// The copy written first.
    Second,
}

impl HeaderCopy {
    const BOTH: [HeaderCopy; 2] = [HeaderCopy::First, HeaderCopy::Second];

    fn index(self) -> usize {
        self as usize
    }
}

/// What a reader slot protects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReaderSlot {
    /// Chunks with this id and later ones stay.
    pub(crate) tree_id: u32,
    /// Blocks of this snapshot and later ones stay; 0 = the slot says nothing.
    pub(crate) snapshot_id: i64,
}

fn never_settles(what: &str) -> Error {
    Error::new(ErrorKind::Protocol(Cow::Owned(format!(
        "both copies of the {what} in shared memory stay damaged; close all users of the database \
         and open it again"
    ))))
}

fn copy(from: &[AtomicU32], to: &mut [u32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.load(Relaxed);
    }
}

fn store(to: &[AtomicU32], from: &[u32]) {
    for (to, from) in to.iter().zip(from) {
        to.store(*from, Relaxed);
    }
}

impl Shm {
    fn zero(&self) -> Result<&Words> {
        self.chunk(0)
    }

    fn part(&self, start: usize, len: usize) -> Result<&[AtomicU32]> {
        let words: &[AtomicU32] = self.zero()?;
        words
            .get(start..start + len)
            .ok_or_else(|| Error::corrupt(Place::SharedMemory(0), "header chunk is too small"))
    }

    fn word(&self, index: usize) -> Result<&AtomicU32> {
        self.part(index, 1)?
            .first()
            .ok_or_else(|| Error::corrupt(Place::SharedMemory(0), "header chunk is too small"))
    }

    /// Zeroes the header chunk, as before initialisation.
    pub(crate) fn clear_header(&self) -> Result<()> {
        for word in self.part(0, USED_WORDS)? {
            word.store(0, Relaxed);
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn tree_header_words(&self, which: HeaderCopy) -> Result<[u32; WORDS]> {
        let mut words = [0; WORDS];
        copy(self.part(TREE_HEADERS + which.index() * WORDS, WORDS)?, &mut words);
        fence(Ordering::Acquire);
        Ok(words)
    }

    fn store_tree_header(&self, which: HeaderCopy, words: &[u32; WORDS]) -> Result<()> {
        store(self.part(TREE_HEADERS + which.index() * WORDS, WORDS)?, words);
        fence(Ordering::Release);
        Ok(())
    }

    /// Makes everything written so far visible to readers that load `header`, and takes back the
    /// mark of a write transaction in progress.
    pub(crate) fn publish_tree_header(&self, header: &TreeHeader) -> Result<()> {
        self.publish_under_transaction(header)?;
        self.set_writer_flag(false)
    }

    /// As `publish_tree_header`, while another transaction goes on above `header`: its mark stays.
    pub(crate) fn publish_under_transaction(&self, header: &TreeHeader) -> Result<()> {
        let words = header.encode();
        fence(Ordering::Release);
        self.store_tree_header(HeaderCopy::Second, &words)?;
        self.store_tree_header(HeaderCopy::First, &words)
    }

    /// The published tree header and the copy it came from.
    pub(crate) fn load_tree_header(&self) -> Result<(TreeHeader, HeaderCopy)> {
        for _ in 0..ATTEMPTS {
            for which in HeaderCopy::BOTH {
                if let Some(header) = TreeHeader::decode(&self.tree_header_words(which)?) {
                    return Ok((header, which));
                }
            }
            spin_loop();
        }
        Err(never_settles("tree header"))
    }

    /// Whether the copy that `header` was loaded from still holds it, by its checksum.
    pub(crate) fn tree_header_unchanged(
        &self,
        header: &TreeHeader,
        which: HeaderCopy,
    ) -> Result<bool> {
        fence(Ordering::SeqCst);
        let words = header.encode();
        let now = self.part(TREE_HEADERS + which.index() * WORDS, WORDS)?;
        Ok(words.iter().zip(now).skip(WORDS - 2).all(|(word, now)| *word == now.load(Relaxed)))
    }

    /// Whether the first copy is this header, encoded, and both snapshots have this id. A glance: what
    /// it is worth depends on the barriers around it.
    pub(crate) fn shows(&self, header: &[u32; WORDS], snapshot_id: i64) -> Result<bool> {
        let now = self.part(TREE_HEADERS + HeaderCopy::First.index() * WORDS, WORDS)?;
        let id = [(snapshot_id >> 32) as u32, snapshot_id as u32];
        let mut same = header.iter().zip(now).all(|(word, now)| *word == now.load(Relaxed));
        for copy in HeaderCopy::BOTH {
            let now = self.part(copy.index() * SNAPSHOT_WORDS, 2)?;
            same &= id.iter().zip(now).all(|(word, now)| *word == now.load(Relaxed));
        }
        fence(Ordering::Acquire);
        Ok(same)
    }

    /// Makes the two copies equal after a writer died between them: the first wins if it is whole.
    pub(crate) fn settle_tree_header(&self) -> Result<()> {
        let [first, second] = HeaderCopy::BOTH.map(|which| self.tree_header_words(which));
        let (first, second) = (first?, second?);
        if first == second {
            Ok(())
        } else if TreeHeader::decode(&first).is_some() {
            self.store_tree_header(HeaderCopy::Second, &first)
        } else {
            self.store_tree_header(HeaderCopy::First, &second)
        }
    }

    fn snapshot_words(&self, which: HeaderCopy) -> Result<Vec<u32>> {
        let mut words = vec![0; SNAPSHOT_WORDS];
        copy(self.part(which.index() * SNAPSHOT_WORDS, SNAPSHOT_WORDS)?, &mut words);
        fence(Ordering::Acquire);
        let len = checkpoint::verified_len(&words).unwrap_or(0);
        words.truncate(len);
        Ok(words)
    }

    fn store_snapshot_words(&self, which: HeaderCopy, words: &[u32]) -> Result<()> {
        store(self.part(which.index() * SNAPSHOT_WORDS, SNAPSHOT_WORDS)?, words);
        fence(Ordering::Release);
        Ok(())
    }

    /// Saves a snapshot (an encoded checkpoint).
    pub(crate) fn store_snapshot(&self, words: &[u32]) -> Result<()> {
        if words.len() > SNAPSHOT_WORDS {
            return Err(Error::misuse("snapshot is longer than its place in shared memory"));
        }
        fence(Ordering::Release);
        self.store_snapshot_words(HeaderCopy::Second, words)?;
        self.store_snapshot_words(HeaderCopy::First, words)
    }

    /// The words of the newest snapshot and the copy they came from.
    pub(crate) fn load_snapshot(&self) -> Result<(Vec<u32>, HeaderCopy)> {
        for _ in 0..ATTEMPTS {
            for which in HeaderCopy::BOTH {
                let words = self.snapshot_words(which)?;
                if !words.is_empty() {
                    return Ok((words, which));
                }
            }
            spin_loop();
        }
        Err(never_settles("snapshot"))
    }

    /// Makes the two snapshots equal after a worker died between them. Needs the worker lock.
    pub(crate) fn settle_snapshot(&self) -> Result<()> {
        let [first, second] = HeaderCopy::BOTH.map(|which| self.snapshot_words(which));
        let (first, second) = (first?, second?);
        if first == second && !first.is_empty() {
            Ok(())
        } else if !first.is_empty() {
            self.store_snapshot_words(HeaderCopy::Second, &first)
        } else if !second.is_empty() {
            self.store_snapshot_words(HeaderCopy::First, &second)
        } else {
            Err(never_settles("snapshot"))
        }
    }

    /// The id in one copy of the snapshot, unverified: only good for noticing a change.
    pub(crate) fn snapshot_id_in(&self, which: HeaderCopy) -> Result<i64> {
        fence(Ordering::SeqCst);
        let mut words = [0; 2];
        copy(self.part(which.index() * SNAPSHOT_WORDS, 2)?, &mut words);
        Ok(i64::from(words[0]) << 32 | i64::from(words[1]))
    }

    /// The id in the first copy of the snapshot.
    pub(crate) fn snapshot_id(&self) -> Result<i64> {
        self.snapshot_id_in(HeaderCopy::First)
    }

    /// Whether a write transaction runs or its writer died.
    pub(crate) fn writer_flag(&self) -> Result<bool> {
        Ok(self.word(WRITER)?.load(Ordering::Acquire) != 0)
    }

    /// Marks that a write transaction runs.
    pub(crate) fn set_writer_flag(&self, on: bool) -> Result<()> {
        self.word(WRITER)?.store(u32::from(on), Ordering::Release);
        // Nothing the transaction stores may become visible before the mark.
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// The meta page with the newest synced checkpoint: 0 = none, else 1 or 2.
    pub(crate) fn meta_page(&self) -> Result<u32> {
        Ok(self.word(META_PAGE)?.load(Ordering::Acquire))
    }

    /// Notes the meta page with the newest synced checkpoint.
    pub(crate) fn set_meta_page(&self, page: u32) -> Result<()> {
        self.word(META_PAGE)?.store(page, Ordering::Release);
        Ok(())
    }

    /// What slot `index` says. Without its lock this is a hint that may be half-written.
    pub(crate) fn reader_slot(&self, index: u8) -> Result<ReaderSlot> {
        let [tree_id, _, id @ ..] = self.slot_words(index)?;
        let snapshot_id = join_long(id.each_ref().map(|word| word.load(Ordering::Acquire)));
        let tree_id = tree_id.load(Ordering::Acquire);
        Ok(ReaderSlot { tree_id, snapshot_id: snapshot_id.cast_signed() })
    }

    /// Fills slot `index`; needs its exclusive lock. Whoever looks without a lock sees a slot that
    /// says nothing before it sees the new one.
    pub(crate) fn set_reader_slot(&self, index: u8, slot: ReaderSlot) -> Result<()> {
        let [tree_id, _, id @ ..] = self.slot_words(index)?;
        for word in id {
            word.store(0, Relaxed);
        }
        fence(Ordering::Release);
        tree_id.store(slot.tree_id, Relaxed);
        fence(Ordering::Release);
        for (word, value) in id.iter().zip(split_long(slot.snapshot_id.cast_unsigned())) {
            word.store(value, Ordering::Release);
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn slot_words(&self, index: u8) -> Result<&[AtomicU32; 4]> {
        if index >= READER_SLOTS {
            return Err(Error::misuse("there is no such reader slot"));
        }
        self.part(READERS + 4 * usize::from(index), 4)?
            .first_chunk()
            .ok_or_else(|| Error::corrupt(Place::SharedMemory(0), "header chunk is too small"))
    }
}
