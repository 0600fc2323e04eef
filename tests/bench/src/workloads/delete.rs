//! Deleting: single keys, and ranges.

use super::Stage;
use crate::data::Random;
use crate::measure::Sample;
use anyhow::Result;

/// A tenth of the rows, one per transaction.
pub(super) fn single(stage: &mut Stage<'_>) -> Result<Sample> {
    let mut keys = stage.model.keys();
    let mut random = Random::new(21);
    let count = (stage.many() / 10).min(keys.len() as u64) as usize;
    for index in 0..count {
        let left = (keys.len() - index) as u64;
        keys.swap(index, index + random.below(left) as usize);
    }
    keys.truncate(count);
    let sample = stage
        .measure(count as u64, true, |store| keys.iter().try_for_each(|key| store.remove(key)))?;
    keys.iter().for_each(|key| stage.model.remove(key));
    stage.verify()?;
    Ok(sample)
}

/// 200 ranges that hold a tenth of the rows together.
pub(super) fn ranges(stage: &mut Stage<'_>) -> Result<Sample> {
    let keys = stage.model.keys();
    let step = (keys.len() / 200).max(10);
    let ranges: Vec<_> = keys
        .chunks(step)
        .filter_map(|chunk| Some((*chunk.first()?, *chunk.get(chunk.len() / 10)?)))
        .collect();
    let sample = stage.measure(ranges.len() as u64, true, |store| {
        ranges.iter().try_for_each(|(from, to)| store.remove_range(from, to))
    })?;
    ranges.iter().for_each(|(from, to)| stage.model.remove_range(from, to));
    stage.verify()?;
    Ok(sample)
}
