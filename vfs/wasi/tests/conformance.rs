//! The WASI world keeps the contract, inside a runtime:
//! `cargo test -p siltstone-wasi --target wasm32-wasip1` (or `wasm32-wasip2`).
#![cfg(target_os = "wasi")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use siltstone_env::conformance::{World, run_all};
use siltstone_env::{Access, Env, EnvError, LockId, LockMode};
use siltstone_wasi::{Guard, WasiEnv};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own in the directory the runner has opened.
struct Wasi {
    guard: Guard,
    folder: String,
    started: Cell<bool>,
}

fn world(guard: Guard) -> Wasi {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = format!("/data/world-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    std::fs::create_dir(&folder).unwrap();
    Wasi { guard, folder, started: Cell::new(false) }
}

impl World for Wasi {
    fn process(&self) -> Option<Arc<dyn Env>> {
        // One instance has a database for itself.
        (!self.started.replace(true)).then(|| WasiEnv::separate(self.guard) as _)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        format!("{}/{name}", self.folder).into_bytes()
    }
}

#[test]
fn keeps_the_contract() {
    run_all(&|| Box::new(world(Guard::OwnerFile)));
}

#[test]
fn keeps_the_contract_under_a_lock_held_outside() {
    run_all(&|| Box::new(world(Guard::Host)));
}

#[test]
fn a_second_instance_is_kept_out() {
    let world = world(Guard::OwnerFile);
    let (one, two) = (WasiEnv::separate(Guard::OwnerFile), WasiEnv::separate(Guard::OwnerFile));
    let path = one.canonical_path(&world.path("file")).unwrap();
    let first = one.open(&path, Access::ReadWriteCreate).unwrap();
    let second = two.open(&path, Access::ReadWrite).unwrap();
    first.lock(LockId::DMS2, LockMode::Exclusive).unwrap();
    assert_eq!(second.lock(LockId::DMS2, LockMode::Exclusive), Err(EnvError::Busy));
    assert_eq!(second.test_lock(LockId::DMS1, 2, LockMode::Shared), Ok(false));
    assert_eq!(one.owner(&path), Ok(None));
    assert!(two.owner(&path).unwrap().unwrap().idle.is_some());
    first.sync().unwrap();
    drop(first);
    second.lock(LockId::DMS2, LockMode::Exclusive).unwrap();
}

#[test]
fn big_transfers_and_far_offsets_arrive_whole() {
    let world = world(Guard::OwnerFile);
    let env = WasiEnv::separate(Guard::OwnerFile);
    let path = env.canonical_path(&world.path("file")).unwrap();
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    let bytes: Vec<u8> = (0..3_000_001u32).map(|at| (at % 251) as u8).collect();
    let far = 5 << 30;
    file.write_at(far, &bytes).unwrap();
    assert_eq!(file.size(), Ok(far + bytes.len() as u64));
    let mut back = vec![0xAA; bytes.len() + 10];
    assert_eq!(file.read_at(far, &mut back), Ok(bytes.len()));
    assert!(back[..bytes.len()] == bytes && back[bytes.len()..] == [0; 10]);
    file.truncate(3).unwrap();
    env.remove(&path).unwrap();
}
