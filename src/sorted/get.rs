//! Direct lookup of one key, without a cursor.
//!
//! Asks the sources newest first and stops at the first that decides: an insert, a delete, or a
//! deleted range around the key. Rules: docs/format.md, "Range deletes" and "Reading".

use super::ReadView;
use super::search::{Landing, compare_cell, pointer_behind, read_body, search};
use super::snapshot::SnapshotLevel;
use crate::error::Result;
use crate::format::geometry::PageId;
use crate::format::key::KeyRef;
use crate::format::page::EntryFlags;
use crate::pager::{Page, Pager, Run};
use crate::tree::{self, Found};

/// What a source says about a key.
enum Verdict {
    /// Nothing.
    Undecided,
    /// There is no such key.
    Deleted,
    /// The value has been appended to the output.
    Found,
}

/// What is reused from source to source.
struct Lookup<'a> {
    pager: &'a Pager,
    key: KeyRef<'a>,
    page: Page,
    scratch: Vec<u8>,
    /// Pointer into the next segment.
    pointer: PageId,
}

/// The value of `key` in `view`, if there is one.
pub(crate) fn get(view: &ReadView, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut value = Vec::new();
    Ok(lookup(view, KeyRef::user(key), Some(&mut value))?.then_some(value))
}

/// Whether `key` exists in `view`.
pub(crate) fn contains(view: &ReadView, key: &[u8]) -> Result<bool> {
    lookup(view, KeyRef::user(key), None)
}

/// Appends the value of `key` to `out`, which is empty; tells whether there is one.
pub(crate) fn lookup(
    view: &ReadView,
    key: KeyRef<'_>,
    mut out: Option<&mut Vec<u8>>,
) -> Result<bool> {
    let mut lookup =
        Lookup { pager: &view.pager, key, page: Page::default(), scratch: Vec::new(), pointer: 0 };
    let trees = [Some(&view.live), view.old.as_ref()];
    for root in trees.into_iter().flatten().filter(|root| root.node != 0 && !key.system) {
        match tree::lookup(&view.shm, root, key.bytes, out.as_deref_mut())? {
            Found::Value => return Ok(true),
            Found::Deleted => return Ok(false),
            Found::Undecided => {}
        }
    }
    let levels = &view.snapshot.levels;
    for (index, level) in levels.iter().enumerate() {
        match lookup.level(level, levels.get(index + 1), &mut out)? {
            Verdict::Found => return Ok(true),
            Verdict::Deleted => return Ok(false),
            Verdict::Undecided => {}
        }
    }
    Ok(false)
}

impl Lookup<'_> {
    fn level(
        &mut self,
        level: &SnapshotLevel,
        next: Option<&SnapshotLevel>,
        out: &mut Option<&mut Vec<u8>>,
    ) -> Result<Verdict> {
        let older = next.map(|next| match next.rights.first() {
            Some(right) => (&*right.run, next.split()),
            None => (&*next.left, None),
        });
        match level.split() {
            None => self.segment(&level.left, older, out),
            Some(split) if self.key < split => {
                self.pointer = 0;
                self.segment(&level.left, older, out)
            }
            Some(split) => {
                for (index, right) in level.rights.iter().enumerate() {
                    let after = level.rights.get(index + 1).map(|next| (&*next.run, Some(split)));
                    let verdict = self.segment(&right.run, after.or(older), out)?;
                    if !matches!(verdict, Verdict::Undecided) {
                        return Ok(verdict);
                    }
                }
                Ok(Verdict::Undecided)
            }
        }
    }

    /// Asks one segment; `older` is the next one and the split key below which its pages may be
    /// gone.
    fn segment(
        &mut self,
        run: &Run,
        older: Option<(&Run, Option<KeyRef<'_>>)>,
        out: &mut Option<&mut Vec<u8>>,
    ) -> Result<Verdict> {
        let (pager, scratch) = (self.pager, &mut self.scratch);
        let landing = search(pager, run, self.pointer, self.key, &mut self.page, scratch)?;
        match landing {
            Landing::At { cell, exact: true, .. } if cell.flags.contains(EntryFlags::INSERT) => {
                if let Some(out) = out {
                    out.reserve(cell.value_len.min(self.page.bytes().len()));
                    read_body(pager, run, &self.page, &cell, (cell.key_len, cell.value_len), out)?;
                }
                return Ok(Verdict::Found);
            }
            Landing::At { cell, exact: true, .. }
                if cell.flags.contains(EntryFlags::POINT_DELETE) =>
            {
                return Ok(Verdict::Deleted);
            }
            Landing::At { cell, exact: false, .. }
                if cell.flags.contains(EntryFlags::START_DELETE) =>
            {
                return Ok(Verdict::Deleted);
            }
            Landing::Before => {
                let (cell, _) = compare_cell(pager, run, &self.page, 0, self.key, scratch)?;
                if cell.flags.contains(EntryFlags::END_DELETE) {
                    return Ok(Verdict::Deleted);
                }
            }
            Landing::At { .. } | Landing::Empty => {}
        }
        self.pointer = match older {
            // With a b-tree of its own the next segment needs no pointer.
            Some((next, floor)) if next.segment.root == 0 => {
                pointer_behind(pager, run, &self.page, &landing, floor, scratch)?
            }
            _ => 0,
        };
        Ok(Verdict::Undecided)
    }
}
