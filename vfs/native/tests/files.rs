//! What only a real file system has: links, permissions, directories, an end of space.
#![cfg(all(unix, not(miri)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use siltstone_env::{Access, Env, EnvError};
use siltstone_native::NativeEnv;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
#[cfg(target_os = "linux")]
use support::Mount;
use support::Scratch;

#[test]
fn the_environment_of_a_process_is_one() {
    let (one, two) = (NativeEnv::shared(), NativeEnv::shared());
    assert!(std::ptr::eq(one.registry(), two.registry()));
}

#[test]
fn links_lead_to_the_same_file() {
    let scratch = Scratch::new();
    let (real, soft, hard) = (scratch.path("db"), scratch.path("soft"), scratch.path("hard"));
    let file = scratch.open(&real, Access::ReadWriteCreate).unwrap();
    symlink("db", &soft).unwrap();
    std::fs::hard_link(&real, &hard).unwrap();
    let id = file.id().unwrap();
    assert!(id.is_some());
    for alias in [&soft, &hard] {
        let other = scratch.open(alias, Access::ReadWriteCreate).unwrap();
        assert_eq!(other.id().unwrap(), id, "{alias:?}");
    }
    assert_eq!(scratch.canonical(&soft), scratch.canonical(&real));
}

#[test]
fn linked_directories_are_resolved() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("real")).unwrap();
    symlink("real", scratch.path("link")).unwrap();
    let direct = scratch.canonical(&scratch.path("real/db")).unwrap();
    assert_eq!(scratch.canonical(&scratch.path("link/db")).unwrap(), direct);
    assert_eq!(scratch.canonical(&scratch.path("real/../link/./db")).unwrap(), direct);
}

#[test]
fn a_dangling_link_means_its_target() {
    let scratch = Scratch::new();
    symlink("target", scratch.path("link")).unwrap();
    let before = scratch.canonical(&scratch.path("link")).unwrap();
    assert_eq!(before, scratch.canonical(&scratch.path("target")).unwrap());
    scratch.env.open(&before, Access::ReadWriteCreate).unwrap();
    assert!(scratch.path("target").exists());
    symlink("round", scratch.path("round")).unwrap();
    assert!(matches!(scratch.canonical(&scratch.path("round")), Err(EnvError::Io(_))));
}

#[test]
fn relative_names_start_at_the_current_directory() {
    let scratch = Scratch::new();
    let here = std::env::current_dir().unwrap().canonicalize().unwrap().join("some-name");
    let name = scratch.env.canonical_path(b"some-name").unwrap();
    assert_eq!(name.as_bytes(), here.as_os_str().as_bytes());
}

#[test]
fn a_missing_directory_is_told() {
    let scratch = Scratch::new();
    assert_eq!(scratch.canonical(&scratch.path("no/db")), Err(EnvError::NotFound));
    assert_eq!(scratch.env.canonical_path(b""), Err(EnvError::NotFound));
    std::fs::write(scratch.path("file"), b"").unwrap();
    let below_a_file = scratch.open(&scratch.path("file/db"), Access::ReadWriteCreate).err();
    assert_eq!(below_a_file, Some(EnvError::NotFound));
}

#[test]
fn only_regular_files_open() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("directory")).unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite, Access::ReadWriteCreate] {
        let opened = scratch.open(&scratch.path("directory"), access).err();
        assert_eq!(opened, Some(EnvError::NotAFile), "{access:?}");
        let device = scratch.open(Path::new("/dev/null"), access).err();
        assert_eq!(device, Some(EnvError::NotAFile), "{access:?}");
    }
    for name in ["directory/", "directory/.", "directory/.."] {
        assert_eq!(scratch.canonical(&scratch.path(name)), Err(EnvError::NotAFile), "{name}");
    }
    assert!(
        scratch
            .env
            .canonical_path(b"nul\0byte")
            .and_then(|path| { scratch.env.open(&path, Access::ReadWriteCreate).map(|_| ()) })
            .is_err()
    );
}

#[test]
fn a_named_pipe_neither_opens_nor_blocks() {
    let scratch = Scratch::new();
    let pipe = scratch.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    for access in [Access::ReadOnly, Access::ReadWriteCreate] {
        assert_eq!(scratch.open(&pipe, access).err(), Some(EnvError::NotAFile));
    }
}

#[test]
fn created_files_have_modest_permissions() {
    let scratch = Scratch::new();
    let path = scratch.path("db");
    scratch.open(&path, Access::ReadWriteCreate).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o644, 0, "never more than rw-r--r--: {mode:o}");
    assert_eq!(mode & 0o600, 0o600);
}

#[test]
fn permissions_are_respected() {
    let scratch = Scratch::new();
    let path = scratch.path("db");
    std::fs::write(&path, b"abc").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    std::fs::set_permissions(scratch.directory(), PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::write(scratch.path("probe"), b"").is_ok() {
        // The superuser may write anywhere.
        return;
    }
    let new = scratch.open(&scratch.path("new"), Access::ReadWriteCreate).err();
    assert_eq!(new, Some(EnvError::ReadOnly));
    let writing = scratch.open(&path, Access::ReadWriteCreate).err();
    assert_eq!(writing, Some(EnvError::ReadOnly));
    let canonical = scratch.canonical(&path).unwrap();
    assert_eq!(scratch.env.remove(&canonical), Err(EnvError::ReadOnly));
    let reader = scratch.open(&path, Access::ReadOnly).unwrap();
    assert_eq!(reader.read_at(0, &mut [0; 3]), Ok(3));
    std::fs::set_permissions(scratch.directory(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn reserved_space_does_not_show_in_the_size() {
    let scratch = Scratch::new();
    let path = scratch.path("db");
    let file = scratch.open(&path, Access::ReadWriteCreate).unwrap();
    file.write_at(0, b"abc").unwrap();
    file.allocate(1 << 20).unwrap();
    assert_eq!(file.size(), Ok(3));
    // Where the file system can reserve at all, the blocks are there.
    let blocks = std::fs::metadata(&path).unwrap().blocks() * 512;
    assert!(blocks <= 8192 || blocks >= 1 << 20, "{blocks}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let Some(disk) = Mount::small_disk() else {
        println!("skipped: no permission to mount a small file system");
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.open(&disk.path("db"), Access::ReadWriteCreate).unwrap();
    file.write_at(0, &[1; 4096]).unwrap();
    assert_eq!(file.write_at(4096, &[2; 1 << 20]), Err(EnvError::Full));
    let slices = [std::io::IoSlice::new(&[3; 1 << 20])];
    assert_eq!(file.write_vectored_at(4096, &slices), Err(EnvError::Full));
    assert_eq!(file.allocate(1 << 20), Err(EnvError::Full));
    let mut first = [0; 4096];
    file.read_at(0, &mut first).unwrap();
    assert_eq!(first, [1; 4096]);
    file.truncate(4096).unwrap();
    file.write_at(4096, &[2; 4096]).unwrap();
}

#[test]
fn handles_of_replaced_files_are_told_apart() {
    let scratch = Scratch::new();
    let path = scratch.path("db");
    let old = scratch.open(&path, Access::ReadWriteCreate).unwrap();
    std::fs::write(scratch.path("new"), b"").unwrap();
    std::fs::rename(scratch.path("new"), &path).unwrap();
    let new = scratch.open(&path, Access::ReadWrite).unwrap();
    assert_ne!(old.id(), new.id());
}
