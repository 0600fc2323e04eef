//! Time of a world: simulated by default, real on request.
//!
//! The simulated clock moves one microsecond per look and by the full duration of every sleep, so
//! a run depends on its calls alone. Tests with contending threads may ask for real time, since
//! simulated sleeps would spend a busy timeout before another thread ran at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A clock.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Nanoseconds so far.
    Simulated(AtomicU64),
    /// When the world began.
    Real(Instant),
}

impl Clock {
    pub(crate) fn simulated() -> Self {
        Clock::Simulated(AtomicU64::new(1_000_000_000))
    }

    #[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
    pub(crate) fn real() -> Self {
        Clock::Real(Instant::now())
    }

    pub(crate) fn now(&self) -> Duration {
        match self {
            Clock::Simulated(clock) => {
                Duration::from_nanos(clock.fetch_add(1000, Ordering::Relaxed))
            }
            Clock::Real(start) => start.elapsed(),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is what a world's sleep is made of")]
    pub(crate) fn sleep(&self, duration: Duration) {
        match self {
            Clock::Simulated(clock) => {
                let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 2);
                clock.fetch_add(nanoseconds, Ordering::Relaxed);
                std::thread::yield_now();
            }
            Clock::Real(_) => std::thread::sleep(duration),
        }
    }

    /// Moves the simulated clock, backwards not; a real one stays.
    pub(crate) fn advance(&self, duration: Duration) {
        if let Clock::Simulated(clock) = self {
            let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 2);
            clock.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }
}
