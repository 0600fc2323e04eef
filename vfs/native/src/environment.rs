//! The environment of a real process.

use crate::errno::from_io;
use crate::file::NativeFile;
use crate::names;
use crate::sys;
use siltstone_env::{Access, Capabilities, Env, EnvError, File, FilePath, Registry, Result};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which kind of byte-range locks to ask the system for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockStyle {
    /// Locks of the open file description, where the system and the file system have them; POSIX
    /// locks elsewhere.
    #[default]
    Best,
    /// POSIX locks, owned by the process as a whole.
    Process,
}

/// The operating system's files and locks, as seen by one process.
///
/// All calls fail with [`EnvError::Forked`] in a child made by `fork`: the child shares its
/// parent's open file descriptions, and releasing a lock there would release the parent's.
/// [`NativeEnv::shared`] gives the child an environment of its own.
#[derive(Debug)]
pub struct NativeEnv {
    registry: Registry,
    process: u32,
    locks: LockStyle,
    start: Instant,
}

static CURRENT: Mutex<Option<Arc<NativeEnv>>> = Mutex::new(None);

impl NativeEnv {
    /// The environment of this process: every call gives the same one, with one registry.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref() {
            Some(env) if env.process == sys::fork::process() => env.clone(),
            _ => current.insert(Self::separate(LockStyle::Best)).clone(),
        }
    }

    /// An environment with a registry of its own.
    ///
    /// With locks of the open file description it behaves like a further process, which is what
    /// tests want. With POSIX locks it does not: two such environments must not open one file.
    #[must_use]
    pub fn separate(locks: LockStyle) -> Arc<Self> {
        Arc::new(NativeEnv {
            registry: Registry::new(),
            process: sys::fork::process(),
            locks,
            start: start(),
        })
    }

    fn same_process(&self) -> Result<()> {
        same_process(self.process)
    }
}

/// Fails in a forked child of process `number`.
pub(crate) fn same_process(number: u32) -> Result<()> {
    if sys::fork::process() == number { Ok(()) } else { Err(EnvError::Forked) }
}

#[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
fn start() -> Instant {
    Instant::now()
}

impl Env for NativeEnv {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.process_locks = true;
        capabilities.maps = sys::MAPS;
        capabilities.directory_sync = true;
        capabilities.range_locks = sys::RANGE_LOCKS;
        capabilities.threads = true;
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.same_process()?;
        names::canonical(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        self.same_process()?;
        let writable = access != Access::ReadOnly;
        let file = OpenOptions::new()
            .read(true)
            .write(writable)
            .create(access == Access::ReadWriteCreate)
            .truncate(false)
            .mode(0o644)
            .custom_flags(sys::OPEN_FLAGS)
            .open(names::as_path(path))
            .map_err(from_io)?;
        Ok(Arc::new(NativeFile::new(file, self.process, writable, self.locks)?))
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        self.same_process()?;
        std::fs::remove_file(names::as_path(path)).map_err(from_io)
    }

    fn sync_directory(&self, path: &FilePath) -> Result<()> {
        self.same_process()?;
        let directory =
            std::fs::File::open(names::parent(names::as_path(path))).map_err(from_io)?;
        match directory.sync_all() {
            // Some file systems cannot sync directories, and need not.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
            done => done.map_err(from_io),
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        let mut source = std::fs::File::open("/dev/urandom").map_err(from_io)?;
        source.read_exact(buffer).map_err(from_io)
    }

    #[allow(clippy::disallowed_methods, reason = "this is what a world's sleep is made of")]
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }
}
