//! Files of the default environment: what an `lsm_file` of `lsm_default_env()` points to.
//!
//! C calls these functions, as does the engine through an environment that was copied from the
//! default one. Each file keeps its own maps; addresses given out stay until they are unmapped.

use super::default_env::name;
use super::default_map::FileMapping;
use super::outcome::report;
use super::raw::{LOCK_EXCLUSIVE, LOCK_SHARED, LOCK_UNLOCK, OPEN_READONLY, lsm_env, lsm_file};
use crate::codes::LSM_MISUSE;
use siltstone::env::{
    Access, CHUNK_BYTES, Env, EnvError, File, FilePath, LockId, LockMode, Result, SharedChunk,
    SharedMemory,
};
use siltstone_native::NativeEnv;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

/// Locks beyond those of the protocol that lsm.h allows.
const LAST_LOCK: u8 = 32;

/// An open file of the default environment.
struct DefaultFile {
    file: Arc<dyn File>,
    path: FilePath,
    writable: bool,
    memory: Mutex<Option<Memory>>,
    mapping: Mutex<Option<FileMapping>>,
}

/// Shared memory, and its chunks that were handed out.
struct Memory {
    source: Arc<dyn SharedMemory>,
    chunks: BTreeMap<u32, Arc<dyn SharedChunk>>,
}

fn misuse<T>() -> Result<T> {
    Err(EnvError::Code(LSM_MISUSE))
}

/// # Safety
/// `file` is NULL or had from `open` and not closed before `'a` ends.
unsafe fn ours<'a>(file: *mut lsm_file) -> Result<&'a DefaultFile> {
    // SAFETY: the caller's promise.
    unsafe { file.cast::<DefaultFile>().as_ref() }.ok_or(EnvError::Code(LSM_MISUSE))
}

/// `xOpen`.
pub(super) unsafe extern "C" fn open(
    _env: *mut lsm_env,
    path: *const c_char,
    flags: c_int,
    out: *mut *mut lsm_file,
) -> c_int {
    report(|| {
        if out.is_null() {
            return misuse();
        }
        // SAFETY: arguments are as in lsm.h.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: as above.
        let path = FilePath::from_bytes(unsafe { name(path) }?);
        let writable = flags & OPEN_READONLY == 0;
        let file = if writable {
            open_for_writing(&path)?
        } else {
            NativeEnv::shared().open(&path, Access::ReadOnly)?
        };
        let memory = Mutex::default();
        let opened = DefaultFile { file, path, writable, memory, mapping: Mutex::default() };
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(Box::new(opened)).cast()) };
        Ok(())
    })
}

/// Opens or creates. A log takes mode and owner of its database, whose content it repeats.
fn open_for_writing(path: &FilePath) -> Result<Arc<dyn File>> {
    let native = NativeEnv::shared();
    match path.as_bytes().strip_suffix(b"-log") {
        Some(database) => {
            native.open_beside(path, Access::ReadWriteCreate, &FilePath::from_bytes(database))
        }
        None => native.open(path, Access::ReadWriteCreate),
    }
}

/// Offset and length, which C gives as signed numbers, of bytes that must be somewhere.
fn place(offset: i64, length: c_int, bytes: *const c_void) -> Result<(u64, usize)> {
    match (u64::try_from(offset), usize::try_from(length)) {
        (Ok(offset), Ok(length)) if length == 0 || !bytes.is_null() => Ok((offset, length)),
        _ => misuse(),
    }
}

/// `xRead`.
pub(super) unsafe extern "C" fn read(
    file: *mut lsm_file,
    offset: i64,
    out: *mut c_void,
    length: c_int,
) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let (offset, length) = place(offset, length, out)?;
        if length == 0 {
            return Ok(());
        }
        // SAFETY: `out` has room for `length` bytes that nobody else uses now. They may never have
        // been written, so they are before they count as bytes.
        let room = unsafe {
            out.cast::<u8>().write_bytes(0, length);
            slice::from_raw_parts_mut(out.cast::<u8>(), length)
        };
        file.file.read_at(offset, room).map(|_| ())
    })
}

/// `xWrite`.
pub(super) unsafe extern "C" fn write(
    file: *mut lsm_file,
    offset: i64,
    bytes: *const c_void,
    length: c_int,
) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let (offset, length) = place(offset, length, bytes)?;
        if length == 0 {
            return Ok(());
        }
        // SAFETY: `bytes` are `length` bytes that nobody changes now.
        file.file.write_at(offset, unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) })
    })
}

/// `xTruncate`.
pub(super) unsafe extern "C" fn truncate(file: *mut lsm_file, size: i64) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        file.file.truncate(place(size, 0, std::ptr::null())?.0)
    })
}

/// `xSync`: also of what was written through `xRemap`'s map.
pub(super) unsafe extern "C" fn sync(file: *mut lsm_file) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let mapping = file.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapping) = &*mapping {
            mapping.flush()?;
        }
        drop(mapping);
        file.file.sync()
    })
}

/// `xSectorSize`.
pub(super) unsafe extern "C" fn sector_size(file: *mut lsm_file) -> c_int {
    // SAFETY: arguments are as in lsm.h.
    let size = unsafe { ours(file) }.map_or(512, |file| file.file.sector_size());
    c_int::try_from(size).unwrap_or(512)
}

/// `xRemap`.
pub(super) unsafe extern "C" fn remap(
    file: *mut lsm_file,
    least: i64,
    out: *mut *mut c_void,
    size: *mut i64,
) -> c_int {
    report(|| {
        if out.is_null() || size.is_null() {
            return misuse();
        }
        // SAFETY: arguments are as in lsm.h.
        unsafe {
            out.write(ptr::null_mut());
            size.write(0);
        }
        // SAFETY: as above.
        let file = unsafe { ours(file) }?;
        let mut mapping = file.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        *mapping = None;
        let Ok(least) = u64::try_from(least) else { return Ok(()) };
        let made = FileMapping::new(&file.path, &*file.file, file.writable, least)?;
        let (start, length) = mapping.insert(made).range();
        // SAFETY: as above.
        unsafe {
            out.write(start.cast());
            size.write(length as i64);
        }
        Ok(())
    })
}

/// `xFileid`.
pub(super) unsafe extern "C" fn file_id(
    file: *mut lsm_file,
    out: *mut c_void,
    size: *mut c_int,
) -> c_int {
    report(|| {
        if size.is_null() {
            return misuse();
        }
        // SAFETY: arguments are as in lsm.h.
        let id = unsafe { ours(file) }?.file.id()?.ok_or(EnvError::Unsupported)?.0;
        let needed = c_int::try_from(id.len()).map_err(|_| EnvError::OutOfMemory)?;
        // SAFETY: `size` is writable, and `out` has as many bytes as it says.
        unsafe {
            if size.read() >= needed && !out.is_null() {
                out.cast::<u8>().copy_from_nonoverlapping(id.as_ptr(), id.len());
            }
            size.write(needed);
        }
        Ok(())
    })
}

/// `xClose`. NULL is no file.
pub(super) unsafe extern "C" fn close(file: *mut lsm_file) -> c_int {
    report(|| {
        if !file.is_null() {
            // SAFETY: `open` made it, and the caller uses it no more, nor any of its maps.
            drop(unsafe { Box::from_raw(file.cast::<DefaultFile>()) });
        }
        Ok(())
    })
}

fn mode(number: c_int) -> Result<LockMode> {
    match number {
        LOCK_UNLOCK => Ok(LockMode::Unlock),
        LOCK_SHARED => Ok(LockMode::Shared),
        LOCK_EXCLUSIVE => Ok(LockMode::Exclusive),
        _ => misuse(),
    }
}

/// `xLock`.
pub(super) unsafe extern "C" fn lock(file: *mut lsm_file, number: c_int, how: c_int) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let mode = mode(how)?;
        let number = u8::try_from(number).map_err(|_| EnvError::Code(LSM_MISUSE))?;
        match LockId::from_number(number) {
            Some(lock) => file.file.lock(lock, mode),
            None if (1..=LAST_LOCK).contains(&number) => {
                let byte = 4096 - u64::from(number);
                file.file.lock_range(byte..byte + 1, mode)
            }
            None => misuse(),
        }
    })
}

/// `xTestLock`.
pub(super) unsafe extern "C" fn test_lock(
    file: *mut lsm_file,
    first: c_int,
    count: c_int,
    how: c_int,
) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let mode = mode(how)?;
        let first = u8::try_from(first).ok().and_then(LockId::from_number);
        let (Some(first), Ok(count)) = (first, u8::try_from(count)) else { return misuse() };
        if file.file.test_lock(first, count, mode)? { Ok(()) } else { Err(EnvError::Busy) }
    })
}

/// `xShmMap`.
pub(super) unsafe extern "C" fn map_chunk(
    file: *mut lsm_file,
    index: c_int,
    size: c_int,
    out: *mut *mut c_void,
) -> c_int {
    report(|| {
        let index = u32::try_from(index).map_err(|_| EnvError::Code(LSM_MISUSE))?;
        if out.is_null() || usize::try_from(size) != Ok(CHUNK_BYTES) {
            return misuse();
        }
        // SAFETY: arguments are as in lsm.h.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: as above.
        let file = unsafe { ours(file) }?;
        let mut memory = file.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = match &mut *memory {
            Some(memory) => memory,
            none => {
                let source = file.file.shared_memory()?.ok_or(EnvError::Unsupported)?;
                none.insert(Memory { source, chunks: BTreeMap::new() })
            }
        };
        let chunk = match memory.chunks.get(&index) {
            Some(chunk) => chunk,
            None => {
                let chunk = memory.source.chunk(index)?;
                memory.chunks.entry(index).or_insert(chunk)
            }
        };
        let start = ptr::from_ref(chunk.words()).cast_mut();
        // SAFETY: as above. What is pointed to may be written, being atomics, where the memory is
        // writable at all.
        unsafe { out.write(start.cast()) };
        Ok(())
    })
}

/// `xShmUnmap`.
pub(super) unsafe extern "C" fn unmap_chunks(file: *mut lsm_file, delete: c_int) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let file = unsafe { ours(file) }?;
        let memory = file.memory.lock().unwrap_or_else(PoisonError::into_inner).take();
        match memory {
            Some(memory) => memory.source.release(delete != 0),
            None => Ok(()),
        }
    })
}
