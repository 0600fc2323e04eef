//! Writing pages: where the next page of a segment goes, block pointers, compressed records.
//!
//! A [`PageWriter`] appends pages to one segment, new or resumed. Invariants: only pages that no
//! snapshot names are written; the block that follows is allocated together with the last page of
//! a block and its number stored there; compressed work ends at a sector boundary. Writes are
//! gathered into large sequential ones. Format: docs/format.md, "Geometry", "Compressed files".

use super::{Pager, Run};
use crate::error::{Error, ErrorKind, IoContext, Place, Result};
use crate::format::checkpoint::Segment;
use crate::format::geometry::{BlockId, Geometry, PageId};
use crate::freelist::Blocks;
use std::sync::atomic::Ordering;

/// Bytes gathered before they are written.
const GATHER_BYTES: usize = 256 << 10;
/// Most bytes of a compressed record: three groups of seven bits.
const MAX_RECORD: usize = 1 << 17;

/// A page that has its place but not its content yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenPage {
    /// Its id; 0 in compressed files, where it is known when the page is complete.
    pub(crate) id: PageId,
    /// How many usable bytes it has.
    pub(crate) usable: usize,
}

/// Bytes to write at one place.
#[derive(Debug)]
struct Extent {
    offset: u64,
    bytes: Vec<u8>,
}

impl Extent {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// Appends pages to one segment.
#[derive(Debug)]
pub(crate) struct PageWriter<'a> {
    pager: &'a Pager,
    geometry: Geometry,
    extents: Vec<Extent>,
    gathered: usize,
    avoided: Vec<BlockId>,
    first: PageId,
    last: PageId,
    /// The block after that of `last`, when `last` is the last of its block; else 0.
    reserved: BlockId,
    size: u64,
    record: Vec<u8>,
}

impl<'a> PageWriter<'a> {
    /// Begins a segment. It does not start at an append point on one of the `avoided` blocks.
    pub(crate) fn new(pager: &'a Pager, avoided: Vec<BlockId>) -> Self {
        PageWriter {
            pager,
            geometry: *pager.geometry(),
            extents: Vec::new(),
            gathered: 0,
            avoided,
            first: 0,
            last: 0,
            reserved: 0,
            size: 0,
            record: Vec::new(),
        }
    }

    /// Continues an unfinished segment. If its last page is the last of its block, `reserved` is
    /// the block stored there.
    pub(crate) fn resume(pager: &'a Pager, segment: &Segment, reserved: BlockId) -> Self {
        PageWriter {
            first: segment.first,
            last: segment.last,
            reserved,
            size: segment.size,
            ..PageWriter::new(pager, Vec::new())
        }
    }

    /// Page size and block size.
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Whether nothing was written to the segment yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.last == 0
    }

    /// The segment as written so far, with this root.
    pub(crate) fn segment(&self, root: PageId) -> Segment {
        Segment { first: self.first, last: self.last, root, size: self.size }
    }

    /// The place of the next page. Further pages may be opened before this one is closed.
    pub(crate) fn open_page(&mut self, blocks: &mut Blocks) -> Result<OpenPage> {
        if self.geometry.compressed() {
            return Ok(OpenPage { id: 0, usable: self.geometry.page_size() as usize });
        }
        let geometry = self.geometry;
        let id = self.next_id(blocks)?;
        let offset = geometry.page_offset(id);
        let size = geometry.page_size() as usize;
        // Allocated first: nothing has changed if it fails.
        let next = if geometry.is_last_on_block(id) { blocks.allocate()? } else { 0 };
        let previous = self.block_of_last();
        let image = self.extend(offset, size);
        if geometry.is_first_on_block(id) {
            put(image, 0, &previous.to_be_bytes());
        }
        if next != 0 {
            put(image, size - 4, &next.to_be_bytes());
        }
        self.reserved = next;
        self.last = id;
        self.first = if self.first == 0 { id } else { self.first };
        self.size += 1;
        Ok(OpenPage { id, usable: geometry.usable(id).1 })
    }

    /// Gives an opened page its content, all its usable bytes. Returns its id.
    pub(crate) fn close_page(
        &mut self,
        page: OpenPage,
        content: &[u8],
        blocks: &mut Blocks,
    ) -> Result<PageId> {
        self.pager.pages_written.fetch_add(1, Ordering::Relaxed);
        if self.geometry.compressed() {
            return self.append_record(content, blocks);
        }
        let offset = self.geometry.page_offset(page.id) + self.geometry.usable(page.id).0 as u64;
        let inside = |extent: &&mut Extent| (extent.offset..extent.end()).contains(&offset);
        if let Some(extent) = self.extents.iter_mut().rev().find(inside) {
            let at = (offset - extent.offset) as usize;
            put(&mut extent.bytes, at, content);
        }
        Ok(page.id)
    }

    /// Writes what was gathered if it is much. No page may be open.
    pub(crate) fn flush_if_large(&mut self) -> Result<()> {
        if self.gathered < GATHER_BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes what was gathered. No page may be open.
    pub(crate) fn flush(&mut self) -> Result<()> {
        for extent in &self.extents {
            self.pager.write(extent.offset, &extent.bytes)?;
        }
        self.gathered = 0;
        // One buffer is kept for reuse.
        self.extents.truncate(1);
        if let Some(extent) = self.extents.first_mut() {
            extent.bytes.clear();
            extent.offset = u64::MAX;
        }
        Ok(())
    }

    /// Ends a piece of work: compressed files are padded to the end of a sector, so that a torn
    /// write of what follows cannot damage what a snapshot names.
    pub(crate) fn suspend(&mut self, blocks: &mut Blocks) -> Result<()> {
        if self.geometry.compressed() && self.last != 0 {
            let padding = self.padding();
            self.append_bytes(&padding, blocks)?;
        }
        self.flush()
    }

    /// Ends the segment: what follows it may be used by others.
    pub(crate) fn finish(&mut self, blocks: &mut Blocks) -> Result<()> {
        self.suspend(blocks)?;
        if self.reserved != 0 {
            blocks.return_unused(self.reserved);
            self.reserved = 0;
        } else if self.last != 0 {
            blocks.add_append_point(self.last + 1);
        }
        Ok(())
    }

    fn block_of_last(&self) -> BlockId {
        if self.last == 0 { 0 } else { self.geometry.block_of(self.last) }
    }

    /// Where the next page (compressed: byte) of the segment goes.
    fn next_id(&mut self, blocks: &mut Blocks) -> Result<PageId> {
        if self.reserved != 0 {
            Ok(self.geometry.first_on_block(self.reserved))
        } else if self.last != 0 {
            Ok(self.last + 1)
        } else if let Some(point) = blocks.take_append_point(&self.avoided) {
            Ok(point)
        } else {
            Ok(self.geometry.first_on_block(blocks.allocate()?))
        }
    }

    /// Zeroed bytes at `offset`, behind what was gathered if they follow it.
    fn extend(&mut self, offset: u64, len: usize) -> &mut [u8] {
        self.gathered += len;
        let reusable = self.extents.last().is_some_and(|extent| extent.bytes.is_empty());
        let follows = self.extents.last().is_some_and(|extent| extent.end() == offset);
        if !reusable && !follows {
            self.extents.push(Extent { offset, bytes: Vec::new() });
        }
        let Some(extent) = self.extents.last_mut() else { return &mut [] };
        if reusable {
            extent.offset = offset;
        }
        let at = extent.bytes.len();
        extent.bytes.resize(at + len, 0);
        extent.bytes.get_mut(at..).unwrap_or_default()
    }

    fn append_record(&mut self, page: &[u8], blocks: &mut Blocks) -> Result<PageId> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        record.extend_from_slice(&[0; 3]);
        self.pager.codec_needed()?.compress(page, &mut record)?;
        let len = record.len() - 3;
        if len >= MAX_RECORD {
            return Err(Error::new(ErrorKind::Codec("a page grew beyond 131071 bytes".into())));
        }
        let mark = size_mark(len, true);
        put(&mut record, 0, &mark);
        record.extend_from_slice(&mark);
        let id = self.append_bytes(&record, blocks)?;
        self.record = record;
        Ok(id)
    }

    /// Appends bytes, going on in further blocks. Returns where the first byte is.
    fn append_bytes(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<PageId> {
        let geometry = self.geometry;
        let mut id = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = self.next_id(blocks)?;
            let block = geometry.block_of(at);
            let room = (geometry.last_on_block(block) + 1).saturating_sub(at);
            let (part, later) = rest.split_at(rest.len().min(room as usize));
            if part.is_empty() {
                return Err(Error::corrupt(
                    Place::Block(block),
                    "an append point lies behind the usable bytes",
                ));
            }
            if geometry.is_first_on_block(at) {
                let previous = self.block_of_last();
                put(self.extend(at - 4, 4), 0, &previous.to_be_bytes());
            }
            put(self.extend(at, part.len()), 0, part);
            self.reserved = 0;
            self.last = at + part.len() as u64 - 1;
            self.first = if self.first == 0 { at } else { self.first };
            self.size += part.len() as u64;
            if geometry.is_last_on_block(self.last) {
                self.reserved = blocks.allocate()?;
                let pointer = self.reserved.to_be_bytes();
                put(self.extend(self.last + 1, 4), 0, &pointer);
            }
            id = if id == 0 { at } else { id };
            rest = later;
        }
        Ok(id)
    }

    /// Bytes that fill the sector behind the last byte.
    fn padding(&self) -> Vec<u8> {
        let geometry = self.geometry;
        let sector =
            u64::from(self.pager.file().sector_size().clamp(512, 65536).next_power_of_two());
        let end = self.last + 1;
        let block_end = geometry.last_on_block(geometry.block_of(self.last)) + 1;
        let len = end.next_multiple_of(sector).min(block_end).saturating_sub(end) as usize;
        let mut out = vec![0; len];
        if len >= 6 {
            let mark = size_mark(len - 6, false);
            put(&mut out, 0, &mark);
            put(&mut out, len - 3, &mark);
        } else if len > 0 {
            put(&mut out, 0, &[len as u8]);
            put(&mut out, len - 1, &[len as u8]);
        }
        out
    }
}

impl Pager {
    /// Writes pages that no snapshot names, and drops what the cache holds of their blocks.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_at(offset, bytes).during("writing pages")?;
        let block_size = u64::from(self.geometry.block_size());
        let last = (offset + bytes.len() as u64 - 1) / block_size;
        for block in offset / block_size..=last {
            self.forget_block(u32::try_from(block + 1).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// The block that follows `block` in the chain of `run`, as stored in it.
    pub(crate) fn next_block(&self, run: &Run, block: BlockId) -> Result<BlockId> {
        let mut pointer = [0; 4];
        let offset = self.geometry.next_pointer_offset(block);
        let held = self.file.read_at(offset, &mut pointer).during("reading a block pointer")?;
        let pointer = (held == pointer.len()).then_some(u32::from_be_bytes(pointer));
        self.follow(run, block, pointer)
    }

    /// All blocks of `run`, first to last.
    pub(crate) fn blocks_of(&self, run: &Run) -> Result<Vec<BlockId>> {
        let last = self.geometry.block_of(run.segment.last);
        let mut block = self.geometry.block_of(run.segment.first);
        let mut out = vec![block];
        while block != last {
            block = self.next_block(run, block)?;
            if out.len() >= run.block_budget() {
                return Err(Error::corrupt(Place::Block(block), "blocks of a segment form a loop"));
            }
            out.push(block);
        }
        Ok(out)
    }

    /// Copies the content of a block to another, unused one.
    pub(crate) fn copy_block(&self, from: BlockId, to: BlockId) -> Result<()> {
        let size = self.geometry.block_size() as usize;
        let mut buffer = vec![0; size.min(GATHER_BYTES)];
        let mut done = 0;
        while done < size {
            let at = self.geometry.block_offset(from) + done as u64;
            let held = self.file.read_at(at, &mut buffer).during("reading a block to move")?;
            // What lies behind the end of the file is unused.
            let part = buffer.get(..held).unwrap_or_default();
            self.write(self.geometry.block_offset(to) + done as u64, part)?;
            if held < buffer.len() {
                break;
            }
            done += held;
        }
        Ok(())
    }
}

/// The three bytes before and after a record or a padding.
fn size_mark(len: usize, record: bool) -> [u8; 3] {
    let middle = (len >> 7 & 0x7F) as u8 | if record { 0x80 } else { 0 };
    [0x80 | (len >> 14) as u8, middle, 0x80 | (len & 0x7F) as u8]
}

/// Overwrites the bytes at `at` if they exist.
fn put(bytes: &mut [u8], at: usize, content: &[u8]) {
    if let Some(slot) = bytes.get_mut(at..at + content.len()) {
        slot.copy_from_slice(content);
    }
}
