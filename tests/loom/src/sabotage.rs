//! What a control leaves out.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// A part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    /// Nothing is left out.
    Nothing = 0,
    /// Fences after or before stores.
    ReleaseFences = 1,
    /// Fences after loads.
    AcquireFences = 2,
    /// Locks: each is given to everybody.
    Locks = 3,
    /// Fences between a store and a load after it.
    Barriers = 4,
}

static LEFT_OUT: AtomicU8 = AtomicU8::new(0);

/// Leaves `part` out from now on. Models run one at a time.
pub(crate) fn leave_out(part: Part) {
    LEFT_OUT.store(part as u8, SeqCst);
}

/// Whether `part` is left out.
pub(crate) fn is_left_out(part: Part) -> bool {
    LEFT_OUT.load(SeqCst) == part as u8
}
