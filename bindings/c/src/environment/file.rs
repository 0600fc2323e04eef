//! A file of a caller's environment.
//!
//! Functions of one `lsm_file` are never called by two threads at once: many of them seek and then
//! read. They are those of the structure the file was opened with, which is all that need know it.
//! What was read is not counted by `xRead`, which fills with zeros what the file does not hold: the
//! whole length is reported.

use super::caller::{CallerEnv, c_string, open_flags};
use super::outcome::check;
use super::raw::{LOCK_EXCLUSIVE, LOCK_SHARED, LOCK_UNLOCK, lsm_env, lsm_file};
use super::recursive::RecursiveMutex;
use super::shared_memory::CallerMemory;
use crate::codes::LSM_BUSY;
use siltstone::env::{EnvError, File, FileId, FilePath, LockId, LockMode, Result, SharedMemory};
use std::ffi::{CString, c_int};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Most bytes of one `xRead` or `xWrite`: their lengths are `int`.
const MOST_BYTES: usize = 1 << 30;
/// Longest identity.
const LONGEST_ID: usize = 4096;

/// An `lsm_file`, from `xOpen` to `xClose`.
pub(super) struct OpenFile {
    raw: NonNull<lsm_file>,
    members: lsm_env,
    /// Environments may keep the pointer they were given.
    _path: CString,
    writable: bool,
    turn: RecursiveMutex,
    /// Chunks of shared memory that somebody may still read.
    chunks_in_use: AtomicUsize,
    /// Whether shared memory is mapped.
    mapped: AtomicBool,
}

// SAFETY: calls take turns by `turn`, and files of an environment belong to no thread: C lsm1 too
// uses one from all threads of a process, one after the other.
unsafe impl Send for OpenFile {}
// SAFETY: as above.
unsafe impl Sync for OpenFile {}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("path", &self._path).finish_non_exhaustive()
    }
}

impl OpenFile {
    fn open(env: &CallerEnv, path: &FilePath, writable: bool) -> Result<Self> {
        let path = c_string(path.as_bytes())?;
        let (raw, members) = env.open_raw(&path, open_flags(writable))?;
        Ok(OpenFile {
            raw,
            members,
            _path: path,
            writable,
            turn: RecursiveMutex::new(),
            chunks_in_use: AtomicUsize::new(0),
            mapped: AtomicBool::new(false),
        })
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Calls one of the file's functions, alone.
    fn call<F, T>(
        &self,
        function: Option<F>,
        call: impl FnOnce(F, *mut lsm_file) -> T,
    ) -> Result<T> {
        let function = function.ok_or(EnvError::Unsupported)?;
        let _turn = self.turn.lock();
        Ok(call(function, self.raw.as_ptr()))
    }

    /// Chunk `index` of the shared memory, 32 KiB. Ends its use with [`chunk_done`](Self::chunk_done).
    pub(super) fn map_chunk(&self, index: u32) -> Result<NonNull<u8>> {
        let index = c_int::try_from(index).map_err(|_| EnvError::Full)?;
        let mut at = std::ptr::null_mut();
        // Counted first, so that nobody unmaps in between.
        self.chunks_in_use.fetch_add(1, Ordering::AcqRel);
        let mapped = self
            .call(self.members.xShmMap, |map, file| {
                self.mapped.store(true, Ordering::Release);
                let size = siltstone::env::CHUNK_BYTES as c_int;
                // SAFETY: the file is open; the function gets it and room for a pointer.
                unsafe { map(file, index, size, &mut at) }
            })
            .and_then(check)
            .and_then(|()| {
                let chunk = NonNull::new(at.cast::<u8>()).ok_or(EnvError::Io(0))?;
                if chunk.addr().get() % 8 == 0 { Ok(chunk) } else { Err(EnvError::Io(0)) }
            });
        if mapped.is_err() {
            self.chunk_done();
        }
        mapped
    }

    /// A chunk had from `map_chunk` is not read any more.
    pub(super) fn chunk_done(&self) {
        self.chunks_in_use.fetch_sub(1, Ordering::AcqRel);
    }

    /// Unmaps all shared memory unless chunks are in use; says whether it did.
    pub(super) fn unmap(&self, delete: bool) -> Result<bool> {
        let unmap = self.members.xShmUnmap;
        self.call(unmap, |unmap, file| {
            if self.chunks_in_use.load(Ordering::Acquire) > 0 {
                return Ok(false);
            }
            self.mapped.store(false, Ordering::Release);
            // SAFETY: the file is open, and nobody has a chunk of it.
            check(unsafe { unmap(file, c_int::from(delete)) }).map(|()| true)
        })?
    }

    /// The environment's barrier.
    pub(super) fn barrier(&self) {
        if let Some(barrier) = self.members.xShmBarrier {
            // SAFETY: it takes nothing, and may be called at any time.
            unsafe { barrier() }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if *self.mapped.get_mut() {
            // Nobody is left to be told; closing releases the memory all the same.
            let _ = self.unmap(false);
        }
        if let Some(close) = self.members.xClose {
            // SAFETY: the file is open and this is its last use: chunks keep the `OpenFile` alive.
            let _ = unsafe { close(self.raw.as_ptr()) };
        }
    }
}

/// One use of an open file.
#[derive(Debug)]
pub(super) struct CallerFile {
    env: Arc<CallerEnv>,
    path: FilePath,
    /// `None` only while it is dropped.
    open: Option<Arc<OpenFile>>,
    /// Whether the environment was told that this file carries locks.
    locked: AtomicBool,
}

impl CallerFile {
    pub(super) fn open(env: Arc<CallerEnv>, path: &FilePath, writable: bool) -> Result<Self> {
        let open = Arc::new(OpenFile::open(&env, path, writable)?);
        env.parking().opened(path);
        Ok(CallerFile { env, path: path.clone(), open: Some(open), locked: AtomicBool::new(false) })
    }

    /// A file that was parked, in use again.
    pub(super) fn again(env: Arc<CallerEnv>, path: &FilePath, parked: Arc<OpenFile>) -> Self {
        let path = path.clone();
        CallerFile { env, path, open: Some(parked), locked: AtomicBool::new(false) }
    }

    pub(super) fn file(&self) -> Result<&Arc<OpenFile>> {
        self.open.as_ref().ok_or(EnvError::Unsupported)
    }

    pub(super) fn writable(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.writable)
    }

    fn file_for_writing(&self) -> Result<&Arc<OpenFile>> {
        if self.writable() { self.file() } else { Err(EnvError::ReadOnly) }
    }
}

impl Drop for CallerFile {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.env.parking().put(&self.path, open);
        }
    }
}

/// The offset of `length` bytes in C's terms.
fn offset_of(offset: u64, length: usize) -> Result<i64> {
    let start = i64::try_from(offset).map_err(|_| EnvError::Full)?;
    let length = i64::try_from(length).map_err(|_| EnvError::Full)?;
    start.checked_add(length).map(|_| start).ok_or(EnvError::Full)
}

impl File for CallerFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let open = self.file()?;
        let Ok(start) = offset_of(offset, buffer.len()) else {
            buffer.fill(0);
            return Ok(0);
        };
        let mut at = start;
        for piece in buffer.chunks_mut(MOST_BYTES) {
            check(open.call(open.members.xRead, |read, file| {
                // SAFETY: the file is open; the function gets as many bytes of room as it is told.
                unsafe { read(file, at, piece.as_mut_ptr().cast(), piece.len() as c_int) }
            })?)?;
            at += piece.len() as i64;
        }
        Ok(buffer.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let open = self.file_for_writing()?;
        let mut at = offset_of(offset, bytes.len())?;
        for piece in bytes.chunks(MOST_BYTES) {
            check(open.call(open.members.xWrite, |write, file| {
                // SAFETY: the file is open; the function gets as many bytes as it is told.
                unsafe { write(file, at, piece.as_ptr().cast(), piece.len() as c_int) }
            })?)?;
            at += piece.len() as i64;
        }
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let open = self.file_for_writing()?;
        // No file is longer than that.
        let Ok(size) = i64::try_from(size) else { return Ok(()) };
        check(open.call(open.members.xTruncate, |truncate, file| {
            // SAFETY: the file is open.
            unsafe { truncate(file, size) }
        })?)
    }

    fn size(&self) -> Result<u64> {
        Err(EnvError::Unsupported)
    }

    fn sync(&self) -> Result<()> {
        let open = self.file()?;
        check(open.call(open.members.xSync, |sync, file| {
            // SAFETY: the file is open.
            unsafe { sync(file) }
        })?)
    }

    fn sector_size(&self) -> u32 {
        let told = self.file().and_then(|open| {
            open.call(open.members.xSectorSize, |sector_size, file| {
                // SAFETY: the file is open.
                unsafe { sector_size(file) }
            })
        });
        let told = told.ok().and_then(|told| u32::try_from(told).ok()).unwrap_or(0);
        told.clamp(512, 65536).next_power_of_two()
    }

    fn id(&self) -> Result<Option<FileId>> {
        let open = self.file()?;
        let ask = |buffer: *mut u8, room: usize| {
            let mut size = room as c_int;
            let code = open.call(open.members.xFileid, |id, file| {
                // SAFETY: the file is open; the function gets as many bytes of room as it is told.
                unsafe { id(file, buffer.cast(), &mut size) }
            });
            // C lsm1 never asks: an environment may well have no answer.
            let size = usize::try_from(size).unwrap_or(0);
            (code == Ok(0) && (1..=LONGEST_ID).contains(&size)).then_some(size)
        };
        let Some(size) = ask(std::ptr::null_mut(), 0) else { return Ok(None) };
        let mut id = vec![0u8; size];
        let told = ask(id.as_mut_ptr(), size);
        // Nothing but zeros is a function that does nothing.
        Ok((told == Some(size) && id.iter().any(|&byte| byte != 0)).then_some(FileId(id)))
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        let open = self.file()?;
        if mode == LockMode::Exclusive && !open.writable {
            return Err(EnvError::ReadOnly);
        }
        if open.members.xLock.is_none() {
            return Ok(());
        }
        if mode != LockMode::Unlock && !self.locked.swap(true, Ordering::AcqRel) {
            self.env.parking().locked(&self.path);
        }
        check(open.call(open.members.xLock, |set, file| {
            // SAFETY: the file is open.
            unsafe { set(file, c_int::from(lock.number()), mode_number(mode)) }
        })?)
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        let open = self.file()?;
        if open.members.xTestLock.is_none() || count == 0 || mode == LockMode::Unlock {
            return Ok(true);
        }
        let (first, count) = (c_int::from(first.number()), c_int::from(count));
        let code = open.call(open.members.xTestLock, |test, file| {
            // SAFETY: the file is open.
            unsafe { test(file, first, count, mode_number(mode)) }
        })?;
        if code == LSM_BUSY { Ok(false) } else { check(code).map(|()| true) }
    }

    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        let open = self.file()?;
        if open.members.xShmMap.is_none()
            || open.members.xShmUnmap.is_none()
            || open.members.xTestLock.is_none()
            || open.members.xLock.is_none()
        {
            return Ok(None);
        }
        let env = Arc::clone(&self.env);
        Ok(Some(Arc::new(CallerMemory::new(env, self.path.clone(), Arc::clone(open)))))
    }
}

fn mode_number(mode: LockMode) -> c_int {
    match mode {
        LockMode::Unlock => LOCK_UNLOCK,
        LockMode::Shared => LOCK_SHARED,
        LockMode::Exclusive => LOCK_EXCLUSIVE,
    }
}
