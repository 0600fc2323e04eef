//! A mutex of a caller's environment.

use super::caller::Structure;
use super::raw::lsm_mutex;
use siltstone::env::RawMutex;
use std::ffi::c_int;
use std::fmt;
use std::ptr::{self, NonNull};

type Call = unsafe extern "C" fn(*mut lsm_mutex);

/// Made by `xMutexNew`, and the functions that belonged to it then.
pub(super) struct CallerMutex {
    raw: NonNull<lsm_mutex>,
    enter: Call,
    try_enter: unsafe extern "C" fn(*mut lsm_mutex) -> c_int,
    leave: Call,
    delete: Call,
}

// SAFETY: a mutex of lsm.h is made to be used from several threads, and may be deleted by any.
unsafe impl Send for CallerMutex {}
// SAFETY: as above.
unsafe impl Sync for CallerMutex {}

impl CallerMutex {
    /// A new mutex; `None` if the environment has none to give.
    pub(super) fn new(structure: Structure) -> Option<Self> {
        let members = structure.members();
        let make = members.xMutexNew?;
        let (enter, try_enter) = (members.xMutexEnter?, members.xMutexTry?);
        let (leave, delete) = (members.xMutexLeave?, members.xMutexDel?);
        let mut raw = ptr::null_mut();
        // SAFETY: the structure is lent; the function gets it and room for a pointer.
        let code = unsafe { make(structure.as_ptr(), &mut raw) };
        let raw = NonNull::new(raw).filter(|_| code == 0)?;
        Some(CallerMutex { raw, enter, try_enter, leave, delete })
    }
}

impl fmt::Debug for CallerMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerMutex")
    }
}

impl RawMutex for CallerMutex {
    fn enter(&self) {
        // SAFETY: `xMutexNew` made it, and it is deleted in `drop` only.
        unsafe { (self.enter)(self.raw.as_ptr()) }
    }

    fn try_enter(&self) -> bool {
        // SAFETY: as in `enter`.
        unsafe { (self.try_enter)(self.raw.as_ptr()) == 0 }
    }

    fn leave(&self) {
        // SAFETY: as in `enter`; the trait has its holder call this.
        unsafe { (self.leave)(self.raw.as_ptr()) }
    }
}

impl Drop for CallerMutex {
    fn drop(&mut self) {
        // SAFETY: as in `enter`; whoever drops it holds the last reference, so nobody is inside.
        unsafe { (self.delete)(self.raw.as_ptr()) }
    }
}
