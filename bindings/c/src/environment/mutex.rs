//! The mutexes of a caller's environment.

use super::caller::Structure;
use super::outcome::check;
use super::raw::{MUTEX_GLOBAL, lsm_mutex};
use siltstone::env::{EnvError, RawMutex, Result};
use std::ffi::c_int;
use std::fmt;
use std::ptr::{self, NonNull};

type Call = unsafe extern "C" fn(*mut lsm_mutex);

/// Made by `xMutexNew` or given by `xMutexStatic`, and the functions that belonged to it then.
pub(super) struct CallerMutex {
    raw: NonNull<lsm_mutex>,
    enter: Call,
    try_enter: Option<unsafe extern "C" fn(*mut lsm_mutex) -> c_int>,
    leave: Call,
    /// `None`: it is there for ever.
    delete: Option<Call>,
}

// SAFETY: a mutex of lsm.h is made to be used from several threads, and may be deleted by any.
unsafe impl Send for CallerMutex {}
// SAFETY: as above.
unsafe impl Sync for CallerMutex {}

impl CallerMutex {
    /// A new mutex; `None` if the environment lacks a function for mutexes.
    ///
    /// # Errors
    /// That of `xMutexNew`.
    pub(super) fn new(structure: Structure) -> Result<Option<Self>> {
        let members = structure.members();
        let (Some(make), Some(enter), Some(leave), Some(try_enter), Some(delete)) = (
            members.xMutexNew,
            members.xMutexEnter,
            members.xMutexLeave,
            members.xMutexTry,
            members.xMutexDel,
        ) else {
            return Ok(None);
        };
        let mut raw = ptr::null_mut();
        // SAFETY: the structure is lent; the function gets it and room for a pointer.
        check(unsafe { make(structure.as_ptr(), &mut raw) })?;
        let raw = NonNull::new(raw).ok_or(EnvError::OutOfMemory)?;
        let (try_enter, delete) = (Some(try_enter), Some(delete));
        Ok(Some(CallerMutex { raw, enter, try_enter, leave, delete }))
    }

    /// The global static mutex; `None` if the environment has none, or no functions for it.
    ///
    /// # Errors
    /// That of `xMutexStatic`.
    pub(super) fn global(structure: Structure) -> Result<Option<Self>> {
        let members = structure.members();
        let (Some(enter), Some(leave)) = (members.xMutexEnter, members.xMutexLeave) else {
            return Ok(None);
        };
        let raw = global_of(structure)?;
        let try_enter = members.xMutexTry;
        Ok(raw.map(|raw| CallerMutex { raw, enter, try_enter, leave, delete: None }))
    }
}

/// Where the global static mutex of an environment is, if there is one.
///
/// # Errors
/// That of `xMutexStatic`.
pub(super) fn global_of(structure: Structure) -> Result<Option<NonNull<lsm_mutex>>> {
    let Some(give) = structure.members().xMutexStatic else { return Ok(None) };
    let mut raw = ptr::null_mut();
    // SAFETY: the structure is lent; the function gets it and room for a pointer.
    check(unsafe { give(structure.as_ptr(), MUTEX_GLOBAL, &mut raw) })?;
    Ok(NonNull::new(raw))
}

impl fmt::Debug for CallerMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerMutex")
    }
}

impl RawMutex for CallerMutex {
    fn enter(&self) {
        // SAFETY: the environment gave it, together with this function; what is deleted is deleted
        // in `drop` only.
        unsafe { (self.enter)(self.raw.as_ptr()) }
    }

    fn try_enter(&self) -> bool {
        // SAFETY: as in `enter`.
        self.try_enter.is_some_and(|try_enter| unsafe { try_enter(self.raw.as_ptr()) == 0 })
    }

    fn leave(&self) {
        // SAFETY: as in `enter`; the trait has its holder call this.
        unsafe { (self.leave)(self.raw.as_ptr()) }
    }
}

impl Drop for CallerMutex {
    fn drop(&mut self) {
        if let Some(delete) = self.delete {
            // SAFETY: as in `enter`; whoever drops it holds the last reference, so nobody is inside.
            unsafe { delete(self.raw.as_ptr()) }
        }
    }
}
