//! The engines, one per file, with the settings they are measured with.

mod fjall;
mod lmdb;
mod lsm1;
mod redb;
mod siltstone;

use crate::engine::Engine;
use anyhow::{Result, bail};

/// Names in the order of the report.
pub(crate) const NAMES: [&str; 5] = ["siltstone", "lsm1", "redb", "fjall", "lmdb"];

/// The engine with this name.
pub(crate) fn by_name(name: &str) -> Result<Box<dyn Engine>> {
    Ok(match name {
        "siltstone" => Box::new(siltstone::Siltstone),
        "lsm1" => Box::new(lsm1::Lsm1),
        "redb" => Box::new(redb::Redb),
        "fjall" => Box::new(fjall::Fjall),
        "lmdb" => Box::new(lmdb::Lmdb),
        _ => bail!("no engine {name:?}: give some of {}", NAMES.join(",")),
    })
}
