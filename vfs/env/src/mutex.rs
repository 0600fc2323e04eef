//! Mutual exclusion between threads of one process.

use crate::MaybeSync;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// A mutex without data, as a C `lsm_env` provides it. Recursion is not required.
pub trait RawMutex: MaybeSync + Debug {
    /// Waits until the mutex is free, then takes it.
    fn enter(&self);
    /// Takes the mutex if it is free; tells whether it did.
    fn try_enter(&self) -> bool;
    /// Gives the mutex back. Called only by its holder.
    fn leave(&self);
}

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may be waiting.
const AWAITED: u32 = 2;

/// The mutex of worlds that have nothing better: built on the standard library's.
///
/// Free or held is one atomic word, so that without contention nobody enters the operating system;
/// who has to wait does so on the condition.
#[derive(Debug, Default)]
pub struct StdMutex {
    state: AtomicU32,
    queue: Mutex<()>,
    freed: Condvar,
}

impl StdMutex {
    #[cold]
    fn wait(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has waited holds it as `AWAITED`: others may still be in the queue.
        while self.state.swap(AWAITED, Ordering::Acquire) != FREE {
            queue = self.freed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    #[cold]
    fn wake(&self) {
        // With the queue locked, nobody is between seeing the mutex held and waiting.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        self.freed.notify_one();
    }
}

impl RawMutex for StdMutex {
    #[inline]
    fn enter(&self) {
        if !self.try_enter() {
            self.wait();
        }
    }

    #[inline]
    fn try_enter(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn leave(&self) {
        if self.state.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nobody_waits_for_ever() {
        const ROUNDS: u32 = 2_000;
        let mutex = StdMutex::default();
        let (inside, entered) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        mutex.enter();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        entered.fetch_add(1, Ordering::SeqCst);
                        if round % 16 == 0 {
                            std::thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        mutex.leave();
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 4 * ROUNDS);
        assert!(mutex.try_enter());
        assert!(!mutex.try_enter());
        mutex.leave();
        assert!(mutex.try_enter());
    }
}
