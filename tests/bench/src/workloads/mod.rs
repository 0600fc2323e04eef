//! The workloads, in the order they run on one store. Each verifies what it read or wrote against the
//! model outside the measured time.

mod delete;
mod large;
mod load;
mod mixed;
mod read;
mod reopen;

use crate::data::Pool;
use crate::engine::{Digest, Engine, Store};
use crate::measure::{Sample, Stopwatch};
use crate::model::Model;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// What a workload finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// An empty store of its own, thrown away afterwards.
    Empty,
    /// As `Empty`, opened so that commits are durable.
    EmptyDurable,
    /// The round's store: loaded in random order, and what earlier workloads did to it.
    Loaded,
    /// The round's store after compaction.
    Compacted,
}

/// A workload.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) start: Start,
    /// Whether the gate looks at it: throughput rows, not latencies of whole calls.
    pub(crate) gated: bool,
    pub(crate) run: fn(&mut Stage<'_>) -> Result<Sample>,
}

const fn row(
    name: &'static str,
    unit: &'static str,
    start: Start,
    run: fn(&mut Stage<'_>) -> Result<Sample>,
) -> Workload {
    Workload { name, unit, start, gated: true, run }
}

/// All workloads.
pub(crate) const ALL: &[Workload] = &[
    row("load_seq_b1000", "rows", Start::Empty, load::sequential_1000),
    row("rand_b1", "rows", Start::Empty, load::random_1),
    row("rand_b100", "rows", Start::Empty, load::random_100),
    row("rand_b1000", "rows", Start::Empty, load::random_1000),
    row("sync_b1", "commits", Start::EmptyDurable, load::durable_1),
    row("sync_b100", "rows", Start::EmptyDurable, load::durable_100),
    row("big64k_write", "values", Start::Empty, large::write),
    row("big64k_read", "values", Start::Empty, large::read),
    row("get_hit", "gets", Start::Loaded, read::hit),
    row("get_miss", "gets", Start::Loaded, read::miss),
    row("get_hit_fresh_snapshot", "gets", Start::Loaded, read::hit_fresh),
    row("scan_full", "rows", Start::Loaded, read::scan_full),
    row("scan_100", "scans", Start::Loaded, read::scan_100),
    row("overwrite_b100", "rows", Start::Loaded, load::overwrite_100),
    row("ycsb_a", "ops", Start::Loaded, mixed::a),
    row("ycsb_b", "ops", Start::Loaded, mixed::b),
    row("ycsb_c", "ops", Start::Loaded, mixed::c),
    row("ycsb_e", "ops", Start::Loaded, mixed::e),
    row("get_hit_compacted", "gets", Start::Compacted, read::hit),
    row("get_miss_compacted", "gets", Start::Compacted, read::miss),
    row("scan_full_compacted", "rows", Start::Compacted, read::scan_full),
    row("delete_b1", "rows", Start::Loaded, delete::single),
    row("range_delete", "ranges", Start::Loaded, delete::ranges),
    Workload {
        name: "reopen",
        unit: "opens",
        start: Start::Loaded,
        gated: false,
        run: reopen::reopen,
    },
];

/// Where a workload runs: one engine's store, its model, and the sizes of this run.
pub(crate) struct Stage<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) directory: PathBuf,
    pub(crate) store: Option<Box<dyn Store>>,
    pub(crate) model: Model,
    pub(crate) pool: &'a Pool,
    pub(crate) rows: u64,
    pub(crate) compacted: bool,
}

impl<'a> Stage<'a> {
    /// An empty store in a new directory.
    pub(crate) fn empty(
        engine: &'a dyn Engine,
        directory: &Path,
        pool: &'a Pool,
        rows: u64,
        durable: bool,
    ) -> Result<Self> {
        if directory.exists() {
            std::fs::remove_dir_all(directory)?;
        }
        std::fs::create_dir_all(directory)?;
        let store = Some(engine.open(directory, durable)?);
        let directory = directory.to_owned();
        let model = Model::default();
        Ok(Stage { engine, directory, store, model, pool, rows, compacted: false })
    }

    /// Loads the rows in random order, a thousand per commit.
    pub(crate) fn load(&mut self) -> Result<()> {
        load::random_1000(self).map(drop)
    }

    pub(crate) fn compact(&mut self) -> Result<()> {
        if !self.compacted {
            self.store()?.compact()?;
            self.compacted = true;
        }
        Ok(())
    }

    pub(crate) fn store(&mut self) -> Result<&mut dyn Store> {
        Ok(self.store.as_mut().context("the store is closed")?.as_mut())
    }

    /// Closes the store and removes its files.
    pub(crate) fn finish(mut self) -> Result<()> {
        if let Some(store) = self.store.take() {
            store.close()?;
        }
        Ok(std::fs::remove_dir_all(&self.directory)?)
    }

    /// Measures `body`; for writers including the background work it caused.
    fn measure(
        &mut self,
        operations: u64,
        writes: bool,
        body: impl FnOnce(&mut dyn Store) -> Result<()>,
    ) -> Result<Sample> {
        let drain = writes && self.engine.has_background_threads();
        self.compacted &= !writes;
        let mut watch = Stopwatch::default();
        let store = self.store()?;
        watch.start()?;
        body(store)?;
        watch.stop(drain)?;
        Ok(watch.sample(operations))
    }

    /// Fails unless the store holds exactly what the model says.
    fn verify(&mut self) -> Result<()> {
        let mut expected = Digest::default();
        self.model.scan(None, usize::MAX, self.pool, &mut expected);
        let mut found = Digest::default();
        self.store()?.reader()?.scan(None, usize::MAX, &mut found)?;
        same(found, expected)
    }

    /// Calls of a cheap operation.
    fn many(&self) -> u64 {
        self.rows.min(200_000)
    }
}

fn same(found: Digest, expected: Digest) -> Result<()> {
    ensure!(found == expected, "wrong answer: {found:?} instead of {expected:?}");
    Ok(())
}
