//! Nodes and entries as they stand in shared memory.
//!
//! A node has key slots 0, 1, 2 (the middle one always used) and children 0..=3, child `i` left of
//! key `i`. Nodes at the lowest level may consist of their key slots only and are never read
//! further. docs/format-tree.md, "Nodes" and "Keys".

use super::MAX_HEIGHT;
use crate::error::{Error, Place, Result};
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::shm::{CHUNK_SIZE, Position, Shm, compare_words};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Words of a node with children.
pub(super) const NODE_WORDS: usize = 10;
/// Words of a node without.
pub(super) const LEAF_WORDS: usize = 3;
/// Bytes before an entry's key.
pub(super) const ENTRY_HEADER: u32 = 12;
/// Flag of an entry that ends before its chunk does. Written for others, never believed.
pub(super) const CONTIGUOUS: u8 = 0x40;
/// The transaction number that sees every spare child pointer: what writers read with.
pub(super) const WRITING: u32 = 1 << 30;

/// First word of the children.
pub(super) const CHILDREN: usize = 3;
/// Word of the transaction from which the spare child counts.
pub(super) const SPARE_TRANSACTION: usize = 7;
/// Word whose first byte is the index of the child it replaces.
pub(super) const SPARE_INDEX: usize = 8;
/// Word of the spare child.
pub(super) const SPARE_CHILD: usize = 9;

#[cold]
#[inline(never)]
pub(super) fn corrupt(pointer: u32, rule: &'static str) -> Error {
    Error::corrupt(Place::SharedMemory(pointer), rule)
}

/// The word whose first byte in memory is `byte`.
pub(super) fn byte_word(byte: u8) -> u32 {
    u32::from_ne_bytes([byte, 0, 0, 0])
}

/// The first byte in memory of `word`.
#[inline(always)]
pub(super) fn first_byte(word: u32) -> u8 {
    let [byte, ..] = word.to_ne_bytes();
    byte
}

/// Element `index`, 0 beyond the end.
#[inline(always)]
pub(super) fn pick(from: &[u32], index: usize) -> u32 {
    from.get(index).copied().unwrap_or(0)
}

/// Height of a tree, if it may be walked.
#[inline(always)]
pub(super) fn checked_height(root: &TreeRoot) -> Result<u32> {
    if root.height == 0 || root.height > MAX_HEIGHT {
        return Err(corrupt(root.node, "tree height is impossible"));
    }
    Ok(root.height)
}

/// The keys of the node at `pointer`.
#[inline(always)]
pub(super) fn keys(shm: &Shm, pointer: u32) -> Result<[u32; 3]> {
    Ok(shm.words::<LEAF_WORDS>(pointer)?.each_ref().map(|word| word.load(Relaxed)))
}

/// Child `index` of an interior node as transaction `version` sees it.
#[inline(always)]
pub(super) fn child(words: &[AtomicU32; NODE_WORDS], index: usize, version: u32) -> u32 {
    let since = words[SPARE_TRANSACTION].load(Relaxed);
    if since != 0
        && since <= version
        && usize::from(first_byte(words[SPARE_INDEX].load(Relaxed))) == index
    {
        return words[SPARE_CHILD].load(Relaxed);
    }
    words.get(CHILDREN + index).map_or(0, |word| word.load(Relaxed))
}

/// A node in private memory, as writers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) keys: [u32; 3],
    pub(super) children: [u32; 4],
}

/// The keys and children of a node in order, with room for one key more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entries {
    keys: [u32; 4],
    children: [u32; 5],
    count: usize,
}

impl Node {
    /// Reads the node at `pointer`; the children only if it is not at the lowest level.
    pub(super) fn read(shm: &Shm, pointer: u32, interior: bool) -> Result<Self> {
        if !interior {
            return Ok(Node { keys: keys(shm, pointer)?, children: [0; 4] });
        }
        let words = shm.words::<NODE_WORDS>(pointer)?;
        Ok(Node {
            keys: keys(shm, pointer)?,
            children: std::array::from_fn(|index| child(words, index, WRITING)),
        })
    }

    /// A node of these keys and children, from slot `first` on.
    pub(super) fn packed(entries: &Entries, from: usize, count: usize, first: usize) -> Self {
        let mut node = Node::default();
        let slots = node.keys.iter_mut().skip(first).take(count);
        for (to, key) in slots.zip(entries.keys.iter().skip(from)) {
            *to = *key;
        }
        let slots = node.children.iter_mut().skip(first).take(count + 1);
        for (to, child) in slots.zip(entries.children.iter().skip(from)) {
            *to = *child;
        }
        node
    }

    /// Whether all slots are used.
    pub(super) fn is_full(&self) -> bool {
        self.keys[0] != 0 && self.keys[2] != 0
    }

    /// First used slot.
    pub(super) fn first_slot(&self) -> usize {
        usize::from(self.keys[0] == 0)
    }

    /// Keys and children in order.
    pub(super) fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        let first = self.first_slot();
        for (to, key) in entries.keys.iter_mut().zip(self.keys.iter().skip(first)) {
            if *key != 0 {
                *to = *key;
                entries.count += 1;
            }
        }
        let children = self.children.iter().skip(first).take(entries.count + 1);
        for (to, child) in entries.children.iter_mut().zip(children) {
            *to = *child;
        }
        entries
    }

    /// The words as they stand in shared memory.
    pub(super) fn words(&self) -> [u32; NODE_WORDS] {
        let Node { keys: [k0, k1, k2], children: [c0, c1, c2, c3] } = *self;
        [k0, k1, k2, c0, c1, c2, c3, 0, 0, 0]
    }
}

impl Entries {
    /// One key.
    pub(super) fn single(key: u32, left: u32, right: u32) -> Self {
        Entries { keys: [key, 0, 0, 0], children: [left, right, 0, 0, 0], count: 1 }
    }

    /// How many keys.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Key at `index`.
    pub(super) fn key(&self, index: usize) -> u32 {
        pick(&self.keys, index)
    }

    /// Child at `index`.
    pub(super) fn child(&self, index: usize) -> u32 {
        pick(&self.children, index)
    }

    /// Puts `key` at `index`; child `index` becomes `left`, with `right` behind it.
    pub(super) fn insert(&mut self, index: usize, left: u32, key: u32, right: u32) {
        let (mut key, mut child) = (key, right);
        for slot in self.keys.iter_mut().skip(index) {
            key = std::mem::replace(slot, key);
        }
        for slot in self.children.iter_mut().skip(index + 1) {
            child = std::mem::replace(slot, child);
        }
        if let Some(slot) = self.children.get_mut(index) {
            *slot = left;
        }
        self.count += 1;
    }

    /// Takes out the key at `index`; `merged` replaces the children around it.
    pub(super) fn remove(&mut self, index: usize, merged: u32) {
        if let Some(keys) = self.keys.get_mut(index..) {
            keys.rotate_left(1);
        }
        if let Some(children) = self.children.get_mut(index..) {
            children.rotate_left(1);
            if let Some(slot) = children.first_mut() {
                *slot = merged;
            }
        }
        self.count = self.count.saturating_sub(1);
        for key in self.keys.iter_mut().skip(self.count) {
            *key = 0;
        }
        for child in self.children.iter_mut().skip(self.count + 1) {
            *child = 0;
        }
    }

    /// Appends `key` and what is right of it.
    pub(super) fn extend(&mut self, key: u32, right: &Entries) {
        let (at, free) = (self.count, self.keys.len() - self.count.min(self.keys.len()));
        let keys = std::iter::once(key).chain(right.keys.iter().copied().take(right.count));
        for (to, key) in self.keys.iter_mut().skip(at).zip(keys) {
            *to = key;
        }
        let children = right.children.iter().take(right.count + 1);
        for (to, child) in self.children.iter_mut().skip(at + 1).zip(children) {
            *to = *child;
        }
        self.count += free.min(1 + right.count);
    }
}

/// A key that entries are compared with on the way to it: its first eight bytes are taken once.
#[derive(Clone, Copy)]
pub(super) struct Sought<'a> {
    key: &'a [u8],
    /// The first eight bytes, if there are as many.
    prefix: Option<u64>,
}

impl<'a> Sought<'a> {
    #[inline(always)]
    pub(super) fn new(key: &'a [u8]) -> Self {
        Sought { key, prefix: key.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) }
    }

    /// Orders the key of the entry at `pointer` against this one.
    #[inline(always)]
    pub(super) fn order_of(&self, shm: &Shm, pointer: u32) -> Result<Ordering> {
        let [len, _, _, bytes @ ..] = shm.rest(pointer)? else {
            return Err(corrupt(pointer, "entry runs over the end of its chunk"));
        };
        let len = len.load(Relaxed) as usize;
        if let (Some(prefix), [first, second, ..], 8..) = (self.prefix, bytes, len) {
            let halves = [first, second].map(|word| u64::from(u32::from_be(word.load(Relaxed))));
            let ours = halves[0] << 32 | halves[1];
            if ours != prefix {
                return Ok(ours.cmp(&prefix));
            }
        }
        if len <= bytes.len() * 4 {
            return Ok(compare_words(bytes, len, self.key));
        }
        shm.compare(Position::behind(pointer, ENTRY_HEADER), len as u64, self.key)
    }
}

/// Orders the key of the entry at `pointer` against `key`.
#[inline]
pub(super) fn compare(shm: &Shm, pointer: u32, key: &[u8]) -> Result<Ordering> {
    Sought::new(key).order_of(shm, pointer)
}

/// The header of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) key_len: u32,
    /// `None`: the entry has no value.
    pub(super) value_len: Option<u32>,
    pub(super) flags: EntryFlags,
}

impl EntryHeader {
    /// The header of the entry at `pointer`.
    #[inline]
    pub(super) fn read(shm: &Shm, pointer: u32) -> Result<Self> {
        let words: &[AtomicU32; 3] = shm.words(pointer)?;
        let [key_len, value_len, flags] = words.each_ref().map(|word| word.load(Relaxed));
        let flags = EntryFlags(first_byte(flags) & !CONTIGUOUS);
        let valued = flags.contains(EntryFlags::INSERT);
        if key_len > i32::MAX as u32 || (valued && value_len > i32::MAX as u32) {
            return Err(corrupt(pointer, "length of an entry is negative"));
        }
        Ok(EntryHeader { key_len, value_len: valued.then_some(value_len), flags })
    }

    /// Appends the key of the entry, whose header this is, to `out`.
    #[inline]
    pub(super) fn key(&self, shm: &Shm, pointer: u32, out: &mut Vec<u8>) -> Result<()> {
        let position = Position::behind(pointer, ENTRY_HEADER);
        shm.copy_out(position, u64::from(self.key_len), out)
    }

    /// Appends the value of the entry, whose header this is, to `out`.
    #[inline]
    pub(super) fn value(&self, shm: &Shm, pointer: u32, out: &mut Vec<u8>) -> Result<()> {
        let mut position = Position::behind(pointer, ENTRY_HEADER);
        shm.skip(&mut position, u64::from(self.key_len))?;
        shm.copy_out(position, u64::from(self.value_len.unwrap_or(0)), out)
    }
}

/// The flags of the entry at `pointer`.
#[inline]
pub(super) fn flags(shm: &Shm, pointer: u32) -> Result<EntryFlags> {
    let words: &[AtomicU32; 3] = shm.words(pointer)?;
    Ok(EntryFlags(first_byte(words[2].load(Relaxed)) & !CONTIGUOUS))
}

/// Whether an entry at `pointer` with so many bytes of key and value counts as contiguous.
pub(super) fn is_contiguous(pointer: u32, bytes: u64) -> bool {
    let offset = u64::from(pointer & (CHUNK_SIZE - 1));
    offset + u64::from(ENTRY_HEADER) + bytes < u64::from(CHUNK_SIZE)
}
