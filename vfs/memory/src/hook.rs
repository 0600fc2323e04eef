//! A wrapper that asks before every call to a world.
//!
//! [`HookedEnv`] wraps any environment and shows each call to a [`Hook`], which lets it pass, makes
//! it fail, or does something of its own first, such as letting another process run. Wrappers can
//! be stacked. Clock, sleep, mutexes and registry pass unseen.

use siltstone_env::{
    Access, Capabilities, Env, EnvError, File, FileId, FileMap, FilePath, LockId, LockMode, Owner,
    RawMutex, Registry, Result, SharedChunk, SharedMemory, Task, Thread,
};
use std::fmt::Debug;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The calls a hook sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `Env::canonical_path`; the path is the name as given.
    CanonicalPath,
    /// `Env::open` and `Env::open_beside`.
    Open,
    /// `Env::remove`.
    Remove,
    /// `Env::sync_directory`.
    SyncDirectory,
    /// `Env::random`; the path is empty.
    Random,
    /// `Env::spawn`; the path is the thread's name.
    Spawn,
    /// `Env::is_current`, which also asks for the file's `Id`, and `SharedMemory::is_current`.
    IsCurrent,
    /// `File::read_at`.
    Read,
    /// `File::write_at` and `File::write_vectored_at`.
    Write,
    /// `File::truncate`; the offset is the new size.
    Truncate,
    /// `File::size`.
    Size,
    /// `File::sync`.
    Sync,
    /// `File::allocate`; the offset is the size asked for.
    Allocate,
    /// `File::id`.
    Id,
    /// `File::lock`; the offset is the lock's byte.
    Lock,
    /// `File::test_lock`.
    TestLock,
    /// `File::lock_range`.
    LockRange,
    /// `File::shared_memory`.
    SharedMemory,
    /// `SharedMemory::chunk`; the offset is the chunk's index.
    Chunk,
    /// `SharedMemory::release`.
    Release,
    /// `File::map`.
    Map,
}

/// A call about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is called.
    pub method: Method,
    /// On which file.
    pub path: &'a FilePath,
    /// From where.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// Which lock, for `Lock` and `TestLock`.
    pub lock: Option<LockId>,
    /// How, for calls about locks.
    pub mode: Option<LockMode>,
}

impl Call<'_> {
    /// Whether the call is on a file whose name ends like this (`"-log"`, `"app.lsm"`).
    #[must_use]
    pub fn is_on(&self, end_of_name: &str) -> bool {
        self.path.as_bytes().ends_with(end_of_name.as_bytes())
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Proceed,
    /// It is not made and fails.
    Fail(EnvError),
    /// A write writes so many bytes and then fails; any other call just fails.
    Partial(u64, EnvError),
}

/// Decides about calls.
pub trait Hook: Send + Sync + Debug + 'static {
    /// Called before each call, on the caller's thread, with no lock of the world held.
    fn before(&self, call: &Call<'_>) -> Verdict;

    /// Called after each `File::lock` that succeeded, before its caller learns of it.
    fn locked(&self, _lock: LockId, _mode: LockMode) {}
}

/// An environment whose calls are shown to a hook first.
#[derive(Debug)]
pub struct HookedEnv<H: Hook> {
    inner: Arc<dyn Env>,
    hook: Arc<H>,
}

impl<H: Hook> HookedEnv<H> {
    /// Wraps an environment.
    #[must_use]
    pub fn new(inner: Arc<dyn Env>, hook: H) -> Arc<Self> {
        Arc::new(HookedEnv { inner, hook: Arc::new(hook) })
    }

    /// Wraps an environment with a hook that other environments use too.
    #[must_use]
    pub fn sharing(inner: Arc<dyn Env>, hook: Arc<H>) -> Arc<Self> {
        Arc::new(HookedEnv { inner, hook })
    }

    /// The hook.
    #[must_use]
    pub fn hook(&self) -> &Arc<H> {
        &self.hook
    }

    fn ask(&self, method: Method, path: &FilePath, length: u64) -> Result<()> {
        ask(&*self.hook, method, path, 0..length)
    }
}

fn ask(hook: &dyn Hook, method: Method, path: &FilePath, range: Range<u64>) -> Result<()> {
    let length = range.end.saturating_sub(range.start);
    let call = Call { method, path, offset: range.start, length, lock: None, mode: None };
    permit(hook.before(&call))
}

fn permit(verdict: Verdict) -> Result<()> {
    match verdict {
        Verdict::Proceed => Ok(()),
        Verdict::Fail(error) | Verdict::Partial(_, error) => Err(error),
    }
}

impl<H: Hook> Env for HookedEnv<H> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.ask(Method::CanonicalPath, &FilePath::from_bytes(name), 0)?;
        self.inner.canonical_path(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        self.ask(Method::Open, path, 0)?;
        let inner = self.inner.open(path, access)?;
        Ok(Arc::new(HookedFile { inner, hook: self.hook.clone(), path: path.clone() }))
    }

    fn open_beside(
        &self,
        path: &FilePath,
        access: Access,
        database: &FilePath,
    ) -> Result<Arc<dyn File>> {
        self.ask(Method::Open, path, 0)?;
        let inner = self.inner.open_beside(path, access, database)?;
        Ok(Arc::new(HookedFile { inner, hook: self.hook.clone(), path: path.clone() }))
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        self.ask(Method::IsCurrent, path, 0)?;
        self.inner.is_current(path, file)
    }

    fn owner(&self, path: &FilePath) -> Result<Option<Owner>> {
        self.inner.owner(path)
    }

    fn break_owner(&self, path: &FilePath) -> Result<bool> {
        self.inner.break_owner(path)
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        self.ask(Method::Remove, path, 0)?;
        self.inner.remove(path)
    }

    fn sync_directory(&self, path: &FilePath) -> Result<()> {
        self.ask(Method::SyncDirectory, path, 0)?;
        self.inner.sync_directory(path)
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        self.ask(Method::Random, &FilePath::from_bytes(b""), buffer.len() as u64)?;
        self.inner.random(buffer)
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        self.ask(Method::Spawn, &FilePath::from_bytes(name.as_bytes()), 0)?;
        self.inner.spawn(name, body)
    }

    fn check_process(&self) -> Result<()> {
        self.inner.check_process()
    }

    fn mutex(&self) -> Result<Arc<dyn RawMutex>> {
        self.inner.mutex()
    }

    fn global_mutex(&self) -> Result<Option<Arc<dyn RawMutex>>> {
        self.inner.global_mutex()
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }
}

#[derive(Debug)]
struct HookedFile<H: Hook> {
    inner: Arc<dyn File>,
    hook: Arc<H>,
    path: FilePath,
}

impl<H: Hook> HookedFile<H> {
    fn ask(&self, method: Method, offset: u64, length: u64) -> Result<()> {
        ask(&*self.hook, method, &self.path, offset..offset.saturating_add(length))
    }

    fn ask_lock(
        &self,
        method: Method,
        lock: Option<LockId>,
        range: Range<u64>,
        mode: LockMode,
    ) -> Result<()> {
        let (offset, length) = (range.start, range.end.saturating_sub(range.start));
        let call = Call { method, path: &self.path, offset, length, lock, mode: Some(mode) };
        permit(self.hook.before(&call))
    }

    /// Asks about a write; `Some` is the part to write before failing.
    fn ask_write(&self, offset: u64, length: u64) -> Result<Option<(usize, EnvError)>> {
        let (method, path) = (Method::Write, &self.path);
        let call = Call { method, path, offset, length, lock: None, mode: None };
        match self.hook.before(&call) {
            Verdict::Proceed => Ok(None),
            Verdict::Fail(error) => Err(error),
            Verdict::Partial(bytes, error) => Ok(Some((bytes.min(length) as usize, error))),
        }
    }
}

impl<H: Hook> File for HookedFile<H> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.ask(Method::Read, offset, buffer.len() as u64)?;
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        match self.ask_write(offset, bytes.len() as u64)? {
            None => self.inner.write_at(offset, bytes),
            Some((part, error)) => {
                self.inner.write_at(offset, bytes.get(..part).unwrap_or(bytes))?;
                Err(error)
            }
        }
    }

    fn write_vectored_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
        match self.ask_write(offset, slices.iter().map(|slice| slice.len() as u64).sum())? {
            None => self.inner.write_vectored_at(offset, slices),
            Some((part, error)) => {
                let bytes: Vec<u8> =
                    slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                self.inner.write_at(offset, bytes.get(..part).unwrap_or(&bytes))?;
                Err(error)
            }
        }
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.ask(Method::Truncate, size, 0)?;
        self.inner.truncate(size)
    }

    fn size(&self) -> Result<u64> {
        self.ask(Method::Size, 0, 0)?;
        self.inner.size()
    }

    fn sync(&self) -> Result<()> {
        self.ask(Method::Sync, 0, 0)?;
        self.inner.sync()
    }

    fn allocate(&self, size: u64) -> Result<()> {
        self.ask(Method::Allocate, size, 0)?;
        self.inner.allocate(size)
    }

    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }

    fn id(&self) -> Result<Option<FileId>> {
        self.ask(Method::Id, 0, 0)?;
        self.inner.id()
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        let byte = lock.byte_offset();
        self.ask_lock(Method::Lock, Some(lock), byte..byte + 1, mode)?;
        self.inner.lock(lock, mode)?;
        self.hook.locked(lock, mode);
        Ok(())
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        let end = first.byte_offset() + 1;
        let range = end.saturating_sub(u64::from(count))..end;
        self.ask_lock(Method::TestLock, Some(first), range, mode)?;
        self.inner.test_lock(first, count, mode)
    }

    fn lock_range(&self, range: Range<u64>, mode: LockMode) -> Result<()> {
        self.ask_lock(Method::LockRange, None, range.clone(), mode)?;
        self.inner.lock_range(range, mode)
    }

    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        self.ask(Method::SharedMemory, 0, 0)?;
        let Some(inner) = self.inner.shared_memory()? else { return Ok(None) };
        let (hook, path) = (self.hook.clone(), self.path.clone());
        Ok(Some(Arc::new(HookedMemory { inner, hook, path })))
    }

    fn map(&self) -> Result<Option<Arc<dyn FileMap>>> {
        self.ask(Method::Map, 0, 0)?;
        self.inner.map()
    }
}

#[derive(Debug)]
struct HookedMemory<H: Hook> {
    inner: Arc<dyn SharedMemory>,
    hook: Arc<H>,
    path: FilePath,
}

impl<H: Hook> SharedMemory for HookedMemory<H> {
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>> {
        let index_offset = u64::from(index);
        ask(&*self.hook, Method::Chunk, &self.path, index_offset..index_offset)?;
        self.inner.chunk(index)
    }

    fn release(&self, delete: bool) -> Result<()> {
        ask(&*self.hook, Method::Release, &self.path, 0..0)?;
        self.inner.release(delete)
    }

    fn is_current(&self) -> Result<bool> {
        ask(&*self.hook, Method::IsCurrent, &self.path, 0..0)?;
        self.inner.is_current()
    }

    fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }
}
