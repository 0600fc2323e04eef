//! The two variadic functions under their public names.
//!
//! variadic.c defines them, since only C can read such arguments on every platform. A shared
//! library made by rustc exports only what Rust defines, so the names are Rust's and jump there with
//! registers and stack as they came.

use crate::handle::lsm_db;
use std::arch::naked_asm;
use std::ffi::c_int;

unsafe extern "C" {
    fn siltstone_c_config_variadic(db: *mut lsm_db, parameter: c_int, ...) -> c_int;
    fn siltstone_c_info_variadic(db: *mut lsm_db, kind: c_int, ...) -> c_int;
}

/// The instruction that goes elsewhere and leaves everything as it is.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! jump {
    () => {
        "jmp {}"
    };
}
#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
macro_rules! jump {
    () => {
        "b {}"
    };
}
#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
macro_rules! jump {
    () => {
        "tail {}"
    };
}

/// `int lsm_config(lsm_db *, int, ...)`.
///
/// # Safety
/// As in lsm.h: the third argument is a pointer to what the parameter takes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn lsm_config() {
    naked_asm!(jump!(), sym siltstone_c_config_variadic)
}

/// `int lsm_info(lsm_db *, int, ...)`.
///
/// # Safety
/// As in lsm.h: the arguments are those of the kind.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn lsm_info() {
    naked_asm!(jump!(), sym siltstone_c_info_variadic)
}
