//! Saving segments a checkpoint names.

use super::Report;
use super::target::Target;
use crate::codec::Codec;
use crate::env::File;
use crate::error::Result;
use crate::format::checkpoint::{CellPosition, Checkpoint, Level, Redirect};
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::EntryFlags;
use crate::pager::{Page, Pager, PagerOptions, Run};
use crate::sorted::{SegmentCursor, read_body, stored_key};
use std::sync::Arc;

/// Where the content of a segment counts.
#[derive(Clone, Copy)]
enum Part<'k> {
    Whole,
    Below(KeyRef<'k>),
    From(KeyRef<'k>),
}

/// Applies all segments of `checkpoint`, oldest first.
pub(super) fn save(
    file: &Arc<dyn File>,
    checkpoint: &Checkpoint,
    codec: Option<Arc<dyn Codec>>,
    target: &mut Target<'_>,
    report: &mut Report,
) -> Result<()> {
    let geometry = checkpoint.geometry()?;
    let options = PagerOptions { map_bytes: 0, ..PagerOptions::default() };
    let pager = Pager::new(Arc::clone(file), geometry, codec, options);
    let count = checkpoint.levels.len();
    let none: Arc<[Redirect]> = Arc::default();
    let moved: Arc<[Redirect]> = checkpoint.redirects.as_slice().into();
    let mut below = None;
    for (index, level) in checkpoint.levels.iter().enumerate().rev() {
        let run = |segment, last: bool| {
            let redirects = if last && index + 1 == count { &moved } else { &none };
            pager.run(segment, Arc::clone(redirects), checkpoint.block_count).map(Arc::new)
        };
        let left = run(level.left, level.right.is_empty())?;
        let rights = level.right.iter().enumerate();
        let rights = rights.map(|(at, &segment)| run(segment, at + 1 == level.right.len()));
        let rights: Vec<Arc<Run>> = rights.collect::<Result<_>>()?;
        let mut saver = Saver { pager: &pager, target, report };
        if rights.is_empty() {
            saver.segment(&left, Part::Whole)?;
        } else {
            let split = saver.split_key(level, &left, &rights, below.as_ref())?;
            for right in rights.iter().rev() {
                let part = split.as_ref().map_or(Part::Whole, |key| Part::From(key.as_ref()));
                saver.segment(right, part)?;
            }
            let part = split.as_ref().map_or(Part::Whole, |key| Part::Below(key.as_ref()));
            saver.segment(&left, part)?;
        }
        below = Some(left);
    }
    Ok(())
}

struct Saver<'a, 't> {
    pager: &'a Pager,
    target: &'a mut Target<'t>,
    report: &'a mut Report,
}

impl Saver<'_, '_> {
    /// The split key of an unfinished merge; if it cannot be read, just behind what was merged.
    fn split_key(
        &mut self,
        level: &Level,
        left: &Arc<Run>,
        rights: &[Arc<Run>],
        below: Option<&Arc<Run>>,
    ) -> Result<Option<KeyBuffer>> {
        let Some(merge) = &level.merge else { return Ok(None) };
        let at = merge.inputs.iter().position(|input| input.page == merge.split.page);
        let mut key = KeyBuffer::default();
        let read = match at.and_then(|at| rights.get(at)) {
            Some(right) => self.cell_key(right, merge.split, &mut key),
            None => below
                .map(|below| stored_key(self.pager, below, merge.split, &mut key))
                .unwrap_or(Ok(())),
        };
        if self.report.problems.noted(read)?.is_some() && !key.bytes.is_empty() {
            return Ok(Some(key));
        }
        let mut cursor = SegmentCursor::new(Arc::clone(left));
        let last = cursor.last(self.pager);
        if self.report.problems.noted(last)?.is_none() || !cursor.is_valid() {
            return Ok(None);
        }
        key.set(cursor.key());
        key.bytes.push(0);
        Ok(Some(key))
    }

    fn cell_key(&self, run: &Arc<Run>, at: CellPosition, key: &mut KeyBuffer) -> Result<()> {
        let mut cursor = SegmentCursor::new(Arc::clone(run));
        cursor.at(self.pager, at)?;
        key.set(cursor.key());
        Ok(())
    }

    /// Applies the readable records of one segment.
    fn segment(&mut self, run: &Arc<Run>, part: Part<'_>) -> Result<()> {
        let mut range = OpenRange::new(part);
        let page_size = u64::from(self.pager.geometry().page_size());
        let mut page = Page::default();
        let mut id = run.segment.first;
        let mut from_behind: Option<Vec<PageId>> = None;
        for _ in 0..run.page_budget(self.pager.geometry()) {
            self.target.advance(page_size)?;
            self.report.told.pages_read += 1;
            let read = self.pager.turn_to(run, id, &mut page);
            let next = if self.report.problems.noted(read)?.is_some() {
                self.page(run, &page, &mut range)?;
                self.pager.next_id(run, &page)
            } else {
                self.report.told.pages_damaged += 1;
                range.lose();
                self.pager.next_id_unread(run, id)
            };
            let next = match &mut from_behind {
                Some(rest) => rest.pop(),
                None => match self.report.problems.noted(next)? {
                    Some(next) => next,
                    None => {
                        // The chain is broken: what can be reached from the end is saved as well.
                        range.lose();
                        let rest = from_behind.insert(self.pages_from_behind(run, id)?);
                        rest.pop()
                    }
                },
            };
            match next {
                Some(next) => id = next,
                None => {
                    range.end(self.target)?;
                    return Ok(());
                }
            }
        }
        self.report.problems.add(format!("page {id}: pages of the segment do not end"));
        Ok(())
    }

    /// Pages from the last one back to where the chain breaks or to page `known`; last first.
    fn pages_from_behind(&mut self, run: &Run, known: PageId) -> Result<Vec<PageId>> {
        let mut out = Vec::new();
        let Some(mut id) = self.report.problems.noted(self.pager.last_id(run))? else {
            return Ok(out);
        };
        let mut page = Page::default();
        for _ in 0..run.page_budget(self.pager.geometry()) {
            if id == known || id == run.segment.first {
                break;
            }
            let read = self.pager.turn_to(run, id, &mut page);
            if self.report.problems.noted(read)?.is_none() {
                break;
            }
            out.push(id);
            match self.report.problems.noted(self.pager.previous_id(run, &page))? {
                Some(Some(previous)) => id = previous,
                _ => break,
            }
        }
        Ok(out)
    }

    fn page(&mut self, run: &Run, page: &Page, range: &mut OpenRange<'_>) -> Result<()> {
        if page.is_btree() {
            return Ok(());
        }
        let mut is_damaged = false;
        for index in 0..page.cell_count() {
            let saved = self.cell(run, page, index, range);
            if self.report.problems.noted(saved)?.is_none() {
                is_damaged = true;
                range.lose();
            }
        }
        self.report.told.pages_damaged += u64::from(is_damaged);
        Ok(())
    }

    fn cell(
        &mut self,
        run: &Run,
        page: &Page,
        index: usize,
        range: &mut OpenRange<'_>,
    ) -> Result<()> {
        let cell = page.data_cell(index)?;
        if cell.flags.is_system() || cell.flags.is_pure_separator() {
            return Ok(());
        }
        let wanted = cell.key_len as u64 + cell.value_len as u64;
        if wanted > run.byte_budget(self.pager.geometry()) {
            return Err(page.broken("record is larger than the file"));
        }
        let mut key = Vec::new();
        read_body(self.pager, run, page, &cell, (0, cell.key_len), &mut key)?;
        if range.is_outside(&key) {
            return Ok(());
        }
        range.entry(&key, cell.flags, self.target)?;
        if cell.flags.contains(EntryFlags::INSERT) {
            let mut value = Vec::new();
            let body = (cell.key_len, cell.value_len);
            read_body(self.pager, run, page, &cell, body, &mut value)?;
            self.target.insert(&key, &value)?;
        } else if cell.flags.contains(EntryFlags::POINT_DELETE) {
            self.target.remove(&key)?;
        }
        Ok(())
    }
}

/// A deleted range whose end is not read yet, within the part of a segment that counts.
struct OpenRange<'k> {
    part: Part<'k>,
    start: Option<Vec<u8>>,
    /// Nothing was read and nothing lost so far.
    is_fresh: bool,
}

impl<'k> OpenRange<'k> {
    fn new(part: Part<'k>) -> Self {
        OpenRange { part, start: None, is_fresh: true }
    }

    /// Something in between could not be read.
    fn lose(&mut self) {
        self.start = None;
        self.is_fresh = false;
    }

    fn is_outside(&self, key: &[u8]) -> bool {
        match self.part {
            Part::Whole => false,
            Part::Below(split) => KeyRef::user(key) >= split,
            Part::From(split) => KeyRef::user(key) < split,
        }
    }

    /// Takes note of the range flags of an entry.
    fn entry(&mut self, key: &[u8], flags: EntryFlags, target: &mut Target<'_>) -> Result<()> {
        if flags.contains(EntryFlags::END_DELETE) {
            match (&self.start, self.part) {
                (Some(start), _) => target.remove_between(start, key)?,
                // The range begins below the split key, in what has been merged.
                (None, Part::From(split)) if self.is_fresh && !split.system => {
                    target.remove_from(split.bytes, key)?;
                }
                _ => {}
            }
        }
        self.start = flags.contains(EntryFlags::START_DELETE).then(|| key.to_vec());
        self.is_fresh = false;
        Ok(())
    }

    /// The segment has been read to its end: of what was merged a range may go on to the split key.
    fn end(self, target: &mut Target<'_>) -> Result<()> {
        match (self.start, self.part) {
            (Some(start), Part::Below(split)) if !split.system => {
                target.remove_between(&start, split.bytes)
            }
            _ => Ok(()),
        }
    }
}
