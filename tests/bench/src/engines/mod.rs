//! The engines, one per file, with the settings they are measured with.

#[cfg(feature = "peers")]
mod fjall;
#[cfg(feature = "peers")]
pub(crate) mod lmdb;
mod lsm1;
#[cfg(feature = "peers")]
mod redb;
mod siltstone;

use crate::engine::Engine;
use anyhow::{Result, bail};

/// Names in the order of the report.
#[cfg(feature = "peers")]
pub(crate) const NAMES: &[&str] = &["siltstone", "lsm1", "redb", "fjall", "lmdb"];
#[cfg(not(feature = "peers"))]
pub(crate) const NAMES: &[&str] = &["siltstone", "lsm1"];

/// The engine with this name.
pub(crate) fn by_name(name: &str) -> Result<Box<dyn Engine>> {
    Ok(match name {
        "siltstone" => Box::new(siltstone::Siltstone),
        "lsm1" => Box::new(lsm1::Lsm1),
        #[cfg(feature = "peers")]
        "redb" => Box::new(redb::Redb),
        #[cfg(feature = "peers")]
        "fjall" => Box::new(fjall::Fjall),
        #[cfg(feature = "peers")]
        "lmdb" => Box::new(lmdb::Lmdb),
        _ => bail!("no engine {name:?}: give some of {}", NAMES.join(",")),
    })
}
