//! Miri has one process.

/// The number of this process.
pub(crate) fn process() -> u32 {
    std::process::id()
}
