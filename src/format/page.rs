//! Pages: the footer, the cell offsets, data cells and b-tree cells.
//!
//! Everything here works on the *usable* bytes of a page (block pointers left out) and trusts
//! nothing: a broken rule comes back as its text, and the pager adds the page. Cells are checked
//! when they are decoded, not when the page is loaded. Format: docs/format.md, "Pages and cells".

use super::geometry::PageId;
use super::key::KeyRef;
use super::varint;

/// The rule of the format that some bytes break.
pub type Rule = &'static str;

/// Bytes of a footer without the cell offsets.
pub const FOOTER_BYTES: usize = 12;
/// Most cells that can start on a page.
pub const MAX_CELLS: usize = (1 << 15) - 1;

/// Flags of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFlags(pub u16);

impl PageFlags {
    /// A b-tree node rather than a data page.
    pub const BTREE: PageFlags = PageFlags(1);
    /// The first key of the next data page is not in the b-tree.
    pub const SKIP_NEXT: PageFlags = PageFlags(2);
    /// The first key of this data page is not in the b-tree.
    pub const SKIP_THIS: PageFlags = PageFlags(4);
    const KNOWN: u16 = 7;

    /// Whether all flags of `other` are set.
    #[must_use]
    #[inline]
    pub fn contains(self, other: PageFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: PageFlags) -> Self {
        PageFlags(self.0 | other.0)
    }
}

/// What an entry is: a combination of the bits below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryFlags(pub u8);

impl EntryFlags {
    /// Nothing.
    pub const NONE: EntryFlags = EntryFlags(0);
    /// Older keys strictly greater, up to the next entry, are deleted.
    pub const START_DELETE: EntryFlags = EntryFlags(0x01);
    /// Older keys strictly smaller, down to the previous entry, are deleted.
    pub const END_DELETE: EntryFlags = EntryFlags(0x02);
    /// The key is deleted here and below.
    pub const POINT_DELETE: EntryFlags = EntryFlags(0x04);
    /// The key has a value.
    pub const INSERT: EntryFlags = EntryFlags(0x08);
    /// Carries a pointer into the next older segment only.
    pub const SEPARATOR: EntryFlags = EntryFlags(0x10);
    /// A key of the engine itself.
    pub const SYSTEM: EntryFlags = EntryFlags(0x20);
    /// Both ends of ranges.
    pub const RANGE: EntryFlags = EntryFlags(0x03);
    /// What decides about its own key.
    pub const DECISIVE: EntryFlags = EntryFlags(0x0C);
    /// An in-memory bit that C lsm1 leaks to disk; it means nothing there.
    const LEAKED: u8 = 0x40;

    /// Whether all bits of `other` are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: EntryFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    #[inline]
    pub const fn intersects(self, other: EntryFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    #[inline]
    pub const fn union(self, other: EntryFlags) -> Self {
        EntryFlags(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    #[inline]
    pub const fn without(self, other: EntryFlags) -> Self {
        EntryFlags(self.0 & !other.0)
    }

    /// Whether the key belongs to the engine.
    #[must_use]
    #[inline]
    pub const fn is_system(self) -> bool {
        self.intersects(EntryFlags::SYSTEM)
    }

    /// Whether the entry carries a pointer and says nothing about any key.
    #[must_use]
    #[inline]
    pub const fn is_pure_separator(self) -> bool {
        self.0 & 0x0F == 0
    }

    /// The flags stored in the first byte of a data cell.
    ///
    /// # Errors
    /// The rule that an impossible combination breaks.
    #[inline]
    pub fn from_cell(byte: u8) -> Result<Self, Rule> {
        let flags = EntryFlags(byte & !Self::LEAKED);
        let separator_with_data =
            flags.contains(Self::SEPARATOR) && flags.intersects(Self::DECISIVE);
        if flags.0 & 0x80 != 0 || flags.0 & 0x1F == 0 {
            return Err("cell type is unknown");
        }
        if separator_with_data || flags.contains(Self::DECISIVE) {
            return Err("cell type is contradictory");
        }
        Ok(flags)
    }
}

/// The end of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Cells that start on this page.
    pub cell_count: usize,
    /// Flags of the page.
    pub flags: PageFlags,
    /// Data page: base of the cells' pointers. B-tree page: the child with the greatest keys.
    pub pointer: u64,
    /// Where cell content ends.
    pub content_end: usize,
}

impl Footer {
    /// Reads the footer of a page with these usable bytes.
    ///
    /// # Errors
    /// The broken rule.
    #[inline]
    pub fn parse(usable: &[u8]) -> Result<Self, Rule> {
        let Some(tail) = usable.last_chunk::<FOOTER_BYTES>() else {
            return Err("page is too short for a footer");
        };
        let [a, b, c, d, e, f, g, h, flags_high, flags_low, count_high, count_low] = *tail;
        let cell_count = usize::from(u16::from_be_bytes([count_high, count_low]));
        let flags = u16::from_be_bytes([flags_high, flags_low]);
        if flags & !PageFlags::KNOWN != 0 {
            return Err("unknown page flags");
        }
        let content_end = content_end(usable.len(), cell_count);
        let (Some(content_end), true) = (content_end, cell_count <= MAX_CELLS) else {
            return Err("cell count is too large for the page");
        };
        Ok(Footer {
            cell_count,
            flags: PageFlags(flags),
            pointer: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            content_end,
        })
    }

    /// Whether the page is a b-tree node.
    #[must_use]
    #[inline]
    pub fn is_btree(&self) -> bool {
        self.flags.contains(PageFlags::BTREE)
    }

    /// The offset of cell `index`.
    ///
    /// # Errors
    /// The broken rule.
    #[inline]
    pub fn cell_offset(&self, usable: &[u8], index: usize) -> Result<usize, Rule> {
        if index >= self.cell_count {
            return Err("cell index is beyond the page's cells");
        }
        let at = usable.len().wrapping_sub(FOOTER_BYTES + 2 + 2 * index);
        let Some(&[high, low]) = usable.get(at..).and_then(|tail| tail.first_chunk::<2>()) else {
            return Err("cell offset lies outside the page");
        };
        let offset = usize::from(u16::from_be_bytes([high, low]));
        if offset >= self.content_end {
            return Err("cell offset lies behind the content");
        }
        Ok(offset)
    }

    /// What follows the start of cell `index`, up to the content's end.
    #[inline]
    fn cell_content<'a>(&self, usable: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let at = usable.len().checked_sub(FOOTER_BYTES + 2 + 2 * index)?;
        let offset = u16::from_be_bytes(*usable.get(at..)?.first_chunk()?);
        usable.get(usize::from(offset)..self.content_end)
    }

    /// The key of data cell `index`, found with as little work as a search can do with: `None` if
    /// it is not all on this page or cannot be read. Only [`DataCell::decode`] checks the cell.
    #[must_use]
    #[inline]
    pub fn data_key<'a>(&self, usable: &'a [u8], index: usize) -> Option<KeyRef<'a>> {
        let (&kind, rest) = self.cell_content(usable, index)?.split_first()?;
        let rest = rest.get(varint::encoded_len(*rest.first()?)..)?;
        let (len, mut at) = varint::decode_length(rest)?;
        let flags = EntryFlags(kind);
        if flags.contains(EntryFlags::INSERT) {
            at += varint::encoded_len(*rest.get(at)?);
        }
        Some(KeyRef { system: flags.is_system(), bytes: rest.get(at..)?.get(..len)? })
    }

    /// The key of b-tree cell `index` if it is in the cell, found as by [`Footer::data_key`].
    #[must_use]
    #[inline]
    pub fn btree_key<'a>(&self, usable: &'a [u8], index: usize) -> Option<KeyRef<'a>> {
        let (&kind, rest) = self.cell_content(usable, index)?.split_first()?;
        if kind & !0x20 != 0x10 {
            return None;
        }
        let rest = rest.get(varint::encoded_len(*rest.first()?)..)?;
        let (len, at) = varint::decode_length(rest)?;
        Some(KeyRef { system: kind == 0x30, bytes: rest.get(at..)?.get(..len)? })
    }

    /// The end of what cell `index` may cover on this page: the next cell, or the content's end.
    #[inline]
    fn cell_limit(&self, usable: &[u8], index: usize, offset: usize) -> Result<usize, Rule> {
        if index + 1 >= self.cell_count {
            return Ok(self.content_end);
        }
        let next = self.cell_offset(usable, index + 1)?;
        if next <= offset {
            return Err("cell offsets do not ascend");
        }
        Ok(next)
    }
}

/// Where cell content ends on a page with `usable` bytes and `cell_count` cells.
#[must_use]
#[inline]
pub fn content_end(usable: usize, cell_count: usize) -> Option<usize> {
    usable.checked_sub(FOOTER_BYTES + 2 * cell_count)
}

/// The header of a data cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataCell {
    /// What the entry is.
    pub flags: EntryFlags,
    /// Absolute pointer into the next older segment; 0 = its beginning.
    pub pointer: u64,
    /// Offset of the key in the usable bytes (the body may go on elsewhere).
    pub body: usize,
    /// Bytes of the key.
    pub key_len: usize,
    /// Bytes of the value; 0 unless the flags contain `INSERT`.
    pub value_len: usize,
    /// Bytes from here on are not on this page.
    pub limit: usize,
}

impl DataCell {
    /// Decodes cell `index`.
    ///
    /// # Errors
    /// The broken rule.
    #[inline]
    pub fn decode(usable: &[u8], footer: &Footer, index: usize) -> Result<Self, Rule> {
        let offset = footer.cell_offset(usable, index)?;
        let limit = footer.cell_limit(usable, index, offset)?;
        let Some((&kind, rest)) = usable.get(offset..limit).and_then(<[u8]>::split_first) else {
            return Err("cell lies outside the page");
        };
        let flags = EntryFlags::from_cell(kind)?;
        const SHORT: Rule = "cell header is cut off or holds an impossible length";
        let (delta, delta_len) = varint::decode(rest).ok_or(SHORT)?;
        let rest = rest.get(delta_len..).ok_or(SHORT)?;
        let (key_len, key_len_len) = varint::decode_length(rest).ok_or(SHORT)?;
        let mut body = offset + 1 + delta_len + key_len_len;
        let mut value_len = 0;
        if flags.contains(EntryFlags::INSERT) {
            let rest = rest.get(key_len_len..).ok_or(SHORT)?;
            let (len, len_len) = varint::decode_length(rest).ok_or(SHORT)?;
            value_len = len;
            body += len_len;
            if flags.is_system() && (key_len, value_len) != (4, 8) {
                return Err("system record is not 4 bytes of key and 8 of value");
            }
        }
        let cell = DataCell {
            flags,
            pointer: footer.pointer.wrapping_add(delta),
            body,
            key_len,
            value_len,
            limit,
        };
        if index + 1 < footer.cell_count && !cell.is_on_page() {
            return Err("cells overlap");
        }
        Ok(cell)
    }

    /// Whether key and value are entirely on the page of the header.
    #[must_use]
    #[inline]
    pub fn is_on_page(&self) -> bool {
        self.body.saturating_add(self.key_len).saturating_add(self.value_len) <= self.limit
    }

    /// Whether the key is entirely on the page of the header.
    #[must_use]
    #[inline]
    pub fn has_key_on_page(&self) -> bool {
        self.body.saturating_add(self.key_len) <= self.limit
    }
}

/// A cell of a b-tree page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BtreeCell<'a> {
    /// Page with the keys smaller than this cell's key.
    pub child: PageId,
    /// The key, or where it is.
    pub key: BtreeKey<'a>,
}

/// The key of a b-tree cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BtreeKey<'a> {
    /// In the cell.
    Direct(KeyRef<'a>),
    /// That of cell 0 of this data page.
    Indirect(PageId),
}

impl<'a> BtreeCell<'a> {
    /// Decodes cell `index` of a b-tree page.
    ///
    /// # Errors
    /// The broken rule.
    #[inline]
    pub fn decode(usable: &'a [u8], footer: &Footer, index: usize) -> Result<Self, Rule> {
        const SHORT: Rule = "b-tree cell is cut off";
        let offset = footer.cell_offset(usable, index)?;
        let limit = footer.cell_limit(usable, index, offset)?;
        let cell = usable.get(offset..limit).ok_or(SHORT)?;
        let (&kind, rest) = cell.split_first().ok_or(SHORT)?;
        let (child, child_len) = varint::decode(rest).ok_or(SHORT)?;
        let rest = rest.get(child_len..).ok_or(SHORT)?;
        let key = match kind {
            0 => BtreeKey::Indirect(varint::decode(rest).ok_or(SHORT)?.0),
            0x10 | 0x30 => {
                let (len, len_len) = varint::decode_length(rest).ok_or(SHORT)?;
                let bytes = rest.get(len_len..).and_then(|key| key.get(..len)).ok_or(SHORT)?;
                BtreeKey::Direct(KeyRef { system: kind == 0x30, bytes })
            }
            _ => return Err("b-tree cell type is unknown"),
        };
        Ok(BtreeCell { child, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of 256 bytes with these cells.
    fn page(cells: &[&[u8]], flags: u16, pointer: u64) -> Vec<u8> {
        let mut out = vec![0; 256];
        let mut at = 0;
        for (index, cell) in cells.iter().enumerate() {
            out[at..at + cell.len()].copy_from_slice(cell);
            let slot = 256 - 14 - 2 * index;
            out[slot..slot + 2].copy_from_slice(&(at as u16).to_be_bytes());
            at += cell.len();
        }
        out[244..252].copy_from_slice(&pointer.to_be_bytes());
        out[252..254].copy_from_slice(&flags.to_be_bytes());
        out[254..].copy_from_slice(&(cells.len() as u16).to_be_bytes());
        out
    }

    #[test]
    fn data_cells_of_the_annotated_fixture_decode() {
        let cells: [&[u8]; 3] =
            [b"\x41\x00\x05k0168", b"\x4b\x00\x05\x01k0171x", b"\x42\x00\x05k0172"];
        let bytes = page(&cells, 0, 17);
        let footer = Footer::parse(&bytes).unwrap();
        assert_eq!((footer.cell_count, footer.pointer), (3, 17));
        let cell = DataCell::decode(&bytes, &footer, 1).unwrap();
        assert_eq!(cell.flags, EntryFlags(0x0B));
        assert_eq!((cell.pointer, cell.key_len, cell.value_len), (17, 5, 1));
        assert_eq!(&bytes[cell.body..cell.body + 6], b"k0171x");
        assert!(cell.is_on_page());
        assert_eq!(footer.data_key(&bytes, 1), Some(KeyRef::user(b"k0171")));
        assert!(DataCell::decode(&bytes, &footer, 3).is_err());
    }

    #[test]
    fn negative_deltas_wrap() {
        let bytes = page(&[b"\x48\xff\xff\xff\xff\xff\xff\xff\xff\xef\x01\x01ab"], 0, 17);
        let footer = Footer::parse(&bytes).unwrap();
        assert_eq!(DataCell::decode(&bytes, &footer, 0).unwrap().pointer, 0);
    }

    #[test]
    fn btree_cells_decode() {
        let bytes = page(&[b"\x10\x09\x05k0064", b"\x00\x09\x21", b"\x30\x07\x01a"], 1, 15);
        let footer = Footer::parse(&bytes).unwrap();
        assert!(footer.is_btree());
        let key = |index| BtreeCell::decode(&bytes, &footer, index).unwrap().key;
        assert_eq!(key(0), BtreeKey::Direct(KeyRef::user(b"k0064")));
        assert_eq!(key(1), BtreeKey::Indirect(0x21));
        assert_eq!(key(2), BtreeKey::Direct(KeyRef::system(b"a")));
        assert_eq!(footer.btree_key(&bytes, 0), Some(KeyRef::user(b"k0064")));
        assert_eq!(footer.btree_key(&bytes, 1), None);
        assert_eq!(footer.btree_key(&bytes, 2), Some(KeyRef::system(b"a")));
    }

    #[test]
    fn impossible_cells_are_refused() {
        let cases: [&[u8]; 7] = [
            b"\x40\x00\x01a",      // no bits
            b"\x0c\x00\x01\x01aa", // insert and delete
            b"\x18\x00\x01\x01aa", // separator with value
            b"\x88\x00\x01\x01aa", // unknown bit
            b"\x28\x00\x01\x01aa", // system record of wrong size
            b"\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x08\x00\x01\xfe\xff\xff\xff\xff\xff\xff\xffa",
        ];
        for case in cases {
            let bytes = page(&[case], 0, 0);
            let footer = Footer::parse(&bytes).unwrap();
            assert!(DataCell::decode(&bytes, &footer, 0).is_err(), "{case:x?}");
        }
        let overlap = page(&[b"\x08\x00\x01\x7fa", b"\x04\x00\x01b"], 0, 0);
        let footer = Footer::parse(&overlap).unwrap();
        assert_eq!(DataCell::decode(&overlap, &footer, 0), Err("cells overlap"));
    }

    #[test]
    fn no_byte_of_a_page_can_make_decoding_panic() {
        let cells: [&[u8]; 3] =
            [b"\x41\x00\x05k0168", b"\x4b\x00\x05\x01k0171x", b"\x42\x00\x05k0172"];
        for flags in [0, 1] {
            let good = page(&cells, flags, 17);
            for at in (0..30).chain(230..256) {
                for value in (0..=255).step_by(if cfg!(miri) { 51 } else { 1 }) {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    let Ok(footer) = Footer::parse(&bytes) else { continue };
                    for index in 0..4 {
                        let _ = DataCell::decode(&bytes, &footer, index);
                        let _ = BtreeCell::decode(&bytes, &footer, index);
                        let _ = footer.data_key(&bytes, index);
                        let _ = footer.btree_key(&bytes, index);
                    }
                }
            }
        }
    }
}
