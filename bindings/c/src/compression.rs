//! `lsm_compress` and `lsm_compress_factory` as the caller lays them out; what is done with them is
//! in `codec`.

#![allow(non_camel_case_types, non_snake_case, reason = "names of lsm.h")]

mod codec;
#[cfg(test)]
mod tests;

pub(crate) use codec::{Factory, HandleCodec, Hooks};

use crate::handle::lsm_db;
use std::ffi::{c_char, c_int, c_uint, c_void};

/// Compression hooks. `xBound == NULL` means none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lsm_compress {
    /// First argument of the hooks.
    pub pCtx: *mut c_void,
    /// Id stored in the database file.
    pub iId: c_uint,
    /// Most bytes that compressing so many may give.
    pub xBound: Option<unsafe extern "C" fn(*mut c_void, c_int) -> c_int>,
    /// Compresses: context, out, size of out in and used size out, in, size of in.
    pub xCompress: Option<
        unsafe extern "C" fn(*mut c_void, *mut c_char, *mut c_int, *const c_char, c_int) -> c_int,
    >,
    /// The reverse, with the same arguments.
    pub xUncompress: Option<
        unsafe extern "C" fn(*mut c_void, *mut c_char, *mut c_int, *const c_char, c_int) -> c_int,
    >,
    /// Called once when the hooks are not needed any more.
    pub xFree: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Asked to install hooks when a database was written with others.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lsm_compress_factory {
    /// First argument of the functions.
    pub pCtx: *mut c_void,
    /// Context, handle, id in the file.
    pub xFactory: Option<unsafe extern "C" fn(*mut c_void, *mut lsm_db, c_uint) -> c_int>,
    /// Called once when the factory is not needed any more.
    pub xFree: Option<unsafe extern "C" fn(*mut c_void)>,
}
