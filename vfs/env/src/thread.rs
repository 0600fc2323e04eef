//! Threads of the world, for work in the background.

use crate::{EnvError, MaybeSync, Result};
use std::fmt::Debug;

/// What a thread does.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub type Task = Box<dyn FnOnce() + Send>;
/// What a thread does.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub type Task = Box<dyn FnOnce()>;

/// A running thread. Dropping it lets the thread run on.
pub trait Thread: MaybeSync + Debug {
    /// Waits for the thread's end, however it comes. Returns at once when the thread joins itself,
    /// and in a forked child, where the thread does not exist.
    fn join(self: Box<Self>);
}

/// The thread of worlds that have nothing better: the standard library's.
#[derive(Debug)]
pub struct StdThread {
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    handle: std::thread::JoinHandle<()>,
}

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
impl StdThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// `Io` when the system has no room for another one.
    pub fn spawn(name: &str, body: Task) -> Result<Self> {
        // The standard library panics over names with NUL bytes.
        let name = name.replace('\0', "");
        let started = std::thread::Builder::new().name(name).spawn(body);
        match started {
            Ok(handle) => Ok(StdThread { handle }),
            Err(error) => Err(EnvError::Io(error.raw_os_error().unwrap_or(0))),
        }
    }
}

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
impl Thread for StdThread {
    fn join(self: Box<Self>) {
        if self.handle.thread().id() != std::thread::current().id() {
            // A panic was already reported on the thread itself.
            let _ = self.handle.join();
        }
    }
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
impl StdThread {
    /// Starts no thread: this target has none.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn spawn(_name: &str, _body: Task) -> Result<Self> {
        Err(EnvError::Unsupported)
    }
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
impl Thread for StdThread {
    fn join(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn join_waits_for_the_end_and_odd_names_are_allowed() {
        for name in ["siltstone worker", "", "nul\0byte", "a name longer than systems keep"] {
            let (report, reported) = channel();
            let thread = StdThread::spawn(name, Box::new(move || report.send(7).unwrap())).unwrap();
            Box::new(thread).join();
            assert_eq!(reported.try_recv(), Ok(7));
        }
    }

    #[test]
    fn a_thread_may_join_itself() {
        let (give, take) = channel::<Box<dyn Thread>>();
        let (report, reported) = channel();
        let body = move || {
            take.recv().unwrap().join();
            report.send(()).unwrap();
        };
        give.send(Box::new(StdThread::spawn("itself", Box::new(body)).unwrap())).unwrap();
        reported.recv().unwrap();
    }
}
