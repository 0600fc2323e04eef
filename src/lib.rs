//! Siltstone: an embedded, ordered, transactional key-value store.
#![deny(unsafe_code)]

pub use siltstone_env as env;

mod error;
pub mod format;
mod shm;

pub use error::{BusyRole, Error, ErrorKind, Place, Result};
