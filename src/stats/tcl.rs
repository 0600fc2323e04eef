//! The texts of `lsm_info`: Tcl lists of levels, free blocks, log regions and pages, and pages as text.
//!
//! Every byte is as C lsm1 prints it, for scripts that read such texts. One thing differs: of a page
//! whose size is no multiple of 16 C prints a byte too many, from behind the page.

use super::{CellInfo, PageInfo, SegmentInfo, Structure};
use std::fmt::{self, Write};

/// A text that cannot fail to be written.
fn text(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // Strings take whatever they are given.
    let _ = write(&mut out);
    out
}

fn join<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(out, item)?;
    }
    Ok(())
}

impl Structure {
    /// The levels, newest first, each `{age {first last root size} ...}`: its segment, then the inputs
    /// of an unfinished merge.
    #[must_use]
    pub fn levels_as_tcl(&self) -> String {
        text(|out| {
            join(out, &self.levels, |out, level| {
                write!(out, "{{{}", level.age)?;
                for segment in std::iter::once(&level.segment).chain(&level.merging) {
                    let SegmentInfo { first, last, root, size } = segment;
                    write!(out, " {{{first} {last} {root} {size}}}")?;
                }
                write!(out, "}}")
            })
        })
    }

    /// The free blocks, each `{block snapshot}`.
    #[must_use]
    pub fn free_as_tcl(&self) -> String {
        text(|out| {
            join(out, &self.free, |out, free| write!(out, "{{{} {}}}", free.block, free.since))
        })
    }

    /// Start and end of the three regions of the log.
    #[must_use]
    pub fn log_as_tcl(&self) -> String {
        ranges_as_tcl(&self.log_regions)
    }
}

/// First and last of each range, as [`Database::segment_ranges`](crate::Database::segment_ranges)
/// gives them.
#[must_use]
pub fn ranges_as_tcl(ranges: &[(u64, u64)]) -> String {
    text(|out| join(out, ranges, |out, (first, last)| write!(out, "{first} {last}")))
}

/// Page ids, as [`Database::segment_pages`](crate::Database::segment_pages) gives them; a space
/// stands before each of them.
#[must_use]
pub fn pages_as_tcl(pages: &[u64]) -> String {
    text(|out| pages.iter().try_for_each(|page| write!(out, " {page}")))
}

/// How keys and values of a page are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageText {
    /// Letters and digits as they are, everything else as a dot.
    Ascii,
    /// Two capital hexadecimal digits for each byte.
    Hex,
}

impl PageInfo {
    /// The page as text: what its footer says, its cells, and all of its bytes.
    #[must_use]
    pub fn to_text(&self, style: PageText) -> String {
        text(|out| {
            writeln!(out, "Page : {}  ({} bytes)", self.id, self.bytes.len())?;
            writeln!(out, "nRec : {}", self.cells.len())?;
            writeln!(out, "iPtr : {}", self.pointer)?;
            writeln!(out, "flags: {:04x}\n", self.flags)?;
            let cells: Vec<_> = self.cells.iter().map(|cell| self.line(cell)).collect();
            let widest = cells.iter().map(|cell| cell.key.len()).max().unwrap_or(0);
            cells.iter().try_for_each(|cell| cell.write(out, widest, style))?;
            writeln!(out, "\n{:-<80}\nPage {}", "", self.id)?;
            write_bytes(out, &self.bytes)
        })
    }

    /// What is shown of a cell. Of a b-tree cell whose key stands elsewhere only that is told.
    fn line<'a>(&self, cell: &'a CellInfo) -> Line<'a> {
        let CellInfo { offset, flags, pointer, ref key, ref value } = *cell;
        let value = value.as_deref().unwrap_or_default();
        if self.flags & BTREE != 0 && self.bytes.get(offset as usize) == Some(&0) {
            return Line { flags: 0, pointer, key: INDIRECT, value };
        }
        Line { flags, pointer, key, value }
    }
}

/// Flag of a b-tree page.
const BTREE: u16 = 1;
/// What stands for a key that is elsewhere.
const INDIRECT: &[u8] = b"<indirect>\0";

const START_DELETE: u8 = 0x01;
const END_DELETE: u8 = 0x02;
const POINT_DELETE: u8 = 0x04;
const INSERT: u8 = 0x08;
const SEPARATOR: u8 = 0x10;
const SYSTEM: u8 = 0x20;

/// A cell, as a line shows it.
struct Line<'a> {
    flags: u8,
    pointer: u64,
    key: &'a [u8],
    value: &'a [u8],
}

impl Line<'_> {
    fn write(&self, out: &mut String, widest: usize, style: PageText) -> fmt::Result {
        let has = |flag| self.flags & flag != 0;
        let system = has(SYSTEM);
        out.push(if has(END_DELETE) { ']' } else { '.' });
        out.push(match () {
            () if has(POINT_DELETE) => '-',
            () if has(SEPARATOR) => '^',
            () if has(INSERT) => '+',
            () => '.',
        });
        out.push(if system { '*' } else { '.' });
        out.push(if has(START_DELETE) { '[' } else { '.' });
        write!(out, " {} ({}) ", self.pointer, if system { "sys" } else { "usr" })?;
        write_blob(out, self.key, style)?;
        if !self.value.is_empty() {
            // Not a column in capital digits: C reckons with five times the length of a key there.
            let (width, key) = match style {
                PageText::Ascii => (widest, self.key.len()),
                PageText::Hex => (2 * widest, 5 * self.key.len()),
            };
            write!(out, "{:1$} ", "", width.abs_diff(key))?;
            write_blob(out, self.value, style)?;
        }
        if system {
            // Keys of the free list are block numbers turned over, values are snapshot ids.
            let block = !self.key.first_chunk().map_or(u32::MAX, |key| u32::from_be_bytes(*key));
            write!(out, "  (block={}", block as i32)?;
            if let Some(snapshot) = self.value.first_chunk() {
                write!(out, " snapshot={}", i64::from_be_bytes(*snapshot))?;
            }
            out.push(')');
        }
        out.push('\n');
        Ok(())
    }
}

fn write_blob(out: &mut String, bytes: &[u8], style: PageText) -> fmt::Result {
    for &byte in bytes {
        match style {
            PageText::Hex => write!(out, "{byte:02X}")?,
            PageText::Ascii if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            PageText::Ascii => out.push('.'),
        }
    }
    Ok(())
}

/// Sixteen bytes a line: offset, digits, and what can be printed.
fn write_bytes(out: &mut String, bytes: &[u8]) -> fmt::Result {
    for (at, line) in bytes.chunks(16).enumerate() {
        write!(out, "{:04x}: ", at * 16)?;
        for at in 0..16 {
            match line.get(at) {
                Some(byte) => write!(out, "{byte:02x} ")?,
                None => out.push_str("   "),
            }
        }
        out.push_str("  ");
        for at in 0..16 {
            out.push(match line.get(at) {
                Some(&byte) if byte == b' ' || byte.is_ascii_graphic() => char::from(byte),
                Some(_) => '.',
                None => ' ',
            });
        }
        out.push('\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{FreeBlock, LevelInfo};

    fn segment(first: u64) -> SegmentInfo {
        SegmentInfo { first, last: first + 1, root: 0, size: 2 }
    }

    #[test]
    fn lists_are_tcl() {
        let mut structure =
            Structure { log_regions: [(0, 0), (0, 0), (5, 7)], ..Default::default() };
        assert_eq!((structure.levels_as_tcl(), structure.free_as_tcl()), ("".into(), "".into()));
        let level = |age, merging| LevelInfo {
            age,
            freelist_only: false,
            segment: segment(9),
            merging,
            split_key: None,
        };
        structure.levels = vec![level(0, vec![]), level(3, vec![segment(20), segment(30)])];
        structure.free = vec![FreeBlock { block: 2, since: 12 }, FreeBlock { block: 3, since: 4 }];
        assert_eq!(
            structure.levels_as_tcl(),
            "{0 {9 10 0 2}} {3 {9 10 0 2} {20 21 0 2} {30 31 0 2}}"
        );
        assert_eq!(structure.free_as_tcl(), "{2 12} {3 4}");
        assert_eq!(structure.log_as_tcl(), "0 0 0 0 5 7");
        assert_eq!(ranges_as_tcl(&[(9, 64), (129, 130)]), "9 64 129 130");
        assert_eq!((pages_as_tcl(&[9, 10]), pages_as_tcl(&[])), (" 9 10".into(), "".into()));
    }

    #[test]
    fn pages_show_cells_and_bytes() {
        let cell = |flags, key: &[u8], value: Option<&[u8]>| CellInfo {
            offset: 0,
            flags,
            pointer: 7,
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        let page = PageInfo {
            id: 12,
            flags: 2,
            pointer: 3,
            bytes: b"0123456789abcde\x7f \xff".to_vec(),
            cells: vec![
                cell(0x08, b"", Some(b"v")),
                cell(0x08, b"a b", Some(b"x-y")),
                cell(0x07, b"k", None),
                cell(0x12, b"\xe9", Some(b"")),
                cell(0x29, &(!3u32).to_be_bytes(), Some(&21u64.to_be_bytes())),
                cell(0x20, &(!4u32).to_be_bytes(), None),
                cell(0x28, b"?", Some(b"?")),
            ],
        };
        let ascii = "Page : 12  (18 bytes)\nnRec : 7\niPtr : 3\nflags: 0002\n\n\
                     .+.. 7 (usr)      v\n\
                     .+.. 7 (usr) a.b  x.y\n\
                     ]-.[ 7 (usr) k\n\
                     ]^.. 7 (usr) .\n\
                     .+*[ 7 (sys) .... ........  (block=3 snapshot=21)\n\
                     ..*. 7 (sys) ....  (block=4)\n\
                     .+*. 7 (sys) .    .  (block=0)\n\
                     \n\
                     --------------------------------------------------------------------------------\n\
                     Page 12\n\
                     0000: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 7f   0123456789abcde.\n\
                     0010: 20 ff                                              .              \n";
        assert_eq!(page.to_text(PageText::Ascii), ascii);
        let hex = page.to_text(PageText::Hex);
        assert!(hex.contains("(usr) 612062        782D79\n"), "{hex}");
        let system = "(sys) FFFFFFFC             0000000000000015  (block=3 snapshot=21)\n";
        assert!(hex.contains(system), "{hex}");
        // A key that stands elsewhere: the cell's first byte is zero.
        let mut tree = PageInfo { flags: 1, bytes: vec![0, 8], ..page };
        tree.cells.truncate(2);
        tree.cells[1].offset = 1;
        let text = tree.to_text(PageText::Ascii);
        let lines = "\n.... 7 (usr) .indirect.. v\n.+.. 7 (usr) a.b         x.y\n";
        assert!(text.contains(lines), "{text}");
    }
}
