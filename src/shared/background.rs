//! Work in the background: a thread that flushes and merges, and one that writes checkpoints.
//!
//! Both belong to the database object of their process and take the same roles as everybody else,
//! the worker in short pieces, so that others get their turn. They are woken by commits and do what
//! autowork would have done there, in the same proportion of merging to flushing. Without them (not
//! asked for, no threads to be had, or ended) commits do that work themselves, as lsm1 does.
//!
//! Memory stays bounded: commits that make the live tree larger than it should be, while the old one
//! is not flushed, are slowed down the more the larger it is, so that nobody waits for long; once it
//! is far too large they wait for the worker. All that after they have become visible and durable. A
//! thread that fails traces the error and tries again later; meanwhile commits do the work themselves.
//!
//! The threads do not keep the object alive. The last handle ends them, waiting for the piece of
//! work in progress, before it shuts the database down.

use super::roles::Role;
use super::signal::{Order, Signal};
use super::view::old_tree_pending;
use super::writer::trace_failed_work;
use super::{Settings, Shared};
use crate::env::{Task, Thread};
use crate::error::{Error, Result};
use crate::options::Background;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Bytes the worker writes before it lets others have its role.
const PIECE_BYTES: u64 = 1 << 20;
/// How long a thread waits for its role at a time.
const ROLE_TIMEOUT: Duration = Duration::from_millis(100);
/// First and longest pause after a failure, and while another process has the role.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));
/// The live tree may become this much larger than autoflush says while the old one is flushed.
const TREE_FACTOR: u64 = 4;
/// A live tree smaller than this makes nobody wait for the worker.
const TREE_FLOOR: u64 = 256 << 10;
/// What a byte costs, in nanoseconds, when the live tree is as large as it may become. Before, the
/// cost grows with the third power of how far it has come: commits find the pace of the worker.
const BYTE_COST: u64 = 1000;
/// Shorter delays are saved up.
const LEAST_DELAY: Duration = Duration::from_micros(500);
/// Longer delays are cut off.
const LONGEST_DELAY: Duration = Duration::from_millis(100);
/// The worker waits for the checkpointer when this many times the bytes have been written after
/// which a checkpoint is due.
const CHECKPOINT_FACTOR: u64 = 4;
/// The longest a commit waits for the worker, and the worker for the checkpointer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The background threads of a database.
#[derive(Debug, Default)]
pub(super) struct BackgroundThreads {
    /// Nanoseconds by which commits shall still be delayed.
    delay: AtomicU64,
    worker: Mutex<Option<Attendant>>,
    checkpointer: Mutex<Option<Attendant>>,
}

/// A running thread.
#[derive(Debug)]
struct Attendant {
    signal: Arc<Signal>,
    thread: Box<dyn Thread>,
}

fn lock(place: &Mutex<Option<Attendant>>) -> MutexGuard<'_, Option<Attendant>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_of(place: &Mutex<Option<Attendant>>) -> Option<Arc<Signal>> {
    lock(place).as_ref().map(|attendant| Arc::clone(&attendant.signal))
}

impl BackgroundThreads {
    /// The signal of the worker thread, if there is one.
    pub(super) fn worker(&self) -> Option<Arc<Signal>> {
        signal_of(&self.worker)
    }

    /// The signal of the checkpointer thread, if there is one.
    pub(super) fn checkpointer(&self) -> Option<Arc<Signal>> {
        signal_of(&self.checkpointer)
    }

    /// Ends the threads if `needless` still says so, and waits for their ends.
    pub(super) fn stop_if(&self, needless: impl Fn() -> bool) {
        for place in [&self.worker, &self.checkpointer] {
            let mut attendant = lock(place);
            // Asked with the place locked: who needs a thread afterwards starts another one.
            let stopped = if needless() { attendant.take() } else { None };
            drop(attendant);
            if let Some(Attendant { signal, thread }) = stopped {
                signal.stop();
                thread.join();
            }
        }
    }
}

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is a background thread, in a callback of the user's perhaps: it must not wait for
/// itself.
pub(super) fn on_background_thread() -> bool {
    IS_BACKGROUND.get()
}

/// Says that a thread has ended, however it did.
struct Ending(Arc<Signal>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a thread does for one order, piece by piece.
type Piece = fn(&Shared, &Signal, &Settings, &mut Debt) -> Result<Progress>;

/// Pages of merging the worker owes for what it has flushed.
#[derive(Clone, Copy, Debug, Default)]
struct Debt(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is more to do.
    More,
    /// Nothing is left to do.
    Done,
}

impl Shared {
    /// Starts the threads asked for that do not run yet. Where there are none to be had, commits go
    /// on doing the work themselves.
    pub(super) fn start_background(self: &Arc<Self>, background: Background) {
        if self.read_only || !self.env.capabilities().threads {
            return;
        }
        if matches!(background, Background::Merge | Background::Both) {
            self.start(&self.background.worker, "siltstone worker", Self::merge_piece);
        }
        if matches!(background, Background::Checkpoint | Background::Both) {
            let piece: Piece = Self::checkpoint_piece;
            self.start(&self.background.checkpointer, "siltstone sync", piece);
        }
    }

    fn start(self: &Arc<Self>, place: &Mutex<Option<Attendant>>, name: &str, piece: Piece) {
        let mut attendant = lock(place);
        if attendant.is_some() {
            return;
        }
        let signal = Arc::<Signal>::default();
        let (weak, ending) = (Arc::downgrade(self), Ending(Arc::clone(&signal)));
        let body: Task = Box::new(move || attend(&weak, &ending.0, piece));
        match self.env.spawn(name, body) {
            Ok(thread) => *attendant = Some(Attendant { signal, thread }),
            Err(source) => trace_failed_work(&Error::io("starting a background thread", source)),
        }
    }

    /// After a commit of `grown` bytes that left the tree over its limit: tells the worker, and goes
    /// at its pace if the trees become too large. False if there is none that could do it.
    pub(super) fn leave_to_background(&self, settings: &Settings, grown: u64) -> bool {
        let Some(worker) = self.background.worker() else { return false };
        worker.wake(settings.clone());
        let limit = settings.autoflush.saturating_mul(TREE_FACTOR).max(TREE_FLOOR);
        let (live, waits) = self.tree_state();
        if !waits || live <= settings.autoflush || on_background_thread() {
            return true;
        }
        if live > limit {
            worker.wait_until(&*self.env, PATIENCE, || {
                let (live, waits) = self.tree_state();
                live <= limit || !waits
            });
            return worker.is_well();
        }
        // In parts of 1024, to stay within 64 bits.
        let far = (live - settings.autoflush) * 1024 / (limit - settings.autoflush).max(1);
        let cost = (grown.min(limit) * BYTE_COST).saturating_mul((far * far * far) >> 10) >> 20;
        let saved = self.background.delay.fetch_add(cost, Ordering::Relaxed).saturating_add(cost);
        let delay = Duration::from_nanos(saved);
        if delay >= LEAST_DELAY {
            self.background.delay.store(0, Ordering::Relaxed);
            worker.wait_until(&*self.env, delay.min(LONGEST_DELAY), || !self.old_tree_waits());
        }
        worker.is_well()
    }

    /// Bytes of the live tree, and whether an old one waits to be flushed.
    fn tree_state(&self) -> (u64, bool) {
        let state = self.state.lock();
        (u64::from(state.header.live.bytes), old_tree_pending(&state.header, &state.snapshot))
    }

    /// Waits for the checkpointer thread, if there is one and it is far behind: the log cannot be
    /// used again, nor can blocks, before it is done.
    pub(super) fn wait_for_checkpointer(&self, settings: &Settings, tired: impl Fn() -> bool) {
        let far = Settings {
            autocheckpoint: settings.autocheckpoint.saturating_mul(CHECKPOINT_FACTOR),
            ..settings.clone()
        };
        let done = || tired() || self.pages_until_checkpoint(&far) != Some(0);
        if let Some(checkpointer) = self.background.checkpointer().filter(|_| !done()) {
            checkpointer.wait_until(&*self.env, PATIENCE, done);
        }
    }

    /// One piece of the worker's work.
    fn merge_piece(
        &self,
        signal: &Signal,
        settings: &Settings,
        debt: &mut Debt,
    ) -> Result<Progress> {
        let pages = (PIECE_BYTES / u64::from(self.pager.geometry().page_size())).max(1);
        let progress = {
            let role = self.borrow_role_in_background(Role::Worker, ROLE_TIMEOUT)?;
            let done = self.work_piece(&role, settings, pages, debt.0 == 0)?;
            debt.0 = if done.finished { 0 } else { debt.0.saturating_sub(done.merged) };
            debt.0 += done.flushed * self.level_count() as u64;
            if done.finished && !self.old_tree_waits() { Progress::Done } else { Progress::More }
        };
        let Some(due) = self.pages_until_checkpoint(settings) else { return Ok(progress) };
        if due > 0 {
            return Ok(progress);
        }
        let Some(checkpointer) = self.background.checkpointer() else {
            self.checkpoint(settings, ROLE_TIMEOUT).or_else(super::work::ignore_busy)?;
            return Ok(progress);
        };
        checkpointer.wake(settings.clone());
        self.wait_for_checkpointer(settings, || signal.must_stop());
        Ok(progress)
    }

    /// The checkpointer's work.
    fn checkpoint_piece(&self, _: &Signal, settings: &Settings, _: &mut Debt) -> Result<Progress> {
        if self.pages_until_checkpoint(settings) == Some(0) {
            let role = self.borrow_role_in_background(Role::Checkpointer, ROLE_TIMEOUT)?;
            self.checkpoint_as(&role, settings)?;
        }
        Ok(Progress::Done)
    }
}

/// The life of a background thread.
fn attend(weak: &Weak<Shared>, signal: &Signal, piece: Piece) {
    IS_BACKGROUND.set(true);
    let mut debt = Debt::default();
    let mut pause = PAUSES.0;
    while let Order::Work(settings) = signal.next() {
        loop {
            let Some(shared) = weak.upgrade() else { return };
            let outcome = piece(&shared, signal, &settings, &mut debt);
            let busy = outcome.as_ref().is_err_and(Error::is_busy);
            signal.report(outcome.is_ok() || busy);
            if signal.must_stop() {
                return;
            }
            match outcome {
                Ok(Progress::More) => pause = PAUSES.0,
                Ok(Progress::Done) => {
                    pause = PAUSES.0;
                    break;
                }
                Err(error) => {
                    if !busy {
                        trace_failed_work(&error);
                    }
                    let env = Arc::clone(&shared.env);
                    drop(shared);
                    signal.pause(&*env, pause);
                    pause = (pause * 2).min(if busy { ROLE_TIMEOUT } else { PAUSES.1 });
                    if !busy {
                        // Who needs it says so again.
                        break;
                    }
                }
            }
        }
    }
}
