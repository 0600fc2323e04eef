//! A segment as the input of a merge: its records in order, forward only.
//!
//! Keys and values are borrowed from their pages; only a key that spans pages is put together in a
//! buffer. Every step checks that keys ascend: a merge that meets disorder stops before anything is
//! freed. Format: docs/format.md, "Pages and cells".

use crate::error::{Error, Place, Result};
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::KeyRef;
use crate::format::page::{DataCell, EntryFlags, PageFlags};
use crate::pager::{Page, Pager, Run};
use std::cmp::Ordering;
use std::ops::Range;

/// Where a key is.
#[derive(Clone, Debug)]
enum KeyPlace {
    /// In the usable bytes of the record's page.
    Page(Range<usize>),
    /// In the buffer.
    Buffer,
}

/// A place in the body of a record.
#[derive(Clone, Debug)]
struct BodyPlace {
    page: Page,
    offset: usize,
    limit: usize,
}

/// Forward reader of a segment.
#[derive(Debug)]
pub(crate) struct SegmentInput<'a> {
    pager: &'a Pager,
    run: Run,
    /// The page of the current record; `None` at the end.
    page: Option<Page>,
    index: usize,
    cell: DataCell,
    key: KeyPlace,
    buffer: Vec<u8>,
    previous_buffer: Vec<u8>,
    /// Where the value begins, if not right behind the key on the record's page.
    value: Option<BodyPlace>,
    /// The page a body was followed to: the next record cannot begin before it.
    reached: Option<Page>,
    /// Separators without data are records here, not noise.
    wants_separators: bool,
    /// Page of the last record passed that may be the target of a pointer.
    anchor: PageId,
    steps_left: u64,
}

impl<'a> SegmentInput<'a> {
    /// Opens `run` at `position`, or at its first record.
    pub(crate) fn open(
        pager: &'a Pager,
        run: Run,
        position: Option<CellPosition>,
        wants_separators: bool,
    ) -> Result<Self> {
        let steps_left = run.page_budget(pager.geometry());
        let mut input = SegmentInput {
            pager,
            run,
            page: None,
            index: 0,
            cell: DataCell::default(),
            key: KeyPlace::Buffer,
            buffer: Vec::new(),
            previous_buffer: Vec::new(),
            value: None,
            reached: None,
            wants_separators,
            anchor: 0,
            steps_left,
        };
        match position {
            Some(CellPosition { page: 0, .. }) => {}
            Some(CellPosition { page, cell }) => {
                let page = pager.real_page(&input.run, page)?;
                if page.is_btree() {
                    return Err(page.broken("a merge stands on a b-tree page"));
                }
                input.load(page, cell as usize)?;
                input.skip_noise()?;
            }
            None => {
                let first = pager.real_page(&input.run, input.run.segment.first)?;
                input.enter(Some(first))?;
                input.skip_noise()?;
            }
        }
        Ok(input)
    }

    /// Footer pointer of the segment's first page.
    pub(crate) fn first_pointer(&self) -> Result<u64> {
        Ok(self.pager.real_page(&self.run, self.run.segment.first)?.footer().pointer)
    }

    /// Whether there is a current record.
    pub(crate) fn is_valid(&self) -> bool {
        self.page.is_some()
    }

    /// Type bits of the current record.
    pub(crate) fn flags(&self) -> EntryFlags {
        self.cell.flags
    }

    /// Pointer of the current record.
    pub(crate) fn pointer(&self) -> u64 {
        self.cell.pointer
    }

    /// Bytes of the current value.
    pub(crate) fn value_len(&self) -> usize {
        self.cell.value_len
    }

    /// Where the current record is.
    pub(crate) fn position(&self) -> CellPosition {
        match &self.page {
            Some(page) => CellPosition { page: page.id(), cell: self.index as u32 },
            None => CellPosition::default(),
        }
    }

    /// Page of the last record passed whose page pointers may lead to; 0 if none was passed.
    pub(crate) fn anchor(&self) -> PageId {
        self.anchor
    }

    /// Key of the current record.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match (&self.key, &self.page) {
            (KeyPlace::Page(range), Some(page)) => {
                page.bytes().get(range.clone()).unwrap_or_default()
            }
            _ => &self.buffer,
        }
    }

    /// Hands the current value over in parts.
    pub(crate) fn copy_value(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(page) = &self.page else { return Ok(()) };
        let len = self.cell.value_len;
        let at = self.cell.body + self.cell.key_len;
        if self.value.is_none() && at + len <= self.cell.limit {
            return sink(page.bytes().get(at..at + len).unwrap_or_default());
        }
        let place = match &self.value {
            Some(place) => place.clone(),
            None => BodyPlace { page: page.clone(), offset: at, limit: self.cell.limit },
        };
        let end = self.read_body(place, len, sink)?;
        self.reached = Some(end.page);
        Ok(())
    }

    /// Moves to the next record.
    pub(crate) fn advance(&mut self) -> Result<()> {
        let Some(page) = &self.page else { return Ok(()) };
        if !page.flags().contains(PageFlags::SKIP_THIS) {
            self.anchor = page.id();
        }
        self.step()?;
        self.skip_noise()
    }

    /// Passes separators that carry nothing this merge can use.
    fn skip_noise(&mut self) -> Result<()> {
        while !self.wants_separators && self.cell.flags.is_pure_separator() && self.is_valid() {
            self.step()?;
        }
        Ok(())
    }

    /// One record on from the current one.
    fn step(&mut self) -> Result<()> {
        if self.step_on_page()? {
            return Ok(());
        }
        let Some(page) = self.page.take() else { return Ok(()) };
        let old_page = page.clone();
        let old_key = self.key.clone();
        let old_system = self.cell.flags.is_system();
        std::mem::swap(&mut self.buffer, &mut self.previous_buffer);
        if self.index + 1 < page.cell_count() {
            let next = self.index + 1;
            self.load(page, next)?;
        } else {
            let reached = match self.reached.take() {
                Some(reached) if reached.id() != page.id() => Some(reached),
                _ => self.next_page(&page)?,
            };
            self.enter(reached)?;
        }
        self.reached = None;
        let Some(page) = &self.page else { return Ok(()) };
        let old = match &old_key {
            KeyPlace::Page(range) => old_page.bytes().get(range.clone()).unwrap_or_default(),
            KeyPlace::Buffer => &self.previous_buffer,
        };
        let old = KeyRef { system: old_system, bytes: old };
        let new = KeyRef { system: self.cell.flags.is_system(), bytes: self.key() };
        if old.cmp(&new) != Ordering::Less {
            return Err(page.broken("keys do not ascend"));
        }
        Ok(())
    }

    /// One record on if that begins on the same page and both keys are entirely on it.
    #[inline]
    fn step_on_page(&mut self) -> Result<bool> {
        let (Some(page), KeyPlace::Page(old_key)) = (&self.page, &self.key) else {
            return Ok(false);
        };
        if self.index + 1 >= page.cell_count() {
            return Ok(false);
        }
        let cell = page.data_cell(self.index + 1)?;
        if !cell.has_key_on_page() {
            return Ok(false);
        }
        let new_key = cell.body..cell.body + cell.key_len;
        let bytes = page.bytes();
        let old_bytes = bytes.get(old_key.clone()).unwrap_or_default();
        let old = KeyRef { system: self.cell.flags.is_system(), bytes: old_bytes };
        let new_bytes = bytes.get(new_key.clone()).unwrap_or_default();
        if old >= (KeyRef { system: cell.flags.is_system(), bytes: new_bytes }) {
            return Err(page.broken("keys do not ascend"));
        }
        self.index += 1;
        self.cell = cell;
        self.key = KeyPlace::Page(new_key);
        self.value = None;
        self.reached = None;
        Ok(true)
    }

    /// Stands on the first record that begins on `page` or behind it.
    fn enter(&mut self, mut page: Option<Page>) -> Result<()> {
        while let Some(candidate) = page {
            if !candidate.is_btree() && candidate.cell_count() > 0 {
                return self.load(candidate, 0);
            }
            page = self.next_page(&candidate)?;
        }
        self.page = None;
        self.cell = DataCell::default();
        Ok(())
    }

    fn next_page(&mut self, page: &Page) -> Result<Option<Page>> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| page.broken("the pages of the segment form a loop"))?;
        match self.pager.next_id(&self.run, page)? {
            Some(id) => self.pager.real_page(&self.run, id).map(Some),
            None => Ok(None),
        }
    }

    fn load(&mut self, page: Page, index: usize) -> Result<()> {
        let cell = page.data_cell(index)?;
        self.index = index;
        self.cell = cell;
        self.value = None;
        if cell.has_key_on_page() {
            self.key = KeyPlace::Page(cell.body..cell.body + cell.key_len);
            self.page = Some(page);
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let place = BodyPlace { page: page.clone(), offset: cell.body, limit: cell.limit };
        let end = self.read_body(place, cell.key_len, &mut |part| {
            buffer.extend_from_slice(part);
            Ok(())
        })?;
        self.buffer = buffer;
        self.key = KeyPlace::Buffer;
        self.value = Some(end);
        self.page = Some(page);
        Ok(())
    }

    /// Hands over `len` bytes from `place` on. Returns the place behind them.
    fn read_body(
        &mut self,
        mut place: BodyPlace,
        len: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<BodyPlace> {
        let mut left = len;
        loop {
            let count = left.min(place.limit.saturating_sub(place.offset));
            let part = place.page.bytes().get(place.offset..place.offset + count);
            sink(part.unwrap_or_default())?;
            left -= count;
            place.offset += count;
            if left == 0 {
                return Ok(place);
            }
            if place.limit < place.page.footer().content_end {
                return Err(Error::corrupt(Place::Page(place.page.id()), "records overlap"));
            }
            place = self.next_body(&place.page)?;
        }
    }

    /// Where the body of a record goes on behind `page`.
    fn next_body(&mut self, page: &Page) -> Result<BodyPlace> {
        let mut from = page.clone();
        loop {
            let Some(next) = self.next_page(&from)? else {
                return Err(from.broken("a record runs past the end of its segment"));
            };
            let footer = next.footer();
            if !next.is_btree() {
                let limit = match footer.cell_count {
                    0 => footer.content_end,
                    _ => footer.cell_offset(next.bytes(), 0).map_err(|rule| next.broken(rule))?,
                };
                return Ok(BodyPlace { page: next, offset: 0, limit });
            }
            from = next;
        }
    }
}
