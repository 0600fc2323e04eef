//! The roles between processes: the lock bytes 4, 5 and 6, and fairness among writers.
//!
//! Within a process somebody holds the role already (see `roles`), so each method is called by one
//! thread at a time per role. A lock somebody else holds is polled. lsm1 knows no queue, so
//! processes of this engine keep two rules of their own, in a byte lsm1 reserves but never locks:
//! who waits to write holds byte 4066 shared; who writes again and again looks, every few
//! milliseconds, whether somebody does, and if so stands back for a moment. C lsm1 does not announce
//! itself, so one stands back now and then without being asked.

use super::roles::Role;
use crate::env::{Env, EnvError, File, LockId, LockMode};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The byte that waiting writers hold shared: lock number 30 in lsm1's arithmetic, used by nobody.
const WAITING: Range<u64> = 4066..4067;
/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));
/// The longest pause of a writer: shorter than others stand back.
const WRITER_PAUSE: Duration = Duration::from_millis(1);
/// How long a writer stands back for others.
const STAND_BACK: Duration = Duration::from_millis(2);
/// A writer that comes back sooner than this has given nobody a chance.
const BACK_TO_BACK: Duration = STAND_BACK;
/// How long, and how often, a process writes before it looks whether others wait.
const LOOK_AFTER: (Duration, u32) = (Duration::from_millis(5), 64);
/// How long a process writes before it stands back unasked.
const UNASKED_AFTER: Duration = Duration::from_millis(250);

/// The lock bytes of one process's roles.
#[derive(Debug)]
pub(super) struct RoleLocks {
    env: Arc<dyn Env>,
    file: Arc<dyn File>,
    /// Touched by the holder of the writer role alone.
    turns: Mutex<Turns>,
}

/// How this process has been writing lately.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// When the present run of transactions, one right after the other, began.
    began: Duration,
    /// When it was last looked whether others wait.
    looked: Duration,
    /// How many transactions there were since.
    since: u32,
    /// When the last one ended.
    ended: Option<Duration>,
}

/// What to do before the next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Courtesy {
    GoOn,
    Look,
    StandBack,
}

impl Turns {
    fn begin(now: Duration) -> Self {
        Turns { began: now, looked: now, since: 0, ended: None }
    }

    fn next(&mut self, now: Duration) -> Courtesy {
        match self.ended {
            Some(ended) if now.saturating_sub(ended) < BACK_TO_BACK => {}
            _ => *self = Self::begin(now),
        }
        self.since += 1;
        if now.saturating_sub(self.began) >= UNASKED_AFTER {
            return Courtesy::StandBack;
        }
        if now.saturating_sub(self.looked) >= LOOK_AFTER.0 || self.since > LOOK_AFTER.1 {
            self.looked = now;
            self.since = 1;
            return Courtesy::Look;
        }
        Courtesy::GoOn
    }
}

fn lock_of(role: Role) -> LockId {
    match role {
        Role::Writer => LockId::WRITER,
        Role::Worker => LockId::WORKER,
        Role::Checkpointer => LockId::CHECKPOINTER,
    }
}

impl RoleLocks {
    /// Locks through `file`, the one locking handle of this process.
    pub(super) fn new(env: Arc<dyn Env>, file: Arc<dyn File>) -> Self {
        RoleLocks { env, file, turns: Mutex::default() }
    }

    /// Takes the lock of `role`, trying until the world's clock shows `deadline`. A writer asks
    /// before whether it is somebody else's turn.
    pub(super) fn take(&self, role: Role, deadline: Duration) -> Result<()> {
        if self.attempt(role)? {
            return Ok(());
        }
        let announced = role == Role::Writer && self.range(LockMode::Shared);
        let outcome = self.poll(role, deadline);
        if announced {
            self.range(LockMode::Unlock);
        }
        outcome
    }

    fn poll(&self, role: Role, deadline: Duration) -> Result<()> {
        let longest = if role == Role::Writer { WRITER_PAUSE } else { PAUSES.1 };
        let mut pause = PAUSES.0;
        loop {
            let left = deadline.saturating_sub(self.env.now());
            if left.is_zero() {
                return Err(Error::busy(role.busy()));
            }
            self.env.sleep(pause.min(left));
            if self.attempt(role)? {
                return Ok(());
            }
            pause = (pause * 2).min(longest);
        }
    }

    fn attempt(&self, role: Role) -> Result<bool> {
        match self.file.lock(lock_of(role), LockMode::Exclusive) {
            Ok(()) => Ok(true),
            Err(EnvError::Busy) => Ok(false),
            Err(error) => Err(Error::io("locking a role in the database file", error)),
        }
    }

    /// Gives the lock of `role` back.
    pub(super) fn release(&self, role: Role) {
        let outcome = self.file.lock(lock_of(role), LockMode::Unlock);
        if let Err(error) = outcome {
            // Nobody can be told, and the end of this process frees it.
            #[cfg(feature = "tracing")]
            tracing::error!(%error, ?role, "unlocking a role");
            let _ = error;
        }
    }

    /// A write transaction of this process has ended.
    pub(super) fn note_end(&self) {
        self.turns().ended = Some(self.env.now());
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asked before each transaction: whether other processes should write now, because they wait
    /// or because this one has gone on for long.
    pub(super) fn is_others_turn(&self) -> bool {
        let courtesy = self.turns().next(self.env.now());
        match courtesy {
            Courtesy::GoOn => false,
            Courtesy::StandBack if self.is_alone() => {
                *self.turns() = Turns::begin(self.env.now());
                false
            }
            Courtesy::StandBack => true,
            Courtesy::Look => self.somebody_waits(),
        }
    }

    /// Whether no other process could write.
    fn is_alone(&self) -> bool {
        self.file.test_lock(LockId::DMS2, 1, LockMode::Exclusive).unwrap_or(false)
    }

    /// Lets others write, with the writer lock not held.
    pub(super) fn stand_back(&self) {
        self.env.sleep(STAND_BACK);
        *self.turns() = Turns::begin(self.env.now());
    }

    /// Whether another process waits to write.
    pub(super) fn somebody_waits(&self) -> bool {
        let free = self.range(LockMode::Exclusive);
        if free {
            self.range(LockMode::Unlock);
        }
        !free && self.env.capabilities().range_locks
    }

    /// Locks the byte of waiting writers. It is a courtesy only: a world that cannot goes without.
    fn range(&self, mode: LockMode) -> bool {
        self.file.lock_range(WAITING, mode).is_ok()
    }
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use crate::env::{Access, FilePath};
    use siltstone_memory::{MemoryEnv, MemoryWorld, Settings};
    use std::sync::atomic::{AtomicBool, Ordering};

    fn process(world: &MemoryWorld) -> (Arc<MemoryEnv>, RoleLocks) {
        let env = world.process();
        let path = FilePath::from_bytes(b"/db");
        let file = env.open(&path, Access::ReadWriteCreate).unwrap();
        (env.clone(), RoleLocks::new(env, file))
    }

    fn at(env: &MemoryEnv, after: Duration) -> Duration {
        env.now() + after
    }

    #[test]
    fn busy_names_the_role_and_comes_in_time() {
        let world = MemoryWorld::new();
        let (one, holder) = process(&world);
        let (two, waiter) = process(&world);
        for role in [Role::Writer, Role::Worker, Role::Checkpointer] {
            holder.take(role, at(&one, Duration::ZERO)).unwrap();
            let before = two.now();
            let error = waiter.take(role, at(&two, Duration::from_millis(30))).unwrap_err();
            assert_eq!(error, Error::busy(role.busy()));
            let waited = two.now() - before;
            assert!(waited >= Duration::from_millis(30) && waited < Duration::from_millis(40));
            holder.release(role);
            waiter.take(role, at(&two, Duration::ZERO)).unwrap();
            waiter.release(role);
        }
        // Nothing is left behind, the mark of waiting writers included.
        assert_eq!(world.locks("db"), []);
    }

    #[test]
    fn the_lock_of_a_killed_process_is_free() {
        let world = MemoryWorld::new();
        let (one, holder) = process(&world);
        let (two, waiter) = process(&world);
        holder.take(Role::Writer, at(&one, Duration::ZERO)).unwrap();
        one.kill();
        waiter.take(Role::Writer, at(&two, Duration::ZERO)).unwrap();
    }

    #[test]
    fn a_waiting_writer_is_seen_while_it_waits() {
        let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
        let (one, holder) = process(&world);
        let (two, waiter) = process(&world);
        assert!(!holder.somebody_waits());
        holder.take(Role::Writer, at(&one, Duration::ZERO)).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.take(Role::Writer, two.now() + LONG));
            while !holder.somebody_waits() {
                std::thread::yield_now();
            }
            holder.release(Role::Writer);
            waiting.join().unwrap().unwrap();
        });
        assert!(!holder.somebody_waits());
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_busy_writer_lets_another_process_in() {
        let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
        let (one, busy) = process(&world);
        let (two, other) = process(&world);
        let served = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    other.take(Role::Writer, two.now() + LONG).unwrap();
                    other.release(Role::Writer);
                }
                served.store(true, Ordering::SeqCst);
            });
            // Never pauses by itself: without courtesy the other one would be lucky to get in.
            while !served.load(Ordering::SeqCst) {
                if busy.is_others_turn() {
                    busy.stand_back();
                }
                busy.take(Role::Writer, one.now() + LONG).unwrap();
                std::hint::spin_loop();
                busy.release(Role::Writer);
                busy.note_end();
            }
        });
    }

    #[test]
    fn when_a_writer_looks_and_when_it_stands_back() {
        let millisecond = Duration::from_millis(1);
        let mut now = Duration::from_secs(1);
        let mut turns = Turns::default();
        let mut commit = |pause: Duration, length: Duration| {
            now += pause;
            let courtesy = turns.next(now);
            if courtesy == Courtesy::StandBack {
                turns = Turns::begin(now);
            }
            now += length;
            turns.ended = Some(now);
            courtesy
        };
        // Many short transactions: every 64.
        let looks =
            (0..640).filter(|_| commit(Duration::ZERO, millisecond / 1000) != Courtesy::GoOn);
        assert_eq!(looks.count(), 9);
        // A pause makes a new beginning.
        for _ in 0..640 {
            assert_eq!(commit(5 * millisecond, millisecond), Courtesy::GoOn);
        }
        // Long ones: after 5 milliseconds.
        let looks: Vec<_> = (0..12).map(|_| commit(Duration::ZERO, millisecond)).collect();
        let places = looks.iter().enumerate().filter(|(_, at)| **at == Courtesy::Look);
        assert_eq!(places.map(|(index, _)| index).collect::<Vec<_>>(), [4, 9]);
        // And without anybody asking, four times a second.
        let back = (0..1000).filter(|_| commit(millisecond, millisecond) == Courtesy::StandBack);
        assert_eq!(back.count(), 8);
    }
}
