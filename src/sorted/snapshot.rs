//! A snapshot ready for reading: the checkpoint's levels as runs, split keys resolved.
//!
//! The content of a level whose merge is unfinished is its left segment below the split key and its
//! right segments from the split key on. Format: docs/format.md, "Levels".

use super::btree;
use super::segment_cursor::SegmentCursor;
use crate::error::{Error, Place, Result};
use crate::format::checkpoint::{CellPosition, Checkpoint, Merge};
use crate::format::key::{KeyBuffer, KeyRef};
use crate::pager::{Pager, Run};
use std::sync::Arc;

/// An input of an unfinished merge.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    /// Its pages; searches begin where the merge has arrived.
    pub(crate) run: Arc<Run>,
    /// The first cell not merged yet, at or above the split key; page 0 = there is none.
    pub(crate) position: CellPosition,
}

/// A level.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotLevel {
    /// The segment, or what has been merged so far.
    pub(crate) left: Arc<Run>,
    /// Inputs of the unfinished merge, newest first.
    pub(crate) rights: Vec<Right>,
    /// Where `left` ends and `rights` begin, if a merge is unfinished.
    pub(crate) split: Option<KeyBuffer>,
}

impl SnapshotLevel {
    /// The split key of an unfinished merge.
    #[inline]
    pub(crate) fn split(&self) -> Option<KeyRef<'_>> {
        self.split.as_ref().map(KeyBuffer::as_ref)
    }
}

/// What a reader sees of the database file.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// What it was made from.
    pub(crate) checkpoint: Checkpoint,
    /// Newest first.
    pub(crate) levels: Vec<SnapshotLevel>,
}

impl Snapshot {
    /// Prepares `checkpoint` for reading through `pager`.
    pub(crate) fn new(checkpoint: Checkpoint, pager: &Pager) -> Result<Self> {
        let none: Arc<[_]> = Arc::default();
        let moved: Arc<[_]> = checkpoint.redirects.as_slice().into();
        let count = checkpoint.levels.len();
        let mut levels = Vec::with_capacity(count);
        // From the oldest on: a split key may be in the b-tree of the next level.
        let mut below: Option<Arc<Run>> = None;
        for (index, level) in checkpoint.levels.iter().enumerate().rev() {
            let is_oldest = |last: bool| if last && index + 1 == count { &moved } else { &none };
            let run = |segment, last| {
                pager.run(segment, Arc::clone(is_oldest(last)), checkpoint.block_count)
            };
            let left = Arc::new(run(level.left, level.right.is_empty())?);
            let mut made = SnapshotLevel { left, rights: Vec::new(), split: None };
            if let Some(merge) = &level.merge {
                for (at, &segment) in level.right.iter().enumerate() {
                    let position = merge.inputs.get(at).copied().unwrap_or_default();
                    let run = run(segment, at + 1 == level.right.len())?;
                    made.rights
                        .push(Right { run: Arc::new(start(pager, run, position)?), position });
                }
                made.split = Some(split_key(pager, merge, &made.rights, below.as_ref())?);
            }
            below = Some(Arc::clone(&made.left));
            levels.push(made);
        }
        levels.reverse();
        Ok(Snapshot { checkpoint, levels })
    }
}

/// Lets searches in a merge's input begin where the merge has arrived.
fn start(pager: &Pager, run: Run, position: CellPosition) -> Result<Run> {
    if position.page != 0 {
        return Ok(run.starting_at(position.page));
    }
    // All merged: only the pointer of the last cell still counts.
    let mut cursor = SegmentCursor::new(Arc::new(run.clone()));
    cursor.last(pager)?;
    let page = cursor.position().page;
    Ok(if page == 0 { run } else { run.starting_at(page) })
}

/// Resolves the split key of a merge.
fn split_key(
    pager: &Pager,
    merge: &Merge,
    rights: &[Right],
    below: Option<&Arc<Run>>,
) -> Result<KeyBuffer> {
    let at = merge.inputs.iter().position(|input| input.page == merge.split.page);
    let missing = || Error::corrupt(Place::Checkpoint, "split key is at no input of its merge");
    let mut key = KeyBuffer::default();
    match at.and_then(|at| rights.get(at)) {
        Some(right) => {
            let mut cursor = SegmentCursor::new(Arc::clone(&right.run));
            cursor.at(pager, merge.split)?;
            key.set(cursor.key());
        }
        None if merge.inputs.len() > rights.len() => {
            btree::stored_key(pager, below.ok_or_else(missing)?, merge.split, &mut key)?;
        }
        None => return Err(missing()),
    }
    Ok(key)
}
