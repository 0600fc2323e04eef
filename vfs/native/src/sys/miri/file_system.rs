//! Miri's process is alone.

use siltstone_env::Result;
use std::fs::File;

/// Nobody else is there to be reached.
pub(crate) fn reaches_everybody(_file: &File) -> Result<()> {
    Ok(())
}
