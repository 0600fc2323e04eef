//! The one place that names a world: the default of this target.

use crate::env::Env;
use crate::error::Result;
use std::sync::Arc;

/// The native world, one per process.
#[cfg(unix)]
pub(crate) fn default_env() -> Result<Arc<dyn Env>> {
    Ok(siltstone_native::NativeEnv::shared())
}

/// The directories a WASI host has opened for this instance.
#[cfg(target_os = "wasi")]
pub(crate) fn default_env() -> Result<Arc<dyn Env>> {
    Ok(siltstone_wasi::WasiEnv::shared())
}

/// Targets without a world of their own say so when a database is opened.
#[cfg(not(any(unix, target_os = "wasi")))]
pub(crate) fn default_env() -> Result<Arc<dyn Env>> {
    Err(crate::error::Error::new(crate::error::ErrorKind::CannotOpen(
        "this target has no default environment yet; bring one and use Options::open_with_env"
            .into(),
    )))
}
