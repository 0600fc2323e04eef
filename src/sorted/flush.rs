//! New top levels: in-memory trees, or the free list alone, become a segment.
//!
//! The segment takes over the separators of the level below where it may, and the free-list changes
//! of the snapshot. A top level that holds nothing but free-list records goes into it as well.
//! Rules: docs/format.md, "Flush".

use super::merge::Merger;
use super::merge_input::{Input, Source};
use super::merge_step::{system_records, write_planned};
use super::segment_input::SegmentInput;
use super::segment_writer::SegmentWriter;
use super::work::Worker;
use crate::error::Result;
use crate::format::checkpoint::{Level, LogPointer};
use crate::pager::writer::PageWriter;

impl Worker<'_> {
    /// Writes in-memory sources, newest first, as a new top level. From the next snapshot on,
    /// recovery starts at `log`. The caller has made room. Returns the pages written.
    pub(crate) fn flush(&mut self, trees: Vec<Input<'_>>, log: LogPointer) -> Result<u64> {
        let pages = self.write_top(trees, false)?;
        self.state.log = log;
        Ok(pages)
    }

    /// Writes the free-list changes as a new top level.
    pub(super) fn write_free_list(&mut self) -> Result<u64> {
        self.write_top(Vec::new(), true)
    }

    fn write_top(&mut self, trees: Vec<Input<'_>>, freelist_only: bool) -> Result<u64> {
        let mut blocks = self.take_blocks()?;
        let top = self.state.levels.first();
        let absorbs = top.is_some_and(|top| top.freelist_only && !top.is_merging());
        let takes_btree = !absorbs
            && !freelist_only
            && top.is_some_and(|top| !top.is_merging() && top.left.root != 0 && !top.freelist_only);
        let mut sources: Vec<Source<'_>> = trees.into_iter().map(Source::new).collect();
        sources.push(Source::new(system_records(blocks.list.store_changes())));
        let mut released = Vec::new();
        let mut pointer = 0;
        if absorbs {
            let run = self.run(0, None)?;
            let input = SegmentInput::open(self.pager, run.clone(), None, false)?;
            sources.push(Source::new(Input::Segment(Box::new(input))));
            released.push(run);
        } else if takes_btree {
            let run = self.run(0, None)?;
            pointer = self.named_id(&run, run.segment.first);
            sources.push(Source::new(Input::btree(self.pager, run, None)?));
        }
        let bottom = self.state.levels.len() == usize::from(absorbs);
        let mut merger = Merger::new(sources, takes_btree, bottom, pointer)?;
        let mut writer = SegmentWriter::new(PageWriter::new(self.pager, Vec::new()));
        while let Some(plan) = merger.next()? {
            write_planned(&mut merger, &plan, true, &mut writer, &mut blocks)?;
            merger.pass(&plan)?;
        }
        let pages = writer.pages_started();
        let left = writer.finish(false, merger.current_pointer, &mut blocks)?;
        if absorbs {
            self.state.levels.remove(0);
            if bottom {
                self.state.redirects.clear();
            }
        }
        if let Some(left) = left {
            if let (true, Some(next)) = (takes_btree, self.state.levels.first_mut()) {
                next.left.root = 0;
            }
            self.state.levels.insert(0, Level { freelist_only, left, ..Level::default() });
        }
        self.release(&released, &mut blocks)?;
        self.count_pages(pages);
        self.put_blocks(blocks);
        Ok(pages)
    }
}
