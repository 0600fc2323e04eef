//! Handles: `lsm_new`, `lsm_open`, `lsm_close`, `lsm_get_env`.
//!
//! A handle lives in memory of its environment's allocator. Everything a call changes is behind one
//! cell, borrowed while the call runs; what calls from inside callbacks need as well is beside it.

#![allow(non_camel_case_types, reason = "names of lsm.h")]

use crate::callbacks::{LogHook, WorkHook};
use crate::codes::{LSM_MISUSE, LSM_NOMEM, LSM_OK};
use crate::config::Config;
use crate::environment::{Lender, lsm_env, lsm_free, lsm_malloc};
use crate::guard::{Failure, Need, enter, guarded};
use siltstone::connection::Connection;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// A database handle of the caller's.
pub struct lsm_db {
    pub(crate) state: RefCell<State>,
    /// A call has panicked: only closing is possible.
    pub(crate) failed: Cell<bool>,
    /// Calls that have not returned yet, one inside the other.
    depth: Cell<u32>,
    /// Cursors that C has not closed yet.
    pub(crate) cursors: Cell<usize>,
    /// Hooks are being called.
    pub(crate) delivering: Cell<bool>,
    // Last: what the engine has open uses it until it is dropped.
    pub(crate) lender: Lender,
}

/// What calls change.
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) config: Config,
    pub(crate) log_hook: LogHook,
    pub(crate) work_hook: WorkHook,
    /// Messages for the log hook.
    pub(crate) messages: Vec<(c_int, CString)>,
    /// What was wrong last.
    pub(crate) error: CString,
}

/// Counts a call until dropped.
pub(crate) struct Inside<'a>(&'a Cell<u32>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl lsm_db {
    fn new(lender: Lender) -> Self {
        let state = State {
            connection: Connection::new(lender.env()),
            config: Config::default(),
            log_hook: LogHook::default(),
            work_hook: WorkHook::default(),
            messages: Vec::new(),
            error: CString::default(),
        };
        lsm_db {
            state: RefCell::new(state),
            failed: Cell::new(false),
            depth: Cell::new(0),
            cursors: Cell::new(0),
            delivering: Cell::new(false),
            lender,
        }
    }

    /// Notes a call.
    pub(crate) fn step_inside(&self) -> Inside<'_> {
        self.depth.set(self.depth.get() + 1);
        Inside(&self.depth)
    }

    /// Whether a call of this handle has not returned yet.
    fn is_inside(&self) -> bool {
        self.depth.get() > 0
    }
}

/// Makes a handle, not open yet, for the environment `env` or, if that is NULL, the default one.
///
/// # Safety
/// As in lsm.h: `env` stays valid until the handle is closed, and `out` takes a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_new(env: *mut lsm_env, out: *mut *mut lsm_db) -> c_int {
    if out.is_null() {
        return LSM_MISUSE;
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(ptr::null_mut()) };
    guarded(|| {
        // SAFETY: the caller's promise.
        let lender = match unsafe { Lender::new(env) } {
            Ok(lender) => lender,
            Err(code) => return code,
        };
        // SAFETY: the environment is valid.
        let room = unsafe { lsm_malloc(lender.given(), size_of::<lsm_db>()) }.cast::<lsm_db>();
        if room.is_null() || !room.is_aligned() {
            return LSM_NOMEM;
        }
        // SAFETY: the room is large enough, aligned and nobody else's.
        unsafe {
            room.write(lsm_db::new(lender));
            out.write(room);
        }
        LSM_OK
    })
}

/// Opens the database `path`, or creates it.
///
/// # Safety
/// As in lsm.h: `db` is a handle, `path` a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_open(db: *mut lsm_db, path: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            if path.is_null() {
                return Err(Failure::Misuse("the path is NULL"));
            }
            state.connection.open(CStr::from_ptr(path).to_bytes())?;
            crate::callbacks::report_recovery(state);
            Ok(())
        })
    }
}

/// Ends a handle. `LSM_MISUSE`, and the handle stays, while cursors or a transaction are open.
///
/// # Safety
/// As in lsm.h: `db` is NULL or a handle, not used again if this succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_close(db: *mut lsm_db) -> c_int {
    // SAFETY: the caller's promise.
    let Some(handle) = (unsafe { db.as_ref() }) else { return LSM_OK };
    // Not from a callback of the handle: who called it goes on with it.
    if handle.is_inside() || handle.cursors.get() > 0 {
        return LSM_MISUSE;
    }
    if !handle.failed.get() {
        let Ok(mut state) = handle.state.try_borrow_mut() else { return LSM_MISUSE };
        if state.connection.in_use() {
            return LSM_MISUSE;
        }
        let _inside = handle.step_inside();
        let close = || handle.lender.during(|| state.connection.close());
        if let Ok(Err(error)) = catch_unwind(AssertUnwindSafe(close)) {
            // The handle has ended all the same, which is what LSM_OK says.
            let text = CString::new(error.to_string()).unwrap_or_default();
            state.messages.push((error.code(), text));
        }
        drop(state);
        // SAFETY: nothing of the handle is borrowed.
        unsafe { crate::callbacks::deliver(db, handle) };
    }
    let env = handle.lender.given();
    // SAFETY: the handle is the caller's to end, and nothing of it is borrowed.
    let ended = unsafe { db.read() };
    // What hooks do at the end must not unwind into C.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let lsm_db { state, lender, .. } = ended;
        lender.during(|| drop(state));
    }));
    // SAFETY: the room came from the allocator of this environment; what was in it is gone.
    unsafe { lsm_free(env, db.cast()) };
    LSM_OK
}

/// The environment a handle was made with.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_get_env(db: *mut lsm_db) -> *mut lsm_env {
    // SAFETY: the caller's promise.
    match unsafe { db.as_ref() } {
        Some(handle) => handle.lender.given(),
        None => ptr::null_mut(),
    }
}
