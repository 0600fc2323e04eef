//! Threads.

use super::{World, process, rule};
use crate::{Env, EnvError, Task, Thread};
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Starts a thread, where there are any to be had.
fn spawn(env: &Arc<dyn Env>, body: Task) -> Option<Box<dyn Thread>> {
    match env.spawn("conformance", body) {
        Err(EnvError::Unsupported) => None,
        started => {
            assert!(
                env.capabilities().threads,
                "rule broken: spawn is Unsupported where threads is not claimed: got {started:?}"
            );
            Some(rule("spawn succeeds", started))
        }
    }
}

/// The body runs, and has run when `join` returns.
pub fn a_thread_runs_and_join_waits_for_it(world: &dyn World) {
    let env = process(world);
    let (report, reported) = channel();
    let inside = env.clone();
    let body = move || {
        inside.sleep(std::time::Duration::from_millis(5));
        report.send(42).unwrap();
    };
    let Some(thread) = spawn(&env, Box::new(body)) else { return };
    thread.join();
    assert_eq!(reported.try_recv(), Ok(42), "rule broken: join returns after the thread's end");
}

/// A thread whose handle is dropped goes on.
pub fn a_dropped_thread_runs_on(world: &dyn World) {
    let env = process(world);
    let (allow, allowed) = channel::<()>();
    let (report, reported) = channel();
    let body = move || {
        allowed.recv().unwrap();
        report.send(7).unwrap();
    };
    let Some(thread) = spawn(&env, Box::new(body)) else { return };
    drop(thread);
    rule("a dropped thread listens", allow.send(()));
    assert_eq!(reported.recv(), Ok(7), "rule broken: a dropped thread runs on");
}
