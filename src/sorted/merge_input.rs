//! What a merge reads from: segments, the b-tree that feeds separators, in-memory trees, lists.
//!
//! A [`Source`] keeps what the merge looks at for every step (the order of its key, flags, pointer)
//! beside the input, so that most comparisons touch neither page nor tree.

use super::btree::BtreeCursor;
use super::segment_input::SegmentInput;
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::key::KeyRef;
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::pager::{Pager, Run};
use crate::shm::Shm;
use crate::tree::TreeCursor;
use std::cmp::Ordering;
use std::sync::Arc;

/// A record in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Type bits.
    pub(crate) flags: EntryFlags,
    /// Key bytes.
    pub(crate) key: Vec<u8>,
    /// Value bytes, of an `INSERT`.
    pub(crate) value: Vec<u8>,
}

/// Records in memory, in key order.
#[derive(Debug)]
pub(crate) struct RecordInput {
    records: std::vec::IntoIter<Record>,
    current: Option<Record>,
}

impl RecordInput {
    /// Reads `records`.
    pub(crate) fn new(records: Vec<Record>) -> Self {
        let mut records = records.into_iter();
        let current = records.next();
        RecordInput { records, current }
    }
}

/// A version of the in-memory tree, forward.
#[derive(Debug)]
pub(crate) struct TreeInput<'a> {
    shm: &'a Shm,
    root: TreeRoot,
    cursor: TreeCursor,
    value: Vec<u8>,
}

/// The b-tree of a segment, forward: keys and pointers only.
#[derive(Debug)]
pub(crate) struct BtreeInput<'a> {
    pager: &'a Pager,
    cursor: BtreeCursor,
}

/// Something a merge reads.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A segment.
    Segment(Box<SegmentInput<'a>>),
    /// The b-tree of the next older level.
    Btree(Box<BtreeInput<'a>>),
    /// A version of the in-memory tree.
    Tree(Box<TreeInput<'a>>),
    /// Records in memory.
    Records(RecordInput),
}

impl<'a> Input<'a> {
    /// Reads the tree `root` in `shm`.
    pub(crate) fn tree(shm: &'a Shm, root: &TreeRoot) -> Result<Self> {
        let mut cursor = TreeCursor::new();
        cursor.first(shm, root)?;
        Ok(Input::Tree(Box::new(TreeInput { shm, root: *root, cursor, value: Vec::new() })))
    }

    /// Reads the b-tree of `run` from `position` on, or from its first key.
    pub(crate) fn btree(
        pager: &'a Pager,
        run: Run,
        position: Option<CellPosition>,
    ) -> Result<Self> {
        let mut cursor = BtreeCursor::new(Arc::new(run));
        match position {
            Some(position) => cursor.at(pager, position)?,
            None => cursor.first(pager)?,
        }
        Ok(Input::Btree(Box::new(BtreeInput { pager, cursor })))
    }
}

/// Kind of key in the upper bits, its first eight bytes below: unequal ranks order as keys do.
type Rank = u128;
const SYSTEM: Rank = 1 << 64;
const EXHAUSTED: Rank = 2 << 64;

/// An input and its current record.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    input: Input<'a>,
    rank: Rank,
    /// Data bits of the current record; none for a pure separator.
    pub(crate) flags: EntryFlags,
    /// Pointer of the current record.
    pub(crate) pointer: u64,
}

impl<'a> Source<'a> {
    /// Stands where `input` stands.
    pub(crate) fn new(input: Input<'a>) -> Self {
        let mut source = Source { input, rank: EXHAUSTED, flags: EntryFlags::NONE, pointer: 0 };
        source.load();
        source
    }

    fn load(&mut self) {
        const DATA: EntryFlags = EntryFlags::RANGE.union(EntryFlags::DECISIVE);
        let (flags, pointer, key) = match &self.input {
            Input::Segment(input) if input.is_valid() => {
                (input.flags(), input.pointer(), input.key())
            }
            Input::Btree(input) if input.cursor.is_valid() => {
                let key = input.cursor.key();
                let topic = if key.system { EntryFlags::SYSTEM } else { EntryFlags::NONE };
                (topic, input.cursor.pointer(), key.bytes)
            }
            Input::Tree(input) if input.cursor.is_valid() => {
                (input.cursor.flags(), 0, input.cursor.key())
            }
            Input::Records(RecordInput { current: Some(record), .. }) => {
                (record.flags, 0, record.key.as_slice())
            }
            _ => {
                self.rank = EXHAUSTED;
                self.flags = EntryFlags::NONE;
                return;
            }
        };
        let topic = if flags.is_system() { SYSTEM } else { 0 };
        self.rank = topic | Rank::from(KeyRef { system: false, bytes: key }.prefix());
        self.flags = EntryFlags(flags.0 & DATA.0);
        self.pointer = pointer;
    }

    /// Whether there is a current record.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.rank < EXHAUSTED
    }

    /// Whether the current key belongs to the engine.
    #[inline]
    pub(crate) fn is_system(&self) -> bool {
        self.rank & SYSTEM != 0
    }

    /// Bytes of the current key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match &self.input {
            Input::Segment(input) => input.key(),
            Input::Btree(input) => input.cursor.key().bytes,
            Input::Tree(input) => input.cursor.key(),
            Input::Records(input) => input.current.as_ref().map_or(&[], |record| &record.key),
        }
    }

    /// Order of the current keys; the end comes last.
    #[inline]
    pub(crate) fn compare(&self, other: &Source<'_>) -> Ordering {
        self.rank.cmp(&other.rank).then_with(|| {
            if self.is_valid() { self.key().cmp(other.key()) } else { Ordering::Equal }
        })
    }

    /// Bytes of the current value.
    pub(crate) fn value_len(&self) -> usize {
        match &self.input {
            Input::Segment(input) => input.value_len(),
            Input::Btree(_) => 0,
            Input::Tree(input) => input.cursor.value_len().map_or(0, |len| len as usize),
            Input::Records(input) => input.current.as_ref().map_or(0, |record| record.value.len()),
        }
    }

    /// Hands the current value over in parts.
    pub(crate) fn copy_value(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match &mut self.input {
            Input::Segment(input) => input.copy_value(sink),
            Input::Btree(_) => Ok(()),
            Input::Tree(input) => {
                input.cursor.value(input.shm, &mut input.value)?;
                sink(&input.value)
            }
            Input::Records(input) => match &input.current {
                Some(record) => sink(&record.value),
                None => Ok(()),
            },
        }
    }

    /// Moves to the next record.
    pub(crate) fn advance(&mut self) -> Result<()> {
        match &mut self.input {
            Input::Segment(input) => input.advance()?,
            Input::Btree(input) => input.cursor.next(input.pager)?,
            Input::Tree(input) => input.cursor.next(input.shm, &input.root)?,
            Input::Records(input) => input.current = input.records.next(),
        }
        self.load();
        Ok(())
    }

    /// Where a later merge goes on.
    pub(crate) fn position(&self) -> CellPosition {
        match &self.input {
            Input::Segment(input) => input.position(),
            Input::Btree(input) => input.cursor.position(),
            Input::Tree(_) | Input::Records(_) => CellPosition::default(),
        }
    }

    /// The cell that holds the current key.
    pub(crate) fn key_position(&self) -> CellPosition {
        match &self.input {
            Input::Segment(input) => input.position(),
            Input::Btree(input) => input.cursor.key_position(),
            Input::Tree(_) | Input::Records(_) => CellPosition::default(),
        }
    }

    /// The segment behind this source, if it is one.
    pub(crate) fn segment(&self) -> Option<&SegmentInput<'a>> {
        match &self.input {
            Input::Segment(input) => Some(input),
            _ => None,
        }
    }
}
