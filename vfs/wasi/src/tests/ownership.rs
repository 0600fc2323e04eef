//! The owner file: one at a time, never somebody else's, whatever it holds.

use super::fake::{Call, FakeHost};
use super::file_on;
use crate::environment::{Guard, WasiEnv};
use crate::host::Refusal;
use siltstone_env::{Access, Env, EnvError, File, FilePath, LockId, LockMode, OwnerRecord};
use std::sync::Arc;

const NAME: &str = "file-lock";

fn second(host: &FakeHost, guard: Guard, access: Access) -> (Arc<WasiEnv>, Arc<dyn File>) {
    let env = WasiEnv::on(Box::new(host.clone()), guard);
    let file = env.open(&path(), access).unwrap();
    (env, file)
}

fn path() -> FilePath {
    FilePath::from_bytes(b"/data/file")
}

fn take(file: &Arc<dyn File>) -> Result<(), EnvError> {
    file.lock(LockId::DMS2, LockMode::Exclusive)
}

#[test]
fn one_owner_at_a_time() {
    let host = FakeHost::new();
    let (env, _path, file) = file_on(&host);
    take(&file).unwrap();
    assert_eq!(host.contents(NAME).map(|bytes| bytes.len()), Some(OwnerRecord::BYTES));
    let (other_env, other) = second(&host, Guard::OwnerFile, Access::ReadWrite);
    assert_eq!(take(&other), Err(EnvError::Busy));
    assert_eq!(other.test_lock(LockId::DMS2, 1, LockMode::Shared), Ok(false));
    assert_eq!(other.test_lock(LockId::DMS3, 4, LockMode::Exclusive), Ok(true));
    assert_eq!(env.owner(&path()), Ok(None), "one's own is none");
    assert_eq!(env.break_owner(&path()), Err(EnvError::Busy));
    assert!(other_env.owner(&path()).unwrap().unwrap().idle.is_some());
    file.lock(LockId::DMS2, LockMode::Unlock).unwrap();
    assert_eq!(host.contents(NAME), None);
    take(&other).unwrap();
    assert_eq!(take(&file), Err(EnvError::Busy));
    drop(other);
    assert_eq!(host.contents(NAME), None, "closing releases");
}

#[test]
fn readers_take_nothing_and_keep_off() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    let (_reader_env, reader) = second(&host, Guard::OwnerFile, Access::ReadOnly);
    reader.lock(LockId::DMS2, LockMode::Shared).unwrap();
    assert_eq!(take(&reader), Err(EnvError::ReadOnly));
    assert_eq!(host.contents(NAME), None);
    take(&file).unwrap();
    assert_eq!(reader.lock(LockId::DMS2, LockMode::Shared), Err(EnvError::Busy));
}

#[test]
fn a_lock_held_outside_makes_owner_files_needless() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    take(&file).unwrap();
    let (env, other) = second(&host, Guard::Host, Access::ReadWrite);
    take(&other).unwrap();
    assert_eq!(env.owner(&path()), Ok(None));
    assert_eq!(other.test_lock(LockId::DMS2, 1, LockMode::Exclusive), Ok(true));
    drop(other);
    assert!(host.contents(NAME).is_some(), "not ours");
}

#[test]
fn what_a_killed_owner_left_is_broken_only_on_demand() {
    for left in [&b""[..], b"garbage", &[0; 32], &[0; 100], &OwnerRecord::encode(&stale())] {
        let host = FakeHost::new();
        let (env, _path, file) = file_on(&host);
        host.put(NAME, left);
        assert_eq!(take(&file), Err(EnvError::Busy), "{left:?}");
        assert!(env.owner(&path()).unwrap().is_some());
        assert_eq!(host.contents(NAME).as_deref(), Some(left), "nobody touched it");
        assert_eq!(env.break_owner(&path()), Ok(true));
        assert_eq!(env.break_owner(&path()), Ok(false));
        take(&file).unwrap();
    }
}

fn stale() -> OwnerRecord {
    OwnerRecord { token: 1, created: 2, active: 3 }
}

#[test]
fn a_displaced_owner_notices_and_removes_nothing() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    take(&file).unwrap();
    file.sync().unwrap();
    let (thief_env, thief) = second(&host, Guard::OwnerFile, Access::ReadWrite);
    assert_eq!(thief_env.break_owner(&path()), Ok(true));
    assert_eq!(file.sync(), Err(EnvError::Displaced));
    take(&thief).unwrap();
    assert_eq!(file.sync(), Err(EnvError::Displaced));
    let theirs = host.contents(NAME);
    drop(file);
    assert_eq!(host.contents(NAME), theirs);
    thief.sync().unwrap();
}

#[test]
fn signs_of_life_are_written_when_the_database_is_synced() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    take(&file).unwrap();
    let read = || OwnerRecord::decode(&host.contents(NAME).unwrap()).unwrap();
    let first = read();
    assert_eq!(first.created, first.active);
    let mut later = first;
    while later.active == first.active {
        file.sync().unwrap();
        later = read();
    }
    assert_eq!((later.token, later.created), (first.token, first.created));
    assert!(later.active > first.active);
}

#[test]
fn a_full_disk_leaves_no_half_made_owner_file() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    host.refuse(Call::Write, 0, Refusal::Full);
    assert_eq!(take(&file), Err(EnvError::Full));
    assert_eq!(host.contents(NAME), None);
    take(&file).unwrap();
}

#[test]
fn a_directory_that_may_not_be_written_cannot_be_guarded() {
    let host = FakeHost::new();
    let (_env, _path, file) = file_on(&host);
    host.refuse(Call::Open, 0, Refusal::NotPermitted);
    assert_eq!(take(&file), Err(EnvError::ReadOnly));
}
