//! The native world keeps the contract.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use siltstone_env::Env;
use siltstone_env::conformance::{World, run_all};
use siltstone_native::{LockStyle, NativeEnv};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Native {
    directory: tempfile::TempDir,
    style: LockStyle,
    processes: AtomicUsize,
}

impl World for Native {
    fn process(&self) -> Option<Arc<dyn Env>> {
        // POSIX locks cannot tell two environments of one process apart.
        let first = self.processes.fetch_add(1, Ordering::SeqCst) == 0;
        (first || self.style == LockStyle::Best).then(|| NativeEnv::separate(self.style) as _)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.directory.path().join(name).as_os_str().as_bytes().to_vec()
    }
}

fn run(style: LockStyle) {
    run_all(&|| {
        let directory = tempfile::tempdir().unwrap();
        Box::new(Native { directory, style, processes: AtomicUsize::new(0) })
    });
}

#[test]
#[cfg(any(target_os = "linux", miri))]
fn keeps_the_contract() {
    run(LockStyle::Best);
}

#[test]
#[cfg(not(miri))]
fn keeps_the_contract_with_posix_locks() {
    run(LockStyle::Process);
}
