//! Builds small database files out of chosen segments: pages, pointers, b-trees, unfinished merges.

use crate::format::checkpoint::{CellPosition, Checkpoint, Level, Merge, Segment};
use crate::format::page::{DataCell, EntryFlags, Footer};
use crate::format::varint;
use std::sync::Arc;

pub(super) const PAGE: usize = 512;
const BLOCK: usize = 65536;
const FIRST_PAGE: u64 = 17;

/// One entry; user keys only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) flags: EntryFlags,
    pub(super) value: Vec<u8>,
    pub(super) pointer: u64,
}

/// A segment as written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) segment: Segment,
    /// Position of each entry, in order.
    pub(super) positions: Vec<CellPosition>,
    /// First key and number of each data page that starts one.
    pub(super) pages: Vec<(Vec<u8>, u64)>,
}

/// The file being made.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pages: Vec<Vec<u8>>,
}

impl Builder {
    fn push(&mut self, content: &[Vec<u8>], pointer: u64, flags: u16) -> u64 {
        let number = FIRST_PAGE + self.pages.len() as u64;
        let is_first = number == FIRST_PAGE || number % 128 == 1;
        let usable = if is_first || number.is_multiple_of(128) { PAGE - 4 } else { PAGE };
        let mut page = vec![0; usable];
        let mut at = 0;
        for (index, cell) in content.iter().enumerate() {
            page[at..at + cell.len()].copy_from_slice(cell);
            let slot = usable - 14 - 2 * index;
            assert!(at + cell.len() <= slot, "page is too full");
            page[slot..slot + 2].copy_from_slice(&(at as u16).to_be_bytes());
            at += cell.len();
        }
        page[usable - 12..usable - 4].copy_from_slice(&pointer.to_be_bytes());
        page[usable - 4..usable - 2].copy_from_slice(&flags.to_be_bytes());
        page[usable - 2..].copy_from_slice(&(content.len() as u16).to_be_bytes());
        let block = (number as u32 - 1) / 128 + 1;
        if is_first {
            page.splice(0..0, (block - 1).to_be_bytes());
        } else if number.is_multiple_of(128) {
            page.extend((block + 1).to_be_bytes());
        }
        self.pages.push(page);
        number
    }

    /// Writes a segment, starting a new page where `breaks` says so.
    pub(super) fn segment(
        &mut self,
        entries: &[Entry],
        with_btree: bool,
        mut breaks: impl FnMut() -> bool,
    ) -> Written {
        let first = FIRST_PAGE + self.pages.len() as u64;
        let mut groups: Vec<Vec<&Entry>> = Vec::new();
        for entry in entries {
            let full = groups.last().is_none_or(|group| group.len() >= 6);
            if full || breaks() {
                groups.push(Vec::new());
            }
            groups.last_mut().unwrap().push(entry);
        }
        let (mut positions, mut pages, mut last_pointer) = (Vec::new(), Vec::new(), 0);
        for group in &groups {
            let base: u64 = last_pointer;
            let cells: Vec<_> = group
                .iter()
                .map(|entry| {
                    let mut cell = vec![entry.flags.0];
                    varint::push(&mut cell, entry.pointer.wrapping_sub(base));
                    varint::push(&mut cell, entry.key.len() as u64);
                    if entry.flags.contains(EntryFlags::INSERT) {
                        varint::push(&mut cell, entry.value.len() as u64);
                    }
                    cell.extend(&entry.key);
                    cell.extend(&entry.value);
                    last_pointer = entry.pointer;
                    cell
                })
                .collect();
            let page = self.push(&cells, base, 0);
            pages.push((group[0].key.clone(), page));
            for cell in 0..cells.len() as u32 {
                positions.push(CellPosition { page, cell });
            }
        }
        let root = if with_btree && pages.len() > 1 { self.btree(&pages) } else { 0 };
        let last = FIRST_PAGE + self.pages.len() as u64 - 1;
        let segment = Segment { first, last, root, size: last - first + 1 };
        Written { segment, positions, pages }
    }

    /// Nodes of at most three keys, bottom up; keys between nodes move up.
    fn btree(&mut self, pages: &[(Vec<u8>, u64)]) -> u64 {
        let mut children: Vec<(Vec<u8>, u64)> = pages.to_vec();
        while children.len() > 1 {
            let mut above = Vec::new();
            for group in children.chunks(4) {
                let (_, last) = group.last().unwrap();
                let cells: Vec<_> = group
                    .windows(2)
                    .map(|pair| {
                        let mut cell = vec![EntryFlags::SEPARATOR.0];
                        varint::push(&mut cell, pair[0].1);
                        varint::push(&mut cell, pair[1].0.len() as u64);
                        cell.extend(&pair[1].0);
                        cell
                    })
                    .collect();
                above.push((group[0].0.clone(), self.push(&cells, *last, 1)));
            }
            children = above;
        }
        children[0].1
    }

    /// The key of a cell.
    pub(super) fn key(&self, at: CellPosition) -> Option<Vec<u8>> {
        let page = self.pages.get(at.page.checked_sub(FIRST_PAGE)? as usize)?;
        let lead = if at.page == FIRST_PAGE || at.page % 128 == 1 { 4 } else { 0 };
        let usable = &page[lead..if at.page.is_multiple_of(128) { PAGE - 4 } else { PAGE }];
        let footer = Footer::parse(usable).ok()?;
        let cell = DataCell::decode(usable, &footer, at.cell as usize).ok()?;
        usable.get(cell.body..cell.body + cell.key_len).map(<[u8]>::to_vec)
    }

    /// Makes pages before `keep` unreadable, as if given up and used for something else.
    pub(super) fn scribble(&mut self, segment: &mut Segment, keep: u64) {
        for number in segment.first..keep {
            self.pages[(number - FIRST_PAGE) as usize] = vec![0xA5; PAGE];
        }
        segment.first = keep;
    }

    /// The finished file.
    pub(super) fn finish(self, levels: Vec<Level>) -> Arc<Vec<u8>> {
        let mut bytes = vec![0; (FIRST_PAGE as usize - 1) * PAGE];
        for page in &self.pages {
            bytes.extend(page);
        }
        let mut checkpoint = Checkpoint::empty(PAGE as u32, BLOCK as u32);
        checkpoint.compression = 1;
        checkpoint.block_count = bytes.len().div_ceil(BLOCK) as u32 + 1;
        checkpoint.levels = levels;
        let words = checkpoint.encode().unwrap();
        for (slot, word) in bytes.chunks_exact_mut(4).zip(&words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        Arc::new(bytes)
    }
}

/// What a level of a test consists of.
pub(super) fn merging_level(
    left: Segment,
    rights: Vec<Segment>,
    inputs: Vec<CellPosition>,
    split: CellPosition,
) -> Level {
    let merge = Merge { inputs, skip: 0, split, current_pointer: 0 };
    Level { age: 1, freelist_only: false, left, right: rights, merge: Some(merge) }
}
