//! `lsm_config`: settings, in the units of lsm.h.
//!
//! A number that is not legal, or cannot be set now, changes nothing and is no error; the caller's
//! variable always gets what is in force, so that -1 asks.

use crate::codes::LSM_MISUSE;
use crate::compression::{lsm_compress, lsm_compress_factory};
use crate::environment::Lender;
use crate::guard::{Failure, Need, Outcome, argument, enter};
use crate::handle::{State, lsm_db};
use siltstone::{Durability, Mapping, Options, Sharing};
use std::ffi::{c_int, c_void};

const AUTOFLUSH: c_int = 1;
const PAGE_SIZE: c_int = 2;
const SAFETY: c_int = 3;
const BLOCK_SIZE: c_int = 4;
const AUTOWORK: c_int = 5;
const MMAP: c_int = 7;
const USE_LOG: c_int = 8;
const AUTOMERGE: c_int = 9;
const MAX_FREELIST: c_int = 10;
const MULTIPLE_PROCESSES: c_int = 11;
const AUTOCHECKPOINT: c_int = 12;
const SET_COMPRESSION: c_int = 13;
const GET_COMPRESSION: c_int = 14;
const SET_COMPRESSION_FACTORY: c_int = 15;
const READONLY: c_int = 16;

/// The engine's cap on `automerge`; larger numbers mean the same.
const MOST_SEGMENTS: u32 = 1000;
/// The engine's cap on `autocheckpoint`.
const MOST_CHECKPOINT_BYTES: u64 = 1 << 40;

/// The numbers as the caller gave them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    autoflush: c_int,
    page_size: c_int,
    safety: c_int,
    block_size: c_int,
    autowork: c_int,
    mmap: c_int,
    use_log: c_int,
    automerge: c_int,
    max_freelist: c_int,
    multiple_processes: c_int,
    autocheckpoint: c_int,
    readonly: c_int,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            autoflush: 1024,
            page_size: 4096,
            safety: 1,
            block_size: 1024,
            autowork: 1,
            mmap: if cfg!(target_pointer_width = "64") { 1 } else { 32768 },
            use_log: 1,
            automerge: 4,
            max_freelist: 24,
            multiple_processes: 1,
            autocheckpoint: 2048,
            readonly: 0,
        }
    }
}

/// A legal number as one that cannot be negative.
fn unsigned(number: c_int) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn kilobytes(number: c_int) -> u64 {
    u64::from(unsigned(number)) << 10
}

impl Config {
    /// These settings as the engine's.
    fn onto(self, options: Options) -> Options {
        options
            .autoflush(kilobytes(self.autoflush))
            .page_size(unsigned(self.page_size))
            .block_size(unsigned(self.block_size).saturating_mul(1024))
            .durability(match self.safety {
                0 => Durability::None,
                1 => Durability::Normal,
                _ => Durability::Full,
            })
            .autowork(self.autowork != 0)
            .mapping(match self.mmap {
                0 => Mapping::Off,
                1 => Mapping::All,
                more => Mapping::First(kilobytes(more)),
            })
            .use_log(self.use_log != 0)
            .automerge(unsigned(self.automerge).min(MOST_SEGMENTS))
            .max_freelist(unsigned(self.max_freelist))
            .sharing(if self.multiple_processes == 0 {
                Sharing::Exclusive
            } else {
                Sharing::Shared
            })
            .autocheckpoint(kilobytes(self.autocheckpoint).min(MOST_CHECKPOINT_BYTES))
            .read_only(self.readonly != 0)
    }
}

fn is_power_of_two(number: c_int, low: c_int, high: c_int) -> bool {
    (low..=high).contains(&number) && number & (number - 1) == 0
}

/// What `parameter` would make of the settings with `given`, if that is legal now.
fn changed(state: &State, parameter: c_int, given: c_int) -> Option<Config> {
    let mut config = state.config;
    let connection = &state.connection;
    let (open, reading) = (connection.is_open(), connection.in_use());
    let writing = connection.level() > 0;
    let legal = match parameter {
        AUTOFLUSH => (0..=1 << 20).contains(&given),
        PAGE_SIZE => !open && is_power_of_two(given, 256, 65536),
        SAFETY => (0..=2).contains(&given),
        BLOCK_SIZE => !open && is_power_of_two(given, 64, 65536),
        MMAP => given >= 0 && !reading,
        USE_LOG => (given == 0 || given == 1) && !writing,
        AUTOMERGE => given >= 2,
        MAX_FREELIST => (2..=24).contains(&given),
        MULTIPLE_PROCESSES => !open,
        READONLY => given >= 0 && !open,
        _ => given >= 0,
    };
    let place = match parameter {
        AUTOFLUSH => &mut config.autoflush,
        PAGE_SIZE => &mut config.page_size,
        SAFETY => &mut config.safety,
        BLOCK_SIZE => &mut config.block_size,
        AUTOWORK => &mut config.autowork,
        MMAP => &mut config.mmap,
        USE_LOG => &mut config.use_log,
        AUTOMERGE => &mut config.automerge,
        MAX_FREELIST => &mut config.max_freelist,
        MULTIPLE_PROCESSES => &mut config.multiple_processes,
        AUTOCHECKPOINT => &mut config.autocheckpoint,
        READONLY => &mut config.readonly,
        _ => return None,
    };
    *place = match parameter {
        MULTIPLE_PROCESSES | READONLY => (given != 0).into(),
        _ => given,
    };
    legal.then_some(config)
}

/// What is in force of `parameter`.
fn in_force(state: &State, parameter: c_int) -> Result<c_int, Failure> {
    let config = &state.config;
    let connection = &state.connection;
    let (page, block) = connection.page_and_block_size();
    Ok(match parameter {
        AUTOFLUSH => config.autoflush,
        PAGE_SIZE => c_int::try_from(page).unwrap_or(c_int::MAX),
        SAFETY => config.safety,
        BLOCK_SIZE => c_int::try_from(block / 1024).unwrap_or(c_int::MAX),
        AUTOWORK => config.autowork,
        MMAP => config.mmap,
        USE_LOG => config.use_log,
        AUTOMERGE => config.automerge,
        MAX_FREELIST => config.max_freelist,
        MULTIPLE_PROCESSES => connection.is_shared().map_or(config.multiple_processes, c_int::from),
        AUTOCHECKPOINT => config.autocheckpoint,
        READONLY => config.readonly,
        _ => return Err(Failure::Misuse("there is no such configuration parameter")),
    })
}

fn set_number(state: &mut State, parameter: c_int, value: &mut c_int) -> Outcome {
    if let Some(config) = changed(state, parameter, *value)
        // What the engine cannot do, such as a block of a single page, is not in force.
        && state.connection.configure(|options| config.onto(options)).is_ok()
    {
        state.config = config;
    }
    *value = in_force(state, parameter)?;
    Ok(())
}

/// Replaces the compression hooks.
///
/// # Safety
/// As for [`Lender::set_hooks`].
unsafe fn set_compression(lender: &Lender, state: &mut State, hooks: &lsm_compress) -> Outcome {
    if state.connection.in_use() {
        return Err(Failure::Misuse("compression cannot change while a cursor is open"));
    }
    let id = if hooks.xBound.is_some() { hooks.iId } else { 1 };
    if id != lender.compression_id() {
        // What is to be written yet is written with the old ones.
        state.connection.set_codec(None)?;
    }
    // SAFETY: the caller's promise.
    let set = unsafe { lender.set_hooks(hooks) };
    state.connection.set_codec(lender.codec())?;
    set.map_err(Failure::Code)
}

/// `lsm_config`, once the argument was taken off the stack.
///
/// # Safety
/// As in lsm.h: `db` is a handle and `value` points to what `parameter` takes.
#[unsafe(no_mangle)]
unsafe extern "C" fn siltstone_c_config(
    db: *mut lsm_db,
    parameter: c_int,
    value: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise, here and below.
    unsafe {
        enter(db, Need::Handle, |lender, state| match parameter {
            SET_COMPRESSION => {
                let hooks = *argument(value.cast::<lsm_compress>())?;
                set_compression(lender, state, &hooks)
            }
            GET_COMPRESSION => {
                *argument(value.cast::<lsm_compress>())? = lender.hooks();
                Ok(())
            }
            SET_COMPRESSION_FACTORY => {
                lender.set_factory(argument(value.cast::<lsm_compress_factory>())?);
                Ok(())
            }
            _ if in_force(state, parameter).is_err() => Err(Failure::Code(LSM_MISUSE)),
            _ => set_number(state, parameter, argument(value.cast::<c_int>())?),
        })
    }
}
