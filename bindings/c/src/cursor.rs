//! The `lsm_csr_*` functions.
//!
//! lsm.h lets a cursor step only the way it was last placed for; the engine's cursors go both ways.
//! Which way that is stays with the C cursor.

#![allow(non_camel_case_types, reason = "names of lsm.h")]

use crate::codes::{LSM_MISUSE, LSM_NOMEM, LSM_OK};
use crate::environment::{Lender, lsm_free, lsm_malloc};
use crate::guard::{Failure, Need, Outcome, argument, bytes, enter};
use crate::handle::{State, lsm_db};
use siltstone::Seek;
use siltstone::connection::{ConnectionCursor, CursorId};
use std::cell::Cell;
use std::cmp::Ordering;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Where a cursor may go from where it was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nowhere,
    Forward,
    Backward,
}

/// A cursor of the caller's.
pub struct lsm_cursor {
    db: *mut lsm_db,
    id: CursorId,
    way: Cell<Way>,
    /// Placed by `LSM_SEEK_LEFAST`.
    fast: Cell<bool>,
}

/// What empty keys and values point to.
static EMPTY: u8 = 0;

/// A copy of a key; short ones take no memory.
enum Copied {
    Short([u8; Self::SHORT], usize),
    Long(Vec<u8>),
}

impl Copied {
    const SHORT: usize = 64;

    fn of(key: &[u8]) -> Self {
        let mut short = [0; Self::SHORT];
        match short.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key);
                Copied::Short(short, key.len())
            }
            None => Copied::Long(key.to_vec()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Copied::Short(short, len) => short.get(..*len).unwrap_or_default(),
            Copied::Long(long) => long,
        }
    }
}

/// Runs `body` on the engine's cursor.
///
/// # Safety
/// `cursor` is NULL or a cursor that is not closed, and no other thread uses its handle.
unsafe fn with(
    cursor: *mut lsm_cursor,
    body: impl FnOnce(&lsm_cursor, ConnectionCursor<'_>) -> Outcome,
) -> c_int {
    // SAFETY: the caller's promise.
    let Some(own) = (unsafe { cursor.as_ref() }) else { return LSM_MISUSE };
    // SAFETY: a handle outlives its cursors: it cannot be closed before.
    unsafe { enter(own.db, Need::Handle, |_, state| body(own, state.connection.cursor(own.id)?)) }
}

/// Opens a cursor, which stands nowhere yet.
///
/// # Safety
/// As in lsm.h: `db` is a handle, `out` takes a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_open(db: *mut lsm_db, out: *mut *mut lsm_cursor) -> c_int {
    if out.is_null() {
        return LSM_MISUSE;
    }
    // SAFETY: the caller's promise, here and below.
    unsafe {
        out.write(ptr::null_mut());
        enter(db, Need::Pages, |lender, state| {
            let cursor = open(db, lender, state)?;
            out.write(cursor);
            Ok(())
        })
    }
}

/// # Safety
/// `db` is the handle of `lender` and `state`.
unsafe fn open(
    db: *mut lsm_db,
    lender: &Lender,
    state: &mut State,
) -> Result<*mut lsm_cursor, Failure> {
    let id = state.connection.open_cursor()?;
    // SAFETY: the environment is valid.
    let room = unsafe { lsm_malloc(lender.given(), size_of::<lsm_cursor>()) }.cast::<lsm_cursor>();
    if room.is_null() || !room.is_aligned() {
        state.connection.close_cursor(id)?;
        return Err(Failure::Code(LSM_NOMEM));
    }
    // SAFETY: the room is large enough, aligned and nobody else's; the handle is the caller's.
    unsafe {
        room.write(lsm_cursor { db, id, way: Cell::new(Way::Nowhere), fast: Cell::new(false) });
        (*db).cursors.set((*db).cursors.get() + 1);
    }
    Ok(room)
}

/// Closes a cursor; NULL is none.
///
/// # Safety
/// As in lsm.h: `cursor` is NULL or a cursor, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_close(cursor: *mut lsm_cursor) -> c_int {
    // SAFETY: the caller's promise.
    let Some(own) = (unsafe { cursor.as_ref() }) else { return LSM_OK };
    let (db, id) = (own.db, own.id);
    // SAFETY: a handle outlives its cursors.
    let handle = unsafe { &*db };
    if handle.state.try_borrow_mut().is_err() {
        // From inside a call that uses the cursor.
        return LSM_MISUSE;
    }
    // If the handle has failed there is nothing left to close in it.
    // SAFETY: as above.
    unsafe { enter(db, Need::Handle, |_, state| Ok(state.connection.close_cursor(id)?)) };
    handle.cursors.set(handle.cursors.get().saturating_sub(1));
    // SAFETY: the room came from this allocator and is the caller's to give up.
    unsafe { lsm_free(handle.lender.given(), cursor.cast()) };
    LSM_OK
}

/// Places the cursor at a key, or near it.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor, `key` has `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_seek(
    cursor: *mut lsm_cursor,
    key: *const c_void,
    key_len: c_int,
    mode: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            let (seek, way) = match mode {
                -2 => (Seek::AtMostFast, Way::Nowhere),
                -1 => (Seek::AtMost, Way::Backward),
                0 => (Seek::Exact, Way::Nowhere),
                1 => (Seek::AtLeast, Way::Forward),
                _ => return Err(Failure::Misuse("there is no such seek mode")),
            };
            // It may be what this cursor points to, and is about to let go of.
            let key = Copied::of(bytes(key, key_len)?);
            own.way.set(way);
            own.fast.set(seek == Seek::AtMostFast);
            engine.seek(key.bytes(), seek)?;
            Ok(())
        })
    }
}

/// Places the cursor on the smallest key.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_first(cursor: *mut lsm_cursor) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            own.way.set(Way::Forward);
            own.fast.set(false);
            engine.first()?;
            Ok(())
        })
    }
}

/// Places the cursor on the largest key.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_last(cursor: *mut lsm_cursor) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            own.way.set(Way::Backward);
            own.fast.set(false);
            engine.last()?;
            Ok(())
        })
    }
}

fn check_way(own: &lsm_cursor, way: Way) -> Outcome {
    if own.way.get() == way {
        return Ok(());
    }
    Err(Failure::Misuse("the cursor was not placed for stepping this way"))
}

/// Goes to the next larger key; off the end it stays there.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_next(cursor: *mut lsm_cursor) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            check_way(own, Way::Forward)?;
            engine.next()?;
            Ok(())
        })
    }
}

/// Goes to the next smaller key; off the end it stays there.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_prev(cursor: *mut lsm_cursor) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            check_way(own, Way::Backward)?;
            engine.previous()?;
            Ok(())
        })
    }
}

/// 1 if the cursor stands on an entry, else 0.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_valid(cursor: *mut lsm_cursor) -> c_int {
    let mut valid = false;
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |_, engine| {
            valid = engine.is_valid();
            Ok(())
        })
    };
    valid.into()
}

/// Hands out bytes that the engine's cursor keeps.
///
/// # Safety
/// The pointers are NULL or take a pointer and a number.
unsafe fn hand_out(found: Option<&[u8]>, pointer: *mut *const c_void, len: *mut c_int) -> Outcome {
    // SAFETY: the caller's promise.
    let (pointer, len) = unsafe { (argument(pointer)?, argument(len)?) };
    (*pointer, *len) = match found {
        None => (ptr::null(), 0),
        Some([]) => ((&raw const EMPTY).cast(), 0),
        Some(bytes) => (bytes.as_ptr().cast(), c_int::try_from(bytes.len()).unwrap_or(c_int::MAX)),
    };
    Ok(())
}

/// The key; NULL if the cursor is not on an entry. Good until the cursor moves or its handle writes.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor, the others take a pointer and a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_key(
    cursor: *mut lsm_cursor,
    key: *mut *const c_void,
    key_len: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(cursor, |_, engine| hand_out(engine.key(), key, key_len)) }
}

/// The value; NULL if the cursor is not on an entry, empty if the entry was removed since. Good as
/// long as the key.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor, the others take a pointer and a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_value(
    cursor: *mut lsm_cursor,
    value: *mut *const c_void,
    value_len: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |own, mut engine| {
            if own.fast.get() {
                return Err(Failure::Misuse("a cursor placed by LSM_SEEK_LEFAST has no value"));
            }
            let valid = engine.is_valid();
            let found = engine.value()?;
            hand_out(found.or(valid.then_some(&[])), value, value_len)
        })
    }
}

/// Compares the cursor's key with another: below, equal to or above zero.
///
/// # Safety
/// As in lsm.h: `cursor` is a cursor, `key` has `key_len` bytes, `out` takes a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_csr_cmp(
    cursor: *mut lsm_cursor,
    key: *const c_void,
    key_len: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(cursor, |_, engine| {
            let (key, out) = (bytes(key, key_len)?, argument(out)?);
            let Some(own) = engine.key() else {
                return Err(Failure::Misuse("the cursor is not on an entry"));
            };
            *out = match own.cmp(key) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            };
            Ok(())
        })
    }
}
