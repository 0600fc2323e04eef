//! Counted calls, for promises like "one sync per commit".

use crate::hook::{Call, Hook, HookedEnv, Method, Verdict};
use siltstone_env::FilePath;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// An environment that counts its calls.
pub type CountEnv = HookedEnv<Counters>;

/// Calls and bytes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many calls.
    pub calls: u64,
    /// How many bytes they asked to move.
    pub bytes: u64,
}

/// Counts per method and file.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<(Method, FilePath), Count>>);

impl Counters {
    /// Calls of a method on all files.
    #[must_use]
    pub fn of(&self, method: Method) -> Count {
        self.of_file(method, "")
    }

    /// Calls of a method on files whose name ends so.
    #[must_use]
    pub fn of_file(&self, method: Method, end_of_name: &str) -> Count {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = counts.iter().filter(|((counted, path), _)| {
            *counted == method && path.as_bytes().ends_with(end_of_name.as_bytes())
        });
        chosen.fold(Count::default(), |sum, (_, count)| Count {
            calls: sum.calls + count.calls,
            bytes: sum.bytes + count.bytes,
        })
    }

    /// Begins anew.
    pub fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Hook for Counters {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((call.method, call.path.clone())).or_default();
        count.calls += 1;
        count.bytes += call.length;
        Verdict::Proceed
    }
}
