//! A page in memory: its usable bytes, borrowed from a map of the file or from a cached buffer.
//!
//! The footer is checked when the page is loaded, cells when they are decoded. A page of a snapshot
//! never changes, so a `Page` may be kept and shared as long as its snapshot is protected. Format:
//! docs/format.md, "Pages and cells".

use crate::env::FileMap;
use crate::error::{Error, Place, Result};
use crate::format::geometry::PageId;
use crate::format::page::{BtreeCell, DataCell, Footer, PageFlags, Rule};
use std::sync::Arc;

/// Who holds the bytes.
#[derive(Clone, Debug, Default)]
enum Backing {
    #[default]
    Nothing,
    Map(Arc<dyn FileMap>),
    Buffer(Arc<[u8]>),
}

/// A loaded page; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    id: PageId,
    backing: Backing,
    start: usize,
    len: usize,
    footer: Footer,
    /// Compressed files: offset just behind the page's record, and whether a record that is no
    /// padding is known to begin there.
    end: u64,
    record_follows: bool,
}

impl Page {
    /// Where the page really is: its number, or in compressed files its byte offset. 0 = none.
    #[inline]
    pub(crate) fn id(&self) -> PageId {
        self.id
    }

    /// The usable bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.slice(self.start, self.len)
    }

    /// `len` usable bytes from `start`; empty if they are not all on the page.
    #[inline]
    pub(crate) fn part(&self, start: usize, len: usize) -> &[u8] {
        if start.saturating_add(len) > self.len {
            return &[];
        }
        self.slice(self.start + start, len)
    }

    #[inline]
    fn slice(&self, start: usize, len: usize) -> &[u8] {
        let all = match &self.backing {
            Backing::Map(map) => map.bytes(),
            Backing::Buffer(buffer) => buffer,
            Backing::Nothing => &[],
        };
        all.get(start..start + len).unwrap_or_default()
    }

    /// The footer.
    #[inline]
    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The page's flags.
    #[inline]
    pub(crate) fn flags(&self) -> PageFlags {
        self.footer.flags
    }

    /// Whether this is a b-tree node.
    #[inline]
    pub(crate) fn is_btree(&self) -> bool {
        self.footer.is_btree()
    }

    /// Cells that start on this page.
    #[inline]
    pub(crate) fn cell_count(&self) -> usize {
        self.footer.cell_count
    }

    /// Header of data cell `index`.
    #[inline]
    pub(crate) fn data_cell(&self, index: usize) -> Result<DataCell> {
        DataCell::decode(self.bytes(), &self.footer, index).map_err(|rule| self.broken(rule))
    }

    /// B-tree cell `index`.
    #[inline]
    pub(crate) fn btree_cell(&self, index: usize) -> Result<BtreeCell<'_>> {
        BtreeCell::decode(self.bytes(), &self.footer, index).map_err(|rule| self.broken(rule))
    }

    /// Child `index` of a b-tree page, as named in it: left of cell `index`, or right of the last.
    #[inline]
    pub(crate) fn btree_child(&self, index: usize) -> Result<PageId> {
        if index >= self.footer.cell_count {
            return Ok(self.footer.pointer);
        }
        Ok(self.btree_cell(index)?.child)
    }

    /// The damage of this page.
    #[cold]
    pub(crate) fn broken(&self, rule: Rule) -> Error {
        Error::corrupt(Place::Page(self.id), rule)
    }

    /// Offset just behind the record of a compressed page.
    #[inline]
    pub(super) fn record_end(&self) -> u64 {
        self.end
    }

    /// Whether the next record is known to begin right there.
    #[inline]
    pub(super) fn record_follows(&self) -> bool {
        self.record_follows
    }

    /// The pointer in front of the usable bytes of a block's first page.
    pub(super) fn previous_pointer(&self) -> Option<u32> {
        let bytes = self.slice(self.start.checked_sub(4)?, 4);
        bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The pointer behind the usable bytes of a block's last page.
    pub(super) fn next_pointer(&self) -> Option<u32> {
        let bytes = self.slice(self.start + self.len, 4);
        bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Turns to a page inside `map`, whose usable bytes are these, from `start` on.
    #[inline]
    pub(super) fn turn_to_mapped(
        &mut self,
        map: &Arc<dyn FileMap>,
        id: PageId,
        start: usize,
        usable: &[u8],
    ) -> Result<()> {
        self.footer = match Footer::parse(usable) {
            Ok(footer) => footer,
            Err(rule) => {
                *self = Page::default();
                return Err(Error::corrupt(Place::Page(id), rule));
            }
        };
        // Turning the pages of one map costs no reference counting.
        if !matches!(&self.backing, Backing::Map(held) if Arc::ptr_eq(held, map)) {
            self.backing = Backing::Map(Arc::clone(map));
        }
        (self.id, self.start, self.len) = (id, start, usable.len());
        (self.end, self.record_follows) = (0, false);
        Ok(())
    }

    /// A page in a buffer that holds it from its first byte.
    pub(super) fn in_buffer(
        id: PageId,
        buffer: Arc<[u8]>,
        (start, len): (usize, usize),
        end: u64,
        record_follows: bool,
    ) -> Result<Page> {
        let usable = buffer.get(start..start + len).unwrap_or_default();
        let footer = Footer::parse(usable).map_err(|rule| Error::corrupt(Place::Page(id), rule))?;
        let backing = Backing::Buffer(buffer);
        Ok(Page { id, backing, start, len, footer, end, record_follows })
    }
}
