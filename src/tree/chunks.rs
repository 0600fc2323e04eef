//! Room for new objects: bump allocation in the last chunk, then the oldest chunk if nobody needs
//! it any more, then a new one.
//!
//! Taking a chunk changes the links and ids in shared memory at once and the header only
//! privately; what a dead writer leaves behind is repaired by the next one.
//! docs/format-tree.md, "Chunks".

use super::node::{CONTIGUOUS, LEAF_WORDS, NODE_WORDS};
use super::node::{ENTRY_HEADER, Node, byte_word, is_contiguous};
use super::writer::TreeWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::page::EntryFlags;
use crate::shm::{CHUNK_HEADER, CHUNK_SHIFT, CHUNK_SIZE, MAX_CHUNKS};
use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

/// Form of a node in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeSize {
    /// Keys only.
    Leaf,
    /// Keys, children and the spare child.
    Full,
}

impl TreeWriter<'_> {
    fn out_of_memory(&self) -> Error {
        Error::new(ErrorKind::OutOfMemory(Cow::Owned(format!(
            "the in-memory tree may not exceed {} bytes; commit in smaller transactions, let the \
             database flush, or raise `memory_limit`",
            self.limit_bytes
        ))))
    }

    /// Takes `bytes` at the write position or, if they do not fit, at the start of another chunk.
    #[inline]
    fn allocate(&mut self, at: u32, bytes: u32) -> Result<u32> {
        let chunk = at.wrapping_sub(1) >> CHUNK_SHIFT;
        let end = u64::from(chunk + 1) << CHUNK_SHIFT;
        let pointer =
            if u64::from(at) + u64::from(bytes) > end { self.take_chunk(chunk)? } else { at };
        self.header.write_offset = pointer.wrapping_add(bytes);
        self.header.live.bytes = self.header.live.bytes.wrapping_add(bytes);
        Ok(pointer)
    }

    /// As `allocate`, for an object of words.
    #[inline]
    fn allocate_words(&mut self, words: usize) -> Result<u32> {
        self.allocate(self.header.write_offset.wrapping_add(3) & !3, words as u32 * 4)
    }

    /// Appends a chunk to the list behind `current` and returns where its data starts.
    #[cold]
    fn take_chunk(&mut self, current: u32) -> Result<u32> {
        let first = self.header.first_chunk;
        let (first_id, second) = self.shm.chunk_header(first)?;
        let reusable =
            second != 0 && self.header.used_chunk_id != first_id && !(self.chunk_in_use)(first_id)?;
        if reusable {
            self.header.first_chunk = second;
            return self.append(current, first);
        }
        let next = self.new_chunk()?;
        self.append(current, next)
    }

    /// A chunk that was never used before.
    fn new_chunk(&mut self) -> Result<u32> {
        let count = self.header.chunk_count;
        if count >= MAX_CHUNKS - 1 {
            return Err(Error::new(ErrorKind::Full(Cow::Borrowed(
                "the in-memory tree has reached its format's limit of 4 GiB; commit in smaller \
                     transactions or let the database flush",
            ))));
        }
        if u64::from(count + 1) << CHUNK_SHIFT > self.limit_bytes {
            return Err(self.out_of_memory());
        }
        self.shm.ensure(count + 1)?;
        self.header.chunk_count = count + 1;
        Ok(count)
    }

    /// Takes one chunk more than needed where C lsm1 could not repair the chunks should this
    /// process die in its next transaction: where their number, chunk 0 not counted, is a power of
    /// two.
    pub(crate) fn help_c_repair(&mut self) -> Result<()> {
        let tree_chunks = self.header.chunk_count.saturating_sub(1);
        if tree_chunks > 1 && tree_chunks.is_power_of_two() {
            let current = self.header.write_offset.wrapping_sub(1) >> CHUNK_SHIFT;
            let next = self.new_chunk()?;
            self.header.write_offset = self.append(current, next)?;
        }
        Ok(())
    }

    /// Puts a chunk behind `current`, the last one; returns where its data starts.
    fn append(&mut self, current: u32, next: u32) -> Result<u32> {
        self.shm.set_chunk_next(next, 0)?;
        self.shm.set_chunk_id(next, self.header.next_chunk_id)?;
        self.header.next_chunk_id = self.header.next_chunk_id.wrapping_add(1);
        self.shm.set_chunk_next(current, next)?;
        Ok((next << CHUNK_SHIFT) + CHUNK_HEADER)
    }

    /// Writes a node and returns its pointer.
    #[inline]
    pub(super) fn write_node(&mut self, node: &Node, size: NodeSize) -> Result<u32> {
        let words = node.words();
        match size {
            NodeSize::Leaf => self.write_words::<LEAF_WORDS>(&words),
            NodeSize::Full => self.write_words::<NODE_WORDS>(&words),
        }
    }

    #[inline(always)]
    fn write_words<const N: usize>(&mut self, words: &[u32; NODE_WORDS]) -> Result<u32> {
        let pointer = self.allocate_words(N)?;
        for (to, from) in self.shm.words::<N>(pointer)?.iter().zip(words) {
            to.store(*from, Relaxed);
        }
        Ok(pointer)
    }

    /// Writes an entry and returns its pointer.
    pub(super) fn write_entry(
        &mut self,
        flags: EntryFlags,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<u32> {
        let bytes = key.len() as u64 + value.map_or(0, <[u8]>::len) as u64;
        if bytes > i32::MAX as u64 {
            return Err(Error::misuse("key and value together are longer than 2 GiB"));
        }
        if bytes > self.limit_bytes {
            return Err(self.out_of_memory());
        }
        let pointer = self.allocate_words(3)?;
        let contiguous = if is_contiguous(pointer, bytes) { CONTIGUOUS } else { 0 };
        let [key_len, value_len, flags_word] = self.shm.words::<3>(pointer)?;
        key_len.store(key.len() as u32, Relaxed);
        value_len.store(value.map_or(u32::MAX, |value| value.len() as u32), Relaxed);
        flags_word.store(byte_word(flags.0 | contiguous), Relaxed);
        debug_assert_eq!(pointer.wrapping_add(ENTRY_HEADER), self.header.write_offset);
        self.write_bytes(key)?;
        self.write_bytes(value.unwrap_or_default())?;
        Ok(pointer)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let at = self.header.write_offset;
            let room = CHUNK_SIZE - (at & (CHUNK_SIZE - 1)).max(CHUNK_HEADER);
            let (now, later) = bytes.split_at_checked(room as usize).unwrap_or((bytes, &[]));
            let pointer = self.allocate(at, now.len() as u32)?;
            self.shm.copy_in(pointer, now)?;
            bytes = later;
        }
        Ok(())
    }
}
