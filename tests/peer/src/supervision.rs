//! C among other processes, kept away from two of its defects while they would strike, and only then.
//!
//! C repairs the shared memory a dead writer left with the header it loaded before (T1 in
//! docs/c-defects.md), and not at all where the number of chunks less one is a power of two (T12);
//! and it may begin to read without a reader slot (L8). The supervised environment is C's own except
//! that it watches the lock calls: when C takes the writer lock, finds a dead writer's mark and could
//! only repair wrongly, or has no reader slot, the lock is given back and C is told `BUSY`, as if
//! somebody else had it. Wherever C can repair rightly it does.
//!
//! One database per process. Layouts: docs/format.md, "Shared memory".

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

type Lock = unsafe extern "C" fn(*mut c_void, c_int, c_int) -> c_int;
type Map = unsafe extern "C" fn(*mut c_void, c_int, c_int, *mut *mut c_void) -> c_int;
type Unmap = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// `struct lsm_env` of a 64-bit build; what is not looked at has no name.
#[repr(C)]
#[derive(Clone, Copy)]
struct Environment {
    size: c_int,
    version: c_int,
    files: [usize; 12],
    lock: Lock,
    test_lock: usize,
    map: Map,
    barrier: usize,
    unmap: Unmap,
    rest: [usize; 15],
}

unsafe extern "C" {
    fn lsm_default_env() -> *mut c_void;
}

const WRITER: c_int = 4;
const READERS: std::ops::Range<c_int> = 8..14;
const WRITER_MARK: usize = 8192 / 4;
const HEADERS: [usize; 2] = [8200 / 4, 8352 / 4];
const HEADER_WORDS: usize = 38;
const CHUNK_COUNT: usize = 3;

type Header = [u32; HEADER_WORDS];

static ORIGINAL: OnceLock<Environment> = OnceLock::new();
static SUPERVISED: OnceLock<Environment> = OnceLock::new();
/// Chunk 0, while mapped.
static HEAD: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());
/// Reader slots held, as bits.
static SLOTS: AtomicU32 = AtomicU32::new(0);
/// The header when the last reader slot was taken: the one C works with.
static LOADED: Mutex<Option<Header>> = Mutex::new(None);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static REPAIRS: AtomicU64 = AtomicU64::new(0);

/// Whether this process holds a reader slot. Without one nothing it reads is to be trusted (L8).
#[must_use]
pub fn holds_reader_slot() -> bool {
    SLOTS.load(Ordering::SeqCst) != 0
}

/// How often C was kept from repairing, and how often it was let.
#[must_use]
pub fn repairs() -> (u64, u64) {
    (REFUSED.load(Ordering::SeqCst), REPAIRS.load(Ordering::SeqCst))
}

/// The environment to give to `lsm_new`; lives for ever.
pub(crate) fn environment() -> *mut c_void {
    let supervised = SUPERVISED.get_or_init(|| {
        // SAFETY: C's default environment is a static of the layout above (264 bytes, version 1).
        let original = unsafe { *lsm_default_env().cast::<Environment>() };
        let original = ORIGINAL.get_or_init(|| original);
        Environment { lock, map, unmap, ..*original }
    });
    std::ptr::from_ref(supervised).cast_mut().cast()
}

unsafe extern "C" fn map(
    file: *mut c_void,
    chunk: c_int,
    size: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let Some(original) = ORIGINAL.get() else { return crate::ERROR };
    // SAFETY: the arguments are C's own; on success `out` holds the chunk's address.
    unsafe {
        let code = (original.map)(file, chunk, size, out);
        if code == 0 && chunk == 0 {
            HEAD.store((*out).cast(), Ordering::SeqCst);
        }
        code
    }
}

unsafe extern "C" fn unmap(file: *mut c_void, delete: c_int) -> c_int {
    HEAD.store(std::ptr::null_mut(), Ordering::SeqCst);
    let Some(original) = ORIGINAL.get() else { return crate::ERROR };
    // SAFETY: the arguments are C's own.
    unsafe { (original.unmap)(file, delete) }
}

unsafe extern "C" fn lock(file: *mut c_void, lock: c_int, mode: c_int) -> c_int {
    let Some(original) = ORIGINAL.get() else { return crate::ERROR };
    // SAFETY: the arguments are C's own.
    let code = unsafe { (original.lock)(file, lock, mode) };
    if code != 0 {
        return code;
    }
    fence(Ordering::SeqCst);
    if READERS.contains(&lock) {
        let bit = 1 << (lock - READERS.start);
        if mode == 1 {
            SLOTS.fetch_or(bit, Ordering::SeqCst);
            *LOADED.lock().unwrap_or_else(PoisonError::into_inner) = current();
        } else {
            SLOTS.fetch_and(!bit, Ordering::SeqCst);
        }
    }
    if lock == WRITER && mode == 2 && !may_write() {
        REFUSED.fetch_add(1, Ordering::SeqCst);
        // SAFETY: releases what was taken above.
        unsafe { (original.lock)(file, lock, 0) };
        return crate::BUSY;
    }
    0
}

fn word(index: usize) -> Option<u32> {
    let head = HEAD.load(Ordering::SeqCst);
    // SAFETY: chunk 0 is mapped for 32768 bytes, aligned, until `unmap`, which clears HEAD first;
    // all indices used are below 8192 and the memory is touched atomically only.
    (!head.is_null()).then(|| unsafe { (*head.add(index)).load(Ordering::Relaxed) })
}

/// The valid header that counts: the first, or else the second.
fn current() -> Option<Header> {
    HEADERS.iter().find_map(|&at| {
        let mut header = [0; HEADER_WORDS];
        for (offset, out) in header.iter_mut().enumerate() {
            *out = word(at + offset)?;
        }
        fence(Ordering::SeqCst);
        let (pairs, _) = header.as_chunks::<2>();
        let (sums, body) = pairs.split_last()?;
        let sum = body.iter().fold([0x1234_5678_u32, 0x9ABC_DEF0], |[one, two], [a, b]| {
            let one = one.wrapping_add(*a);
            [one, two.wrapping_add(one.wrapping_add(*b))]
        });
        (sum == *sums).then_some(header)
    })
}

fn may_write() -> bool {
    if !holds_reader_slot() {
        return false;
    }
    if word(WRITER_MARK) == Some(0) {
        return true;
    }
    let loaded = *LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let right = match current() {
        // With two chunks C seems to succeed unless the dead writer took another, but damages its heap.
        Some(header) => {
            let chunks = header.get(CHUNK_COUNT).copied().unwrap_or_default();
            loaded == Some(header) && !chunks.saturating_sub(1).is_power_of_two()
        }
        None => false,
    };
    REPAIRS.fetch_add(u64::from(right), Ordering::SeqCst);
    right
}
