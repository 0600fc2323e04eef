//! Freeing the beginning of merge inputs whose records have been merged.
//!
//! What searches for keys from the split key on still need must stay: the b-tree path, pages whose
//! first keys stand for long keys in it, and the page it leads to; without a b-tree, the first page
//! that pointers of the newer neighbour lead to. Whole blocks before all of these
//! are freed. Rules: docs/format.md, "Merge work".

use super::work::Worker;
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::KeyRef;
use crate::format::page::BtreeKey;
use crate::freelist::Blocks;
use crate::pager::{Page, Run};
use crate::sorted::search::{pointer_behind, search};
use crate::sorted::segment_input::SegmentInput;

/// Deepest b-tree.
const MAX_DEPTH: usize = 32;

/// The first page to which pointers lead that the newer neighbour has for keys not merged yet. They
/// may lead further left than the last record merged: a record's pointer is that of the nearest one
/// before it in the segment it came from.
pub(super) enum Entrance {
    /// No pointer leads there.
    None,
    /// This page, moved blocks not translated.
    At(PageId),
    /// Any page.
    Unknown,
}

impl Entrance {
    /// From the pointers of a newer input of the same merge.
    pub(super) fn of_input(newer: &SegmentInput<'_>) -> Self {
        match newer.pointer() {
            _ if !newer.is_valid() => Entrance::None,
            0 => Entrance::Unknown,
            pointer => Entrance::At(pointer),
        }
    }
}

impl Worker<'_> {
    /// Real ids of the pages of `run` that searches from `key` on need; `None` if that is not
    /// known. `anchor` is the page of the last record merged, 0 if there is none.
    pub(super) fn first_needed(
        &self,
        run: &Run,
        key: KeyRef<'_>,
        anchor: PageId,
    ) -> Result<Option<Vec<PageId>>> {
        if run.segment.root == 0 {
            return Ok((anchor != 0).then(|| vec![anchor]));
        }
        if key.system {
            return Ok(None);
        }
        let geometry = self.pager.geometry();
        let mut needed = Vec::new();
        let mut page = self.pager.real_page(run, run.segment.root)?;
        for _ in 0..MAX_DEPTH {
            needed.push(page.id());
            if !page.is_btree() {
                return Ok(Some(needed));
            }
            let mut child = page.cell_count();
            for index in (0..page.cell_count()).rev() {
                let greater = match page.btree_cell(index)?.key {
                    BtreeKey::Direct(direct) => direct > key,
                    BtreeKey::Indirect(id) => {
                        let id = run.real_id(geometry, id);
                        needed.push(id);
                        let position = Some(CellPosition { page: id, cell: 0 });
                        let cell = SegmentInput::open(self.pager, run.clone(), position, true)?;
                        KeyRef { system: cell.flags().is_system(), bytes: cell.key() } > key
                    }
                };
                if greater {
                    child = index;
                }
            }
            page = self.pager.page(run, page.btree_child(child)?)?;
        }
        Err(page.broken("the b-tree is too deep"))
    }

    /// Where the next newer level leads to for `key` and greater ones. Only looked for where a
    /// b-tree makes that cheap.
    pub(super) fn entrance_from_newer_level(
        &self,
        index: usize,
        key: KeyRef<'_>,
    ) -> Result<Entrance> {
        let Some(newer) = index.checked_sub(1) else { return Ok(Entrance::None) };
        let plain = self.state.levels.get(newer).is_some_and(|level| !level.is_merging());
        if !plain {
            return Ok(Entrance::Unknown);
        }
        let run = self.run(newer, None)?;
        if run.segment.root == 0 {
            return Ok(Entrance::Unknown);
        }
        let (mut page, mut scratch) = (Page::default(), Vec::new());
        let landing = search(self.pager, &run, 0, key, &mut page, &mut scratch)?;
        Ok(match pointer_behind(self.pager, &run, &page, &landing, None, &mut scratch)? {
            0 => Entrance::Unknown,
            pointer => Entrance::At(pointer),
        })
    }

    /// Frees the blocks of a merge input before the first that holds a needed page.
    pub(super) fn gobble(
        &mut self,
        index: usize,
        number: usize,
        needed: Vec<PageId>,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let geometry = *self.pager.geometry();
        let run = self.run(index, Some(number))?;
        let on_block = |block: u32| {
            needed.iter().copied().filter(move |&id| geometry.block_of(id) == block).min()
        };
        let chain = self.pager.blocks_of(&run)?;
        let keep = chain.iter().position(|&block| on_block(block).is_some());
        let (Some(keep @ 1..), Some(first)) =
            (keep, keep.and_then(|keep| on_block(*chain.get(keep)?)))
        else {
            return Ok(());
        };
        let gone = chain.get(..keep).unwrap_or_default();
        let pages_gone = self.pages_before(&run, gone, first);
        if let Some(segment) =
            self.state.levels.get_mut(index).and_then(|level| level.right.get_mut(number))
        {
            segment.first = first;
            segment.size = segment.size.saturating_sub(pages_gone).max(1);
        }
        self.release_blocks(gone, blocks)
    }

    /// Pages (compressed: bytes) of `run` on the blocks `gone` and before `first` on the next one.
    fn pages_before(&self, run: &Run, gone: &[u32], first: PageId) -> u64 {
        let geometry = self.pager.geometry();
        let begin = |block: u32| geometry.first_on_block(block);
        let whole: u64 = gone
            .iter()
            .enumerate()
            .map(|(index, &block)| {
                let from = if index == 0 { run.segment.first } else { begin(block) };
                geometry.last_on_block(block) + 1 - from
            })
            .sum();
        whole + (first - begin(geometry.block_of(first)))
    }
}
