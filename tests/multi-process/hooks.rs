//! What happens around the calls a Siltstone process makes to its world: random delays, so that more
//! orders of events come about, and standing still right after a lock was taken.

use crate::protocol::StopAt;
use crate::server;
use siltstone_env::{LockId, LockMode};
use siltstone_memory::{Call, Hook, Method, Verdict};
use siltstone_tests::rng::Rng;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The hooks of this process.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    delays: Mutex<Option<Rng>>,
    stop: Mutex<Option<StopAt>>,
    calls: Mutex<Vec<(u8, u8)>>,
    held: Mutex<BTreeSet<u8>>,
}

fn of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hooks {
    pub(crate) fn of_process() -> &'static Arc<Hooks> {
        static HOOKS: OnceLock<Arc<Hooks>> = OnceLock::new();
        HOOKS.get_or_init(Arc::default)
    }

    /// Delays from now on, by seed; 0 = none.
    pub(crate) fn delay(&self, seed: u64) {
        *of(&self.delays) = (seed != 0).then(|| Rng::new(seed));
    }

    pub(crate) fn stop_at(&self, at: StopAt) {
        *of(&self.stop) = Some(at);
    }

    /// The lock calls that succeeded, with their modes. Releasing what was not held does not count.
    pub(crate) fn lock_calls(&self) -> Vec<(u8, u8)> {
        of(&self.calls).clone()
    }
}

impl Hook for Hooks {
    fn before(&self, call: &Call<'_>) -> Verdict {
        // Reads are many and change nothing for others.
        if call.method == Method::Read {
            return Verdict::Proceed;
        }
        let delay = of(&self.delays).as_mut().and_then(|rng| match rng.below(60) {
            0 => Some(rng.between(100, 3000)),
            1..5 => Some(rng.between(1, 100)),
            _ => None,
        });
        if let Some(delay) = delay {
            std::thread::sleep(Duration::from_micros(delay as u64));
        }
        Verdict::Proceed
    }

    fn locked(&self, lock: LockId, mode: LockMode) {
        let (number, mode) = (
            lock.number(),
            match mode {
                LockMode::Unlock => 0,
                LockMode::Shared => 1,
                LockMode::Exclusive => 2,
            },
        );
        let changes = match mode {
            0 => of(&self.held).remove(&number),
            _ => of(&self.held).insert(number) || mode == 2,
        };
        if !changes {
            return;
        }
        of(&self.calls).push((number, mode));
        let mut stop = of(&self.stop);
        let Some(at) = stop.as_mut() else { return };
        if (at.lock == 0 || at.lock == number) && (at.mode == 9 || at.mode == mode) {
            if at.skip > 0 {
                at.skip -= 1;
                return;
            }
            *stop = None;
            drop(stop);
            server::wait(&format!("{number} {mode} {}", lock.name()));
        }
    }
}
