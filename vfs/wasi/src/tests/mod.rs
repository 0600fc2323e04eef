//! The world above a host that tests control: the whole contract under partial transfers and
//! interruptions, each refusal's meaning, and ownership.

mod fake;
mod ownership;

use crate::environment::{Guard, WasiEnv};
use crate::host::Refusal;
use fake::{Call, FakeHost};
use siltstone_env::conformance::{World, run_all};
use siltstone_env::{Access, Env, EnvError, File, FilePath};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Fake {
    host: FakeHost,
    started: AtomicBool,
}

impl World for Fake {
    fn process(&self) -> Option<Arc<dyn Env>> {
        let first = !self.started.swap(true, Ordering::Relaxed);
        first.then(|| WasiEnv::on(Box::new(self.host.clone()), Guard::OwnerFile) as _)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        format!("/data/{name}").into_bytes()
    }
}

/// The world on this host, and a file in it.
fn file_on(host: &FakeHost) -> (Arc<WasiEnv>, FilePath, Arc<dyn File>) {
    let env = WasiEnv::on(Box::new(host.clone()), Guard::OwnerFile);
    let path = env.canonical_path(b"/data/file").unwrap();
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    (env, path, file)
}

#[test]
fn keeps_the_contract_on_a_host_that_does_all_it_is_asked() {
    run_all(&|| Box::new(Fake { host: FakeHost::new(), started: AtomicBool::new(false) }));
}

#[test]
fn keeps_the_contract_on_a_host_that_stops_short_and_interrupts() {
    for longest in [1, 1000, 65_536] {
        run_all(&|| {
            let host = FakeHost::new();
            host.stop_short(longest);
            host.interrupt_every(3);
            Box::new(Fake { host, started: AtomicBool::new(false) })
        });
    }
}

#[test]
fn a_host_that_writes_nothing_is_full_and_not_asked_for_ever() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    host.stop_short(0);
    assert_eq!(file.write_at(0, b"abc"), Err(EnvError::Full));
}

#[test]
fn a_host_that_always_interrupts_is_given_up() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    host.interrupt_every(1);
    assert_eq!(file.write_at(0, b"abc"), Err(EnvError::Io(0)));
    assert_eq!(file.size(), Err(EnvError::Io(0)));
}

#[test]
fn a_write_that_fails_half_way_leaves_the_first_half() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    host.stop_short(4);
    host.refuse(Call::Write, 2, Refusal::Full);
    assert_eq!(file.write_at(0, b"0123456789"), Err(EnvError::Full));
    host.stop_short(usize::MAX);
    let mut held = [0xEE; 10];
    assert_eq!(file.read_at(0, &mut held), Ok(8));
    assert_eq!(&held, b"01234567\0\0");
}

#[test]
fn refusals_mean_what_the_engine_distinguishes() {
    for (refusal, error) in [
        (Refusal::Full, EnvError::Full),
        (Refusal::NotPermitted, EnvError::ReadOnly),
        (Refusal::OutOfMemory, EnvError::OutOfMemory),
        (Refusal::Unsupported, EnvError::Unsupported),
        (Refusal::Other(29), EnvError::Io(29)),
    ] {
        let host = FakeHost::new();
        let (env, path, file) = file_on(&host);
        for call in [Call::Write, Call::Read, Call::Sync, Call::SetSize, Call::Stat] {
            file.write_at(0, b"abc").unwrap();
            host.refuse(call, 0, refusal);
            let outcome = match call {
                Call::Write => file.write_at(0, b"x"),
                Call::Read => file.read_at(0, &mut [0; 2]).map(drop),
                Call::Sync => file.sync(),
                Call::SetSize => file.truncate(1),
                _ => file.size().map(drop),
            };
            assert_eq!(outcome, Err(error), "{call:?}");
        }
        host.refuse(Call::Open, 0, refusal);
        assert_eq!(env.open(&path, Access::ReadWrite).err(), Some(error));
        host.refuse(Call::Unlink, 0, refusal);
        assert_eq!(env.remove(&path), Err(error));
        host.refuse(Call::Random, 0, refusal);
        assert_eq!(env.random(&mut [0; 4]), Err(error));
    }
}

#[test]
fn a_directory_that_cannot_be_synced_need_not_be() {
    let host = FakeHost::new();
    let (env, path, _file) = file_on(&host);
    for (refusal, outcome) in [
        (Refusal::Unsupported, Ok(())),
        (Refusal::NotPermitted, Ok(())),
        (Refusal::Other(29), Err(EnvError::Io(29))),
        (Refusal::Full, Err(EnvError::Full)),
    ] {
        host.refuse(Call::SyncDirectory, 0, refusal);
        assert_eq!(env.sync_directory(&path), outcome);
    }
}

#[test]
fn small_slices_are_written_by_one_call() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    let pieces = vec![[7u8; 100]; 300];
    let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let before = host.calls(Call::Write);
    file.write_vectored_at(5, &slices).unwrap();
    assert_eq!(host.calls(Call::Write) - before, 1);
    let long = vec![8u8; 100_000];
    file.write_vectored_at(0, &[IoSlice::new(b"ab"), IoSlice::new(&long), IoSlice::new(b"c")])
        .unwrap();
    assert_eq!(host.calls(Call::Write) - before, 4);
    let mut back = vec![0; 100_003];
    file.read_at(0, &mut back).unwrap();
    assert!(back.starts_with(b"ab\x08") && back.ends_with(b"\x08c"));
}

#[test]
fn links_and_other_things_are_no_files() {
    let host = FakeHost::new();
    host.make_link("link");
    let env = WasiEnv::on(Box::new(host), Guard::OwnerFile);
    let path = env.canonical_path(b"/data/link").unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite, Access::ReadWriteCreate] {
        assert_eq!(env.open(&path, access).err(), Some(EnvError::NotAFile));
    }
}

#[test]
fn names_that_lead_nowhere_are_refused_before_the_host_is_asked() {
    let host = FakeHost::new();
    let env = WasiEnv::on(Box::new(host.clone()), Guard::OwnerFile);
    assert_eq!(env.canonical_path(b"/data/../etc/passwd"), Err(EnvError::Outside));
    let foreign = FilePath::from_bytes(b"/elsewhere/file");
    assert_eq!(env.open(&foreign, Access::ReadOnly).err(), Some(EnvError::Outside));
    assert_eq!(env.remove(&foreign), Err(EnvError::Outside));
    assert_eq!([Call::Stat, Call::Open, Call::Unlink].map(|call| host.calls(call)), [0, 0, 0]);
}
