//! Where pages and blocks are, for plain and for compressed files.
//!
//! Plain: page N is bytes `(N-1)*P .. N*P`, block b is bytes `(b-1)*B .. b*B`, the first page of a
//! block begins with a 4-byte previous-block pointer and the last ends with a 4-byte next-block
//! pointer. Compressed: a page id is the byte offset of its record, blocks carry the same two
//! pointers as their first and last 4 bytes. Format: docs/format.md, "Geometry".

use crate::error::{Error, Place, Result};

/// Identity of a page: its number in plain files, its byte offset in compressed ones. 0 = none.
pub type PageId = u64;
/// Number of a block, from 1. 0 = none.
pub type BlockId = u32;

/// Bytes of a meta page.
pub const META_PAGE_BYTES: u64 = 4096;
/// Bytes of a meta page that are read and written; the lock bytes follow.
pub const META_PAGE_USED: usize = 4096 - 30;
/// Where blocks begin to hold pages: behind the two meta pages.
pub const DATA_START: u64 = 2 * META_PAGE_BYTES;
/// Smallest page size.
pub const MIN_PAGE_SIZE: u32 = 256;
/// Largest page size.
pub const MAX_PAGE_SIZE: u32 = 65536;
/// Smallest block size.
pub const MIN_BLOCK_SIZE: u32 = 65536;
/// Largest block size.
pub const MAX_BLOCK_SIZE: u32 = 64 << 20;
/// Fewest pages a block may have: C lsm1 fails below.
pub const MIN_PAGES_PER_BLOCK: u32 = 4;

/// Page size, block size and whether pages are compressed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    page_size: u32,
    block_size: u32,
    compressed: bool,
}

impl Geometry {
    /// Checks the sizes against the rules of the format.
    ///
    /// # Errors
    /// `Corrupt` naming the broken rule (callers with user input report their own error).
    pub fn new(page_size: u32, block_size: u32, compressed: bool) -> Result<Self> {
        let broken = |rule: String| Err(Error::corrupt(Place::Checkpoint, rule));
        if !page_size.is_power_of_two() || !(MIN_PAGE_SIZE..=MAX_PAGE_SIZE).contains(&page_size) {
            return broken(format!("page size {page_size} is not a power of two 256..65536"));
        }
        if !block_size.is_power_of_two() || !(MIN_BLOCK_SIZE..=MAX_BLOCK_SIZE).contains(&block_size)
        {
            return broken(format!("block size {block_size} is not a power of two 64 KiB..64 MiB"));
        }
        if block_size / page_size < MIN_PAGES_PER_BLOCK {
            return broken(format!(
                "block size {block_size} holds fewer than 4 pages of {page_size}"
            ));
        }
        Ok(Geometry { page_size, block_size, compressed })
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Whether page ids are byte offsets of compressed records.
    #[must_use]
    pub fn compressed(&self) -> bool {
        self.compressed
    }

    /// Ids per block: pages in plain files, bytes in compressed ones.
    #[must_use]
    pub fn ids_per_block(&self) -> u64 {
        if self.compressed {
            u64::from(self.block_size)
        } else {
            u64::from(self.block_size / self.page_size)
        }
    }

    /// The block that holds page `id`.
    #[must_use]
    pub fn block_of(&self, id: PageId) -> BlockId {
        let block = if self.compressed {
            id / u64::from(self.block_size) + 1
        } else {
            id.saturating_sub(1) / self.ids_per_block() + 1
        };
        u32::try_from(block).unwrap_or(u32::MAX)
    }

    /// First usable id of `block`: a page number, or the offset of the first byte behind the
    /// previous-block pointer.
    #[must_use]
    pub fn first_on_block(&self, block: BlockId) -> PageId {
        let before = u64::from(block.saturating_sub(1));
        match (self.compressed, block) {
            (true, 0 | 1) => DATA_START + 4,
            (true, _) => before * u64::from(self.block_size) + 4,
            (false, 0 | 1) => 1 + DATA_START.div_ceil(u64::from(self.page_size)),
            (false, _) => 1 + before * self.ids_per_block(),
        }
    }

    /// Last usable id of `block`: a page number, or the offset of the last byte before the
    /// next-block pointer.
    #[must_use]
    pub fn last_on_block(&self, block: BlockId) -> PageId {
        if self.compressed {
            u64::from(block) * u64::from(self.block_size) - 5
        } else {
            u64::from(block) * self.ids_per_block()
        }
    }

    /// Whether page `id` is the first of its block.
    #[must_use]
    pub fn is_first_on_block(&self, id: PageId) -> bool {
        id == self.first_on_block(self.block_of(id))
    }

    /// Whether page `id` is the last of its block.
    #[must_use]
    pub fn is_last_on_block(&self, id: PageId) -> bool {
        id == self.last_on_block(self.block_of(id))
    }

    /// Byte offset of a plain page in the file.
    #[must_use]
    pub fn page_offset(&self, id: PageId) -> u64 {
        id.saturating_sub(1) * u64::from(self.page_size)
    }

    /// Byte offset of the first byte of a block.
    #[must_use]
    pub fn block_offset(&self, block: BlockId) -> u64 {
        u64::from(block.saturating_sub(1)) * u64::from(self.block_size)
    }

    /// Byte offset of a block's previous-block pointer. In block 1 it stands behind the meta pages.
    #[must_use]
    pub fn previous_pointer_offset(&self, block: BlockId) -> u64 {
        if self.compressed {
            self.first_on_block(block) - 4
        } else {
            self.page_offset(self.first_on_block(block))
        }
    }

    /// Byte offset of a block's next-block pointer.
    #[must_use]
    pub fn next_pointer_offset(&self, block: BlockId) -> u64 {
        u64::from(block) * u64::from(self.block_size) - 4
    }

    /// Where the usable bytes of page `id` begin within the page, and how many there are.
    /// Compressed pages are all usable.
    #[must_use]
    pub fn usable(&self, id: PageId) -> (usize, usize) {
        let size = self.page_size as usize;
        if self.compressed {
            (0, size)
        } else if self.is_first_on_block(id) {
            (4, size - 4)
        } else if self.is_last_on_block(id) {
            (0, size - 4)
        } else {
            (0, size)
        }
    }

    /// Whether `id` can name a page (or an offset) inside blocks `1..=block_count`.
    #[must_use]
    pub fn contains(&self, id: PageId, block_count: u32) -> bool {
        let block = self.block_of(id);
        id >= self.first_on_block(1)
            && block <= block_count
            && id >= self.first_on_block(block)
            && id <= self.last_on_block(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_positions_follow_the_format() {
        for (page_size, first) in [(4096, 3), (512, 17), (256, 33), (8192, 2), (16384, 2)] {
            let g = Geometry::new(page_size, 1 << 20, false).unwrap();
            assert_eq!(g.first_on_block(1), first);
            assert!(g.is_first_on_block(first));
            let per_block = g.ids_per_block();
            assert_eq!(g.last_on_block(1), per_block);
            assert_eq!(g.first_on_block(2), per_block + 1);
            assert_eq!(g.block_of(per_block), 1);
            assert_eq!(g.block_of(per_block + 1), 2);
            assert_eq!(g.usable(first), (4, page_size as usize - 4));
            assert_eq!(g.usable(per_block), (0, page_size as usize - 4));
        }
    }

    #[test]
    fn compressed_positions_follow_the_format() {
        let g = Geometry::new(1024, 65536, true).unwrap();
        assert_eq!(g.first_on_block(1), 8196);
        assert_eq!(g.last_on_block(1), 65531);
        assert_eq!(g.first_on_block(2), 65540);
        assert_eq!(g.block_of(65540), 2);
        assert_eq!(g.previous_pointer_offset(1), 8192);
        assert_eq!(g.next_pointer_offset(1), 65532);
        assert!(!g.contains(65533, 2));
    }

    #[test]
    fn too_few_pages_per_block_are_refused() {
        assert!(Geometry::new(65536, 65536, false).is_err());
        assert!(Geometry::new(32768, 65536, false).is_err());
        assert!(Geometry::new(16384, 65536, false).is_ok());
        assert!(Geometry::new(0, 65536, false).is_err());
    }
}
