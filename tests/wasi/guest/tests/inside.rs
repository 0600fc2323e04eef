//! Histories and fixtures through the whole stack, on files of the target's own world: meant for
//! runtimes of WASI (`cargo test --target wasm32-wasip1 -p siltstone-wasi-guest`), true everywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use siltstone::{Database, Options, Sharing};
use siltstone_wasi_guest::{Random, compare, content, count, judge, make, options, transaction};
use std::fs;
use std::path::{Path, PathBuf};

/// The directory the runner gives, or one like it.
fn scratch(name: &str) -> PathBuf {
    let above = match cfg!(target_os = "wasi") {
        true => PathBuf::from("/data"),
        false => std::env::temp_dir().join(format!("siltstone-inside-{}", std::process::id())),
    };
    let folder = above.join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Opens what a dead owner left.
fn reopen(seed: u64, path: &Path) -> Database {
    siltstone::break_lock(path).unwrap();
    // Elsewhere the dead owner is this process, whose locks and memory go on.
    let sharing = Sharing::Exclusive;
    options(seed).sharing(sharing).open(path).unwrap()
}

#[test]
fn histories_with_crashes_show_what_a_sorted_map_shows() {
    let folder = scratch("histories");
    for seed in 0..12 {
        let path = folder.join(format!("{seed}.lsm"));
        let mut random = Random::new(seed);
        let mut done = 0;
        for session in 0..6 {
            let database = reopen(seed, &path);
            assert_eq!(judge(&database, seed, done), Ok(done), "seed {seed}, session {session}");
            for _ in 0..random.below(60) {
                done += 1;
                let changes = transaction(seed, done);
                database.write(|transaction| make(&changes, transaction)).unwrap();
                if random.below(10) == 0 {
                    compare(&database, &content(seed, done)).unwrap();
                }
            }
            let wanted = content(seed, done);
            let backwards: Vec<_> = database.iter().unwrap().rev().map(Result::unwrap).collect();
            assert!(backwards.into_iter().eq(wanted.clone().into_iter().rev()));
            for key in wanted.keys() {
                assert_eq!(database.get(key).unwrap().as_ref(), wanted.get(key));
            }
            match session {
                1 => drop(database.compact().unwrap()),
                2 => drop(database.checkpoint().unwrap()),
                _ => {}
            }
            // A copy of the files is what a crash at this moment leaves.
            let copy = folder.join(format!("{seed}-{session}.lsm"));
            for suffix in ["", "-log"] {
                let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
                if with(&path).exists() {
                    fs::copy(with(&path), with(&copy)).unwrap();
                }
            }
            database.close().unwrap();
            let database = reopen(seed, &copy);
            assert_eq!(judge(&database, seed, done), Ok(done), "seed {seed}, crash {session}");
            database.close().unwrap();
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[test]
fn every_file_of_c_lsm1_shows_what_is_expected() {
    let folder = scratch("fixtures");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/c-lsm1");
    let mut seen = 0;
    for entry in fs::read_dir(&fixtures).unwrap() {
        let source = entry.unwrap().path();
        if source.extension().is_none_or(|extension| extension != "lsm") {
            continue;
        }
        let name = source.file_stem().unwrap().to_str().unwrap().to_owned();
        let path = folder.join(format!("{name}.lsm"));
        fs::copy(&source, &path).unwrap();
        let log = source.with_extension("lsm-log");
        if log.exists() {
            fs::copy(log, folder.join(format!("{name}.lsm-log"))).unwrap();
        }
        seen += 1;
        if name.starts_with("compressed") {
            let error = Options::new().open(&path).unwrap_err();
            assert_eq!(error.name(), "Mismatch", "{error}");
            continue;
        }
        let text = fs::read_to_string(source.with_extension("expect.txt")).unwrap();
        let row = |line: &str| {
            let (key, value) = line.split_once('\t').unwrap();
            (unhex(key), unhex(value))
        };
        let wanted: siltstone_wasi_guest::Content = text.lines().map(row).collect();
        // As it is, then written on and closed here.
        for read_only in [true, false, false] {
            let database = Options::new().read_only(read_only).open(&path).unwrap();
            compare(&database, &wanted).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            let backwards: Vec<_> = database.iter().unwrap().rev().map(Result::unwrap).collect();
            assert!(backwards.into_iter().eq(wanted.clone().into_iter().rev()), "{name}");
            if !read_only {
                database.insert("zzz", "1").unwrap();
                database.remove("zzz").unwrap();
                assert_eq!(database.check().unwrap().problems, [""; 0], "{name}");
            }
            database.close().unwrap();
        }
    }
    assert_eq!(seen, 16);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_database_in_use_is_refused_and_untouched() {
    let path = scratch("used").join("file.lsm");
    let database = Options::new().open(&path).unwrap();
    database.insert("a", "1").unwrap();
    assert_eq!(count(&database).unwrap(), 0);
    // The same instance shares its handle.
    let again = Options::new().open(&path).unwrap();
    assert_eq!(again.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    drop(again);
    database.close().unwrap();
    let owner = PathBuf::from(format!("{}-lock", path.display()));
    fs::write(&owner, "left behind").unwrap();
    let before = fs::read(&path).unwrap();
    let now = std::time::Duration::ZERO;
    for read_only in [false, true] {
        let options = Options::new().read_only(read_only).busy_timeout(now);
        let error = options.open(&path).unwrap_err();
        assert_eq!(error.name(), "Busy", "{error}");
    }
    assert_eq!(
        (fs::read(&path).unwrap(), fs::read(&owner).unwrap()),
        (before, b"left behind".into())
    );
    assert!(siltstone::break_lock(&path).unwrap());
    assert!(!siltstone::break_lock(&path).unwrap());
    let database = Options::new().open(&path).unwrap();
    assert_eq!(database.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    if cfg!(target_os = "wasi") {
        assert!(owner.exists());
        assert_eq!(siltstone::break_lock(&path).unwrap_err().name(), "Busy");
    }
    database.close().unwrap();
    assert!(!owner.exists());
}

#[test]
fn an_owner_whose_lock_was_broken_writes_no_more() {
    if !cfg!(target_os = "wasi") {
        return;
    }
    let path = scratch("displaced").join("file.lsm");
    let database = Options::new().open(&path).unwrap();
    database.insert("a", "1").unwrap();
    database.checkpoint().unwrap();
    // As somebody does who takes it for dead.
    let owner = PathBuf::from(format!("{}-lock", path.display()));
    fs::remove_file(&owner).unwrap();
    fs::write(&owner, "somebody else's").unwrap();
    database.insert("b", "2").unwrap();
    database.flush().unwrap();
    let error = database.checkpoint().unwrap_err();
    assert!(error.name() == "Io" && error.to_string().contains("owner file"), "{error}");
    assert_eq!(database.insert("c", "3").unwrap_err().name(), "Poisoned");
    drop(database);
    assert_eq!(fs::read(&owner).unwrap(), b"somebody else's");
    fs::remove_file(&owner).unwrap();
    let database = Options::new().open(&path).unwrap();
    let wanted = [("a", "1"), ("b", "2")].map(|(key, value)| (key.into(), value.into()));
    compare(&database, &wanted.into()).unwrap();
    database.close().unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn shared_mode_is_refused_where_there_is_none() {
    let path = scratch("shared").join("file.lsm");
    let outcome = Options::new().sharing(Sharing::Shared).open(&path);
    if cfg!(target_os = "wasi") {
        assert_eq!(outcome.unwrap_err().name(), "Misuse");
        assert!(!path.exists());
    } else {
        outcome.unwrap().close().unwrap();
    }
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn misfits_have_names() {
    if !cfg!(target_os = "wasi") {
        return;
    }
    let folder = scratch("misfits");
    fs::create_dir(folder.join("directory.lsm")).unwrap();
    for (path, name) in [
        ("/data/../x.lsm", "CannotOpen"),
        ("/nowhere/x.lsm", "CannotOpen"),
        ("/data/misfits/directory.lsm", "Io"),
        ("/data/misfits/missing/x.lsm", "Io"),
        ("/data/misfits/", "Io"),
    ] {
        let error = Database::open(path).unwrap_err();
        assert_eq!(error.name(), name, "{path}: {error}");
        assert!([14, 266].contains(&error.code()), "{path}: {error}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(&folder).unwrap();
}
