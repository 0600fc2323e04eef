//! The number of this process, without asking the system each time.
//!
//! Every call on a file compares it with the process that opened the file. A fork is noticed by a
//! handler that the system runs in the child; where none can be registered the system is asked.
#![allow(unsafe_code, reason = "a handler for forks cannot be registered safely")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// 0 = not known.
static PROCESS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    PROCESS.store(0, Ordering::Relaxed);
}

fn forks_are_noticed() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: the handler only stores to an atomic, which is allowed between fork and exec, and
        // lives as long as the program.
        unsafe { nix::libc::pthread_atfork(None, None, Some(in_child)) == 0 }
    })
}

/// The number of this process.
#[inline]
pub(crate) fn process() -> u32 {
    match PROCESS.load(Ordering::Relaxed) {
        0 => ask(),
        known => known,
    }
}

#[cold]
fn ask() -> u32 {
    let process = std::process::id();
    if forks_are_noticed() {
        PROCESS.store(process, Ordering::Relaxed);
    }
    process
}
