//! The environment of a real process.

use crate::beside::Belonging;
use crate::errno::from_io;
use crate::file::NativeFile;
use crate::handles;
use crate::names;
use crate::sys;
use crate::thread::NativeThread;
use siltstone_env::{
    Access, Capabilities, Env, EnvError, File, FilePath, Owner, OwnerRecord, Registry, Result,
    Task, Thread,
};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    fn file(
        &self,
        opened: std::fs::File,
        path: &FilePath,
        access: Access,
    ) -> Result<Arc<dyn File>> {
        let writable = access != Access::ReadOnly;
        let file = NativeFile::new(opened, path.clone(), self.process, writable, self.locks)?;
        Ok(Arc::new(file))
    }
}

/// Fails in a forked child of process `number`.
pub(crate) fn same_process(number: u32) -> Result<()> {
    if sys::fork::process() == number { Ok(()) } else { Err(EnvError::Forked) }
}

fn open(path: &FilePath, access: Access) -> io::Result<std::fs::File> {
    OpenOptions::new()
        .read(true)
        .write(access != Access::ReadOnly)
        .create(access == Access::ReadWriteCreate)
        .truncate(false)
        .mode(0o644)
        .custom_flags(sys::OPEN_FLAGS)
        .open(names::as_path(path))
}

/// Makes a file with mode and owner of the database; without one, or if another process makes the
/// file just now, it is opened like any file.
fn create_beside(path: &FilePath, database: &FilePath) -> io::Result<std::fs::File> {
    let Ok(database) = std::fs::metadata(names::as_path(database)) else {
        return open(path, Access::ReadWriteCreate);
    };
    match Belonging::of(&database).create(names::as_path(path), sys::OPEN_FLAGS) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            open(path, Access::ReadWriteCreate)
        }
        made => made,
    }
}

#[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
fn start() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Env for NativeEnv {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.multi_process = true;
        capabilities.process_locks = true;
        capabilities.maps = sys::MAPS;
        capabilities.directory_sync = true;
        capabilities.range_locks = true;
        capabilities.threads = true;
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.same_process()?;
        names::canonical(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        self.same_process()?;
        let opened = open(path, access).map_err(from_io)?;
        self.file(opened, path, access)
    }

    fn open_beside(
        &self,
        path: &FilePath,
        access: Access,
        database: &FilePath,
    ) -> Result<Arc<dyn File>> {
        self.same_process()?;
        if access != Access::ReadWriteCreate {
            return self.open(path, access);
        }
        let opened = match open(path, Access::ReadWrite) {
            Err(error) if error.kind() == ErrorKind::NotFound => create_beside(path, database),
            done => done,
        };
        self.file(opened.map_err(from_io)?, path, access)
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        self.same_process()?;
        let id = file.id()?;
        match std::fs::metadata(names::as_path(path)) {
            Ok(metadata) => Ok(id == Some(handles::id((metadata.dev(), metadata.ino())))),
            Err(error) => match from_io(error) {
                EnvError::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }

    fn owner(&self, path: &FilePath) -> Result<Option<Owner>> {
        self.same_process()?;
        match open(&path.with_suffix(OwnerRecord::SUFFIX), Access::ReadOnly) {
            Ok(file) => {
                let mut bytes = Vec::new();
                // What cannot be read is no less a warning.
                let _ = file.take(OwnerRecord::BYTES as u64 + 1).read_to_end(&mut bytes);
                Ok(Some(Owner::read(&bytes, wall_clock())))
            }
            Err(error) => match from_io(error) {
                EnvError::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    fn break_owner(&self, path: &FilePath) -> Result<bool> {
        match self.remove(&path.with_suffix(OwnerRecord::SUFFIX)) {
            Ok(()) => Ok(true),
            Err(EnvError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
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

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        self.same_process()?;
        Ok(Box::new(NativeThread::spawn(self.process, name, body)?))
    }

    fn check_process(&self) -> Result<()> {
        self.same_process()
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }
}
