//! A child made by `fork` has inherited a database: it gets a clear error and harms nothing.
#![allow(unsafe_code, reason = "fork cannot be called safely")]

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use siltstone::{Background, Database, Durability, Options, Sharing};
use siltstone_env::{Access, Env, LockId, LockMode};
use siltstone_memory::{Call, Hook, HookedEnv, Method, Verdict};
use siltstone_native::{LockStyle, NativeEnv};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long the child may take: it must not hang in what its parent's threads held.
const PATIENCE: u32 = 2000;

/// Runs `body` in a forked child; its status, or `None` if it hung.
fn in_child(body: impl FnOnce() -> bool) -> Option<i32> {
    // SAFETY: the child calls the engine, which takes no lock that another thread of the parent may
    // hold at this moment but those of this database, which nobody else uses; no panic leaves this
    // arm, and `_exit` runs nothing that was registered for the parent's end.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let told = catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: `_exit` is made for this.
            unsafe { nix::libc::_exit(i32::from(!told)) }
        }
        ForkResult::Parent { child } => wait_for(child),
    }
}

fn wait_for(child: Pid) -> Option<i32> {
    for _ in 0..PATIENCE {
        if let WaitStatus::Exited(_, status) = waitpid(child, Some(WaitPidFlag::WNOHANG)).unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(child, Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    None
}

fn is_told(outcome: siltstone::Result<()>) -> bool {
    outcome.is_err_and(|error| error.code() == 21 && error.to_string().contains("fork"))
}

#[test]
fn a_child_that_inherited_a_database_is_told_and_harms_nothing() {
    for background in [Background::None, Background::Both] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let options =
            Options::new().background(background).durability(Durability::Full).autoflush(20_000);
        let database = options.open_with_env(NativeEnv::separate(LockStyle::Best), &path).unwrap();
        for number in 0..500 {
            database.insert(format!("key{number:04}"), [7; 100]).unwrap();
        }
        let snapshot = database.snapshot().unwrap();
        let mut inherited: Option<(Database, _)> = Some((database.clone(), snapshot.clone()));
        let status = in_child(|| {
            let Some((database, snapshot)) = inherited.take() else { return false };
            let told = is_told_whatever_it_writes(&database);
            drop(snapshot);
            // What the parent's clone would do at its end must not happen here.
            let _ = database.close();
            told
        });
        assert_eq!(status, Some(0), "{background:?}: the child was not told, or hung");
        let world = NativeEnv::separate(LockStyle::Best);
        let name = world.canonical_path(path.as_os_str().as_encoded_bytes()).unwrap();
        let file = world.open(&name, Access::ReadWrite).unwrap();
        assert!(!file.test_lock(LockId::DMS2, 1, LockMode::Exclusive).unwrap(), "still connected");
        assert_eq!(snapshot.iter().unwrap().count(), 500);
        database.insert("parent", "goes on").unwrap();
        assert_eq!(database.get("child").unwrap(), None);
        drop((inherited, snapshot));
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        database.close().unwrap();
        let database = Options::new().open(&path).unwrap();
        assert_eq!(database.iter().unwrap().count(), 501);
    }
}

/// Where a thread that syncs the log can be stopped.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum GateState {
    #[default]
    Open,
    Closed,
    /// Somebody waits at it.
    Reached,
}

impl Gate {
    fn set(&self, state: GateState) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }

    fn wait_until_reached(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| *state != GateState::Reached).unwrap());
    }
}

impl Hook for Gate {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.method == Method::Sync && call.is_on("-log") {
            let mut state = self.state.lock().unwrap();
            if *state == GateState::Closed {
                *state = GateState::Reached;
                self.changed.notify_all();
            }
            drop(self.changed.wait_while(state, |state| *state != GateState::Open).unwrap());
        }
        Verdict::Proceed
    }
}

fn is_told_whatever_it_writes(database: &Database) -> bool {
    is_told(database.insert("child", "was here"))
        && is_told(database.begin().map(drop))
        && is_told(database.flush())
        && is_told(database.checkpoint().map(drop))
}

/// It does not wait for what will never end in its own memory, to hear of another reason then.
#[test]
fn a_child_is_told_while_its_parent_writes() {
    for exclusive in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let gate = Arc::new(Gate::default());
        let env = HookedEnv::sharing(NativeEnv::separate(LockStyle::Best), Arc::clone(&gate));
        let sharing = if exclusive { Sharing::Exclusive } else { Sharing::Shared };
        let options = Options::new()
            .sharing(sharing)
            .durability(Durability::Full)
            .busy_timeout(Duration::from_millis(300));
        let database = options.open_with_env(env, &path).unwrap();
        database.insert("first", "row").unwrap();
        let transaction = database.begin().unwrap();
        let status = in_child(|| is_told_whatever_it_writes(&database));
        assert_eq!(status, Some(0), "the child waited for the transaction of its parent");
        transaction.rollback().unwrap();
        gate.set(GateState::Closed);
        let status = std::thread::scope(|scope| {
            let leader = scope.spawn(|| database.insert("second", "row"));
            gate.wait_until_reached();
            let status = in_child(|| is_told_whatever_it_writes(&database));
            gate.set(GateState::Open);
            leader.join().unwrap().unwrap();
            status
        });
        assert_eq!(status, Some(0), "the child waited for a thread of its parent");
        assert_eq!(database.iter().unwrap().count(), 2);
        database.close().unwrap();
    }
}
