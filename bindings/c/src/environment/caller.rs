//! An environment of the engine whose work is done by functions of callers' `lsm_env` structures.
//!
//! As in C lsm1, handles whose structures have the same static mutex share what the process has open,
//! whatever else differs between them. Hence one [`CallerEnv`] stands for all such structures that
//! are lent at the moment. Functions that take the structure get the one of the handle whose call is
//! running; a file keeps the functions of the structure it was opened with.
//!
//! What `lsm_env` has no function for is done here: the clock and random bytes are the system's,
//! directories are not synced (as in C lsm1), and no file tells its size.

use super::default_env;
use super::file::CallerFile;
use super::lender;
use super::mutex::{CallerMutex, global_of};
use super::outcome::check;
use super::parking::Parking;
use super::raw::{OPEN_READONLY, lsm_env, lsm_file};
use siltstone::env::{
    Access, Capabilities, Env, EnvError, File, FilePath, RawMutex, Registry, Result, StdMutex,
    StdThread, Task, Thread,
};
use siltstone_native::NativeEnv;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Longest path an environment may give.
const LONGEST_PATH: usize = 1 << 20;

/// A structure that a handle lends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Structure(NonNull<lsm_env>);

// SAFETY: only an address; `Structure::members` says when it may be followed. Functions of an
// environment are called by whichever threads use its handles, as lsm.h has it.
unsafe impl Send for Structure {}
// SAFETY: as above.
unsafe impl Sync for Structure {}

impl Structure {
    /// # Safety
    /// `at` is a structure of at least version 1 that stays valid as long as it is lent.
    pub(super) unsafe fn new(at: NonNull<lsm_env>) -> Self {
        Structure(at)
    }

    pub(super) fn as_ptr(self) -> *mut lsm_env {
        self.0.as_ptr()
    }

    /// Its members as they are now: programs may change them at any time between calls.
    pub(super) fn members(self) -> lsm_env {
        // SAFETY: whoever made `self` promised that the structure is valid while it is lent. It is
        // lent from `lsm_new` to the end of `lsm_close`, and used only for calls in between.
        unsafe { self.0.as_ptr().read() }
    }
}

/// What makes two structures one environment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Identity {
    /// The address of the global static mutex.
    Mutex(usize),
    /// Without one, the function that opens files.
    Opener(usize),
}

impl Identity {
    fn of(structure: Structure) -> Self {
        let members = structure.members();
        let opener = Identity::Opener(members.xOpen.map_or(0, |open| open as usize));
        match global_of(structure) {
            Ok(Some(mutex)) => Identity::Mutex(mutex.as_ptr() as usize),
            // Where it fails the opening will say so.
            Ok(None) | Err(_) => opener,
        }
    }
}

/// Who is in the table of a process's open databases.
#[derive(Debug)]
enum Table {
    /// Callers with a static mutex of their own.
    Own(Registry),
    /// Callers with this library's: those of the native environment itself.
    Native(Arc<NativeEnv>),
}

/// The structures with one static mutex, as an environment.
pub(super) struct CallerEnv {
    this: Weak<CallerEnv>,
    table: Table,
    /// One entry for each handle, in the order of `lsm_new`.
    lent: Mutex<Vec<Structure>>,
    parking: Parking,
    start: Instant,
}

impl fmt::Debug for CallerEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerEnv").field("lent", &self.lent().len()).finish_non_exhaustive()
    }
}

/// The environments in use. A forked child has environments of its own.
static ENVIRONMENTS: Mutex<BTreeMap<(u32, Identity), Weak<CallerEnv>>> =
    Mutex::new(BTreeMap::new());

impl CallerEnv {
    /// The environment `structure` belongs to. It counts as lent until [`give_back`](Self::give_back).
    pub(super) fn lend(structure: Structure) -> Arc<Self> {
        let identity = Identity::of(structure);
        let mut environments = ENVIRONMENTS.lock().unwrap_or_else(PoisonError::into_inner);
        environments.retain(|_, known| known.strong_count() > 0);
        let key = (std::process::id(), identity);
        let env = environments.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let env = if identity == Identity::Mutex(default_env::global_mutex() as usize) {
                Self::new(Table::Native(NativeEnv::shared()))
            } else {
                Self::new(Table::Own(Registry::new()))
            };
            environments.insert(key, Arc::downgrade(&env));
            env
        });
        env.lent().push(structure);
        env
    }

    /// An environment of its own for `structure`, like a further process.
    #[cfg(test)]
    pub(super) fn separate(structure: Structure) -> Arc<Self> {
        let env = Self::new(Table::Own(Registry::new()));
        env.lent().push(structure);
        env
    }

    #[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
    fn new(table: Table) -> Arc<Self> {
        Arc::new_cyclic(|this| CallerEnv {
            this: this.clone(),
            table,
            lent: Mutex::default(),
            parking: Parking::default(),
            start: Instant::now(),
        })
    }

    /// Ends what `lend` began: the structure is not used any more.
    pub(super) fn give_back(&self, structure: Structure) {
        let mut lent = self.lent();
        if let Some(at) = lent.iter().position(|&known| known == structure) {
            lent.remove(at);
        }
    }

    fn lent(&self) -> MutexGuard<'_, Vec<Structure>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The structure to use now: that of the running call, or else any that is lent.
    pub(super) fn structure(&self) -> Structure {
        let current = lender::current_structure(self);
        current
            .or_else(|| self.lent().last().copied())
            .unwrap_or_else(default_env::original_structure)
    }

    /// Calls `xOpen`. The path must stay where it is until the file is closed.
    pub(super) fn open_raw(
        &self,
        path: &CStr,
        flags: c_int,
    ) -> Result<(NonNull<lsm_file>, lsm_env)> {
        let structure = self.structure();
        let members = structure.members();
        let open = members.xOpen.ok_or(EnvError::Unsupported)?;
        let mut file = ptr::null_mut();
        // SAFETY: the structure is lent; the function gets it, a C string and room for a pointer.
        check(unsafe { open(structure.as_ptr(), path.as_ptr(), flags, &mut file) })?;
        Ok((NonNull::new(file).ok_or(EnvError::Io(0))?, members))
    }

    /// A file of its own, not one that was parked.
    pub(super) fn open_anew(&self, path: &FilePath, writable: bool) -> Result<CallerFile> {
        CallerFile::open(self.this.upgrade().ok_or(EnvError::Unsupported)?, path, writable)
    }

    pub(super) fn parking(&self) -> &Parking {
        &self.parking
    }

    fn open_file(&self, path: &FilePath, writable: bool) -> Result<CallerFile> {
        match self.parking.take(path, writable) {
            Some(parked) => {
                let this = self.this.upgrade().ok_or(EnvError::Unsupported)?;
                Ok(CallerFile::again(this, path, parked))
            }
            None => self.open_anew(path, writable),
        }
    }

    /// `xOpen` for writing creates; opening for reading first shows whether there is anything.
    fn open_existing(&self, path: &FilePath) -> Result<CallerFile> {
        let _exists = self.open_file(path, false)?;
        match self.open_file(path, true) {
            // `lsm_env` has no words for missing permission: most give their general failure.
            Err(EnvError::Io(_)) => Err(EnvError::ReadOnly),
            opened => opened,
        }
    }

    fn open_creating(&self, path: &FilePath) -> Result<CallerFile> {
        match self.open_file(path, true) {
            Err(EnvError::Io(number)) => match self.open_file(path, false) {
                Ok(_) => Err(EnvError::ReadOnly),
                Err(_) => Err(EnvError::Io(number)),
            },
            opened => opened,
        }
    }
}

/// Bytes as a C string. No file has a name with NUL bytes in it.
pub(super) fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| EnvError::NotFound)
}

impl Env for CallerEnv {
    fn capabilities(&self) -> Capabilities {
        let members = self.structure().members();
        let locks = members.xLock.is_some();
        let mut capabilities = Capabilities::default();
        capabilities.process_locks = locks;
        capabilities.multi_process = locks
            && members.xTestLock.is_some()
            && members.xShmMap.is_some()
            && members.xShmUnmap.is_some();
        capabilities.threads = true;
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        let structure = self.structure();
        let full_path = structure.members().xFullpath.ok_or(EnvError::Unsupported)?;
        let name = c_string(name)?;
        let mut room: Vec<u8> = Vec::new();
        // The first call asks for the size; a name may grow meanwhile, but hardly for ever.
        for _ in 0..8 {
            let mut size = c_int::try_from(room.len()).unwrap_or(c_int::MAX);
            // SAFETY: the structure is lent; the function gets it, a C string, and as many bytes of
            // room as it is told.
            check(unsafe {
                full_path(structure.as_ptr(), name.as_ptr(), room.as_mut_ptr().cast(), &mut size)
            })?;
            let size = usize::try_from(size).map_err(|_| EnvError::Io(0))?;
            if size > LONGEST_PATH {
                return Err(EnvError::Io(0));
            }
            if size > 0 && size <= room.len() {
                let path = CStr::from_bytes_until_nul(&room).map_err(|_| EnvError::Io(0))?;
                return Ok(FilePath::from_bytes(path.to_bytes()));
            }
            room = vec![0u8; size.max(1)];
        }
        Err(EnvError::Io(0))
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        let file = match access {
            Access::ReadOnly => self.open_file(path, false)?,
            Access::ReadWrite => self.open_existing(path)?,
            Access::ReadWriteCreate => self.open_creating(path)?,
        };
        Ok(Arc::new(file))
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        let Some(id) = file.id()? else { return Ok(true) };
        match self.open_anew(path, false) {
            Ok(named) => Ok(named.id()? == Some(id)),
            Err(EnvError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        let structure = self.structure();
        let unlink = structure.members().xUnlink.ok_or(EnvError::Unsupported)?;
        let name = c_string(path.as_bytes())?;
        // SAFETY: the structure is lent; the function gets it and a C string.
        match check(unsafe { unlink(structure.as_ptr(), name.as_ptr()) }) {
            Ok(()) => {
                self.parking.forget(path);
                Ok(())
            }
            // Many do not tell a missing file from other failures.
            Err(error @ (EnvError::Io(_) | EnvError::Code(_))) => {
                match self.open_anew(path, false) {
                    Err(EnvError::NotFound) => Err(EnvError::NotFound),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        NativeEnv::shared().random(buffer)
    }

    fn sleep(&self, duration: Duration) {
        let structure = self.structure();
        let Some(sleep) = structure.members().xSleep else {
            return NativeEnv::shared().sleep(duration);
        };
        let microseconds = c_int::try_from(duration.as_micros()).unwrap_or(c_int::MAX);
        // SAFETY: the structure is lent; the function gets it. Who sleeps less than asked for is
        // asked again by whoever waits.
        let _ = unsafe { sleep(structure.as_ptr(), microseconds) };
    }

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        Ok(Box::new(StdThread::spawn(name, body)?))
    }

    fn mutex(&self) -> Result<Arc<dyn RawMutex>> {
        Ok(match CallerMutex::new(self.structure())? {
            Some(mutex) => Arc::new(mutex),
            // Somebody without functions for mutexes need not do without exclusion.
            None => Arc::new(StdMutex::default()),
        })
    }

    fn global_mutex(&self) -> Result<Option<Arc<dyn RawMutex>>> {
        let global = CallerMutex::global(self.structure())?;
        Ok(global.map(|mutex| Arc::new(mutex) as _))
    }

    fn registry(&self) -> &Registry {
        match &self.table {
            Table::Own(registry) => registry,
            Table::Native(native) => native.registry(),
        }
    }
}

/// `flags` of `xOpen`.
pub(super) fn open_flags(writable: bool) -> c_int {
    if writable { 0 } else { OPEN_READONLY }
}
