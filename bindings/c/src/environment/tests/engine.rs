//! Databases in callers' environments, also beside the native one.

use super::watched::{Lent, Watched};
use super::{copied, forever, forwarding};
use crate::environment::caller::{CallerEnv, Structure};
use siltstone::env::Env;
use siltstone::{Database, Options, Sharing};
use siltstone_native::{LockStyle, NativeEnv};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Numbers without pattern; the same for the same start.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn options() -> Options {
    Options::new().page_size(512).block_size(64 << 10).autoflush(8 << 10).autocheckpoint(32 << 10)
}

fn change(database: &Database, model: &mut Model, numbers: &mut Numbers) {
    let key = |numbers: &mut Numbers| format!("{:04}", numbers.below(400)).into_bytes();
    match numbers.below(20) {
        0 => database.flush().unwrap(),
        1 => drop(database.checkpoint().unwrap()),
        2 | 3 => {
            let (low, high) = (key(numbers), key(numbers));
            if low < high {
                database.remove_range(low.clone()..high.clone()).unwrap();
                model.retain(|key, _| *key < low || *key >= high);
            }
        }
        4 | 5 => {
            let key = key(numbers);
            database.remove(&key).unwrap();
            model.remove(&key);
        }
        _ => {
            let (key, len) = (key(numbers), numbers.below(300) as usize);
            let value = vec![numbers.below(256) as u8; len];
            database.insert(&key, &value).unwrap();
            model.insert(key, value);
        }
    }
}

fn shows(database: &Database, model: &Model) {
    let rows: Model = database.iter().unwrap().map(Result::unwrap).collect();
    assert!(rows == *model);
}

/// A history with several lives.
fn lives(env: &Arc<dyn Env>, path: &Path, options: &Options, changes: u64) -> Model {
    let (mut model, mut numbers) = (Model::new(), Numbers(0x9e37_79b9_7f4a_7c15));
    // Under Miri a life takes minutes.
    let lives = if cfg!(miri) { 2 } else { 4 };
    for _ in 0..lives {
        let database = options.open_with_env(Arc::clone(env), path).unwrap();
        shows(&database, &model);
        for _ in 0..changes {
            change(&database, &mut model, &mut numbers);
        }
        shows(&database, &model);
        assert!(database.check().unwrap().is_sound());
        database.close().unwrap();
    }
    model
}

fn structures() -> [Structure; 2] {
    [forever(copied()), forever(forwarding::members())]
}

#[test]
#[cfg(not(miri))]
fn histories_are_kept_alone_and_in_company() {
    for structure in structures() {
        for sharing in [Sharing::Shared, Sharing::Exclusive] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file.lsm");
            let env: Arc<dyn Env> = CallerEnv::separate(structure);
            let model = lives(&env, &path, &options().sharing(sharing), 400);
            let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
            assert_eq!(files.len(), 1, "nothing is left beside the database");
            let native = options().open_with_env(NativeEnv::shared(), &path).unwrap();
            shows(&native, &model);
        }
    }
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_live_database_is_shared_with_the_native_environment() {
    for structure in structures() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let caller = CallerEnv::separate(structure);
        let native = NativeEnv::separate(LockStyle::Best);
        let databases = [
            options().open_with_env(caller, &path).unwrap(),
            options().open_with_env(native, &path).unwrap(),
        ];
        let (mut model, mut numbers) = (Model::new(), Numbers(7));
        for round in 0..600 {
            change(&databases[round % 2], &mut model, &mut numbers);
            if round % 40 == 0 {
                databases.iter().for_each(|database| shows(database, &model));
            }
        }
        let [one, two] = databases;
        one.close().unwrap();
        shows(&two, &model);
        two.close().unwrap();
    }
}

#[test]
#[cfg(not(miri))]
fn a_crash_loses_nothing_where_no_file_tells_its_size() {
    for structure in structures() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let (mut model, mut numbers) = (Model::new(), Numbers(99));
        let open = || options().open_with_env(CallerEnv::separate(structure), &path).unwrap();
        let database = open();
        for life in 0..6 {
            for _ in 0..150 {
                change(&database, &mut model, &mut numbers);
            }
            // What a crash would leave: database and log as they are now.
            let copy = directory.path().join(format!("copy{life}.lsm"));
            std::fs::copy(&path, &copy).unwrap();
            let beside = |path: &Path| format!("{}-log", path.display());
            std::fs::copy(beside(&path), beside(&copy)).unwrap();
            let env = CallerEnv::separate(structure);
            shows(&options().open_with_env(env, &copy).unwrap(), &model);
        }
    }
}

/// Nothing but memory is touched, so that this runs under Miri too.
#[test]
fn everything_lent_is_given_back() {
    let world = Arc::new(Watched::default());
    let lent = Lent::new(&world);
    for sharing in [Sharing::Shared, Sharing::Exclusive] {
        let env: Arc<dyn Env> = CallerEnv::lend(lent.structure());
        let name = format!("{sharing:?}");
        let changes = if cfg!(miri) { 4 } else { 300 };
        lives(&env, Path::new(&name), &options().sharing(sharing), changes);
    }
    assert_eq!(world.opened.load(SeqCst), world.closed.load(SeqCst));
    assert_eq!(world.mutexes.load(SeqCst), 0);
    assert_eq!(world.locks_lost.load(SeqCst), 0);
}
