//! How a background thread and those it works for talk.
//!
//! Anybody may say that there is work; the thread takes that up when it comes to it, however often
//! it was said. The thread reports each piece it has done, so that others can wait until it has
//! come far enough. Nobody waits without an end, and nothing is called with the signal locked.

use super::Settings;
use super::wait::{KnownClock, Wait};
use crate::env::Env;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The line between one background thread and everybody else.
#[derive(Debug, Default)]
pub(super) struct Signal {
    word: Mutex<Word>,
    /// There is work, or the thread shall end.
    for_thread: Condvar,
    /// A piece of work is done, or has failed, or the thread has ended.
    for_others: Condvar,
    clock: KnownClock,
}

#[derive(Debug, Default)]
struct Word {
    /// There is work, with the settings of whoever said so last.
    wanted: Option<Settings>,
    /// The thread shall end.
    stop: bool,
    /// The thread has ended.
    ended: bool,
    /// The last piece of work failed.
    failed: bool,
    /// Pieces done or failed.
    pieces: u64,
    /// The thread waits for work.
    idle: bool,
    /// How many threads wait for its progress.
    others: usize,
}

/// What a background thread has to do next.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Work, by these settings.
    Work(Settings),
    /// End.
    Stop,
}

impl Signal {
    fn word(&self) -> MutexGuard<'_, Word> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there is work.
    pub(super) fn wake(&self, settings: Settings) {
        let mut word = self.word();
        word.wanted = Some(settings);
        if std::mem::take(&mut word.idle) {
            drop(word);
            self.for_thread.notify_one();
        }
    }

    /// Tells the thread to end.
    pub(super) fn stop(&self) {
        self.word().stop = true;
        self.for_thread.notify_one();
    }

    /// Whether the thread runs and its last piece of work did not fail.
    pub(super) fn is_well(&self) -> bool {
        let word = self.word();
        !word.ended && !word.failed
    }

    /// Waits up to `timeout` until `done`, which is asked after each piece of work. Ends early when
    /// the thread fails or ends.
    pub(super) fn wait_until(&self, env: &dyn Env, timeout: Duration, done: impl Fn() -> bool) {
        let mut wait = Wait::up_to(env, timeout, &self.clock);
        let mut word = self.word();
        loop {
            let seen = word.pieces;
            drop(word);
            if done() {
                return;
            }
            word = self.word();
            while word.pieces == seen {
                if word.ended || word.failed {
                    return;
                }
                word.others += 1;
                let outcome = wait.once(&self.word, word, &self.for_others);
                let late = outcome.is_err();
                word = outcome.unwrap_or_else(std::convert::identity);
                word.others -= 1;
                if late {
                    return;
                }
            }
        }
    }

    /// For the thread: waits for work.
    pub(super) fn next(&self) -> Order {
        let mut word = self.word();
        loop {
            if word.stop {
                return Order::Stop;
            }
            if let Some(settings) = word.wanted.take() {
                return Order::Work(settings);
            }
            word.idle = true;
            word = self.for_thread.wait(word).unwrap_or_else(PoisonError::into_inner);
            word.idle = false;
        }
    }

    /// For the thread: whether it shall end.
    pub(super) fn must_stop(&self) -> bool {
        self.word().stop
    }

    /// For the thread: pauses, unless it shall end.
    pub(super) fn pause(&self, env: &dyn Env, duration: Duration) {
        let mut wait = Wait::up_to(env, duration, &self.clock);
        let mut word = self.word();
        while !word.stop {
            match wait.once(&self.word, word, &self.for_thread) {
                Ok(guard) => word = guard,
                Err(_) => return,
            }
        }
    }

    /// For the thread: a piece of work is done, or has failed.
    pub(super) fn report(&self, done: bool) {
        let mut word = self.word();
        word.failed = !done;
        word.pieces += 1;
        if word.others > 0 {
            drop(word);
            self.for_others.notify_all();
        }
    }

    /// For the thread: it ends.
    pub(super) fn end(&self) {
        self.word().ended = true;
        self.for_others.notify_all();
    }
}
