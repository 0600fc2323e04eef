//! The environment of one instance.

use crate::file::WasiFile;
use crate::host::{Host, How, Kind, Refusal, uninterrupted};
use crate::{names, owner};
use siltstone_env::{Access, Capabilities, Env, EnvError, File, FilePath, Owner, Registry, Result};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What keeps others away from a database that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// The owner file beside it.
    #[default]
    OwnerFile,
    /// A lock held outside for as long as the instance runs, by `siltstone hold-lock`: the instance
    /// itself makes no owner file and looks for none.
    Host,
}

/// The variable by which an instance is told of a lock held outside.
#[cfg(target_os = "wasi")]
const HOST_LOCK: &str = "SILTSTONE_HOST_LOCK";

/// What an environment and its files have in common.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) host: Box<dyn Host>,
    pub(crate) guard: Guard,
    /// Tokens of the owner files of this instance.
    pub(crate) tokens: Mutex<Vec<u64>>,
}

/// The files of the preopened directories, as seen by one instance.
///
/// A name is found below the preopened directory that is its longest beginning; `..` is refused, and
/// symbolic links are not followed as the last component.
#[derive(Debug)]
pub struct WasiEnv {
    instance: Arc<Instance>,
    registry: Registry,
    start: Instant,
}

#[cfg(target_os = "wasi")]
thread_local! {
    static SHARED: Arc<WasiEnv> = WasiEnv::separate(if std::env::var_os(HOST_LOCK).is_some() {
        Guard::Host
    } else {
        Guard::OwnerFile
    });
}

impl WasiEnv {
    /// The environment of this instance: every call gives the same one, with one registry. The guard
    /// is the owner file unless the variable `SILTSTONE_HOST_LOCK` is set.
    #[cfg(target_os = "wasi")]
    #[must_use]
    pub fn shared() -> Arc<Self> {
        SHARED.with(Arc::clone)
    }

    /// An environment with a registry and owner files of its own: to others a further instance.
    #[cfg(target_os = "wasi")]
    #[must_use]
    pub fn separate(guard: Guard) -> Arc<Self> {
        #[cfg(target_env = "p1")]
        let host = crate::p1::Preview1::new();
        #[cfg(target_env = "p2")]
        let host = crate::p2::Preview2::new();
        Self::on(Box::new(host), guard)
    }

    /// The names of the preopened directories, in the host's order.
    #[must_use]
    pub fn directories(&self) -> &[String] {
        self.instance.host.directories()
    }

    pub(crate) fn on(host: Box<dyn Host>, guard: Guard) -> Arc<Self> {
        let tokens = Mutex::default();
        Arc::new(WasiEnv {
            instance: Arc::new(Instance { host, guard, tokens }),
            registry: Registry::new(),
            start: start(),
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
fn start() -> Instant {
    Instant::now()
}

fn how(access: Access) -> How {
    match access {
        Access::ReadWriteCreate => How::Create,
        Access::ReadWrite => How::Write,
        Access::ReadOnly => How::Read,
    }
}

impl Env for WasiEnv {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.process_locks = self.instance.guard == Guard::OwnerFile;
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        names::canonical(self.instance.host.directories(), name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        let host = &*self.instance.host;
        let place = names::find(host.directories(), path)?;
        // Some hosts open what a link leads to even when told not to follow.
        match uninterrupted(|| host.stat(&place)) {
            Ok(stat) if stat.kind == Kind::Other => return Err(EnvError::NotAFile),
            Err(Refusal::NotFound) if access != Access::ReadWriteCreate => {
                return Err(EnvError::NotFound);
            }
            // Whatever else is wrong, opening says it better.
            _ => {}
        }
        let descriptor = uninterrupted(|| host.open(&place, how(access)))?;
        let writable = access != Access::ReadOnly;
        Ok(Arc::new(WasiFile::new(Arc::clone(&self.instance), place, descriptor, writable)?))
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        let Some(id) = file.id()? else { return Ok(true) };
        let host = &*self.instance.host;
        let place = names::find(host.directories(), path)?;
        match uninterrupted(|| host.stat(&place)) {
            Ok(stat) => Ok(crate::file::id(stat) == Some(id)),
            Err(Refusal::NotFound) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn owner(&self, path: &FilePath) -> Result<Option<Owner>> {
        if self.instance.guard == Guard::Host {
            return Ok(None);
        }
        owner::find(&self.instance, &names::find(self.instance.host.directories(), path)?)
    }

    fn break_owner(&self, path: &FilePath) -> Result<bool> {
        owner::break_up(&self.instance, &names::find(self.instance.host.directories(), path)?)
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        let host = &*self.instance.host;
        let place = names::find(host.directories(), path)?;
        Ok(uninterrupted(|| host.unlink(&place))?)
    }

    fn sync_directory(&self, path: &FilePath) -> Result<()> {
        let host = &*self.instance.host;
        let place = names::find(host.directories(), path)?;
        match uninterrupted(|| host.sync_directory(place.directory)) {
            // Several hosts have no such call for directories.
            Err(Refusal::Unsupported | Refusal::NotPermitted) => Ok(()),
            answer => Ok(answer?),
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        Ok(uninterrupted(|| self.instance.host.random(buffer))?)
    }

    #[allow(clippy::disallowed_methods, reason = "this is what a world's sleep is made of")]
    fn sleep(&self, duration: Duration) {
        let begun = self.start.elapsed();
        // Hosts may return early.
        loop {
            let slept = self.start.elapsed().saturating_sub(begun);
            let Some(rest) = duration.checked_sub(slept).filter(|rest| !rest.is_zero()) else {
                return;
            };
            std::thread::sleep(rest);
        }
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }
}
