//! Calls that fail on plan.
//!
//! A [`FaultPlan`] holds [`Fault`]s: which calls, the how many-th of them, once or for ever, and
//! what happens. Counting is what makes sweeps: run a scenario with the fault at call 1, 2, 3 ...
//! until [`FaultPlan::fired`] stays 0.

use crate::hook::{Call, Hook, HookedEnv, Method, Verdict};
use crate::world::MemoryWorld;
use siltstone_env::EnvError;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// An environment whose calls fail on plan.
///
/// ```
/// use siltstone_env::{Access, Env, EnvError};
/// use siltstone_memory::{Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method};
///
/// let world = MemoryWorld::new();
/// let env = FaultEnv::new(world.process(), FaultPlan::default());
/// let file = env.open(&env.canonical_path(b"f")?, Access::ReadWriteCreate)?;
/// env.hook().add(Fault::at(2, Effect::Partial(3, EnvError::Full)).on(Method::Write));
/// file.write_at(0, b"passes")?;
/// assert_eq!(file.write_at(6, b"fails half way"), Err(EnvError::Full));
/// assert_eq!(world.read_file("f"), Some(b"passesfai".to_vec()));
/// # Ok::<(), EnvError>(())
/// ```
pub type FaultEnv = HookedEnv<FaultPlan>;

/// What happens to a chosen call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// It fails.
    Error(EnvError),
    /// A write writes so many bytes and then fails.
    Partial(u64, EnvError),
    /// It fails, and the world forgets what the file had not synced: readers still see it, but no
    /// later sync makes it durable (a failed fsync on many systems).
    LosePages(MemoryWorld, EnvError),
}

/// A rule of the plan.
#[derive(Clone, Debug)]
pub struct Fault {
    nth: u64,
    for_ever: bool,
    effect: Effect,
    method: Option<Method>,
    end_of_name: String,
    range: Option<Range<u64>>,
    seen: u64,
}

impl Fault {
    /// At the `nth` call from now (1 is the next), of any method on any file.
    #[must_use]
    pub fn at(nth: u64, effect: Effect) -> Self {
        Fault {
            nth,
            for_ever: false,
            effect,
            method: None,
            end_of_name: String::new(),
            range: None,
            seen: 0,
        }
    }

    /// Counts only calls of this method.
    #[must_use]
    pub fn on(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Counts only calls on files whose name ends so.
    #[must_use]
    pub fn of_file(mut self, end_of_name: &str) -> Self {
        end_of_name.clone_into(&mut self.end_of_name);
        self
    }

    /// Counts only calls that touch these bytes, such as a bad sector.
    #[must_use]
    pub fn within(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// The fault stays: all later matching calls meet it too.
    #[must_use]
    pub fn for_ever(mut self) -> Self {
        self.for_ever = true;
        self
    }

    /// Counts the call if it matches; tells whether the fault strikes.
    fn strikes(&mut self, call: &Call<'_>) -> bool {
        let matches = self.method.is_none_or(|method| method == call.method)
            && call.is_on(&self.end_of_name)
            && self.range.as_ref().is_none_or(|range| {
                call.offset < range.end && range.start < call.offset.saturating_add(call.length)
            });
        if !matches {
            return false;
        }
        self.seen += 1;
        self.seen == self.nth || (self.for_ever && self.seen > self.nth)
    }
}

/// Faults to come.
#[derive(Debug, Default)]
pub struct FaultPlan {
    faults: Mutex<Vec<Fault>>,
    calls: AtomicU64,
    fired: AtomicU64,
}

impl FaultPlan {
    /// A plan with one fault.
    #[must_use]
    pub fn with(fault: Fault) -> Self {
        let plan = FaultPlan::default();
        plan.add(fault);
        plan
    }

    /// Adds a fault; of several that strike together the first added wins.
    pub fn add(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Takes all faults back.
    pub fn clear(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many calls were made, failed or not.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many calls met a fault.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }
}

impl Hook for FaultPlan {
    fn before(&self, call: &Call<'_>) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mut effect = None;
        for fault in faults.iter_mut() {
            // Every fault counts every call, also those another fault takes.
            if fault.strikes(call) && effect.is_none() {
                effect = Some(fault.effect.clone());
            }
        }
        drop(faults);
        let Some(effect) = effect else { return Verdict::Proceed };
        self.fired.fetch_add(1, Ordering::SeqCst);
        match effect {
            Effect::Error(error) => Verdict::Fail(error),
            Effect::Partial(bytes, error) => Verdict::Partial(bytes, error),
            Effect::LosePages(world, error) => {
                world.lose_unsynced(&String::from_utf8_lossy(call.path.as_bytes()));
                Verdict::Fail(error)
            }
        }
    }
}
