//! The core workloads of YCSB on zipfian keys: A half updates, B one in twenty, C none, E short scans
//! and inserts. Each operation is its own transaction and reads the newest state.

use super::{Stage, same};
use crate::data::{Random, Zipf, random_key};
use crate::engine::{Digest, Key, Row};
use crate::measure::Sample;
use anyhow::Result;

enum Operation<'a> {
    Get(Key),
    Scan(Key, usize),
    Put(Row<'a>),
}

/// Runs `count` operations, of which so many percent write.
fn run(stage: &mut Stage<'_>, seed: u64, count: u64, writes: u64, scans: bool) -> Result<Sample> {
    let keys = stage.model.keys();
    let (zipf, mut random) = (Zipf::new(keys.len() as u64), Random::new(seed));
    let mut expected = Digest::default();
    let mut operations = Vec::new();
    // Ids beyond the loaded rows, different for each workload.
    let mut new_id = (seed << 32) + stage.rows;
    for _ in 0..count {
        let write = random.below(100) < writes;
        let Some(key) = keys.get(zipf.pick(&mut random) as usize) else { continue };
        if write && scans {
            let key = random_key(new_id);
            stage.model.insert(key, new_id);
            operations.push(Operation::Put(Row { key, value: stage.pool.value(new_id, 0) }));
            new_id += 1;
        } else if write {
            let (id, version) = stage.model.update(key);
            let value = stage.pool.value(id, version);
            operations.push(Operation::Put(Row { key: *key, value }));
        } else if scans {
            let limit = 1 + random.below(100) as usize;
            stage.model.scan(Some(key), limit, stage.pool, &mut expected);
            operations.push(Operation::Scan(*key, limit));
        } else {
            stage.model.get(key, stage.pool, &mut expected);
            operations.push(Operation::Get(*key));
        }
    }
    let mut found = Digest::default();
    let sample = stage.measure(operations.len() as u64, writes > 0, |store| {
        for operation in &operations {
            match operation {
                Operation::Get(key) => store.get_fresh(key, &mut found)?,
                Operation::Scan(key, limit) => {
                    store.reader()?.scan(Some(key), *limit, &mut found)?;
                }
                Operation::Put(row) => store.put(row)?,
            }
        }
        Ok(())
    })?;
    same(found, expected)?;
    Ok(sample)
}

pub(super) fn a(stage: &mut Stage<'_>) -> Result<Sample> {
    run(stage, 11, stage.many(), 50, false)
}

pub(super) fn b(stage: &mut Stage<'_>) -> Result<Sample> {
    run(stage, 12, stage.many(), 5, false)
}

pub(super) fn c(stage: &mut Stage<'_>) -> Result<Sample> {
    run(stage, 13, stage.many(), 0, false)
}

pub(super) fn e(stage: &mut Stage<'_>) -> Result<Sample> {
    run(stage, 14, stage.many() / 10, 5, true)
}
