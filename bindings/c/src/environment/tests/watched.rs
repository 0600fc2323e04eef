//! An environment in memory that watches how it is used: every file is closed once, no file is used
//! by two threads at once, paths and structures are valid whenever they are given.
//!
//! Locks belong to the process, as POSIX ones do: closing any file of a path drops them.

use super::super::caller::Structure;
use crate::environment::raw::{lsm_env, lsm_file, lsm_mutex};
use crate::environment::recursive::RecursiveMutex;
use siltstone::env::{CHUNK_BYTES, HeapChunk, SharedChunk};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// One name's file.
#[derive(Default)]
struct Content {
    bytes: Mutex<Vec<u8>>,
    chunks: Mutex<BTreeMap<c_int, Arc<HeapChunk>>>,
    /// A bit for each lock that is held.
    held: AtomicU64,
}

/// The environment and what it has seen.
#[derive(Default)]
pub(super) struct Watched {
    files: Mutex<BTreeMap<CString, Arc<Content>>>,
    global: WatchedMutex,
    pub(super) opened: AtomicUsize,
    pub(super) closed: AtomicUsize,
    /// Mutexes that were made and not deleted.
    pub(super) mutexes: AtomicUsize,
    /// How often `xMutexNew` was called.
    pub(super) mutexes_asked_for: AtomicUsize,
    /// Which of these calls fails, counted from 1, and with which code; 0 for none.
    pub(super) mutex_fails: (AtomicUsize, AtomicI32),
    /// What `xMutexStatic` returns, unless 0.
    pub(super) global_code: AtomicI32,
    pub(super) allocated: AtomicUsize,
    pub(super) slept: AtomicUsize,
    /// Locks that were dropped because another file of their path was closed.
    pub(super) locks_lost: AtomicUsize,
    /// What `xRead` returns, unless 0.
    pub(super) read_code: AtomicI32,
    /// What `xOpen` for writing returns, unless 0.
    pub(super) write_code: AtomicI32,
    /// Whether the allocator has nothing left.
    pub(super) exhausted: AtomicBool,
}

/// An `lsm_mutex` of this environment.
#[derive(Default)]
struct WatchedMutex {
    /// None: the static one, which is not recursive.
    world: Option<Arc<Watched>>,
    raw: RecursiveMutex,
    entered: AtomicUsize,
    left: AtomicUsize,
}

/// An `lsm_file` of this environment.
struct WatchedFile {
    world: Arc<Watched>,
    content: Arc<Content>,
    /// Where the path given to `xOpen` is, and what it was then.
    path: (*const c_char, CString),
    busy: AtomicBool,
    held: AtomicU64,
}

/// One function at a time.
struct Inside<'a>(&'a WatchedFile);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        assert!(self.0.busy.swap(false, SeqCst));
    }
}

impl WatchedFile {
    unsafe fn enter<'a>(file: *mut lsm_file) -> Inside<'a> {
        // SAFETY: `open` made it of a box of this type, and only `close`, which comes last, frees
        // it; all fields bear shared borrows.
        let file = unsafe { &*file.cast::<WatchedFile>() };
        assert!(!file.busy.swap(true, SeqCst), "two threads in one file");
        // SAFETY: that the string given to `xOpen` is still there is what is tested; the engine
        // keeps it until `xClose`.
        assert_eq!(unsafe { CStr::from_ptr(file.path.0) }, &*file.path.1, "the path went away");
        Inside(file)
    }
}

unsafe fn world<'a>(env: *mut lsm_env) -> &'a Arc<Watched> {
    // SAFETY: `Lent` points `pVfsCtx` to its box of this type, which it frees after the last call.
    unsafe { &*(*env).pVfsCtx.cast::<Arc<Watched>>() }
}

unsafe extern "C" fn full_path(
    env: *mut lsm_env,
    name: *const c_char,
    out: *mut c_char,
    size: *mut c_int,
) -> c_int {
    // SAFETY: the structure is a living `Lent`'s; a dangling one shows under Miri.
    let _ = unsafe { world(env) };
    // SAFETY: the engine passes a C string.
    let path = [b"/", unsafe { CStr::from_ptr(name) }.to_bytes(), b"\0"].concat();
    let start = usize::from(path.starts_with(b"//"));
    let path = &path[start..];
    // SAFETY: `out` has room for `*size` bytes, which is looked at first.
    unsafe {
        if *size as usize >= path.len() {
            out.cast::<u8>().copy_from(path.as_ptr(), path.len());
        }
        *size = path.len() as c_int;
    }
    0
}

unsafe extern "C" fn open(
    env: *mut lsm_env,
    path: *const c_char,
    flags: c_int,
    out: *mut *mut lsm_file,
) -> c_int {
    // SAFETY: the structure is a living `Lent`'s.
    let world = unsafe { world(env) };
    // SAFETY: the engine passes room for a pointer.
    unsafe { *out = ptr::null_mut() };
    // SAFETY: the engine passes a C string.
    let name = unsafe { CStr::from_ptr(path) }.to_owned();
    let mut files = world.files.lock().unwrap();
    if flags & 1 == 0 && world.write_code.load(SeqCst) != 0 {
        return world.write_code.load(SeqCst);
    }
    if flags & 1 == 1 && !files.contains_key(&name) {
        return 266;
    }
    let content = Arc::clone(files.entry(name.clone()).or_default());
    world.opened.fetch_add(1, SeqCst);
    let file = WatchedFile {
        world: Arc::clone(world),
        content,
        path: (path, name),
        busy: AtomicBool::new(false),
        held: AtomicU64::new(0),
    };
    // SAFETY: as above.
    unsafe { *out = Box::into_raw(Box::new(file)).cast() };
    0
}

unsafe extern "C" fn close(file: *mut lsm_file) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    drop(unsafe { WatchedFile::enter(file) });
    // SAFETY: `open` made it of a box of this type; it is closed once, and used by nobody now, as
    // `enter` has shown.
    let file = unsafe { Box::from_raw(file.cast::<WatchedFile>()) };
    file.world.closed.fetch_add(1, SeqCst);
    if file.content.held.swap(0, SeqCst) & !file.held.load(SeqCst) != 0 {
        file.world.locks_lost.fetch_add(1, SeqCst);
    }
    0
}

unsafe extern "C" fn unlink(env: *mut lsm_env, path: *const c_char) -> c_int {
    // SAFETY: the structure is a living `Lent`'s, and the path a C string.
    let removed = unsafe { world(env).files.lock().unwrap().remove(CStr::from_ptr(path)) };
    if removed.is_some() { 0 } else { 10 }
}

unsafe extern "C" fn read(file: *mut lsm_file, at: i64, out: *mut c_void, len: c_int) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    let bytes = inside.0.content.bytes.lock().unwrap();
    let held = bytes.get(at as usize..).unwrap_or_default();
    let held = &held[..held.len().min(len as usize)];
    // SAFETY: the engine passes room for `len` bytes, and no more than that is taken from `held`.
    unsafe {
        out.cast::<u8>().write_bytes(0, len as usize);
        out.cast::<u8>().copy_from(held.as_ptr(), held.len());
    }
    inside.0.world.read_code.load(SeqCst)
}

unsafe extern "C" fn write(file: *mut lsm_file, at: i64, from: *const c_void, len: c_int) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    let mut bytes = inside.0.content.bytes.lock().unwrap();
    let (start, end) = (at as usize, at as usize + len as usize);
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    // SAFETY: the engine passes `len` bytes, which stay as they are during the call.
    let from = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len as usize) };
    bytes[start..end].copy_from_slice(from);
    0
}

unsafe extern "C" fn truncate(file: *mut lsm_file, size: i64) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    inside.0.content.bytes.lock().unwrap().truncate(size as usize);
    0
}

unsafe extern "C" fn sync(file: *mut lsm_file) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let _inside = unsafe { WatchedFile::enter(file) };
    0
}

unsafe extern "C" fn lock(file: *mut lsm_file, number: c_int, mode: c_int) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    for held in [&inside.0.held, &inside.0.content.held] {
        let bit = 1 << number;
        if mode == 0 {
            held.fetch_and(!bit, SeqCst)
        } else {
            held.fetch_or(bit, SeqCst)
        };
    }
    0
}

unsafe extern "C" fn test_lock(file: *mut lsm_file, _: c_int, _: c_int, _: c_int) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let _inside = unsafe { WatchedFile::enter(file) };
    0
}

unsafe extern "C" fn map(
    file: *mut lsm_file,
    index: c_int,
    size: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    assert_eq!(size as usize, CHUNK_BYTES);
    let mut chunks = inside.0.content.chunks.lock().unwrap();
    let chunk = chunks.entry(index).or_insert_with(HeapChunk::zeroed);
    // SAFETY: the engine passes room for a pointer.
    unsafe { *out = ptr::from_ref(chunk.words()).cast_mut().cast() };
    0
}

/// Frees the memory at once, as an environment of one process may: whoever still reads it is wrong.
unsafe extern "C" fn unmap(file: *mut lsm_file, delete: c_int) -> c_int {
    // SAFETY: the file is one that `open` made and the engine has not closed.
    let inside = unsafe { WatchedFile::enter(file) };
    if delete != 0 {
        inside.0.content.chunks.lock().unwrap().clear();
    }
    0
}

thread_local! {
    static BARRIERS: AtomicUsize = const { AtomicUsize::new(0) };
}

/// It gets nothing, so it counts by thread.
unsafe extern "C" fn barrier() {
    BARRIERS.with(|count| count.fetch_add(1, SeqCst));
}

unsafe extern "C" fn malloc(env: *mut lsm_env, size: usize) -> *mut c_void {
    // SAFETY: the structure is a living `Lent`'s.
    let world = unsafe { world(env) };
    if world.exhausted.load(SeqCst) {
        return ptr::null_mut();
    }
    world.allocated.fetch_add(1, SeqCst);
    // SAFETY: the default allocator looks at no structure.
    unsafe { super::copied().xMalloc.unwrap()(ptr::null_mut(), size) }
}

unsafe extern "C" fn free(env: *mut lsm_env, piece: *mut c_void) {
    if !piece.is_null() {
        // SAFETY: the structure is a living `Lent`'s.
        unsafe { world(env) }.allocated.fetch_sub(1, SeqCst);
    }
    // SAFETY: `malloc` had it from the same allocator, and the engine uses it no more.
    unsafe { super::copied().xFree.unwrap()(ptr::null_mut(), piece) }
}

unsafe extern "C" fn mutex_static(
    env: *mut lsm_env,
    number: c_int,
    out: *mut *mut lsm_mutex,
) -> c_int {
    assert_eq!(number, 1);
    // SAFETY: the structure is a living `Lent`'s, and the static mutex lives as long as its world.
    let world = unsafe { world(env) };
    let code = world.global_code.load(SeqCst);
    let mutex = if code == 0 { ptr::from_ref(&world.global).cast_mut() } else { ptr::null_mut() };
    // SAFETY: the engine passes room for a pointer.
    unsafe { *out = mutex.cast() };
    code
}

unsafe extern "C" fn mutex_new(env: *mut lsm_env, out: *mut *mut lsm_mutex) -> c_int {
    // SAFETY: the structure is a living `Lent`'s.
    let world = Arc::clone(unsafe { world(env) });
    let asked = world.mutexes_asked_for.fetch_add(1, SeqCst) + 1;
    if asked == world.mutex_fails.0.load(SeqCst) {
        // SAFETY: the engine passes room for a pointer.
        unsafe { *out = ptr::null_mut() };
        return world.mutex_fails.1.load(SeqCst);
    }
    world.mutexes.fetch_add(1, SeqCst);
    let mutex = WatchedMutex { world: Some(world), ..WatchedMutex::default() };
    // SAFETY: as above.
    unsafe { *out = Box::into_raw(Box::new(mutex)).cast() };
    0
}

unsafe fn mutex<'a>(mutex: *mut lsm_mutex) -> &'a WatchedMutex {
    // SAFETY: `mutex_new` made it of a box of this type, or it is the static one of a living world.
    unsafe { &*mutex.cast::<WatchedMutex>() }
}

unsafe extern "C" fn mutex_del(raw: *mut lsm_mutex) {
    // SAFETY: `mutex_new` made it of a box of this type; it is deleted once, and used by nobody any
    // more.
    let mutex = unsafe { Box::from_raw(raw.cast::<WatchedMutex>()) };
    assert_eq!(mutex.entered.load(SeqCst), mutex.left.load(SeqCst), "deleted while held");
    mutex.world.as_ref().unwrap().mutexes.fetch_sub(1, SeqCst);
}

unsafe extern "C" fn mutex_enter(raw: *mut lsm_mutex) {
    // SAFETY: a mutex of this environment that is not deleted yet.
    let mutex = unsafe { mutex(raw) };
    assert!(mutex.world.is_some() || !mutex.raw.is_mine(), "the static mutex is not recursive");
    mutex.raw.enter();
    mutex.entered.fetch_add(1, SeqCst);
}

unsafe extern "C" fn mutex_try(raw: *mut lsm_mutex) -> c_int {
    // SAFETY: as in `mutex_enter`.
    let mutex = unsafe { mutex(raw) };
    if !mutex.raw.try_enter() {
        return 5;
    }
    mutex.entered.fetch_add(1, SeqCst);
    0
}

unsafe extern "C" fn mutex_leave(raw: *mut lsm_mutex) {
    // SAFETY: as in `mutex_enter`.
    let mutex = unsafe { mutex(raw) };
    assert!(mutex.raw.is_mine(), "left by somebody else");
    mutex.left.fetch_add(1, SeqCst);
    mutex.raw.leave();
}

unsafe extern "C" fn sleep(env: *mut lsm_env, _: c_int) -> c_int {
    // SAFETY: the structure is a living `Lent`'s.
    unsafe { world(env) }.slept.fetch_add(1, SeqCst);
    0
}

impl Watched {
    /// How often the static mutex was entered and left.
    pub(super) fn global_turns(&self) -> (usize, usize) {
        (self.global.entered.load(SeqCst), self.global.left.load(SeqCst))
    }
}

/// How often this thread has passed the environment's barrier.
pub(super) fn barriers() -> usize {
    BARRIERS.with(|count| count.load(SeqCst))
}

/// A structure of a world, valid as long as this lives; then it holds rubbish.
pub(super) struct Lent {
    members: NonNull<lsm_env>,
    world: *mut Arc<Watched>,
}

impl Lent {
    pub(super) fn new(world: &Arc<Watched>) -> Self {
        let world = Box::into_raw(Box::new(Arc::clone(world)));
        let members = lsm_env {
            nByte: 264,
            iVersion: 1,
            pVfsCtx: world.cast(),
            xFullpath: Some(full_path),
            xOpen: Some(open),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            xSectorSize: None,
            xRemap: None,
            xFileid: None,
            xClose: Some(close),
            xUnlink: Some(unlink),
            xLock: Some(lock),
            xTestLock: Some(test_lock),
            xShmMap: Some(map),
            xShmBarrier: Some(barrier),
            xShmUnmap: Some(unmap),
            pMemCtx: ptr::null_mut(),
            xMalloc: Some(malloc),
            xRealloc: super::copied().xRealloc,
            xFree: Some(free),
            xSize: None,
            pMutexCtx: ptr::null_mut(),
            xMutexStatic: Some(mutex_static),
            xMutexNew: Some(mutex_new),
            xMutexDel: Some(mutex_del),
            xMutexEnter: Some(mutex_enter),
            xMutexTry: Some(mutex_try),
            xMutexLeave: Some(mutex_leave),
            xMutexHeld: None,
            xMutexNotHeld: None,
            xSleep: Some(sleep),
        };
        let members = NonNull::from(Box::leak(Box::new(members)));
        Lent { members, world }
    }

    pub(super) fn as_ptr(&self) -> *mut lsm_env {
        self.members.as_ptr()
    }

    /// Changes the structure in place.
    pub(super) fn change(&self, change: impl FnOnce(&mut lsm_env)) {
        // SAFETY: a box of its own, and no call of the engine runs on this thread.
        change(unsafe { &mut *self.members.as_ptr() });
    }

    pub(super) fn structure(&self) -> Structure {
        // SAFETY: a whole structure; tests give it back before they drop this.
        unsafe { Structure::new(self.members) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: both came from boxes in `new`, and nobody uses them after this.
        unsafe {
            drop(Box::from_raw(self.members.as_ptr()));
            drop(Box::from_raw(self.world));
        }
    }
}
