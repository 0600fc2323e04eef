//! Command line of the benchmark.

use crate::engine::Engine;
use crate::engines;
use crate::workloads::{self, Workload};
use anyhow::{Result, bail};
use clap::Parser;
use std::path::PathBuf;

/// Compares Siltstone with C lsm1, redb, fjall and LMDB.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Engines to run.
    #[arg(long, value_delimiter = ',', default_values_t = engines::NAMES.iter().map(|&name| name.to_owned()))]
    engines: Vec<String>,
    /// Workloads to run, `sizes` among them; default all.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Rounds; each runs every workload on every engine.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u64,
    /// 100,000 rows (the default).
    #[arg(long, conflicts_with_all = ["full", "rows"])]
    quick: bool,
    /// 1,000,000 rows.
    #[arg(long, conflicts_with = "rows")]
    full: bool,
    /// So many rows.
    #[arg(long)]
    rows: Option<u64>,
    /// Fail if Siltstone does less than this multiple of C lsm1 per CPU second anywhere.
    #[arg(long)]
    pub(crate) gate: Option<f64>,
    /// Where the stores and results go; on the disk to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn rows(&self) -> u64 {
        self.rows.unwrap_or(if self.full { 1_000_000 } else { 100_000 }).max(1000)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(default_directory)
    }

    pub(crate) fn engines(&self) -> Result<Vec<Box<dyn Engine>>> {
        self.engines.iter().map(|name| engines::by_name(name)).collect()
    }

    pub(crate) fn workloads(&self) -> Result<Vec<&'static Workload>> {
        for name in &self.workloads {
            if name != "sizes" && !workloads::ALL.iter().any(|workload| workload.name == name) {
                let names: Vec<_> = workloads::ALL.iter().map(|workload| workload.name).collect();
                bail!("no workload {name:?}: give some of {},sizes", names.join(","));
            }
        }
        Ok(workloads::ALL.iter().filter(|workload| self.wants(workload.name)).collect())
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|wanted| wanted == name)
    }
}

/// `target/bench` of the workspace, or of wherever cargo was told to build.
pub(crate) fn default_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    target.join("bench")
}
