//! The engines, one per file, with the settings they are measured with.

#[cfg(feature = "peers")]
mod lmdb;
mod lsm1;
mod siltstone;
#[cfg(feature = "peers")]
mod sqlite;

use super::site::Kind;
use anyhow::{Context, Result};

/// Names in the order of the report.
#[cfg(feature = "peers")]
pub(super) const NAMES: &[&str] = &["siltstone", "siltstone+bg", "lsm1", "lmdb", "sqlite"];
#[cfg(not(feature = "peers"))]
pub(super) const NAMES: &[&str] = &["siltstone", "siltstone+bg", "lsm1"];

/// The name as the table has it.
pub(super) fn known(name: &str) -> Result<&'static str> {
    let known = NAMES.iter().copied().find(|known| *known == name);
    known.with_context(|| format!("no engine {name:?}: give some of {}", NAMES.join(",")))
}

/// The engine with this name.
pub(super) fn by_name(name: &str) -> Result<Kind> {
    Ok(match known(name)? {
        "siltstone" => siltstone::PLAIN,
        "siltstone+bg" => siltstone::BACKGROUND,
        #[cfg(feature = "peers")]
        "lmdb" => lmdb::LMDB,
        #[cfg(feature = "peers")]
        "sqlite" => sqlite::SQLITE,
        _ => lsm1::LSM1,
    })
}
