//! Pages of compressed files: records between block pointers, with padding among them.
//!
//! A record is a 3-byte size, the compressed bytes and the size again, and may go on in the next
//! block at any byte. A page's id is the offset of its record. Format: docs/format.md, "Compressed
//! files".

use super::cache::Cached;
use super::{Page, Pager, Run, zeroed};
use crate::error::{Error, IoContext, Place, Result};
use crate::format::geometry::{BlockId, PageId};
use std::sync::Arc;

/// Bytes of the two sizes of a record.
const FRAME: u64 = 6;
/// Paddings in a row that are believed; each work unit leaves at most one or two.
const MAX_PADDINGS: usize = 4096;

/// What begins at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// Bytes, sizes included.
    total: u64,
    padding: bool,
}

/// Decodes the three size bytes of a record: bytes in between, and whether they are padding.
fn record_size(size: [u8; 3]) -> Option<(u64, bool)> {
    let [a, b, c] = size;
    if a & c & 0x80 == 0 {
        return None;
    }
    let bits = |byte: u8, shift: u32| u64::from(byte & 0x7F) << shift;
    let len = bits(a, 14) | bits(b, 7) | bits(c, 0);
    (len < 1 << 17).then_some((len, b & 0x80 == 0))
}

impl Pager {
    fn record_error(offset: u64, rule: &'static str) -> Error {
        Error::corrupt(Place::Page(offset), rule)
    }

    fn block_pointer(&self, offset: u64) -> Result<Option<u32>> {
        let mut bytes = [0; 4];
        let held = self.file.read_at(offset, &mut bytes).during("read a block pointer")?;
        Ok((held == bytes.len()).then_some(u32::from_be_bytes(bytes)))
    }

    fn block_after(&self, run: &Run, block: BlockId) -> Result<BlockId> {
        let pointer = self.block_pointer(self.geometry.next_pointer_offset(block))?;
        self.follow(run, block, pointer)
    }

    fn block_before(&self, run: &Run, block: BlockId) -> Result<BlockId> {
        let pointer = self.block_pointer(self.geometry.previous_pointer_offset(block))?;
        self.follow(run, block, pointer)
    }

    /// Usable bytes of the block from `offset` on; `offset` must be usable.
    fn room(&self, run: &Run, offset: u64) -> Result<u64> {
        if !self.geometry.contains(offset, run.block_count) {
            return Err(Self::record_error(offset, "record lies outside the file's blocks"));
        }
        Ok(self.geometry.last_on_block(self.geometry.block_of(offset)) + 1 - offset)
    }

    /// The usable offset that `end`, just behind a usable one, stands for.
    fn settle(&self, run: &Run, end: u64) -> Result<u64> {
        let block = self.geometry.block_of(end.saturating_sub(1));
        if end <= self.geometry.last_on_block(block) {
            return Ok(end);
        }
        Ok(self.geometry.first_on_block(self.block_after(run, block)?))
    }

    /// The offset just behind `count` bytes from `offset`, left at the end of a block if there.
    pub(super) fn behind(&self, run: &Run, mut offset: u64, mut count: u64) -> Result<u64> {
        loop {
            let room = self.room(run, offset)?;
            if count <= room {
                return Ok(offset + count);
            }
            count -= room;
            offset = self.settle(run, offset + room)?;
        }
    }

    /// The offset `count` bytes before `end`, which is just behind a usable offset or is one.
    fn before(&self, run: &Run, mut end: u64, mut count: u64) -> Result<u64> {
        loop {
            let mut block = self.geometry.block_of(end.saturating_sub(1));
            let here = self.geometry.block_of(end);
            if end <= self.geometry.first_on_block(here) {
                block = self.block_before(run, here)?;
                end = self.geometry.last_on_block(block) + 1;
            }
            let room = end.saturating_sub(self.geometry.first_on_block(block));
            if count <= room {
                return Ok(end - count);
            }
            count -= room;
            end -= room;
        }
    }

    /// Fills `out` from `offset`, going on in the following blocks.
    fn read_span(&self, run: &Run, mut offset: u64, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            let room = usize::try_from(self.room(run, offset)?).unwrap_or(usize::MAX);
            let (now, later) = out.split_at_mut(room.min(out.len()));
            let held = self.file.read_at(offset, now).during("read a page record")?;
            if held < now.len() {
                return Err(Self::record_error(offset, "record lies behind the end of the file"));
            }
            offset += now.len() as u64;
            out = later;
            if !out.is_empty() {
                offset = self.settle(run, offset)?;
            }
        }
        Ok(())
    }

    /// What begins at usable offset `offset`.
    fn record_at(&self, run: &Run, offset: u64) -> Result<Record> {
        const BAD: &str = "record size is impossible";
        let mut first = [0];
        self.read_span(run, offset, &mut first)?;
        let [first] = first;
        if first & 0x80 == 0 {
            let total = u64::from(first);
            let legal = (1..FRAME).contains(&total);
            return legal
                .then_some(Record { total, padding: true })
                .ok_or_else(|| Self::record_error(offset, BAD));
        }
        let mut size = [0; 3];
        self.read_span(run, offset, &mut size)?;
        let (len, padding) = record_size(size).ok_or_else(|| Self::record_error(offset, BAD))?;
        Ok(Record { total: len + FRAME, padding })
    }

    /// Reads and decompresses the page whose record begins at `id`.
    pub(super) fn read_record(&self, run: &Run, id: PageId) -> Result<Cached> {
        let codec = self.codec_needed()?;
        let page_size = self.geometry.page_size() as usize;
        // Most records are shorter than a page: one read usually gets all and what follows.
        let room = usize::try_from(self.room(run, id)?).unwrap_or(usize::MAX);
        let mut window = vec![0; page_size.min(room)];
        let held = self.file.read_at(id, &mut window).during("read a page record")?;
        window.truncate(held);
        let size = match window.first_chunk::<3>() {
            Some(size) => *size,
            None => {
                let mut size = [0; 3];
                self.read_span(run, id, &mut size)?;
                size
            }
        };
        let (len, padding) = record_size(size)
            .ok_or_else(|| Self::record_error(id, "no record begins at this page id"))?;
        if padding {
            return Err(Self::record_error(id, "page id names padding"));
        }
        if len > codec.bound(page_size) as u64 {
            return Err(Self::record_error(id, "record is longer than the codec can make it"));
        }
        let total = (len + FRAME) as usize;
        let follows = window.get(total..).and_then(|rest| rest.first_chunk::<3>());
        let record_follows =
            follows.is_some_and(|size| record_size(*size).is_some_and(|(_, padding)| !padding));
        if window.len() < total {
            window.resize(total, 0);
            self.read_span(run, id, &mut window)?;
        }
        window.truncate(total);
        let (body, trailer) = window.split_at(total.saturating_sub(3));
        if trailer != size {
            return Err(Self::record_error(id, "sizes before and behind a record differ"));
        }
        let mut buffer = zeroed(page_size);
        let page = Arc::get_mut(&mut buffer).unwrap_or_default();
        codec.decompress(body.get(3..).unwrap_or_default(), page).map_err(|_| {
            Self::record_error(id, "record does not decompress to exactly one page")
        })?;
        Ok(Cached { buffer, record_len: total as u64, record_follows })
    }

    /// The page behind `page`.
    pub(super) fn next_record(&self, run: &Run, page: &Page) -> Result<Option<PageId>> {
        let end = page.record_end();
        if end != run.segment.last.wrapping_add(1) && page.record_follows() {
            return Ok(Some(end));
        }
        self.record_from(run, end)
    }

    /// The page behind the record at `id`, whose content is damaged.
    pub(super) fn next_record_unread(&self, run: &Run, id: PageId) -> Result<Option<PageId>> {
        let record = self.record_at(run, id)?;
        self.record_from(run, self.behind(run, id, record.total)?)
    }

    /// The page whose record begins at `end` or behind the padding there; `None` if the segment
    /// ends.
    fn record_from(&self, run: &Run, mut end: u64) -> Result<Option<PageId>> {
        let last = run.segment.last;
        if end == last.wrapping_add(1) {
            return Ok(None);
        }
        for _ in 0..MAX_PADDINGS {
            let at = self.settle(run, end)?;
            let record = self.record_at(run, at)?;
            if !record.padding {
                return Ok(Some(at));
            }
            end = self.behind(run, at, record.total)?;
            if end == last.wrapping_add(1) {
                return Ok(None);
            }
        }
        Err(Self::record_error(end, "padding does not end"))
    }

    /// The page whose record ends just before `end`, padding left out; `None` if the segment begins
    /// there.
    pub(super) fn record_before(&self, run: &Run, mut end: u64) -> Result<Option<PageId>> {
        for _ in 0..MAX_PADDINGS {
            if end == run.segment.first {
                return Ok(None);
            }
            let mut last = [0];
            self.read_span(run, self.before(run, end, 1)?, &mut last)?;
            let [last] = last;
            if last & 0x80 == 0 {
                let short = u64::from(last);
                if !(1..FRAME).contains(&short) {
                    return Err(Self::record_error(end, "padding size is impossible"));
                }
                end = self.before(run, end, short)?;
                continue;
            }
            let mut size = [0; 3];
            self.read_span(run, self.before(run, end, 3)?, &mut size)?;
            let (len, padding) = record_size(size)
                .ok_or_else(|| Self::record_error(end, "record size is impossible"))?;
            end = self.before(run, end, len + FRAME)?;
            if !padding {
                return Ok(Some(end));
            }
        }
        Err(Self::record_error(end, "padding does not end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_decode_as_annotated() {
        assert_eq!(record_size([0x80, 0x84, 0xEC]), Some((0x26C, false)));
        assert_eq!(record_size([0x80, 0x04, 0xEC]), Some((0x26C, true)));
        assert_eq!(record_size([0x80, 0x84, 0x6C]), None);
        assert_eq!(record_size([0xFF, 0xFF, 0xFF]), None);
    }
}
