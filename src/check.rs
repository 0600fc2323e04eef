//! Verification of a whole database.
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
