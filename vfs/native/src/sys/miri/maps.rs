//! There are no maps.

use siltstone_env::{FileMap, Result};
use std::fs::File;
use std::sync::Arc;

/// Never a map.
pub(crate) fn map(_file: &File, _size: u64) -> Result<Option<Arc<dyn FileMap>>> {
    Ok(None)
}
