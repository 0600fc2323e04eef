//! What an engine must offer to be shared by threads and processes.

use crate::engine::{Digest, Key, Row};
use anyhow::Result;
use std::path::Path;

/// Opens stores with fixed settings.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Settings that matter, in words.
    pub(super) settings: &'static str,
    /// What a commit survives: of an ordinary store, and of a durable one.
    pub(super) durability: (&'static str, &'static str),
    pub(super) open: fn(&Path, bool) -> Result<Box<dyn Site>>,
}

/// An open store of one process.
pub(super) trait Site: Sync {
    /// What one thread works with.
    fn connect(&self) -> Result<Box<dyn Connection + '_>>;
    /// Closes cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// A thread's access. Calls wait as long as others are in the way.
pub(super) trait Connection {
    /// All rows in one transaction.
    fn write(&mut self, rows: &[Row<'_>]) -> Result<()>;
    /// All keys in one read transaction of the newest state, through the engine's simplest call.
    fn read(&mut self, keys: &[Key], digest: &mut Digest) -> Result<()>;
}
