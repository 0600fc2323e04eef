//! Deleting ranges of keys.

use super::writer::TreeWriter;
use crate::error::Result;
use crate::format::page::EntryFlags;

impl TreeWriter<'_> {
    /// Deletes all keys strictly between `low` and `high`, here and in everything older. Nothing
    /// happens unless `low < high`.
    pub(crate) fn delete_range(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        if low >= high {
            return Ok(());
        }
        self.whole_or_nothing(|writer| {
            writer.remove_between(low, high)?;
            writer.put(EntryFlags::START_DELETE, low, None)?;
            writer.put(EntryFlags::END_DELETE, high, None)
        })
    }
}
