//! The functions of `lsm.h`. This file and `supervision` hold the unsafe code of this crate.
//!
//! [`Handle`] and [`CursorHandle`] own what C allocated and are neither `Send` nor `Sync`. A cursor
//! keeps its database alive by reference count, so C never sees a cursor of a closed database:
//! `lsm_close` refuses while cursors are open, and the last owner closes again. Everything C returns
//! by pointer is copied before the call returns. Functions return C's result code, 0 being success.

use crate::{codec, supervision};
use lsmlite_rs as _;
use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};
use std::rc::Rc;
use std::slice;

#[repr(C)]
struct Database {
    opaque: [u8; 0],
}

#[repr(C)]
struct Cursor {
    opaque: [u8; 0],
}

/// `struct lsm_compress`.
#[repr(C)]
struct Compress {
    context: *mut c_void,
    id: c_uint,
    bound: Option<unsafe extern "C" fn(*mut c_void, c_int) -> c_int>,
    compress: Option<CodecHook>,
    uncompress: Option<CodecHook>,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
}

type CodecHook =
    unsafe extern "C" fn(*mut c_void, *mut c_char, *mut c_int, *const c_char, c_int) -> c_int;
type LogHook = unsafe extern "C" fn(*mut c_void, c_int, *const c_char);

unsafe extern "C" {
    fn lsm_new(environment: *mut c_void, database: *mut *mut Database) -> c_int;
    fn lsm_open(database: *mut Database, path: *const c_char) -> c_int;
    fn lsm_close(database: *mut Database) -> c_int;
    fn lsm_get_env(database: *mut Database) -> *mut c_void;
    fn lsm_free(environment: *mut c_void, memory: *mut c_void);
    fn lsm_config(database: *mut Database, parameter: c_int, ...) -> c_int;
    fn lsm_config_log(database: *mut Database, hook: Option<LogHook>, context: *mut c_void);
    fn lsm_info(database: *mut Database, kind: c_int, ...) -> c_int;
    fn lsm_get_user_version(database: *mut Database, version: *mut c_uint) -> c_int;
    fn lsm_set_user_version(database: *mut Database, version: c_uint) -> c_int;
    fn lsm_begin(database: *mut Database, level: c_int) -> c_int;
    fn lsm_commit(database: *mut Database, level: c_int) -> c_int;
    fn lsm_rollback(database: *mut Database, level: c_int) -> c_int;
    fn lsm_insert(
        database: *mut Database,
        key: *const c_void,
        key_len: c_int,
        value: *const c_void,
        value_len: c_int,
    ) -> c_int;
    fn lsm_delete(database: *mut Database, key: *const c_void, key_len: c_int) -> c_int;
    fn lsm_delete_range(
        database: *mut Database,
        first: *const c_void,
        first_len: c_int,
        last: *const c_void,
        last_len: c_int,
    ) -> c_int;
    fn lsm_work(database: *mut Database, merge: c_int, kb: c_int, written: *mut c_int) -> c_int;
    fn lsm_flush(database: *mut Database) -> c_int;
    fn lsm_checkpoint(database: *mut Database, kb: *mut c_int) -> c_int;
    fn lsm_csr_open(database: *mut Database, cursor: *mut *mut Cursor) -> c_int;
    fn lsm_csr_close(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_seek(cursor: *mut Cursor, key: *const c_void, key_len: c_int, mode: c_int) -> c_int;
    fn lsm_csr_first(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_last(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_next(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_prev(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_valid(cursor: *mut Cursor) -> c_int;
    fn lsm_csr_key(cursor: *mut Cursor, key: *mut *const c_void, len: *mut c_int) -> c_int;
    fn lsm_csr_value(cursor: *mut Cursor, value: *mut *const c_void, len: *mut c_int) -> c_int;

    // Codec hooks of lsmlite-rs, exported under these names.
    fn compress_bound_lz4(context: *mut c_void, len: c_int) -> c_int;
    fn compress_lz4(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
    fn uncompress_lz4(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
    fn compress_bound_zlib(context: *mut c_void, len: c_int) -> c_int;
    fn compress_zlib(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
    fn uncompress_zlib(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
    fn compress_bound_zstd(context: *mut c_void, len: c_int) -> c_int;
    fn compress_zstd(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
    fn uncompress_zstd(
        context: *mut c_void,
        out: *mut c_char,
        out_len: *mut c_int,
        source: *const c_char,
        source_len: c_int,
    ) -> c_int;
}

unsafe extern "C" fn zrle_bound(_: *mut c_void, len: c_int) -> c_int {
    usize::try_from(len)
        .ok()
        .and_then(|len| c_int::try_from(codec::zrle_bound(len)).ok())
        .unwrap_or(c_int::MAX)
}

unsafe extern "C" fn zrle_compress(
    _: *mut c_void,
    out: *mut c_char,
    out_len: *mut c_int,
    source: *const c_char,
    source_len: c_int,
) -> c_int {
    // SAFETY: C passes two disjoint buffers of the stated lengths, valid during the call.
    unsafe {
        transform(out, out_len, source, source_len, |bytes, _| Some(codec::zrle_compress(bytes)))
    }
}

unsafe extern "C" fn zrle_uncompress(
    _: *mut c_void,
    out: *mut c_char,
    out_len: *mut c_int,
    source: *const c_char,
    source_len: c_int,
) -> c_int {
    // SAFETY: as in `zrle_compress`.
    unsafe { transform(out, out_len, source, source_len, codec::zrle_uncompress) }
}

/// # Safety
/// `source` is readable for `source_len` bytes, `out` writable for `*out_len`, and they are disjoint.
unsafe fn transform(
    out: *mut c_char,
    out_len: *mut c_int,
    source: *const c_char,
    source_len: c_int,
    with: impl Fn(&[u8], usize) -> Option<Vec<u8>>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let room = usize::try_from(*out_len).unwrap_or(0);
        let source = bytes(source.cast(), source_len);
        match with(&source, room) {
            Some(result) if result.len() <= room => {
                out.copy_from_nonoverlapping(result.as_ptr().cast(), result.len());
                *out_len = result.len() as c_int;
                0
            }
            _ => crate::ERROR,
        }
    }
}

/// Copies what C points at; NULL is empty.
///
/// # Safety
/// `data` is NULL or readable for `len` bytes.
unsafe fn bytes(data: *const c_void, len: c_int) -> Vec<u8> {
    match usize::try_from(len) {
        Ok(len) if len > 0 && !data.is_null() => {
            // SAFETY: the caller's promise.
            unsafe { slice::from_raw_parts(data.cast::<u8>(), len).to_vec() }
        }
        _ => Vec::new(),
    }
}

/// A slice as C wants it. The pointer is never NULL: C mistakes NULL for "no value" (docs/c-defects.md,
/// T6).
fn raw(data: &[u8]) -> (*const c_void, c_int) {
    (data.as_ptr().cast(), c_int::try_from(data.len()).unwrap_or(c_int::MAX))
}

/// An `lsm_db`.
pub(crate) struct Handle {
    database: Cell<*mut Database>,
}

impl Handle {
    pub(crate) fn new(supervised: bool) -> Result<Rc<Self>, i32> {
        let environment = if supervised { supervision::environment() } else { null_mut() };
        let mut database = null_mut();
        // SAFETY: NULL asks for the default environment, and a supervised one lives for ever; the out
        // pointer is valid.
        let code = unsafe { lsm_new(environment, &mut database) };
        if code != 0 || database.is_null() {
            return Err(code);
        }
        // SAFETY: a new handle; no hook means silence.
        unsafe { lsm_config_log(database, None, null_mut()) };
        Ok(Rc::new(Handle { database: Cell::new(database) }))
    }

    fn call(&self, with: impl FnOnce(*mut Database) -> c_int) -> Result<(), i32> {
        let database = self.database.get();
        if database.is_null() {
            return Err(crate::MISUSE);
        }
        match with(database) {
            0 => Ok(()),
            code => Err(code),
        }
    }

    pub(crate) fn open(&self, path: &std::path::Path) -> Result<(), i32> {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| crate::MISUSE)?;
        // SAFETY: a live handle and a terminated string; C copies it.
        self.call(|database| unsafe { lsm_open(database, path.as_ptr()) })
    }

    pub(crate) fn close(&self) -> Result<(), i32> {
        // SAFETY: a live handle; on success it is not used again.
        self.call(|database| unsafe { lsm_close(database) })?;
        self.database.set(null_mut());
        Ok(())
    }

    /// Sets an integer and returns the value in force.
    pub(crate) fn configure(&self, parameter: i32, value: i32) -> Result<i32, i32> {
        let mut value: c_int = value;
        // SAFETY: every parameter this crate passes takes one `int *`.
        self.call(|database| unsafe { lsm_config(database, parameter, &raw mut value) })?;
        Ok(value)
    }

    pub(crate) fn set_codec(&self, id: u32) -> Result<(), i32> {
        type Bound = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
        type Hooks = (Bound, CodecHook, CodecHook);
        let (bound, compress, uncompress): Hooks = match id {
            codec::LZ4 => (compress_bound_lz4, compress_lz4, uncompress_lz4),
            codec::ZLIB => (compress_bound_zlib, compress_zlib, uncompress_zlib),
            codec::ZSTD => (compress_bound_zstd, compress_zstd, uncompress_zstd),
            codec::ZRLE => (zrle_bound, zrle_compress, zrle_uncompress),
            _ => return Err(crate::MISUSE),
        };
        let mut hooks = Compress {
            context: null_mut(),
            id,
            bound: Some(bound),
            compress: Some(compress),
            uncompress: Some(uncompress),
            free: None,
        };
        // SAFETY: parameter 13 takes a `struct lsm_compress *` and copies it.
        self.call(|database| unsafe { lsm_config(database, 13, &raw mut hooks) })
    }

    pub(crate) fn insert(&self, key: &[u8], value: &[u8]) -> Result<(), i32> {
        let ((key, key_len), (value, value_len)) = (raw(key), raw(value));
        // SAFETY: both slices live during the call; C copies them.
        self.call(|database| unsafe { lsm_insert(database, key, key_len, value, value_len) })
    }

    pub(crate) fn delete(&self, key: &[u8]) -> Result<(), i32> {
        let (key, len) = raw(key);
        // SAFETY: the slice lives during the call.
        self.call(|database| unsafe { lsm_delete(database, key, len) })
    }

    pub(crate) fn delete_range(&self, first: &[u8], last: &[u8]) -> Result<(), i32> {
        let ((first, first_len), (last, last_len)) = (raw(first), raw(last));
        // SAFETY: both slices live during the call.
        self.call(|database| unsafe {
            lsm_delete_range(database, first, first_len, last, last_len)
        })
    }

    pub(crate) fn begin(&self, level: i32) -> Result<(), i32> {
        // SAFETY: a live handle.
        self.call(|database| unsafe { lsm_begin(database, level) })
    }

    pub(crate) fn commit(&self, level: i32) -> Result<(), i32> {
        // SAFETY: a live handle.
        self.call(|database| unsafe { lsm_commit(database, level) })
    }

    pub(crate) fn rollback(&self, level: i32) -> Result<(), i32> {
        // SAFETY: a live handle.
        self.call(|database| unsafe { lsm_rollback(database, level) })
    }

    pub(crate) fn flush(&self) -> Result<(), i32> {
        // SAFETY: a live handle.
        self.call(|database| unsafe { lsm_flush(database) })
    }

    pub(crate) fn work(&self, merge: i32, kb: i32) -> Result<i32, i32> {
        let mut written = 0;
        // SAFETY: a live handle and a valid out pointer.
        self.call(|database| unsafe { lsm_work(database, merge, kb, &mut written) })?;
        Ok(written)
    }

    pub(crate) fn checkpoint(&self) -> Result<i32, i32> {
        let mut kb = 0;
        // SAFETY: a live handle and a valid out pointer.
        self.call(|database| unsafe { lsm_checkpoint(database, &mut kb) })?;
        Ok(kb)
    }

    pub(crate) fn user_version(&self) -> Result<u32, i32> {
        let mut version = 0;
        // SAFETY: a live handle and a valid out pointer.
        self.call(|database| unsafe { lsm_get_user_version(database, &mut version) })?;
        Ok(version)
    }

    pub(crate) fn set_user_version(&self, version: u32) -> Result<(), i32> {
        // SAFETY: a live handle.
        self.call(|database| unsafe { lsm_set_user_version(database, version) })
    }

    /// An info kind that yields a string; NULL is empty.
    pub(crate) fn text(&self, kind: i32) -> Result<String, i32> {
        let mut text: *mut c_char = null_mut();
        // SAFETY: the kinds this crate passes here take one `char **`.
        self.call(|database| unsafe { lsm_info(database, kind, &raw mut text) })?;
        Ok(self.take(text))
    }

    /// An info kind about a page or the segment that starts there.
    pub(crate) fn page_text(&self, kind: i32, page: i64) -> Result<String, i32> {
        let mut text: *mut c_char = null_mut();
        // SAFETY: the kinds this crate passes here take a 64-bit page number and a `char **`.
        self.call(|database| unsafe { lsm_info(database, kind, page, &raw mut text) })?;
        Ok(self.take(text))
    }

    fn take(&self, text: *mut c_char) -> String {
        if text.is_null() {
            return String::new();
        }
        // SAFETY: a terminated string from C, freed once with the allocator it came from.
        unsafe {
            let out = std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned();
            lsm_free(lsm_get_env(self.database.get()), text.cast());
            out
        }
    }

    /// An info kind that yields one 32-bit number.
    pub(crate) fn number(&self, kind: i32) -> Result<u32, i32> {
        let mut number: c_uint = 0;
        // SAFETY: the kinds this crate passes here take one `int *` or `unsigned *`.
        self.call(|database| unsafe { lsm_info(database, kind, &raw mut number) })?;
        Ok(number)
    }

    /// Sizes of the old and the live tree, in KB.
    pub(crate) fn tree_sizes(&self) -> Result<(i32, i32), i32> {
        let (mut old, mut live): (c_int, c_int) = (0, 0);
        // SAFETY: kind 11 takes two `int *`.
        self.call(|database| unsafe { lsm_info(database, 11, &raw mut old, &raw mut live) })?;
        Ok((old, live))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A transaction left open would make C refuse to close.
        let _ = self.rollback(0);
        let _ = self.close();
    }
}

/// An `lsm_cursor`.
pub(crate) struct CursorHandle {
    cursor: *mut Cursor,
    _database: Rc<Handle>,
}

impl CursorHandle {
    pub(crate) fn open(database: &Rc<Handle>) -> Result<Self, i32> {
        let mut cursor = null_mut();
        // SAFETY: a live handle, kept alive by the cursor, and a valid out pointer.
        database.call(|database| unsafe { lsm_csr_open(database, &mut cursor) })?;
        Ok(CursorHandle { cursor, _database: Rc::clone(database) })
    }

    pub(crate) fn first(&self) -> Result<(), i32> {
        // SAFETY: an open cursor of a live handle.
        check(unsafe { lsm_csr_first(self.cursor) })
    }

    pub(crate) fn last(&self) -> Result<(), i32> {
        // SAFETY: an open cursor of a live handle.
        check(unsafe { lsm_csr_last(self.cursor) })
    }

    pub(crate) fn next(&self) -> Result<(), i32> {
        // SAFETY: an open cursor of a live handle.
        check(unsafe { lsm_csr_next(self.cursor) })
    }

    pub(crate) fn prev(&self) -> Result<(), i32> {
        // SAFETY: an open cursor of a live handle.
        check(unsafe { lsm_csr_prev(self.cursor) })
    }

    pub(crate) fn seek(&self, key: &[u8], mode: i32) -> Result<(), i32> {
        let (key, len) = raw(key);
        // SAFETY: an open cursor of a live handle; the slice lives during the call.
        check(unsafe { lsm_csr_seek(self.cursor, key, len, mode) })
    }

    pub(crate) fn valid(&self) -> bool {
        // SAFETY: an open cursor of a live handle.
        unsafe { lsm_csr_valid(self.cursor) != 0 }
    }

    pub(crate) fn key(&self) -> Result<Vec<u8>, i32> {
        let (mut data, mut len) = (null(), 0);
        // SAFETY: an open cursor; what C points at stays until its next call and is copied now.
        unsafe {
            check(lsm_csr_key(self.cursor, &mut data, &mut len))?;
            Ok(bytes(data, len))
        }
    }

    pub(crate) fn value(&self) -> Result<Vec<u8>, i32> {
        let (mut data, mut len) = (null(), 0);
        // SAFETY: as in `key`.
        unsafe {
            check(lsm_csr_value(self.cursor, &mut data, &mut len))?;
            Ok(bytes(data, len))
        }
    }
}

impl CursorHandle {
    /// [`crate::digest`] of the key given, or else of the entry's own, and the value, without copying
    /// either.
    pub(crate) fn digest(&self, key: Option<&[u8]>) -> Result<u64, i32> {
        let (mut own, mut own_len) = (null(), 0);
        let (mut value, mut value_len) = (null(), 0);
        // SAFETY: an open cursor; what C points at stays until its next call, and `digest` calls
        // nothing of C.
        unsafe {
            if key.is_none() {
                check(lsm_csr_key(self.cursor, &mut own, &mut own_len))?;
            }
            check(lsm_csr_value(self.cursor, &mut value, &mut value_len))?;
            let key = key.unwrap_or_else(|| borrowed(own, own_len));
            Ok(crate::digest(key, borrowed(value, value_len)))
        }
    }
}

/// What C points at; NULL is empty.
///
/// # Safety
/// `data` is NULL or readable for `len` bytes as long as the slice is used.
unsafe fn borrowed<'a>(data: *const c_void, len: c_int) -> &'a [u8] {
    match usize::try_from(len) {
        // SAFETY: the caller's promise.
        Ok(len) if !data.is_null() => unsafe { slice::from_raw_parts(data.cast::<u8>(), len) },
        _ => &[],
    }
}

impl Drop for CursorHandle {
    fn drop(&mut self) {
        // SAFETY: the cursor is open and not used again. Its code is always 0.
        let _ = unsafe { lsm_csr_close(self.cursor) };
    }
}

fn check(code: c_int) -> Result<(), i32> {
    match code {
        0 => Ok(()),
        code => Err(code),
    }
}
