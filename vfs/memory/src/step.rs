//! Calls that do something else first: the deterministic scheduler of protocol tests.
//!
//! "Stop process A before it publishes, run process B, go on" is a callback before A's calls that
//! runs B's steps on the spot, in one thread. The callback may also kill A and refuse the call.

use crate::hook::{Call, Hook, HookedEnv, Verdict};
use siltstone_env::Env;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// An environment that calls back before each call.
pub type StepEnv = HookedEnv<Steps>;

type Callback = dyn Fn(&Call<'_>) -> Verdict + Send + Sync;

/// The callback.
pub struct Steps(Box<Callback>);

thread_local! {
    /// Set while a callback runs, so that calls it makes itself pass unseen.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl Steps {
    /// Calls `callback` before each call. Calls made by the callback itself, through whatever
    /// stepped environment, are not shown to it.
    pub fn new(callback: impl Fn(&Call<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        Steps(Box::new(callback))
    }
}

impl HookedEnv<Steps> {
    /// Wraps an environment; short for `HookedEnv::new(inner, Steps::new(callback))`.
    pub fn calling(
        inner: Arc<dyn Env>,
        callback: impl Fn(&Call<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Arc<Self> {
        HookedEnv::new(inner, Steps::new(callback))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steps")
    }
}

/// Clears the mark also when the callback panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

impl Hook for Steps {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if INSIDE.replace(true) {
            return Verdict::Proceed;
        }
        let _leave = Leave;
        (self.0)(call)
    }
}
