//! Searching a file without any checkpoint for data pages.
//!
//! The page size is not known: the one under which most bytes look like records is taken. Neither
//! is the order in which segments were written, so of several versions of a record the one furthest
//! behind in the file is kept, and deletes are not applied. Pages of compressed files cannot be
//! told from other bytes.

use super::Report;
use super::target::Target;
use crate::env::File;
use crate::error::{IoContext, Result};
use crate::format::geometry::{DATA_START, MAX_PAGE_SIZE, MIN_PAGE_SIZE};
use crate::format::page::{DataCell, EntryFlags, Footer};

/// A record whose body is not all on its page.
struct Spilled {
    key_len: usize,
    value_len: usize,
    body: Vec<u8>,
}

/// Applies every record found.
pub(super) fn save(file: &dyn File, target: &mut Target<'_>, report: &mut Report) -> Result<()> {
    let size = file.size().during("reading the size of the damaged database")?;
    if size <= DATA_START {
        return Ok(());
    }
    report.problems.add("no checkpoint can be read; pages are searched for".to_owned());
    let mut best = (0, 0);
    let mut page_size = MIN_PAGE_SIZE;
    while page_size <= MAX_PAGE_SIZE {
        let mut bytes = 0u64;
        visit_pages(file, size, page_size, &mut |usable, footer| {
            bytes += plausible_bytes(usable, footer);
            Ok(())
        })?;
        target.advance(0)?;
        best = best.max((bytes, page_size));
        page_size *= 2;
    }
    let (bytes, page_size) = best;
    if bytes == 0 {
        report.problems.add("no data pages were found".to_owned());
        return Ok(());
    }
    let mut spilled: Option<Spilled> = None;
    visit_pages(file, size, page_size, &mut |usable, footer| {
        report.told.pages_read += 1;
        target.advance(page_size.into())?;
        save_page(usable, footer, &mut spilled, target)
    })
}

/// Shows every page that can be one, under each of the three layouts of a page.
fn visit_pages(
    file: &dyn File,
    size: u64,
    page_size: u32,
    visit: &mut dyn FnMut(&[u8], &Footer) -> Result<()>,
) -> Result<()> {
    let mut page = vec![0; page_size as usize];
    let mut offset = DATA_START.next_multiple_of(page_size.into());
    while offset + u64::from(page_size) <= size {
        file.read_at(offset, &mut page).during("reading the damaged database")?;
        let layouts = [page.get(..), page.get(4..), page.get(..page.len() - 4)];
        let found = layouts.into_iter().flatten().find_map(|usable| {
            let footer = Footer::parse(usable).ok()?;
            is_plausible(usable, &footer).then_some((usable, footer))
        });
        if let Some((usable, footer)) = found {
            visit(usable, &footer)?;
        }
        offset += u64::from(page_size);
    }
    Ok(())
}

/// Whether every cell decodes and keys ascend. Pages on which no record begins hold the middle of
/// long records; they count when they are all of one.
fn is_plausible(usable: &[u8], footer: &Footer) -> bool {
    if footer.is_btree() {
        return false;
    }
    let mut previous: Option<(bool, &[u8])> = None;
    (0..footer.cell_count).all(|index| {
        let Ok(cell) = DataCell::decode(usable, footer, index) else { return false };
        if !cell.has_key_on_page() {
            return index + 1 == footer.cell_count;
        }
        let key = usable.get(cell.body..cell.body + cell.key_len).unwrap_or_default();
        let key = (cell.flags.is_system(), key);
        let ascends = previous.is_none_or(|previous| previous < key);
        previous = Some(key);
        ascends
    })
}

/// Bytes that look like records.
fn plausible_bytes(usable: &[u8], footer: &Footer) -> u64 {
    let cells = (0..footer.cell_count).filter_map(|at| DataCell::decode(usable, footer, at).ok());
    cells.filter(DataCell::is_on_page).map(|cell| (cell.key_len + cell.value_len) as u64).sum()
}

fn save_page(
    usable: &[u8],
    footer: &Footer,
    spilled: &mut Option<Spilled>,
    target: &mut Target<'_>,
) -> Result<()> {
    if let Some(record) = spilled {
        let missing = record.key_len + record.value_len - record.body.len();
        let part = usable.get(..missing.min(footer.content_end)).unwrap_or_default();
        record.body.extend_from_slice(part);
        if part.len() == missing {
            let (key, value) = record.body.split_at(record.key_len);
            target.insert(key, value)?;
            *spilled = None;
        } else if footer.cell_count > 0 {
            *spilled = None;
        }
    }
    for index in 0..footer.cell_count {
        let Ok(cell) = DataCell::decode(usable, footer, index) else { continue };
        if cell.flags.is_system() || !cell.flags.contains(EntryFlags::INSERT) {
            continue;
        }
        let end = cell.body + cell.key_len;
        if cell.is_on_page() {
            let key = usable.get(cell.body..end).unwrap_or_default();
            let value = usable.get(end..end + cell.value_len).unwrap_or_default();
            target.insert(key, value)?;
        } else {
            let body = usable.get(cell.body..cell.limit).unwrap_or_default().to_vec();
            *spilled = Some(Spilled { key_len: cell.key_len, value_len: cell.value_len, body });
        }
    }
    Ok(())
}
