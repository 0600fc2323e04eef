//! `lsm_info`: numbers, and texts about the structure of the file.

use crate::codes::LSM_OK;
use crate::guard::{Failure, Need, argument, enter};
use crate::handle::lsm_db;
use std::ffi::{c_int, c_uint, c_void};

const NWRITE: c_int = 1;
const NREAD: c_int = 2;
const DB_STRUCTURE: c_int = 3;
const LOG_STRUCTURE: c_int = 4;
const ARRAY_STRUCTURE: c_int = 5;
const PAGE_ASCII_DUMP: c_int = 6;
const PAGE_HEX_DUMP: c_int = 7;
const FREELIST: c_int = 8;
const ARRAY_PAGES: c_int = 9;
const CHECKPOINT_SIZE: c_int = 10;
const TREE_SIZE: c_int = 11;
const COMPRESSION_ID: c_int = 13;

/// Which arguments follow a kind: the numbers of `enum arguments` in variadic.c.
#[unsafe(no_mangle)]
extern "C" fn siltstone_c_info_arguments(kind: c_int) -> c_int {
    match kind {
        NWRITE | NREAD | DB_STRUCTURE | LOG_STRUCTURE | FREELIST | CHECKPOINT_SIZE
        | COMPRESSION_ID => 1,
        TREE_SIZE => 2,
        ARRAY_STRUCTURE | PAGE_ASCII_DUMP | PAGE_HEX_DUMP | ARRAY_PAGES => 3,
        _ => 0,
    }
}
