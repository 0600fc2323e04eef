//! Opening a store that was closed cleanly, and the first get.

use super::{Stage, same};
use crate::engine::Digest;
use crate::measure::{Sample, Stopwatch, settle};
use anyhow::{Context, Result};

const TIMES: u64 = 3;

pub(super) fn reopen(stage: &mut Stage<'_>) -> Result<Sample> {
    let key = stage.model.keys().first().copied().context("no row left")?;
    let mut expected = Digest::default();
    stage.model.get(&key, stage.pool, &mut expected);
    let mut watch = Stopwatch::default();
    for _ in 0..TIMES {
        if let Some(store) = stage.store.take() {
            store.close()?;
        }
        if stage.engine.has_background_threads() {
            settle()?;
        }
        let mut found = Digest::default();
        watch.start()?;
        let mut store = stage.engine.open(&stage.directory, false)?;
        store.get_fresh(&key, &mut found)?;
        watch.stop(false)?;
        stage.store = Some(store);
        same(found, expected)?;
    }
    Ok(watch.sample(TIMES))
}
