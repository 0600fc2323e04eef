//! The b-tree of a segment while it grows: its right edge, from leaf to root.
//!
//! A key lives in exactly one node. A full node is written and the key goes one level up. Nodes are
//! filled as if every page had 4 bytes less than it has, their first cell stands at offset 3 and
//! the last cell is physically the last, so that C lsm1 can take the edge over.
//! Format: docs/format.md, "Writing a segment".

use crate::error::{Error, Place, Result};
use crate::format::geometry::PageId;
use crate::format::key::KeyRef;
use crate::format::page::{BtreeCell, BtreeKey, FOOTER_BYTES, Footer, PageFlags};
use crate::format::varint;
use crate::freelist::Blocks;
use crate::pager::writer::PageWriter;

/// Where the first cell of a node stands.
const FIRST_CELL: usize = 3;

/// A node of the right edge.
#[derive(Debug)]
struct Node {
    content: Vec<u8>,
    offsets: Vec<u16>,
    pointer: PageId,
}

impl Node {
    fn new() -> Self {
        Node { content: vec![0; FIRST_CELL], offsets: Vec::new(), pointer: 0 }
    }

    fn clear(&mut self) {
        self.content.truncate(FIRST_CELL);
        self.offsets.clear();
    }

    /// Whether a cell of `len` bytes fits a page of `capacity` bytes.
    fn fits(&self, len: usize, capacity: usize) -> bool {
        self.content.len() + len + FOOTER_BYTES + 2 * (self.offsets.len() + 1) <= capacity
    }

    fn add(&mut self, kind: u8, child: PageId, tail: &[u8]) {
        self.offsets.push(self.content.len() as u16);
        self.content.push(kind);
        varint::push(&mut self.content, child);
        self.content.extend_from_slice(tail);
    }

    fn write(&self, pages: &mut PageWriter<'_>, blocks: &mut Blocks) -> Result<PageId> {
        let open = pages.open_page(blocks)?;
        let mut image = vec![0; open.usable];
        if let Some(start) = image.get_mut(..self.content.len()) {
            start.copy_from_slice(&self.content);
        }
        finish_page(&mut image, &self.offsets, PageFlags::BTREE, self.pointer);
        pages.close_page(open, &image, blocks)
    }
}

/// Writes cell offsets and footer into the usable bytes of a page.
fn finish_page(image: &mut [u8], offsets: &[u16], flags: PageFlags, pointer: u64) {
    for (index, offset) in offsets.iter().enumerate() {
        super::segment_writer::put_offset(image, index, *offset);
    }
    super::segment_writer::put_footer(image, offsets.len(), flags, pointer);
}

/// The type and the bytes behind the child of a cell.
fn cell_tail(key: BtreeKey<'_>, tail: &mut Vec<u8>) -> u8 {
    tail.clear();
    match key {
        BtreeKey::Indirect(page) => {
            varint::push(tail, page);
            0
        }
        BtreeKey::Direct(key) => {
            varint::push(tail, key.bytes.len() as u64);
            tail.extend_from_slice(key.bytes);
            if key.system { 0x30 } else { 0x10 }
        }
    }
}

/// The right edge of a growing b-tree.
#[derive(Debug)]
pub(crate) struct BtreeWriter {
    page_size: usize,
    capacity: usize,
    /// Leaf first.
    nodes: Vec<Node>,
    /// Child of a cell whose long key stands on `pushed_page`, which had no id when it was pushed.
    waiting: Option<PageId>,
    /// The page whose first key was pushed last; at the beginning the segment's first page.
    pub(crate) pushed_page: PageId,
    tail: Vec<u8>,
}

impl BtreeWriter {
    /// No b-tree yet.
    pub(crate) fn new(page_size: u32) -> Self {
        let page_size = page_size as usize;
        BtreeWriter {
            page_size,
            capacity: page_size - 4,
            nodes: Vec::new(),
            waiting: None,
            pushed_page: 0,
            tail: Vec::new(),
        }
    }

    /// Takes over the edge of an unfinished segment: `usable` bytes of its nodes, root first. The
    /// rightmost leaf leads to the page pushed last.
    pub(crate) fn resume<'p>(
        page_size: u32,
        edge: impl IntoIterator<Item = (PageId, &'p [u8])>,
        first_page: PageId,
    ) -> Result<Self> {
        let mut writer = BtreeWriter::new(page_size);
        writer.pushed_page = first_page;
        for (id, usable) in edge {
            let broken = |rule| Error::corrupt(Place::Page(id), rule);
            let footer = Footer::parse(usable).map_err(broken)?;
            let mut node = Node::new();
            for index in 0..footer.cell_count {
                let cell = BtreeCell::decode(usable, &footer, index).map_err(broken)?;
                let kind = cell_tail(cell.key, &mut writer.tail);
                node.add(kind, cell.child, &writer.tail);
            }
            if node.content.len() + FOOTER_BYTES + 2 * node.offsets.len() > usable.len() {
                return Err(broken("b-tree node is too full to be continued"));
            }
            writer.pushed_page = footer.pointer;
            writer.nodes.insert(0, node);
        }
        Ok(writer)
    }

    /// Whether the segment has a b-tree.
    pub(crate) fn exists(&self) -> bool {
        !self.nodes.is_empty() || self.waiting.is_some()
    }

    /// Enters the first key of a page that is just being begun. The caller sets `pushed_page` once
    /// that page has an id.
    pub(crate) fn push(
        &mut self,
        key: KeyRef<'_>,
        pages: &mut PageWriter<'_>,
        blocks: &mut Blocks,
    ) -> Result<()> {
        self.settle(pages, blocks)?;
        if key.bytes.len() * 4 > self.page_size {
            self.waiting = Some(self.pushed_page);
            return Ok(());
        }
        self.insert(BtreeKey::Direct(key), self.pushed_page, pages, blocks)
    }

    /// Writes the whole edge, leaf first. Returns the root; 0 if there is no b-tree.
    pub(crate) fn close(
        &mut self,
        pages: &mut PageWriter<'_>,
        blocks: &mut Blocks,
    ) -> Result<PageId> {
        self.settle(pages, blocks)?;
        let mut child = self.pushed_page;
        for node in &mut self.nodes {
            node.pointer = child;
            child = node.write(pages, blocks)?;
        }
        Ok(if self.nodes.is_empty() { 0 } else { child })
    }

    /// Enters a long key, now that its page has an id.
    fn settle(&mut self, pages: &mut PageWriter<'_>, blocks: &mut Blocks) -> Result<()> {
        match self.waiting.take() {
            Some(child) => self.insert(BtreeKey::Indirect(self.pushed_page), child, pages, blocks),
            None => Ok(()),
        }
    }

    fn insert(
        &mut self,
        key: BtreeKey<'_>,
        child: PageId,
        pages: &mut PageWriter<'_>,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let kind = cell_tail(key, &mut self.tail);
        let mut child = child;
        for node in &mut self.nodes {
            let len = 1 + varint::len(child) + self.tail.len();
            if node.fits(len, self.capacity) {
                node.add(kind, child, &self.tail);
                return Ok(());
            }
            node.pointer = child;
            child = node.write(pages, blocks)?;
            node.clear();
        }
        let mut root = Node::new();
        root.add(kind, child, &self.tail);
        self.nodes.push(root);
        Ok(())
    }
}
