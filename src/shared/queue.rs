//! A queue of threads for something that one of them at a time may have.
//!
//! First come, first served: whoever gives it up hands it to the one who has waited longest and
//! wakes it; nobody can overtake. A thread that is tired of waiting leaves the queue. A user's call
//! may say that it is not tired as long as a thread of the engine's own is before it: nobody shall
//! hear "busy" because of work in the background, which is done in short pieces.

use super::wait::{KnownClock, Wait};
use crate::env::Env;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrant {
    /// Somebody with a timeout.
    Caller,
    /// Somebody with a timeout that does not count while a background thread is served.
    PatientCaller,
    /// A background thread.
    Background,
}

/// How long a patient caller waits at a time once its timeout is over.
const PATIENCE: Duration = Duration::from_millis(5);

/// The queue.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    line: Mutex<Line>,
    clock: KnownClock,
}

#[derive(Debug, Default)]
struct Line {
    /// Who has it. While others wait this stays set: it is handed over.
    holder: Option<Entrant>,
    waiting: VecDeque<Arc<Place>>,
}

/// One waiting thread.
#[derive(Debug)]
struct Place {
    entrant: Entrant,
    /// Its turn has come. Written with the line locked.
    called: AtomicBool,
    woken: Condvar,
}

impl FairQueue {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.line().holder.is_some()
    }

    /// Waits in line up to `timeout`. Tells whether the caller has it now.
    pub(super) fn enter(&self, env: &dyn Env, timeout: Duration, entrant: Entrant) -> bool {
        let mut line = self.line();
        let Some(holder) = line.holder else {
            line.holder = Some(entrant);
            return true;
        };
        let is_patient = |holder: Option<Entrant>| {
            entrant == Entrant::PatientCaller && holder == Some(Entrant::Background)
        };
        if timeout.is_zero() && !is_patient(Some(holder)) {
            return false;
        }
        // Whoever has it is below the caller on the only stack there is.
        if !env.capabilities().threads {
            return false;
        }
        let (called, woken) = (AtomicBool::new(false), Condvar::new());
        let place = Arc::new(Place { entrant, called, woken });
        line.waiting.push_back(Arc::clone(&place));
        let mut wait = Wait::up_to(env, timeout, &self.clock);
        loop {
            let outcome = wait.once(&self.line, line, &place.woken);
            let late = outcome.is_err();
            line = outcome.unwrap_or_else(std::convert::identity);
            // Also at the last moment: it has been handed over and is nobody else's.
            if place.called.load(Ordering::Relaxed) {
                return true;
            }
            if late && is_patient(line.holder) {
                wait = Wait::up_to(env, PATIENCE, &self.clock);
            } else if late {
                line.waiting.retain(|other| !Arc::ptr_eq(other, &place));
                return false;
            }
        }
    }

    /// Hands it to the next in line; tells whether there was one. Called only by who has it.
    pub(super) fn leave(&self) -> bool {
        let mut line = self.line();
        match line.waiting.pop_front() {
            Some(next) => {
                line.holder = Some(next.entrant);
                next.called.store(true, Ordering::Relaxed);
                drop(line);
                next.woken.notify_one();
                true
            }
            None => {
                line.holder = None;
                false
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use siltstone_memory::{MemoryWorld, Settings};

    const LONG: Duration = Duration::from_secs(60);

    fn real_world() -> MemoryWorld {
        MemoryWorld::with(Settings { real_time: true, ..Settings::default() })
    }

    /// Waits until so many threads stand in line.
    fn until_waiting(queue: &FairQueue, count: usize) {
        while queue.line().waiting.len() != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn they_are_served_in_the_order_they_came() {
        for world in [real_world(), MemoryWorld::new()] {
            let env = world.process();
            let queue = FairQueue::default();
            let served = Mutex::new(Vec::new());
            assert!(queue.enter(&*env, Duration::ZERO, Entrant::Caller));
            std::thread::scope(|scope| {
                for number in 0..8 {
                    let (queue, env, served) = (&queue, &env, &served);
                    scope.spawn(move || {
                        assert!(queue.enter(&**env, LONG, Entrant::Caller));
                        served.lock().unwrap().push(number);
                        queue.leave();
                    });
                    until_waiting(queue, number + 1);
                }
                queue.leave();
            });
            assert_eq!(served.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_timeout_ends_the_wait_and_leaves_the_queue() {
        for world in [real_world(), MemoryWorld::new()] {
            let env = world.process();
            let queue = FairQueue::default();
            assert!(queue.enter(&*env, Duration::ZERO, Entrant::Caller));
            let before = env.now();
            let timeout = Duration::from_millis(20);
            assert!(!queue.enter(&*env, timeout, Entrant::Caller));
            assert!(env.now() - before >= timeout);
            assert!(queue.line().waiting.is_empty() && queue.is_taken());
            queue.leave();
            assert!(!queue.is_taken());
            assert!(queue.enter(&*env, Duration::ZERO, Entrant::Caller));
        }
    }

    #[test]
    fn one_at_a_time_whatever_the_timeouts() {
        let world = real_world();
        let env = world.process();
        let queue = FairQueue::default();
        let inside = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0_u32..4 {
                let (queue, env, inside) = (&queue, &env, &inside);
                scope.spawn(move || {
                    for round in 0..1000 {
                        // Some lose patience just about when their turn comes.
                        let timeout = Duration::from_micros(u64::from((thread + round) % 7) * 20);
                        if queue.enter(&**env, timeout, Entrant::Caller) {
                            assert!(!inside.swap(true, Ordering::SeqCst));
                            if round % 8 == 0 {
                                std::thread::yield_now();
                            }
                            assert!(inside.swap(false, Ordering::SeqCst));
                            queue.leave();
                        }
                    }
                });
            }
        });
        assert!(!queue.is_taken() && queue.line().waiting.is_empty());
    }

    #[test]
    fn only_patient_callers_wait_for_the_background() {
        for world in [real_world(), MemoryWorld::new()] {
            let env = world.process();
            let queue = FairQueue::default();
            let enter = |entrant| queue.enter(&*env, Duration::ZERO, entrant);
            assert!(enter(Entrant::Background));
            assert!(!enter(Entrant::Caller) && !enter(Entrant::Background));
            std::thread::scope(|scope| {
                let first = scope.spawn(|| enter(Entrant::PatientCaller));
                until_waiting(&queue, 1);
                let second = scope.spawn(|| enter(Entrant::PatientCaller));
                until_waiting(&queue, 2);
                queue.leave();
                // The second one has no patience with the first.
                assert!(first.join().unwrap() && !second.join().unwrap());
            });
            assert!(!enter(Entrant::PatientCaller));
            queue.leave();
            assert!(!queue.is_taken());
        }
    }
}

#[cfg(test)]
mod tests_with_and_without_threads {
    use super::*;
    use siltstone_memory::MemoryWorld;

    #[test]
    fn where_there_are_no_threads_nobody_waits_for_itself() {
        let env = MemoryWorld::new().process();
        let queue = FairQueue::default();
        assert!(queue.enter(&*env, Duration::ZERO, Entrant::Caller));
        let before = env.now();
        let timeout = Duration::from_millis(20);
        assert!(!queue.enter(&*env, timeout, Entrant::Caller));
        let waited = env.now().saturating_sub(before) >= timeout;
        assert_eq!(waited, env.capabilities().threads);
    }
}
