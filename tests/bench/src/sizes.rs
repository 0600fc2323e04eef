//! Bytes on disk: an empty store, 100,000 rows after loading, and the same compacted and closed.

use crate::data::{Pool, VALUE_BYTES};
use crate::engine::{Engine, Key};
use crate::measure::settle;
use crate::workloads::Stage;
use anyhow::Result;
use std::path::Path;

const ROWS: u64 = 100_000;
const PAYLOAD: u64 = ROWS * (size_of::<Key>() + VALUE_BYTES) as u64;

/// Largest empty database Siltstone may make.
pub(crate) const EMPTY_LIMIT: u64 = 16 << 10;
/// Largest compacted and closed database Siltstone may make, as a multiple of keys and values.
pub(crate) const COMPACTED_LIMIT: f64 = 1.2;

/// File sizes of an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) empty_bytes: u64,
    /// Multiples of the bytes of keys and values.
    pub(crate) loaded: f64,
    pub(crate) compacted: f64,
}

fn bytes_in(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes_in(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

pub(crate) fn measure(engine: &dyn Engine, pool: &Pool, data: &Path) -> Result<Sizes> {
    let place = data.join("sizes");
    let mut stage = Stage::empty(engine, &place, pool, ROWS, false)?;
    if let Some(store) = stage.store.take() {
        store.close()?;
    }
    let empty_bytes = bytes_in(&place)?;
    stage.finish()?;
    let mut stage = Stage::empty(engine, &place, pool, ROWS, false)?;
    stage.load()?;
    settle()?;
    let loaded = bytes_in(&place)? as f64 / PAYLOAD as f64;
    stage.compact()?;
    if let Some(store) = stage.store.take() {
        store.close()?;
    }
    settle()?;
    let compacted = bytes_in(&place)? as f64 / PAYLOAD as f64;
    stage.finish()?;
    Ok(Sizes { empty_bytes, loaded, compacted })
}
