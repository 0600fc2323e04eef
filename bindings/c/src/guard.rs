//! What stands between every call from C and the code that serves it.
//!
//! A call is refused with `LSM_MISUSE` if it comes with no handle, from inside another call of the
//! same handle that has not let go of it, or after the handle has failed. Errors become result codes,
//! with their texts kept for `siltstone_error_message`. A panic ends here as `LSM_ERROR` and leaves
//! the handle for `lsm_close` only: nothing is known about the state it is in.
//!
//! Callbacks that get the handle (work hook, log hook, compression factory) run when the call is over
//! as far as the handle is concerned, so they may use it; only close it they may not.

use crate::codes::{
    LSM_CANTOPEN, LSM_CORRUPT, LSM_ERROR, LSM_IOERR, LSM_MISUSE, LSM_OK, LSM_PROTOCOL,
};
use crate::environment::Lender;
use crate::handle::{State, lsm_db};
use siltstone::{Error, ErrorKind};
use std::ffi::{CString, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With an error of the engine.
    Engine(Error),
    /// By the caller's fault, and what that is.
    Misuse(&'static str),
    /// With this code and nothing to say about it.
    Code(c_int),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

/// What the code behind a call returns.
pub(crate) type Outcome = Result<(), Failure>;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing but the handle.
    Handle,
    /// Pages: where the file's compression hooks are missing the factory is asked for them first.
    Pages,
}

/// The code C programs expect: C lsm1 has `LSM_CANTOPEN` but never gives it.
fn code_of(error: &Error) -> c_int {
    match error.code() {
        LSM_CANTOPEN => LSM_IOERR,
        code => code,
    }
}

impl Failure {
    /// The result code; the text is kept.
    fn record(self, lender: &Lender, state: &mut State) -> c_int {
        let (code, text) = match self {
            Failure::Engine(error) => {
                // A page that a hook cannot decompress is damage to the engine; to C it is the hook's code.
                let hook = lender.take_hook_code().filter(|_| {
                    matches!(error.kind(), ErrorKind::Codec(_) | ErrorKind::Corrupt { .. })
                });
                (hook.unwrap_or_else(|| code_of(&error)), error.to_string())
            }
            Failure::Misuse(what) => (LSM_MISUSE, format!("misuse: {what}")),
            Failure::Code(code) => (code, String::new()),
        };
        // NUL bytes can come from file names only, which are C strings.
        let text = CString::new(text).unwrap_or_default();
        if code & 0xFF == LSM_CORRUPT || code == LSM_PROTOCOL {
            state.messages.push((code, text.clone()));
        }
        state.error = text;
        code
    }
}

/// Runs `body` for a call of the handle `db`.
///
/// # Safety
/// `db` is NULL or a handle that `lsm_new` made and `lsm_close` has not ended, and no other thread
/// uses it meanwhile.
pub(crate) unsafe fn enter(
    db: *mut lsm_db,
    need: Need,
    body: impl FnOnce(&Lender, &mut State) -> Outcome,
) -> c_int {
    // SAFETY: the caller's promise. Calls from inside callbacks share the handle, whose parts are
    // cells.
    let Some(handle) = (unsafe { db.as_ref() }) else { return LSM_MISUSE };
    if handle.failed.get() {
        return LSM_MISUSE;
    }
    let _inside = handle.step_inside();
    if need == Need::Pages && handle.lender.has_factory() {
        // SAFETY: nothing of the handle is borrowed, and it is the lender's.
        unsafe { find_hooks(db, handle) };
    }
    let code = run(handle, body);
    // SAFETY: nothing of the handle is borrowed.
    unsafe { crate::callbacks::deliver(db, handle) };
    code
}

/// Runs `body` with the handle borrowed.
fn run(handle: &lsm_db, body: impl FnOnce(&Lender, &mut State) -> Outcome) -> c_int {
    let Ok(mut state) = handle.state.try_borrow_mut() else { return LSM_MISUSE };
    let lender = &handle.lender;
    let work = || {
        lender.during(|| match body(lender, &mut state) {
            Ok(()) => LSM_OK,
            Err(failure) => failure.record(lender, &mut state),
        })
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        handle.failed.set(true);
        LSM_ERROR
    })
}

/// Asks the compression factory for hooks, if the file was written with others than the handle has.
///
/// # Safety
/// `db` is `handle`, and nothing of it is borrowed.
unsafe fn find_hooks(db: *mut lsm_db, handle: &lsm_db) {
    let mut missing = None;
    run(handle, |_, state| {
        let connection = &mut state.connection;
        if connection.is_open() && !connection.in_use() {
            // If the file cannot be opened now the call itself will say so.
            missing = connection.missing_codec().unwrap_or(None);
        }
        Ok(())
    });
    if let Some(id) = missing {
        // SAFETY: the caller's promise.
        unsafe { handle.lender.ask_factory(db, id) };
    }
}

/// For functions without a handle: turns a panic into `LSM_ERROR`.
pub(crate) fn guarded(body: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(LSM_ERROR)
}

/// A reference to what an argument points to.
///
/// # Errors
/// `LSM_MISUSE` if it is NULL or not aligned.
///
/// # Safety
/// It is NULL or points to a `T` that is the callee's for the call.
pub(crate) unsafe fn argument<'a, T>(pointer: *mut T) -> Result<&'a mut T, Failure> {
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Failure::Misuse("an argument that must point somewhere does not"));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { &mut *pointer })
}

/// The bytes of a key or value.
///
/// # Errors
/// `LSM_MISUSE` for a negative length, or NULL with a length other than zero.
///
/// # Safety
/// `pointer` is NULL or points to `len` bytes that stay as they are during the call.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const std::ffi::c_void,
    len: c_int,
) -> Result<&'a [u8], Failure> {
    match usize::try_from(len) {
        Ok(0) => Ok(&[]),
        Ok(len) if !pointer.is_null() => {
            // SAFETY: the caller's promise.
            Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })
        }
        Ok(_) => Err(Failure::Misuse("a key or value is NULL but has a length")),
        Err(_) => Err(Failure::Misuse("a key or value has a negative length")),
    }
}
