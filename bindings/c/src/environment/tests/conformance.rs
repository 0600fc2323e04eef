//! Callers' environments keep the engine's contract, where `lsm_env` can.

use super::{copied, forever, forwarding};
use crate::environment::caller::{CallerEnv, Structure};
use siltstone::env::{
    Access, Capabilities, Env, File, FileId, FilePath, LockId, LockMode, RawMutex, Registry,
    Result, SharedMemory, Task, Thread,
};
use siltstone_env::conformance::{CHECKS, World};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Nobody can tell through an `lsm_env` whether the memory in use is the one others would find.
const NOT_IN_THE_CONTRACT: [&str; 1] = ["shared_memory::a_removed_name_is_noticed"];

/// The suite counts bytes, which no `lsm_env` does: this asks the file system.
#[derive(Debug)]
struct MeasuredFile {
    inner: Arc<dyn File>,
    path: FilePath,
}

impl MeasuredFile {
    fn measure(&self) -> Option<u64> {
        let path = Path::new(OsStr::from_bytes(self.path.as_bytes()));
        std::fs::metadata(path).ok().map(|metadata| metadata.len())
    }
}

impl File for MeasuredFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let claimed = self.inner.read_at(offset, buffer)?;
        let Some(size) = self.measure() else { return Ok(claimed) };
        let held = usize::try_from(size.saturating_sub(offset)).unwrap();
        Ok(held.min(claimed))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.inner.truncate(size)
    }

    fn size(&self) -> Result<u64> {
        assert_eq!(self.inner.known_size(), Ok(None));
        Ok(self.measure().unwrap())
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }

    fn id(&self) -> Result<Option<FileId>> {
        self.inner.id()
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        self.inner.lock(lock, mode)
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        self.inner.test_lock(first, count, mode)
    }

    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        self.inner.shared_memory()
    }
}

#[derive(Debug)]
struct MeasuredEnv(Arc<CallerEnv>);

impl Env for MeasuredEnv {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.0.canonical_path(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        let inner = self.0.open(path, access)?;
        Ok(Arc::new(MeasuredFile { inner, path: path.clone() }))
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        self.0.is_current(path, file)
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        self.0.remove(path)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        self.0.random(buffer)
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        self.0.spawn(name, body)
    }

    fn check_process(&self) -> Result<()> {
        self.0.check_process()
    }

    fn mutex(&self) -> Result<Arc<dyn RawMutex>> {
        self.0.mutex()
    }

    fn global_mutex(&self) -> Result<Option<Arc<dyn RawMutex>>> {
        self.0.global_mutex()
    }

    fn registry(&self) -> &Registry {
        self.0.registry()
    }
}

/// Each process has an environment of its own over one structure.
struct Callers {
    directory: tempfile::TempDir,
    structure: Structure,
}

impl World for Callers {
    fn process(&self) -> Option<Arc<dyn Env>> {
        Some(Arc::new(MeasuredEnv(CallerEnv::separate(self.structure))))
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.directory.path().join(name).as_os_str().as_bytes().to_vec()
    }
}

fn keeps_the_contract(structure: Structure) {
    for (name, check) in CHECKS {
        if !NOT_IN_THE_CONTRACT.contains(name) {
            eprintln!("{name}");
            check(&Callers { directory: tempfile::tempdir().unwrap(), structure });
        }
    }
}

// Processes are told apart by locks of open files, which only Linux has.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_copy_of_the_default_environment_keeps_the_contract() {
    keeps_the_contract(forever(copied()));
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn an_environment_that_forwards_keeps_the_contract() {
    keeps_the_contract(forever(forwarding::members()));
}

/// The rule that is left out is about something the world cannot do, not something it does wrong.
#[test]
fn what_is_left_out_is_a_rule() {
    for name in NOT_IN_THE_CONTRACT {
        assert!(CHECKS.iter().any(|(known, _)| *known == name), "{name}");
    }
}
