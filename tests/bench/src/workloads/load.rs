//! Writing: sorted and random loads, durable commits, overwrites.

use super::Stage;
use crate::data::{Pool, Random, random_key, sequential_key};
use crate::engine::{Key, Row};
use crate::measure::Sample;
use anyhow::Result;

fn rows(pool: &Pool, count: u64, key: fn(u64) -> Key) -> Vec<Row<'_>> {
    (0..count).map(|id| Row { key: key(id), value: pool.value(id, 0) }).collect()
}

fn load(stage: &mut Stage<'_>, count: u64, batch: usize, key: fn(u64) -> Key) -> Result<Sample> {
    let rows = rows(stage.pool, count, key);
    let sample = stage.measure(count, true, |store| {
        if batch == 1 {
            rows.iter().try_for_each(|row| store.put(row))
        } else {
            rows.chunks(batch).try_for_each(|batch| store.put_batch(batch))
        }
    })?;
    for id in 0..count {
        stage.model.insert(key(id), id);
    }
    stage.verify()?;
    Ok(sample)
}

pub(super) fn sequential_1000(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.rows, 1000, sequential_key)
}

pub(super) fn random_1(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.many(), 1, random_key)
}

pub(super) fn random_100(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.rows, 100, random_key)
}

pub(super) fn random_1000(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.rows, 1000, random_key)
}

pub(super) fn durable_1(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.rows.min(200), 1, random_key)
}

pub(super) fn durable_100(stage: &mut Stage<'_>) -> Result<Sample> {
    load(stage, stage.rows.min(10_000), 100, random_key)
}

pub(super) fn overwrite_100(stage: &mut Stage<'_>) -> Result<Sample> {
    let keys = stage.model.keys();
    let (mut random, mut rows) = (Random::new(2), Vec::new());
    for _ in 0..stage.rows {
        if let Some(key) = keys.get(random.below(keys.len() as u64) as usize) {
            let (id, version) = stage.model.update(key);
            rows.push(Row { key: *key, value: stage.pool.value(id, version) });
        }
    }
    let sample = stage.measure(rows.len() as u64, true, |store| {
        rows.chunks(100).try_for_each(|batch| store.put_batch(batch))
    })?;
    stage.verify()?;
    Ok(sample)
}
