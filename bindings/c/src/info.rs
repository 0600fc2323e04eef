//! `lsm_info`: numbers, and texts about the structure of the file.
//!
//! Texts are the caller's, from the allocator of its environment; a list that is empty is NULL.

use crate::codes::LSM_ERROR;
use crate::environment::Lender;
use crate::guard::{Failure, Need, Outcome, argument, enter};
use crate::handle::{State, lsm_db};
use siltstone::{ErrorKind, PageText, pages_as_tcl, ranges_as_tcl};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

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

fn number(count: u64) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

fn kilobytes(bytes: u64) -> c_int {
    number(bytes.div_ceil(1024))
}

/// Answers with a number.
fn count(state: &mut State, kind: c_int) -> Result<c_int, Failure> {
    let connection = &mut state.connection;
    Ok(match kind {
        NWRITE => number(connection.pages_written()),
        NREAD => number(connection.pages_read()),
        _ => kilobytes(connection.bytes_since_checkpoint()?),
    })
}

/// Hands a text out.
///
/// # Safety
/// `out` is NULL or takes a pointer.
unsafe fn tell(
    lender: &Lender,
    out: *mut c_void,
    text: impl FnOnce() -> Result<String, Failure>,
) -> Outcome {
    // SAFETY: the caller's promise.
    let out = unsafe { argument(out.cast::<*mut c_char>()) }?;
    *out = ptr::null_mut();
    let text = text()?;
    if !text.is_empty() {
        *out = lender.copy_out(text.as_bytes()).map_err(Failure::Code)?;
    }
    Ok(())
}

/// A page id that C gave. What no file can have is answered as what this one has not.
fn page_id(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).ok().filter(|&id| id > 0).ok_or(Failure::Code(LSM_ERROR))
}

/// `lsm_info`, once the arguments were taken off the stack.
///
/// # Safety
/// As in lsm.h: `db` is a handle, the others are what `kind` takes.
#[unsafe(no_mangle)]
unsafe extern "C" fn siltstone_c_info(
    db: *mut lsm_db,
    kind: c_int,
    id: i64,
    first: *mut c_void,
    second: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise, here and below.
    unsafe {
        enter(db, Need::Handle, |lender, state| {
            if !state.connection.is_open() {
                return Err(Failure::Misuse("the handle is not open"));
            }
            match kind {
                NWRITE | NREAD | CHECKPOINT_SIZE => {
                    *argument(first.cast::<c_int>())? = count(state, kind)?;
                }
                TREE_SIZE => {
                    // One after the other: nothing keeps the caller from naming one place twice.
                    let (old, live) = (first.cast::<c_int>(), second.cast::<c_int>());
                    argument(live)?;
                    let sizes = state.connection.tree_sizes()?;
                    *argument(old)? = kilobytes(sizes.old);
                    *argument(live)? = kilobytes(sizes.live);
                }
                COMPRESSION_ID => {
                    *argument(first.cast::<c_uint>())? = state.connection.file_codec_id()?;
                }
                DB_STRUCTURE | LOG_STRUCTURE | FREELIST => {
                    tell(lender, first, || text(state, kind))?;
                }
                ARRAY_STRUCTURE | ARRAY_PAGES | PAGE_ASCII_DUMP | PAGE_HEX_DUMP => {
                    tell(lender, first, || text_of(state, kind, page_id(id)?))?;
                }
                _ => return Err(Failure::Misuse("there is no such kind of information")),
            }
            Ok(())
        })
    }
}

/// Answers with a list about the file.
fn text(state: &mut State, kind: c_int) -> Result<String, Failure> {
    let structure = state.connection.structure()?;
    Ok(match kind {
        DB_STRUCTURE => structure.levels_as_tcl(),
        FREELIST => structure.free_as_tcl(),
        _ => structure.log_as_tcl(),
    })
}

/// Answers about a segment or a page.
fn text_of(state: &mut State, kind: c_int, id: u64) -> Result<String, Failure> {
    let connection = &mut state.connection;
    let text = match kind {
        ARRAY_STRUCTURE => connection.segment_ranges(id).map(|ranges| ranges_as_tcl(&ranges)),
        ARRAY_PAGES => connection.segment_pages(id).map(|pages| pages_as_tcl(&pages)),
        PAGE_ASCII_DUMP => connection.page(id).map(|page| page.to_text(PageText::Ascii)),
        _ => connection.page(id).map(|page| page.to_text(PageText::Hex)),
    };
    text.map_err(|error| match error.kind() {
        // No segment begins there, or has such a page.
        ErrorKind::Misuse(_) => Failure::Code(LSM_ERROR),
        _ => Failure::Engine(error),
    })
}
