//! Threads, and what becomes of them in a forked child: they do not exist there, so that a child
//! neither waits for them nor gives back what belongs to them.

use crate::environment::same_process;
use siltstone_env::{Result, StdThread, Task, Thread};

/// A thread of the process that started it.
#[derive(Debug)]
pub(crate) struct NativeThread {
    /// Present until joined or dropped.
    thread: Option<StdThread>,
    process: u32,
}

impl NativeThread {
    /// Starts a thread of process number `process`.
    pub(crate) fn spawn(process: u32, name: &str, body: Task) -> Result<Self> {
        Ok(NativeThread { thread: Some(StdThread::spawn(name, body)?), process })
    }
}

impl Thread for NativeThread {
    fn join(mut self: Box<Self>) {
        if same_process(self.process).is_ok()
            && let Some(thread) = self.thread.take()
        {
            Box::new(thread).join();
        }
    }
}

impl Drop for NativeThread {
    fn drop(&mut self) {
        if same_process(self.process).is_err() {
            // Detaching would write where the child may keep other things by now.
            std::mem::forget(self.thread.take());
        }
    }
}
