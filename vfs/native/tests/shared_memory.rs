//! The `-shm` file: how it comes, what it belongs to, what is refused, and what readers may.
#![cfg(all(unix, not(miri)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use siltstone_env::{Access, CHUNK_BYTES, Env, EnvError};
use siltstone_native::{LockStyle, NativeEnv};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use support::{Mount, Scratch, files, load, memory, store};

const CHUNK: u64 = CHUNK_BYTES as u64;

fn belonging(path: &Path) -> (u32, u32, u32) {
    let metadata = std::fs::metadata(path).unwrap();
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}

#[test]
fn the_file_comes_with_the_first_chunk_and_grows_as_needed() {
    let scratch = Scratch::new();
    let memory = scratch.memory(Access::ReadWriteCreate);
    assert!(memory.is_writable());
    assert_eq!(scratch.files(), ["db"]);
    let size = || std::fs::metadata(scratch.path("db-shm")).unwrap().len();
    for (chunk, expected) in [(0, 1), (3, 4), (1, 4), (4, 5)] {
        store(&memory, chunk, 8191, chunk);
        assert_eq!(size(), expected * CHUNK);
    }
    let bytes = std::fs::read(scratch.path("db-shm")).unwrap();
    assert_eq!(bytes[4 * CHUNK_BYTES - 4..4 * CHUNK_BYTES], 3_u32.to_ne_bytes());
    assert_eq!(memory.chunk(1 << 17).err(), Some(EnvError::Full), "beyond all pointers");
    memory.release(true).unwrap();
    assert_eq!(scratch.files(), ["db"]);
}

#[test]
fn a_file_left_behind_is_taken_as_it_is() {
    let scratch = Scratch::new();
    let mut left = vec![7; CHUNK_BYTES + 100];
    std::fs::write(scratch.path("db-shm"), &left).unwrap();
    let memory = scratch.memory(Access::ReadWriteCreate);
    assert_eq!(load(&memory, 0, 0), 0x0707_0707);
    assert_eq!((load(&memory, 1, 24), load(&memory, 1, 25)), (0x0707_0707, 0));
    left.resize(2 * CHUNK_BYTES, 0);
    assert_eq!(std::fs::read(scratch.path("db-shm")).unwrap(), left);
}

#[test]
fn side_files_take_mode_and_owner_of_the_database() {
    let scratch = Scratch::new();
    let database = scratch.path("db");
    let canonical = scratch.canonical(&database).unwrap();
    for mode in [0o600, 0o640, 0o664, 0o666] {
        std::fs::write(&database, b"").unwrap();
        std::fs::set_permissions(&database, PermissionsExt::from_mode(mode)).unwrap();
        if std::os::unix::fs::chown(&database, Some(12_345), Some(54_321)).is_err() {
            println!("not as superuser: only the mode is looked at");
        }
        scratch.memory(Access::ReadWrite).chunk(0).unwrap();
        let log = canonical.with_suffix("-log");
        scratch.env.open_beside(&log, Access::ReadWriteCreate, &canonical).unwrap();
        for side in ["db-shm", "db-log"] {
            assert_eq!(belonging(&scratch.path(side)), belonging(&database), "{side} {mode:o}");
            std::fs::remove_file(scratch.path(side)).unwrap();
        }
    }
}

#[test]
fn side_files_that_exist_are_left_as_they_are() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("db"), b"").unwrap();
    let canonical = scratch.canonical(&scratch.path("db")).unwrap();
    for side in ["db-shm", "db-log"] {
        std::fs::write(scratch.path(side), b"kept").unwrap();
        std::fs::set_permissions(scratch.path(side), PermissionsExt::from_mode(0o612)).unwrap();
    }
    let before = ["db-shm", "db-log"].map(|side| belonging(&scratch.path(side)));
    scratch.memory(Access::ReadWrite).chunk(0).unwrap();
    let log = canonical.with_suffix("-log");
    let log = scratch.env.open_beside(&log, Access::ReadWriteCreate, &canonical).unwrap();
    assert_eq!(log.size(), Ok(4));
    assert_eq!(["db-shm", "db-log"].map(|side| belonging(&scratch.path(side))), before);
}

#[test]
fn a_side_file_without_a_database_is_like_any_file() {
    let scratch = Scratch::new();
    let canonical = scratch.canonical(&scratch.path("db")).unwrap();
    let log = canonical.with_suffix("-log");
    scratch.env.open_beside(&log, Access::ReadWriteCreate, &canonical).unwrap();
    scratch.open(&scratch.path("any"), Access::ReadWriteCreate).unwrap();
    assert_eq!(belonging(&scratch.path("db-log")), belonging(&scratch.path("any")));
}

#[test]
fn links_and_other_things_are_refused_as_shared_memory() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("db"), b"").unwrap();
    std::fs::write(scratch.path("precious"), b"precious").unwrap();
    let shm = scratch.path("db-shm");
    let refused = |what: &str| {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let memory = scratch.memory(access);
            assert_eq!(memory.chunk(0).err(), Some(EnvError::NotAFile), "{what}");
            assert!(memory.chunk(0).is_err(), "{what}");
        }
    };
    symlink("precious", &shm).unwrap();
    refused("a link");
    assert_eq!(std::fs::read(scratch.path("precious")).unwrap(), b"precious");
    std::fs::remove_file(&shm).unwrap();
    symlink("nowhere", &shm).unwrap();
    refused("a link that leads nowhere");
    assert!(!scratch.path("nowhere").exists());
    std::fs::remove_file(&shm).unwrap();
    std::fs::create_dir(&shm).unwrap();
    refused("a directory");
    std::fs::remove_dir(&shm).unwrap();
    nix::unistd::mkfifo(&shm, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    refused("a named pipe");
}

#[test]
fn a_deleted_or_replaced_file_is_noticed() {
    let scratch = Scratch::new();
    let one = scratch.memory(Access::ReadWriteCreate);
    let two = scratch.memory(Access::ReadOnly);
    let three = scratch.memory(Access::ReadWrite);
    store(&one, 0, 0, 1);
    assert_eq!((load(&two, 0, 0), load(&three, 0, 0)), (1, 1));
    let shm = scratch.path("db-shm");
    std::fs::rename(&shm, scratch.path("elsewhere")).unwrap();
    assert_eq!([&one, &two, &three].map(|memory| memory.is_current()), [Ok(false); 3]);
    symlink("elsewhere", &shm).unwrap();
    assert_eq!(one.is_current(), Ok(false), "not even by a link");
    std::fs::remove_file(&shm).unwrap();
    std::fs::hard_link(scratch.path("elsewhere"), &shm).unwrap();
    assert_eq!(one.is_current(), Ok(true), "the same file again");
    std::fs::write(scratch.path("new"), b"").unwrap();
    std::fs::rename(scratch.path("new"), &shm).unwrap();
    assert_eq!([&one, &two, &three].map(|memory| memory.is_current()), [Ok(false); 3]);
    assert_eq!(two.has_name(), Ok(true), "the other link");
    std::fs::remove_file(scratch.path("elsewhere")).unwrap();
    assert_eq!([&one, &two, &three].map(|memory| memory.has_name()), [Ok(false); 3]);
    one.release(true).unwrap();
    assert!(shm.exists(), "somebody else's memory by now");
}

#[test]
fn a_replaced_database_is_noticed() {
    let scratch = Scratch::new();
    let path = scratch.path("db");
    let file = scratch.open(&path, Access::ReadWriteCreate).unwrap();
    let name = scratch.canonical(&path).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(true));
    std::fs::copy(&path, scratch.path("copy")).unwrap();
    std::fs::rename(scratch.path("copy"), &path).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(false));
    let file = scratch.open(&path, Access::ReadOnly).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(true));
    std::fs::rename(&path, scratch.path("moved")).unwrap();
    symlink("moved", &path).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(true), "the name still leads there");
    std::fs::remove_file(scratch.path("moved")).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(false));
    std::fs::remove_dir_all(scratch.directory()).unwrap();
    assert_eq!(scratch.env.is_current(&name, &*file), Ok(false), "its directory is gone");
}

#[test]
fn a_reader_makes_nothing_and_lets_nothing_grow() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("db"), b"").unwrap();
    let reader = scratch.memory(Access::ReadOnly);
    assert_eq!(reader.chunk(0).err(), Some(EnvError::NotFound));
    assert!(!reader.is_writable());
    assert_eq!(scratch.files(), ["db"]);
    let writer = scratch.memory(Access::ReadWrite);
    store(&writer, 0, 1, 2);
    assert!(reader.is_writable(), "where permissions allow it, readers may note what they use");
    store(&reader, 0, 1, 3);
    assert_eq!(load(&writer, 0, 1), 3);
    assert_eq!(reader.chunk(1).err(), Some(EnvError::NotFound));
    assert_eq!(reader.release(true), Err(EnvError::ReadOnly));
    assert_eq!(std::fs::metadata(scratch.path("db-shm")).unwrap().len(), CHUNK);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_on_a_read_only_file_system_is_read_live() {
    let scratch = Scratch::new();
    let writer = scratch.memory(Access::ReadWriteCreate);
    let Some(view) = Mount::read_only_view(scratch.directory()) else { return };
    let env = NativeEnv::separate(LockStyle::Best);
    let reader = memory(&env, &view.path("db"), Access::ReadOnly);
    assert_eq!(reader.chunk(0).err(), Some(EnvError::NotFound));
    store(&writer, 1, 5, 6);
    assert_eq!(load(&reader, 1, 5), 6);
    assert!(!reader.is_writable());
    store(&writer, 1, 5, 7);
    assert_eq!(load(&reader, 1, 5), 7);
    assert_eq!(reader.chunk(2).err(), Some(EnvError::NotFound));
    assert_eq!(reader.release(true), Err(EnvError::ReadOnly));
    reader.release(false).unwrap();
    drop(reader);
    drop(view);
    assert_eq!(scratch.files(), ["db", "db-shm"]);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_on_a_full_disk_is_refused_before_anybody_touches_it() {
    let Some(disk) = Mount::small_disk() else { return };
    let env = NativeEnv::separate(LockStyle::Best);
    let memory = memory(&env, &disk.path("db"), Access::ReadWriteCreate);
    store(&memory, 0, 0, 1);
    assert_eq!(memory.chunk(9).err(), Some(EnvError::Full));
    store(&memory, 1, 8191, 1);
    assert_eq!(memory.chunk(2).err(), Some(EnvError::Full));
    assert_eq!(load(&memory, 0, 0), 1);
    drop(memory);
}

const UNPRIVILEGED: &str = "SILTSTONE_UNPRIVILEGED_HELPER";

/// Runs `unprivileged_helper` on a folder nobody may write, as a user without privileges.
fn as_nobody(scratch: &Scratch, scene: &str) {
    use std::os::unix::process::CommandExt;
    std::fs::set_permissions(scratch.directory(), PermissionsExt::from_mode(0o555)).unwrap();
    let before = scratch.files();
    let mut helper = std::process::Command::new("/proc/self/exe");
    helper.args(["--exact", "unprivileged_helper", "--nocapture"]);
    helper.env(UNPRIVILEGED, scratch.path(scene));
    if std::fs::write(scratch.path("probe"), b"").is_ok() {
        std::fs::remove_file(scratch.path("probe")).unwrap();
        helper.gid(65_534).uid(65_534);
    }
    match helper.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && text.contains("1 passed"), "{text}\n{complaints}");
        }
        Err(error) => println!("skipped: cannot run as another user: {error}"),
    }
    assert_eq!(scratch.files(), before);
    std::fs::set_permissions(scratch.directory(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn unprivileged_helper() {
    let Some(scene) = std::env::var_os(UNPRIVILEGED) else { return };
    let path = Path::new(&scene);
    let env = NativeEnv::separate(LockStyle::Best);
    let reader = || memory(&env, path, Access::ReadOnly);
    assert!(std::fs::write(path.with_extension("probe"), b"").is_err());
    match path.file_name().unwrap().to_str().unwrap() {
        "alone" => {
            assert_eq!(reader().chunk(0).err(), Some(EnvError::NotFound));
            assert!(!reader().is_writable());
        }
        "readable" => {
            let memory = reader();
            assert!(!memory.is_writable());
            assert_eq!((load(&memory, 0, 7), load(&memory, 1, 7)), (70, 71));
            assert!(!memory.is_writable());
            assert_eq!(memory.chunk(2).err(), Some(EnvError::NotFound));
            assert_eq!(memory.is_current(), Ok(true));
            assert_eq!(memory.release(true), Err(EnvError::ReadOnly));
        }
        "writable" => {
            let memory = reader();
            assert!(memory.is_writable());
            store(&memory, 0, 7, 8);
            assert_eq!(memory.chunk(2).err(), Some(EnvError::NotFound));
        }
        "secret" => {
            assert_eq!(reader().chunk(0).err(), Some(EnvError::ReadOnly));
            assert!(!reader().is_writable());
        }
        "unmade" => {
            let memory = memory(&env, path, Access::ReadWrite);
            assert_eq!(memory.chunk(0).err(), Some(EnvError::ReadOnly));
        }
        "unwritable" => {
            let memory = memory(&env, path, Access::ReadWrite);
            assert_eq!(memory.chunk(0).err(), Some(EnvError::ReadOnly));
        }
        other => panic!("no scene {other}"),
    }
    assert!(files(path.parent().unwrap()).iter().all(|name| !name.contains("probe")));
}

#[test]
#[cfg(target_os = "linux")]
fn readers_do_what_permissions_allow() {
    for (scene, database, shared_memory) in [
        ("alone", 0o444, None),
        ("readable", 0o444, Some(0o644)),
        ("writable", 0o444, Some(0o666)),
        ("secret", 0o644, Some(0o600)),
        ("unmade", 0o666, None),
        ("unwritable", 0o666, Some(0o644)),
    ] {
        println!("scene {scene}");
        let scratch = Scratch::new();
        let path = scratch.path(scene);
        let ours = memory(&scratch.env, &path, Access::ReadWriteCreate);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(database)).unwrap();
        if let Some(mode) = shared_memory {
            store(&ours, 0, 7, 70);
            store(&ours, 1, 7, 71);
            let side = scratch.path(&format!("{scene}-shm"));
            std::fs::set_permissions(side, PermissionsExt::from_mode(mode)).unwrap();
        }
        as_nobody(&scratch, scene);
        if scene == "writable" {
            assert_eq!(load(&ours, 0, 7), 8);
        }
    }
}
