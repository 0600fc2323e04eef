//! Reading: gets that hit and miss, scans of everything and of a hundred rows.

use super::{Stage, same};
use crate::data::{Random, missing_key};
use crate::engine::{Digest, Key};
use crate::measure::Sample;
use anyhow::Result;

/// Live keys in random order, with repetition.
fn choose(stage: &Stage<'_>, count: u64, seed: u64) -> Vec<Key> {
    let keys = stage.model.keys();
    let mut random = Random::new(seed);
    (0..count).filter_map(|_| keys.get(random.below(keys.len() as u64) as usize).copied()).collect()
}

fn expected(stage: &Stage<'_>, keys: &[Key]) -> Digest {
    let mut digest = Digest::default();
    keys.iter().for_each(|key| stage.model.get(key, stage.pool, &mut digest));
    digest
}

fn gets(stage: &mut Stage<'_>, keys: &[Key]) -> Result<Sample> {
    let expected = expected(stage, keys);
    let mut found = Digest::default();
    let sample = stage.measure(keys.len() as u64, false, |store| {
        let mut reader = store.reader()?;
        keys.iter().try_for_each(|key| reader.get(key, &mut found))
    })?;
    same(found, expected)?;
    Ok(sample)
}

pub(super) fn hit(stage: &mut Stage<'_>) -> Result<Sample> {
    let keys = choose(stage, stage.many(), 3);
    gets(stage, &keys)
}

pub(super) fn miss(stage: &mut Stage<'_>) -> Result<Sample> {
    let mut random = Random::new(4);
    let keys: Vec<Key> = (0..stage.many()).map(|_| missing_key(random.below(stage.rows))).collect();
    gets(stage, &keys)
}

pub(super) fn hit_fresh(stage: &mut Stage<'_>) -> Result<Sample> {
    let keys = choose(stage, stage.many(), 5);
    let expected = expected(stage, &keys);
    let mut found = Digest::default();
    let sample = stage.measure(keys.len() as u64, false, |store| {
        keys.iter().try_for_each(|key| store.get_fresh(key, &mut found))
    })?;
    same(found, expected)?;
    Ok(sample)
}

pub(super) fn scan_full(stage: &mut Stage<'_>) -> Result<Sample> {
    // Small stores are scanned a few times, so that there is something to measure.
    let passes = (500_000 / stage.model.len().max(1)).clamp(1, 10);
    let mut expected = Digest::default();
    for _ in 0..passes {
        stage.model.scan(None, usize::MAX, stage.pool, &mut expected);
    }
    let mut found = Digest::default();
    let sample = stage.measure(passes * stage.model.len(), false, |store| {
        let mut reader = store.reader()?;
        (0..passes).try_for_each(|_| reader.scan(None, usize::MAX, &mut found))
    })?;
    same(found, expected)?;
    Ok(sample)
}

pub(super) fn scan_100(stage: &mut Stage<'_>) -> Result<Sample> {
    let keys = choose(stage, stage.many() / 10, 6);
    let mut expected = Digest::default();
    for key in &keys {
        stage.model.scan(Some(key), 100, stage.pool, &mut expected);
    }
    let mut found = Digest::default();
    let sample = stage.measure(keys.len() as u64, false, |store| {
        let mut reader = store.reader()?;
        keys.iter().try_for_each(|key| reader.scan(Some(key), 100, &mut found))
    })?;
    same(found, expected)?;
    Ok(sample)
}
