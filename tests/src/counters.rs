//! Which rare structures a run has really produced. A differential test that never met an unfinished
//! merge proves little; it should print and assert these.
//!
//! Read from the file itself: checkpoints through `siltstone::format::checkpoint`, cell types straight
//! from the pages (docs/format.md, "Pages and cells"). Look at copies or at files nobody writes.

use siltstone::format::checkpoint::{self, Checkpoint, Redirect, Segment};
use siltstone::format::geometry::{Geometry, META_PAGE_BYTES, META_PAGE_USED};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Observations that showed a structure at least once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Files looked at.
    pub files: usize,
    /// With a level being merged.
    pub unfinished_merges: usize,
    /// ... with the b-tree of the next level among its inputs.
    pub separator_merges: usize,
    /// With five levels or more.
    pub many_levels: usize,
    /// With a start or end of a range in a page.
    pub range_deletes: usize,
    /// With a log that has wrapped.
    pub log_wraps: usize,
    /// With a redirect.
    pub redirects: usize,
    /// With free-list records in pages.
    pub free_list_in_pages: usize,
    /// With a block in use that an earlier checkpoint of the run called free.
    pub reused_blocks: usize,
    /// With pages written by a codec (whose cells are not looked at).
    pub compressed: usize,
    freed: BTreeSet<u32>,
}

impl Counters {
    /// Looks at a database file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn observe_file(&mut self, path: &Path) -> Result<(), String> {
        self.observe_bytes(&fs::read(path).map_err(|error| error.to_string())?)
    }

    /// Looks at the bytes of a database file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn observe_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.files += 1;
        let Some(checkpoint) = newest(bytes)? else { return Ok(()) };
        self.observe(&checkpoint);
        let geometry = checkpoint.geometry().map_err(|error| error.to_string())?;
        if geometry.compressed() {
            self.compressed += 1;
            return Ok(());
        }
        let mut types = 0;
        let oldest = checkpoint.levels.last().and_then(|level| level.segments().last());
        for segment in checkpoint.levels.iter().flat_map(|level| level.segments()) {
            let own = oldest.is_some_and(|oldest| std::ptr::eq(oldest, segment));
            let redirects = if own { &checkpoint.redirects[..] } else { &[] };
            types |= cell_types(bytes, &geometry, segment, redirects)?;
        }
        self.range_deletes += usize::from(types & 0x03 != 0);
        self.free_list_in_pages += usize::from(types & 0x20 != 0);
        Ok(())
    }

    /// Looks at a checkpoint alone.
    pub fn observe(&mut self, checkpoint: &Checkpoint) {
        let merging =
            || checkpoint.levels.iter().filter_map(|level| Some((level, level.merge.as_ref()?)));
        let separators = merging().any(|(level, merge)| merge.inputs.len() > level.right.len());
        self.unfinished_merges += usize::from(merging().next().is_some());
        self.separator_merges += usize::from(separators);
        self.many_levels += usize::from(checkpoint.levels.len() >= 5);
        self.redirects += usize::from(!checkpoint.redirects.is_empty());
        let Ok(geometry) = checkpoint.geometry() else { return };
        let segments = || checkpoint.levels.iter().flat_map(|level| level.segments());
        let used: BTreeSet<u32> = segments()
            .flat_map(|segment| [segment.first, segment.last])
            .filter(|&page| page != 0)
            .map(|page| geometry.block_of(page))
            .collect();
        self.reused_blocks += usize::from(!used.is_disjoint(&self.freed));
        self.freed.extend(checkpoint.free.iter().filter(|entry| entry.id >= 0).map(|e| e.block));
    }

    /// Looks at the six offsets of the log regions (`lsm_info`, kind 4, or our statistics).
    pub fn observe_log(&mut self, regions: [i64; 6]) {
        self.log_wraps += usize::from(regions[1] != 0 || regions[3] != 0);
    }

    /// The six offsets from C's text.
    pub fn observe_log_text(&mut self, text: &str) {
        let numbers: Vec<i64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        if let Ok(regions) = numbers.try_into() {
            self.observe_log(regions);
        }
    }

    /// Sums up two runs.
    pub fn add(&mut self, other: &Counters) {
        self.files += other.files;
        self.unfinished_merges += other.unfinished_merges;
        self.separator_merges += other.separator_merges;
        self.many_levels += other.many_levels;
        self.range_deletes += other.range_deletes;
        self.log_wraps += other.log_wraps;
        self.redirects += other.redirects;
        self.free_list_in_pages += other.free_list_in_pages;
        self.reused_blocks += other.reused_blocks;
        self.compressed += other.compressed;
    }
}

/// The newest valid checkpoint of a file; ties go to the first meta page.
///
/// # Errors
/// If its checksum holds and its content does not.
pub fn newest(file: &[u8]) -> Result<Option<Checkpoint>, String> {
    let mut best: Option<Checkpoint> = None;
    for page in [0, META_PAGE_BYTES as usize] {
        let Some(bytes) = file.get(page..page + META_PAGE_USED) else { continue };
        let words: Vec<u32> =
            bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word)).collect();
        let Some(len) = checkpoint::verified_len(&words) else { continue };
        let found = Checkpoint::decode(&words[..len]).map_err(|error| error.to_string())?;
        if best.as_ref().is_none_or(|best| best.id < found.id) {
            best = Some(found);
        }
    }
    Ok(best)
}

/// The types of all cells of a segment, or-ed.
fn cell_types(
    file: &[u8],
    geometry: &Geometry,
    segment: &Segment,
    redirects: &[Redirect],
) -> Result<u8, String> {
    let mut types = 0;
    let mut page = segment.first;
    let limit = file.len() as u64 / u64::from(geometry.page_size()) + 1;
    for _ in 0..limit {
        if page == 0 {
            return Ok(types);
        }
        let start = geometry.page_offset(page) as usize;
        let whole = file.get(start..).unwrap_or_default();
        let (skip, len) = geometry.usable(page);
        let usable =
            whole.get(skip..skip + len).ok_or(format!("page {page} is not in the file"))?;
        let half = |at: usize| u16::from_be_bytes([usable[at], usable[at + 1]]);
        if half(len - 4) & 1 == 0 {
            for cell in 0..usize::from(half(len - 2)) {
                let at = (len - 14).checked_sub(2 * cell).map(half).map_or(len, usize::from);
                let cell = *usable.get(at).ok_or(format!("cell {cell} of page {page}"))?;
                // Free-list records are deleted by ranges of their own kind.
                types |= if cell & 0x20 != 0 { 0x20 } else { cell };
            }
        }
        if page == segment.last {
            return Ok(types);
        }
        page = if geometry.is_last_on_block(page) {
            let at = geometry.next_pointer_offset(geometry.block_of(page)) as usize;
            let bytes = file.get(at..at + 4).ok_or(format!("block pointer behind {page}"))?;
            let block = u32::from_be_bytes(bytes.try_into().unwrap_or_default());
            let moved = redirects.iter().find(|redirect| redirect.from == block);
            geometry.first_on_block(moved.map_or(block, |redirect| redirect.to))
        } else {
            page + 1
        };
    }
    Err(format!("segment at page {} has no end", segment.first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn of(name: &str) -> Counters {
        let mut counters = Counters::default();
        let path = fixtures::directory().join(format!("{name}.lsm"));
        counters.observe_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        counters
    }

    #[test]
    fn fixtures_hold_what_their_table_says() {
        for name in fixtures::NAMES {
            of(name);
        }
        assert_eq!(of("empty"), Counters { files: 1, ..Counters::default() });
        assert_eq!(of("many-levels").many_levels, 1);
        assert_eq!(of("mid-merge").unfinished_merges, 1);
        assert_eq!(of("mid-merge").range_deletes, 0);
        assert_eq!(of("range-deletes").range_deletes, 1);
        assert_eq!(of("range-deletes-mid-merge").range_deletes, 1);
        assert_eq!(of("redirects").redirects, 1);
        assert_eq!(of("freelist-in-lsm").free_list_in_pages, 1);
        assert_eq!(of("compressed-zrle").compressed, 1);
    }

    #[test]
    fn a_wrapped_log_is_noticed() {
        let mut counters = Counters::default();
        counters.observe_log_text("0 0 0 0 551 551");
        assert_eq!(counters.log_wraps, 0);
        counters.observe_log_text("151691 156899 0 0 0 610");
        assert_eq!(counters.log_wraps, 1);
    }
}
