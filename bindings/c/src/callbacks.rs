//! `lsm_config_log`, `lsm_config_work_hook`, and calling what they install.
//!
//! Hooks are called at the end of the call that gave reason for it, once per reason, when the handle
//! can be used again: a work hook may look at the database, or even work on it.

use crate::codes::LSM_OK;
use crate::guard::{Need, enter};
use crate::handle::{State, lsm_db};
use siltstone::WorkKind;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

type LogFunction = unsafe extern "C" fn(*mut c_void, c_int, *const c_char);
type WorkFunction = unsafe extern "C" fn(*mut lsm_db, *mut c_void);

/// Who is told of messages. By default nobody is: C lsm1's own hook prints to standard error, but
/// unless built for debugging C lsm1 has nothing to say to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogHook {
    function: Option<LogFunction>,
    context: *mut c_void,
}

impl Default for LogHook {
    fn default() -> Self {
        LogHook { function: None, context: ptr::null_mut() }
    }
}

/// Who is told of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkHook {
    function: Option<WorkFunction>,
    context: *mut c_void,
}

impl Default for WorkHook {
    fn default() -> Self {
        WorkHook { function: None, context: ptr::null_mut() }
    }
}

/// Installs a function that is told of messages; NULL for silence.
///
/// # Safety
/// As in lsm.h: `db` is a handle, the function may be called until another one is installed or the
/// handle closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_config_log(
    db: *mut lsm_db,
    function: Option<LogFunction>,
    context: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            state.log_hook = LogHook { function, context };
            Ok(())
        })
    };
}

/// Installs a function that is called after work on the database file, or when some should be done.
///
/// # Safety
/// As for `lsm_config_log`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_config_work_hook(
    db: *mut lsm_db,
    function: Option<WorkFunction>,
    context: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            state.work_hook = WorkHook { function, context };
            state.connection.keep_work_events(function.is_some());
            Ok(())
        })
    };
}

/// Leaves a message if opening has replayed a log.
pub(crate) fn report_recovery(state: &mut State) {
    if let Some(recovery) = state.connection.recovery()
        && recovery.transactions > 0
    {
        let text = format!(
            "recovered {} transactions from {} bytes of the log",
            recovery.transactions, recovery.log_bytes
        );
        state.messages.push((LSM_OK, CString::new(text).unwrap_or_default()));
    }
}

/// What is to be delivered, and to whom.
struct Delivery {
    messages: Vec<(c_int, CString)>,
    log: LogHook,
    calls: usize,
    work: WorkHook,
}

fn next_delivery(handle: &lsm_db) -> Option<Delivery> {
    let mut state = handle.state.try_borrow_mut().ok()?;
    let messages = std::mem::take(&mut state.messages);
    let calls = if state.work_hook.function.is_some() {
        // Checkpoints call no hook.
        let events = state.connection.take_work_events();
        events.iter().filter(|event| event.kind != WorkKind::Checkpoint).count()
    } else {
        0
    };
    let delivery = Delivery { messages, log: state.log_hook, calls, work: state.work_hook };
    (!delivery.messages.is_empty() || calls > 0).then_some(delivery)
}

/// Calls the hooks that the last call gave reason to. Reasons that arise meanwhile come next, after
/// the hook has returned.
///
/// # Safety
/// `db` is `handle`, and nothing of it is borrowed.
pub(crate) unsafe fn deliver(db: *mut lsm_db, handle: &lsm_db) {
    if handle.delivering.replace(true) {
        return;
    }
    while let Some(delivery) = next_delivery(handle) {
        for (code, text) in &delivery.messages {
            if let Some(function) = delivery.log.function {
                // SAFETY: the caller of `lsm_config_log` promised that it may be called.
                unsafe { function(delivery.log.context, *code, text.as_ptr()) };
            }
        }
        for _ in 0..delivery.calls {
            if let Some(function) = delivery.work.function {
                // SAFETY: the caller of `lsm_config_work_hook` promised that it may be called.
                unsafe { function(db, delivery.work.context) };
            }
        }
    }
    handle.delivering.set(false);
}
