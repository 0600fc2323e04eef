//! Verification of a whole database.
//!
//! Everything a view reaches is looked at: each page of each segment with its cells and the order
//! of keys (`segment`), b-trees and the pointers between segments (`pointers`), unfinished merges,
//! the in-memory trees, and that every block is used, reserved or free (`blocks`). Damage is
//! collected as text, it never ends the check. Rules: docs/format.md, "Validation" and "Blocks".

mod blocks;
mod pointers;
mod problems;
mod segment;

pub(crate) use problems::Problems;

use crate::error::Result;
use crate::format::checkpoint::MAX_SEGMENTS;
use crate::format::key::KeyRef;
use crate::pager::{Pager, Run};
use crate::sorted::{MergedCursor, ReadView, SegmentCursor};
use crate::tree;
use crate::work::Progress;
use crate::work::interrupted;
use pointers::Below;
use segment::SegmentMap;
use std::sync::Arc;

/// Entries between two calls of the progress callback.
const ENTRIES_PER_CALL: u64 = 4096;

/// Checks everything a view reaches.
///
/// # Errors
/// `Io`; `Misuse` ("interrupted") when the callback says so. Damage is in the report.
pub(crate) fn check(view: &ReadView, progress: Progress<'_>) -> Result<CheckReport> {
    let unit =
        if view.pager.geometry().compressed() { 1 } else { view.pager.geometry().page_size() };
    let sizes = view.snapshot.checkpoint.levels.iter().flat_map(|level| level.segments());
    let pages = sizes.fold(0u64, |sum, segment| sum.saturating_add(segment.size));
    let mut checker = Checker {
        view,
        pager: &view.pager,
        report: CheckReport::default(),
        problems: Problems::default(),
        progress,
        done: 0,
        total: pages.saturating_mul(unit.into()),
    };
    checker.trees()?;
    checker.levels()?;
    blocks::check(&mut checker)?;
    checker.visible_entries()?;
    Ok(checker.finish())
}

/// What `Database::check` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Everything wrong, in words; empty = sound.
    pub problems: Vec<String>,
    /// Pages looked at.
    pub pages: u64,
    /// Records looked at.
    pub records: u64,
    /// Visible entries.
    pub entries: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A check under way.
struct Checker<'a> {
    view: &'a ReadView,
    pager: &'a Arc<Pager>,
    report: CheckReport,
    problems: Problems,
    progress: Progress<'a>,
    done: u64,
    total: u64,
}

impl Checker<'_> {
    /// Tells that more bytes were looked at.
    fn advance(&mut self, bytes: u64) -> Result<()> {
        self.done = self.done.saturating_add(bytes);
        if (self.progress)(self.done.min(self.total), self.total) {
            Ok(())
        } else {
            Err(interrupted())
        }
    }

    fn trees(&mut self) -> Result<()> {
        for root in std::iter::once(&self.view.live).chain(self.view.old.as_ref()) {
            if let Some(found) = self.problems.noted(tree::check(&self.view.shm, root))? {
                self.report.records += found.entries;
            }
        }
        Ok(())
    }

    /// All segments, oldest first: pointers are checked against what they lead to.
    fn levels(&mut self) -> Result<()> {
        let snapshot = Arc::clone(&self.view.snapshot);
        let count = snapshot.checkpoint.segment_count();
        if count > MAX_SEGMENTS {
            self.problems.add(format!("checkpoint: {count} segments, at most 40 are legal"));
        }
        // What the pointers of the segment checked next lead into.
        let mut below: Option<Below> = None;
        for (level, made) in snapshot.checkpoint.levels.iter().zip(&snapshot.levels).rev() {
            let split = made.split();
            let beneath = below.take();
            let mut next = None;
            for (at, right) in made.rights.iter().enumerate().rev() {
                let leads_to = next.as_ref().or(beneath.as_ref());
                let map = segment::walk(self, &right.run, leads_to, true)?;
                pointers::check_btree(self, &right.run, &map, true)?;
                self.right_position(&right.run, right.position, split, at)?;
                next = Some(Below::new(Arc::clone(&right.run), map, split));
            }
            // What was merged so far points past the level it is in.
            let map = segment::walk(self, &made.left, beneath.as_ref(), false)?;
            pointers::check_btree(self, &made.left, &map, false)?;
            self.left_end(&map, split);
            if !self.pager.geometry().compressed()
                && map.is_complete
                && map.pages != level.left.size
            {
                self.problems.add(format!(
                    "segment at page {} has {} pages, the checkpoint says {}",
                    level.left.first, map.pages, level.left.size
                ));
            }
            below = Some(next.unwrap_or_else(|| Below::new(Arc::clone(&made.left), map, None)));
        }
        Ok(())
    }

    /// What has been merged must end below the split key.
    fn left_end(&mut self, map: &SegmentMap, split: Option<KeyRef<'_>>) {
        if let (Some(split), Some(last)) = (split, &map.last_key)
            && last.as_ref() >= split
        {
            let first = map.key_pages.first().map_or(0, |page| page.id);
            self.problems
                .add(format!("page {first}: a merge wrote keys at or above its split key"));
        }
    }

    /// An input must stand on a key at or above the split key.
    fn right_position(
        &mut self,
        run: &Arc<Run>,
        position: crate::format::checkpoint::CellPosition,
        split: Option<KeyRef<'_>>,
        index: usize,
    ) -> Result<()> {
        let Some(split) = split else { return Ok(()) };
        let mut cursor = SegmentCursor::new(Arc::clone(run));
        let stands = cursor.at(self.pager, position);
        if self.problems.noted(stands)?.is_some() && cursor.is_valid() && cursor.key() < split {
            self.problems.add(format!(
                "page {}: merge input {index} stands below the split key",
                position.page
            ));
        }
        Ok(())
    }

    fn visible_entries(&mut self) -> Result<()> {
        let mut cursor = MergedCursor::new(self.view);
        let mut stands = self.problems.noted(cursor.first(self.view))?.is_some();
        while stands && cursor.is_valid() {
            self.report.entries += 1;
            if self.report.entries.is_multiple_of(ENTRIES_PER_CALL) {
                self.advance(0)?;
            }
            let loaded = cursor.load_value(self.view);
            self.problems.noted(loaded)?;
            let moved = cursor.next(self.view);
            stands = self.problems.noted(moved)?.is_some();
        }
        let total = self.total;
        self.advance(total)
    }

    fn finish(mut self) -> CheckReport {
        self.report.problems = self.problems.finish();
        self.report
    }
}
