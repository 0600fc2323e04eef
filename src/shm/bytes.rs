//! Keys and values: bytes that start in one chunk and may continue in the chunks after it.
//!
//! Where an object runs over the end of a chunk it goes on at offset 8 of the chunk the first one
//! links to. Whether it does is decided here by arithmetic alone. Bytes are moved by whole words
//! wherever possible; only the writer stores, and no word belongs to two objects, so the
//! read-change-store of a partly filled word meets nobody. docs/format-tree.md, "Keys".

use super::{CHUNK_HEADER, CHUNK_SHIFT, CHUNK_SIZE, Shm, Words, bad_pointer};
use crate::error::Result;
use std::cmp::Ordering;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A place among an object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    chunk: u32,
    /// 8..=32768; at 32768 the next byte is in the next chunk.
    offset: u32,
}

impl Position {
    /// The place `bytes` behind the start of the object at `pointer`, in the same chunk.
    #[inline(always)]
    pub(crate) fn behind(pointer: u32, bytes: u32) -> Self {
        let offset = (pointer & (CHUNK_SIZE - 1)) + bytes;
        Position { chunk: pointer >> CHUNK_SHIFT, offset: offset.min(CHUNK_SIZE) }
    }
}

/// A run of an object's bytes inside one chunk.
struct Piece<'a> {
    words: &'a Words,
    offset: usize,
    len: usize,
}

impl Shm {
    /// Most bytes any object can have as far as this table reaches: larger lengths are lies.
    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        u64::from(self.chunk_count()) << CHUNK_SHIFT
    }

    /// The next run of at most `remaining` (not 0) bytes at `position`, which moves behind it.
    fn piece(&self, position: &mut Position, remaining: u64) -> Result<Piece<'_>> {
        if position.offset >= CHUNK_SIZE {
            let (_, next) = self.chunk_header(position.chunk)?;
            *position = Position { chunk: next, offset: CHUNK_HEADER };
        }
        if position.chunk == 0 {
            return Err(bad_pointer(0));
        }
        let words = self.chunk(position.chunk)?;
        let len = remaining.min(u64::from(CHUNK_SIZE - position.offset)) as u32;
        let piece = Piece { words, offset: position.offset as usize, len: len as usize };
        position.offset += len;
        Ok(piece)
    }

    /// Moves `position` on by `bytes`.
    #[inline]
    pub(crate) fn skip(&self, position: &mut Position, bytes: u64) -> Result<()> {
        if bytes <= u64::from(CHUNK_SIZE - position.offset) {
            position.offset += bytes as u32;
            return Ok(());
        }
        self.check_length(*position, bytes)?;
        let mut remaining = bytes;
        while remaining > 0 {
            remaining -= self.piece(position, remaining)?.len as u64;
        }
        Ok(())
    }

    fn check_length(&self, position: Position, bytes: u64) -> Result<()> {
        if bytes > self.capacity() {
            return Err(bad_pointer((position.chunk << CHUNK_SHIFT).wrapping_add(position.offset)));
        }
        Ok(())
    }

    /// Appends `len` bytes from `position` to `out`.
    pub(crate) fn copy_out(
        &self,
        mut position: Position,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.check_length(position, len)?;
        out.reserve(len as usize);
        let mut remaining = len;
        while remaining > 0 {
            let piece = self.piece(&mut position, remaining)?;
            load_bytes(piece.words, piece.offset, piece.len, out);
            remaining -= piece.len as u64;
        }
        Ok(())
    }

    /// Writes `bytes` at `pointer`; they must end in the chunk they start in.
    pub(crate) fn copy_in(&self, pointer: u32, bytes: &[u8]) -> Result<()> {
        let offset = (pointer & (CHUNK_SIZE - 1)) as usize;
        if offset + bytes.len() > CHUNK_SIZE as usize {
            return Err(bad_pointer(pointer));
        }
        store_bytes(self.chunk(pointer >> CHUNK_SHIFT)?, offset, bytes);
        Ok(())
    }

    /// Orders the `len` bytes that start at `position` (a multiple of 4) against `key`.
    #[cold]
    pub(crate) fn compare(&self, mut position: Position, len: u64, key: &[u8]) -> Result<Ordering> {
        self.check_length(position, len)?;
        let (mut remaining, mut key) = (len, key);
        while remaining > 0 {
            let piece = self.piece(&mut position, remaining)?;
            remaining -= piece.len as u64;
            let words = piece.words.get(piece.offset >> 2..).unwrap_or_default();
            let (here, later) = key.split_at_checked(piece.len).unwrap_or((key, &[]));
            let order = compare_words(words, piece.len, here);
            if order.is_ne() {
                return Ok(order);
            }
            key = later;
        }
        Ok(if key.is_empty() { Ordering::Equal } else { Ordering::Less })
    }
}

/// Orders the first `len` bytes of `words` against `key`.
#[inline(always)]
pub(crate) fn compare_words(words: &[AtomicU32], len: usize, key: &[u8]) -> Ordering {
    let common = key.get(..len).unwrap_or(key);
    let (whole, tail) = common.as_chunks::<4>();
    for (word, bytes) in words.iter().zip(whole) {
        let (ours, theirs) = (u32::from_be(word.load(Relaxed)), u32::from_be_bytes(*bytes));
        if ours != theirs {
            return ours.cmp(&theirs);
        }
    }
    if !tail.is_empty()
        && let Some(word) = words.get(whole.len())
    {
        let ours = u32::from_be(word.load(Relaxed)) >> (32 - 8 * tail.len());
        let theirs = tail.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        if ours != theirs {
            return ours.cmp(&theirs);
        }
    }
    len.cmp(&key.len())
}

/// Appends bytes `offset..offset + len` of a chunk to `out`.
fn load_bytes(words: &Words, offset: usize, len: usize, out: &mut Vec<u8>) {
    let mut words = words.get(offset >> 2..).unwrap_or_default().iter();
    let mut remaining = len;
    let head = offset & 3;
    if head != 0 && remaining > 0 {
        let bytes = words.next().map_or(0, |word| word.load(Relaxed)).to_ne_bytes();
        let bytes = bytes.get(head..).unwrap_or_default();
        let bytes = bytes.get(..remaining).unwrap_or(bytes);
        out.extend_from_slice(bytes);
        remaining -= bytes.len();
    }
    let start = out.len();
    out.resize(start + remaining, 0);
    let (whole, tail) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<4>();
    for (to, word) in whole.iter_mut().zip(words.by_ref()) {
        *to = word.load(Relaxed).to_ne_bytes();
    }
    if !tail.is_empty() {
        let bytes = words.next().map_or(0, |word| word.load(Relaxed)).to_ne_bytes();
        for (to, from) in tail.iter_mut().zip(bytes) {
            *to = from;
        }
    }
}

/// Replaces some bytes of a word by `bytes`, which follow each other from byte `from` on.
fn store_part(word: &AtomicU32, from: usize, bytes: &[u8]) {
    let mut all = word.load(Relaxed).to_ne_bytes();
    for (to, byte) in all.iter_mut().skip(from).zip(bytes) {
        *to = *byte;
    }
    word.store(u32::from_ne_bytes(all), Relaxed);
}

/// Writes `bytes` at `offset` of a chunk; what would not fit is left out.
pub(crate) fn store_bytes(words: &Words, offset: usize, bytes: &[u8]) {
    let mut words = words.get(offset >> 2..).unwrap_or_default().iter();
    let mut bytes = bytes;
    let head = offset & 3;
    if head != 0 {
        let (now, later) = bytes.split_at_checked(4 - head).unwrap_or((bytes, &[]));
        if let Some(word) = words.next() {
            store_part(word, head, now);
        }
        bytes = later;
    }
    let (whole, tail) = bytes.as_chunks::<4>();
    for (from, word) in whole.iter().zip(words.by_ref()) {
        word.store(u32::from_ne_bytes(*from), Relaxed);
    }
    if !tail.is_empty()
        && let Some(word) = words.next()
    {
        store_part(word, 0, tail);
    }
}
