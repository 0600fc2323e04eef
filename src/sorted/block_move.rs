//! Moving the last block of a database in one segment into a free one nearer the beginning, so that
//! the file can be cut shorter when it is closed.
//!
//! The block is copied as it is; what the segment says about it stays, a redirect translates.
//! Rules: docs/format.md, "Moving blocks".

use super::work::Worker;
use crate::error::Result;
use crate::format::checkpoint::{MAX_REDIRECTS, Redirect};
use crate::format::geometry::PageId;

impl Worker<'_> {
    /// Moves one block. Returns its cost in pages; `None` if none can be moved.
    pub(super) fn move_block(&mut self) -> Result<Option<u64>> {
        let [level] = self.state.levels.as_slice() else { return Ok(None) };
        if level.is_merging() || self.state.redirects.len() >= MAX_REDIRECTS {
            return Ok(None);
        }
        let geometry = *self.pager.geometry();
        let mut blocks = self.take_blocks()?;
        let chain = self.pager.blocks_of(&self.run(0, None)?)?;
        // Blocks that nothing uses (space lost by an earlier writer) become free.
        let mut from = blocks.highest_used();
        while from > 0 && !chain.contains(&from) {
            blocks.free(from)?;
            from = blocks.highest_used();
        }
        let named = self.state.redirects.iter().any(|redirect| redirect.from == from);
        let to = if named { None } else { blocks.allocate_before(from) };
        let Some(to) = to else {
            self.keep_blocks(blocks);
            return Ok(None);
        };
        self.pager.copy_block(from, to)?;
        let distance = u64::from(from - to) * geometry.ids_per_block();
        let moved = |id: &mut PageId| {
            if *id != 0 && geometry.block_of(*id) == from {
                *id -= distance;
            }
        };
        blocks.append_points.iter_mut().for_each(moved);
        if let Some(level) = self.state.levels.first_mut() {
            let segment = &mut level.left;
            [&mut segment.first, &mut segment.last, &mut segment.root].into_iter().for_each(moved);
        }
        let redirects = &mut self.state.redirects;
        match redirects.iter_mut().find(|redirect| redirect.to == from) {
            Some(redirect) => redirect.to = to,
            None => {
                let at = redirects.partition_point(|redirect| redirect.from < from);
                redirects.insert(at, Redirect { from, to });
            }
        }
        blocks.free(from)?;
        let pages = u64::from(geometry.block_size() / geometry.page_size());
        self.count_pages(pages);
        self.put_blocks(blocks);
        Ok(Some(pages))
    }
}
