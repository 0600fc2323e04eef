//! Values of 64 KiB: written eight to a commit, read in random order.

use super::{Stage, same};
use crate::data::{Random, random_key};
use crate::engine::{Digest, Row};
use crate::measure::Sample;
use anyhow::Result;

fn count(stage: &Stage<'_>) -> u64 {
    (stage.rows / 200).clamp(8, 2048)
}

pub(super) fn write(stage: &mut Stage<'_>) -> Result<Sample> {
    let pool = stage.pool;
    let rows: Vec<_> =
        (0..count(stage)).map(|id| Row { key: random_key(id), value: pool.large(id) }).collect();
    let sample = stage.measure(rows.len() as u64, true, |store| {
        rows.chunks(8).try_for_each(|batch| store.put_batch(batch))
    })?;
    let (mut found, mut expected) = (Digest::default(), Digest::default());
    rows.iter().for_each(|row| expected.add(&row.key, row.value));
    stage.store()?.reader()?.scan(None, usize::MAX, &mut found)?;
    same(found, expected)?;
    Ok(sample)
}

pub(super) fn read(stage: &mut Stage<'_>) -> Result<Sample> {
    write(stage)?;
    let (total, mut random) = (count(stage), Random::new(31));
    let ids: Vec<_> = (0..total * 4).map(|_| random.below(total)).collect();
    let (mut found, mut expected) = (Digest::default(), Digest::default());
    ids.iter().for_each(|id| expected.add(&random_key(*id), stage.pool.large(*id)));
    let sample = stage.measure(ids.len() as u64, false, |store| {
        let mut reader = store.reader()?;
        ids.iter().try_for_each(|id| reader.get(&random_key(*id), &mut found))
    })?;
    same(found, expected)?;
    Ok(sample)
}
