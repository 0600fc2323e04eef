//! Waiting for other threads of this process, by the world's clock.
//!
//! Who waits sleeps on a condition variable and is woken at once. How long to wait is measured by
//! the world's own clock, which need not be the machine's: a simulated one moves by its sleeps
//! alone. So the first pauses are short; a clock that has moved by as much is a real one, and the
//! rest is waited for in one go; any other is moved by `Env::sleep`. Where there are no threads
//! that could wake anybody, all pauses are sleeps.

use crate::env::Env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// First and longest pause where waking is not certain.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));

/// What waits at one place have learned about the clock of their world, so that not each of them
/// begins with the shortest pause.
#[derive(Debug, Default)]
pub(super) struct KnownClock(AtomicBool);

/// A wait with an end.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    env: &'a dyn Env,
    deadline: Duration,
    pause: Duration,
    threads: bool,
    /// The clock was seen to move while its world was not asked to sleep.
    real_clock: bool,
    known: &'a KnownClock,
}

impl<'a> Wait<'a> {
    /// Waits up to `timeout` from now.
    pub(super) fn up_to(env: &'a dyn Env, timeout: Duration, known: &'a KnownClock) -> Self {
        Self::until(env, env.now().saturating_add(timeout), known)
    }

    /// Waits until the world's clock shows `deadline`.
    pub(super) fn until(env: &'a dyn Env, deadline: Duration, known: &'a KnownClock) -> Self {
        let threads = env.capabilities().threads;
        let pause = if known.0.load(Ordering::Relaxed) { PAUSES.1 } else { PAUSES.0 };
        Wait { env, deadline, pause, threads, real_clock: false, known }
    }

    /// Waits once, with `guard` released meanwhile: until `woken` is signalled, or a pause is over.
    /// `Err` when the time is up; the guard is held again in both cases.
    pub(super) fn once<'g, T>(
        &mut self,
        mutex: &'g Mutex<T>,
        guard: MutexGuard<'g, T>,
        woken: &Condvar,
    ) -> Result<MutexGuard<'g, T>, MutexGuard<'g, T>> {
        let before = self.env.now();
        let left = self.deadline.saturating_sub(before);
        if left.is_zero() {
            return Err(guard);
        }
        let pause = if self.real_clock { left } else { self.pause.min(left) };
        let mut asleep = Some(guard);
        if let (true, Some(guard)) = (self.threads, asleep.take()) {
            let (guard, outcome) =
                woken.wait_timeout(guard, pause).unwrap_or_else(PoisonError::into_inner);
            if !outcome.timed_out() {
                return Ok(guard);
            }
            asleep = Some(guard);
        }
        self.pause = (self.pause * 2).min(PAUSES.1);
        let moved = self.env.now().saturating_sub(before);
        self.real_clock = self.threads && moved >= pause / 2;
        if self.real_clock != self.known.0.load(Ordering::Relaxed) {
            self.known.0.store(self.real_clock, Ordering::Relaxed);
        }
        if let (false, Some(guard)) = (self.real_clock, asleep.take()) {
            drop(guard);
            self.env.sleep(pause.saturating_sub(moved));
        }
        Ok(match asleep {
            Some(guard) => guard,
            None => mutex.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}
