//! Writing a segment: records fill pages, pages form the run, first keys form the b-tree.
//!
//! Records arrive in strictly ascending key order, each as header and key, then its value in any
//! number of parts. No page is written before it is complete, none is written twice; an unfinished
//! segment is resumed on a new page. Format: docs/format.md, "Writing a segment".

use super::btree_writer::BtreeWriter;
use crate::error::Result;
use crate::format::checkpoint::Segment;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::{EntryFlags, FOOTER_BYTES, PageFlags};
use crate::format::varint;
use crate::freelist::Blocks;
use crate::pager::writer::{OpenPage, PageWriter};

/// Most pages in a row whose first keys are left out of the b-tree.
const MAX_SKIP: usize = 3;

/// Stores the offset of cell `index` in the usable bytes of a page.
pub(super) fn put_offset(image: &mut [u8], index: usize, offset: u16) {
    let at = image.len().saturating_sub(FOOTER_BYTES + 2 + 2 * index);
    if let Some(slot) = image.get_mut(at..at + 2) {
        slot.copy_from_slice(&offset.to_be_bytes());
    }
}

/// Stores the footer in the usable bytes of a page.
pub(super) fn put_footer(image: &mut [u8], cells: usize, flags: PageFlags, pointer: u64) {
    if let Some(slot) = image.last_chunk_mut::<FOOTER_BYTES>() {
        let [a, b, c, d, e, f, g, h] = pointer.to_be_bytes();
        let [flags_high, flags_low] = flags.0.to_be_bytes();
        let [count_high, count_low] = (cells as u16).to_be_bytes();
        *slot = [a, b, c, d, e, f, g, h, flags_high, flags_low, count_high, count_low];
    }
}

/// What a record says about itself before its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordHead<'k> {
    /// Type bits, `SYSTEM` included.
    pub(crate) flags: EntryFlags,
    /// Absolute pointer into the next older segment, 0 = its beginning.
    pub(crate) pointer: u64,
    /// The pointer before this record: the base for a page this record begins.
    pub(crate) base: u64,
    /// Key bytes.
    pub(crate) key: &'k [u8],
    /// Bytes of the value; used with `INSERT` only.
    pub(crate) value_len: usize,
}

impl RecordHead<'_> {
    fn header_len(&self, base: u64) -> usize {
        let value = if self.flags.contains(EntryFlags::INSERT) {
            varint::len(self.value_len as u64)
        } else {
            0
        };
        let delta = varint::len(self.pointer.wrapping_sub(base));
        1 + delta + varint::len(self.key.len() as u64) + value
    }

    fn key(&self) -> KeyRef<'_> {
        KeyRef { system: self.flags.is_system(), bytes: self.key }
    }
}

/// Writes one segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter<'a> {
    pages: PageWriter<'a>,
    btree: BtreeWriter,
    page_size: usize,
    open: Option<OpenPage>,
    /// Usable bytes of the open page; footer and offsets are entered when it is closed or begun.
    image: Vec<u8>,
    used: usize,
    cells: usize,
    flags: PageFlags,
    base: u64,
    /// The open page's id is wanted as the page pushed last (or as the segment's first page).
    pushed: bool,
    /// The record being written, for pages its body goes on to.
    record_pointer: u64,
    has_records: bool,
    skip: usize,
    last_key: KeyBuffer,
    pages_started: u64,
}

impl<'a> SegmentWriter<'a> {
    /// Begins a segment.
    pub(crate) fn new(pages: PageWriter<'a>) -> Self {
        let page_size = pages.geometry().page_size();
        Self::with(pages, BtreeWriter::new(page_size), 0)
    }

    /// Continues a segment whose right edge is `btree`, `skip` pages still to be left out of it.
    pub(crate) fn resume(pages: PageWriter<'a>, btree: BtreeWriter, skip: u32) -> Self {
        Self::with(pages, btree, skip as usize)
    }

    fn with(pages: PageWriter<'a>, btree: BtreeWriter, skip: usize) -> Self {
        SegmentWriter {
            page_size: pages.geometry().page_size() as usize,
            has_records: !pages.is_empty(),
            pages,
            btree,
            open: None,
            image: Vec::new(),
            used: 0,
            cells: 0,
            flags: PageFlags::default(),
            base: 0,
            pushed: false,
            record_pointer: 0,
            skip,
            last_key: KeyBuffer::default(),
            pages_started: 0,
        }
    }

    /// Tells a resumed segment without b-tree its last key.
    pub(crate) fn set_last_key(&mut self, key: KeyRef<'_>) {
        self.last_key.set(key);
    }

    /// Data pages begun by this writer.
    pub(crate) fn pages_started(&self) -> u64 {
        self.pages_started
    }

    /// Whether this record would begin a new page.
    pub(crate) fn would_begin_page(&self, head: &RecordHead<'_>) -> bool {
        self.open.is_none() || self.used + head.header_len(self.base) > self.room(self.cells + 1)
    }

    /// Whether this record, its body included, would begin a new page.
    pub(crate) fn would_cross_page(&self, head: &RecordHead<'_>) -> bool {
        let len = head.header_len(self.base) + head.key.len() + head.value_len;
        self.open.is_none() || self.used + len > self.room(self.cells + 1)
    }

    /// Where content ends on the open page if it has `cells` cells.
    fn room(&self, cells: usize) -> usize {
        self.image.len().saturating_sub(FOOTER_BYTES + 2 * cells)
    }

    /// Begins a record: header and key. Its value follows through [`Self::value`].
    pub(crate) fn record(&mut self, head: &RecordHead<'_>, blocks: &mut Blocks) -> Result<()> {
        if self.would_begin_page(head) {
            self.close_page(blocks)?;
            self.pages.flush_if_large()?;
            self.begin_page(head.base, blocks)?;
        }
        if self.cells == 0 {
            self.first_cell(head.key(), blocks)?;
        }
        self.has_records = true;
        self.record_pointer = head.pointer;
        put_offset(&mut self.image, self.cells, self.used as u16);
        self.cells += 1;
        let mut header = [0u8; 1 + 3 * varint::MAX_LEN];
        if let Some(kind) = header.first_mut() {
            *kind = head.flags.0;
        }
        let mut len = varint::put(&mut header, 1, head.pointer.wrapping_sub(self.base));
        len = varint::put(&mut header, len, head.key.len() as u64);
        if head.flags.contains(EntryFlags::INSERT) {
            len = varint::put(&mut header, len, head.value_len as u64);
        }
        self.put(header.get(..len).unwrap_or_default());
        // A segment without b-tree may need one more record behind its last: see `force_root`.
        if !self.btree.exists() {
            self.last_key.set(head.key());
        }
        self.value(head.key, blocks)
    }

    /// Appends a part of the body.
    pub(crate) fn value(&mut self, part: &[u8], blocks: &mut Blocks) -> Result<()> {
        let mut rest = part;
        loop {
            let room = self.room(self.cells).saturating_sub(self.used);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.put(now);
            if later.is_empty() {
                return Ok(());
            }
            self.close_page(blocks)?;
            self.pages.flush_if_large()?;
            self.begin_page(self.record_pointer, blocks)?;
            rest = later;
        }
    }

    /// Ends a piece of work. Returns the segment so far, to be resumed, and the pages still to be
    /// left out of the b-tree.
    pub(crate) fn suspend(mut self, blocks: &mut Blocks) -> Result<(Segment, u32)> {
        self.close_page(blocks)?;
        let root = self.btree.close(&mut self.pages, blocks)?;
        self.pages.suspend(blocks)?;
        Ok((self.pages.segment(root), self.skip as u32))
    }

    /// Ends the segment. With `force_root` it gets a b-tree even if all records begin on one page:
    /// pointers of the segment above would be followed otherwise. `None` if there is no record.
    pub(crate) fn finish(
        mut self,
        force_root: bool,
        base: u64,
        blocks: &mut Blocks,
    ) -> Result<Option<Segment>> {
        if !self.has_records {
            return Ok(None);
        }
        if force_root && !self.btree.exists() {
            self.force_root(base, blocks)?;
        }
        self.close_page(blocks)?;
        let root = self.btree.close(&mut self.pages, blocks)?;
        self.pages.finish(blocks)?;
        Ok(Some(self.pages.segment(root)))
    }

    /// Adds a separator behind the last record, on its own page, so that the b-tree has a cell.
    fn force_root(&mut self, base: u64, blocks: &mut Blocks) -> Result<()> {
        self.close_page(blocks)?;
        let mut key = std::mem::take(&mut self.last_key);
        key.bytes.push(0);
        let topic = if key.system { EntryFlags::SYSTEM } else { EntryFlags::NONE };
        let head = RecordHead {
            flags: EntryFlags::SEPARATOR.union(topic),
            pointer: base,
            base,
            key: &key.bytes,
            value_len: 0,
        };
        self.skip = 0;
        self.record(&head, blocks)
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if let Some(slot) = self.image.get_mut(self.used..end) {
            slot.copy_from_slice(bytes);
        }
        self.used = end;
    }

    fn begin_page(&mut self, base: u64, blocks: &mut Blocks) -> Result<()> {
        self.pushed = self.pages.is_empty();
        let open = self.pages.open_page(blocks)?;
        // What the last page left here is overwritten, the gap when this one is closed.
        self.image.resize(open.usable, 0);
        self.open = Some(open);
        self.used = 0;
        self.cells = 0;
        self.flags = PageFlags::default();
        self.base = base;
        self.pages_started += 1;
        Ok(())
    }

    /// Decides whether the first key that begins on this page goes into the b-tree.
    fn first_cell(&mut self, key: KeyRef<'_>, blocks: &mut Blocks) -> Result<()> {
        if !self.has_records {
            return Ok(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            self.flags = PageFlags::SKIP_THIS;
        } else {
            self.btree.push(key, &mut self.pages, blocks)?;
            self.pushed = true;
            self.skip = (key.bytes.len() * 4 / self.page_size).min(MAX_SKIP);
        }
        if self.skip > 0 {
            self.flags = self.flags.union(PageFlags::SKIP_NEXT);
        }
        Ok(())
    }

    fn close_page(&mut self, blocks: &mut Blocks) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let gap = self.used..self.room(self.cells);
        if let Some(gap) = self.image.get_mut(gap) {
            gap.fill(0);
        }
        put_footer(&mut self.image, self.cells, self.flags, self.base);
        let id: PageId = self.pages.close_page(open, &self.image, blocks)?;
        if self.pushed {
            self.btree.pushed_page = id;
        }
        Ok(())
    }
}
