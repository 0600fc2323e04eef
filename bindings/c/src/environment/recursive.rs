//! A mutex that its holder may take again, as lsm.h demands of `xMutexNew`.

use siltstone::env::{RawMutex, StdMutex};
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// Its address is the thread's number: no other living thread has it.
    static HERE: u8 = const { 0 };
}

fn this_thread() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Held by nobody, or by one thread any number of times.
#[derive(Debug, Default)]
pub(super) struct RecursiveMutex {
    raw: StdMutex,
    /// Number of the thread that holds it, or 0. Only that thread ever finds its own number here.
    owner: AtomicUsize,
    /// How often its holder has taken it. Only the holder uses it.
    depth: AtomicUsize,
}

impl RecursiveMutex {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Whether the calling thread holds it.
    pub(super) fn is_mine(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == this_thread()
    }

    fn taken(&self) {
        self.owner.store(this_thread(), Ordering::Relaxed);
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn enter(&self) {
        if !self.is_mine() {
            self.raw.enter();
        }
        self.taken();
    }

    /// Takes it unless another thread holds it; says whether it did.
    pub(super) fn try_enter(&self) -> bool {
        let got = self.is_mine() || self.raw.try_enter();
        if got {
            self.taken();
        }
        got
    }

    /// Undoes one `enter` of this thread. Of others it changes nothing.
    pub(super) fn leave(&self) {
        if self.is_mine() && self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.owner.store(0, Ordering::Relaxed);
            self.raw.leave();
        }
    }

    /// Takes it until the guard goes.
    pub(super) fn lock(&self) -> Turn<'_> {
        self.enter();
        Turn(self)
    }
}

/// Leaves a mutex when dropped.
pub(super) struct Turn<'a>(&'a RecursiveMutex);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_holder_may_take_it_again_and_others_may_not() {
        let mutex = RecursiveMutex::new();
        let elsewhere = || {
            std::thread::scope(|scope| {
                scope
                    .spawn(|| {
                        mutex.leave();
                        let got = mutex.try_enter();
                        assert_eq!(mutex.is_mine(), got);
                        if got {
                            mutex.leave();
                        }
                        got
                    })
                    .join()
                    .unwrap()
            })
        };
        assert!(elsewhere());
        mutex.enter();
        assert!(mutex.try_enter());
        assert!(!elsewhere());
        mutex.leave();
        assert!(mutex.is_mine() && !elsewhere());
        mutex.leave();
        assert!(!mutex.is_mine() && elsewhere());
    }

    #[test]
    fn one_thread_at_a_time() {
        let (mutex, inside) = (RecursiveMutex::new(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _outer = mutex.lock();
                        let _inner = mutex.lock();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(mutex.try_enter());
    }
}
