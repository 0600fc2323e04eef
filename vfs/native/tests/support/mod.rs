//! Places for files, for the tests of this crate.
#![allow(dead_code, reason = "each test program uses a part")]

use siltstone_env::{Access, Env, EnvError, File, FilePath, SharedMemory};
use siltstone_native::{LockStyle, NativeEnv};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// A folder, and an environment to use it.
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
    pub(crate) env: Arc<NativeEnv>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let env = NativeEnv::separate(LockStyle::Best);
        Scratch { directory: tempfile::tempdir().unwrap(), env }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn canonical(&self, path: &Path) -> Result<FilePath, EnvError> {
        canonical(&self.env, path)
    }

    pub(crate) fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn File>, EnvError> {
        open(&self.env, path, access)
    }

    /// The shared memory of the database `db`.
    pub(crate) fn memory(&self, access: Access) -> Arc<dyn SharedMemory> {
        memory(&self.env, &self.path("db"), access)
    }

    /// Names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        files(self.directory())
    }
}

pub(crate) fn canonical(env: &NativeEnv, path: &Path) -> Result<FilePath, EnvError> {
    env.canonical_path(path.as_os_str().as_bytes())
}

pub(crate) fn open(
    env: &NativeEnv,
    path: &Path,
    access: Access,
) -> Result<Arc<dyn File>, EnvError> {
    env.open(&canonical(env, path)?, access)
}

pub(crate) fn memory(env: &NativeEnv, path: &Path, access: Access) -> Arc<dyn SharedMemory> {
    open(env, path, access).unwrap().shared_memory().unwrap().unwrap()
}

pub(crate) fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn load(memory: &Arc<dyn SharedMemory>, chunk: u32, word: usize) -> u32 {
    memory.chunk(chunk).unwrap().words()[word].load(SeqCst)
}

pub(crate) fn store(memory: &Arc<dyn SharedMemory>, chunk: u32, word: usize, value: u32) {
    memory.chunk(chunk).unwrap().words()[word].store(value, SeqCst);
}

/// Something mounted, where this process may do that.
pub(crate) struct Mount(tempfile::TempDir);

impl Mount {
    /// A file system of 64 KiB.
    pub(crate) fn small_disk() -> Option<Self> {
        let mount = Self::make(&["-t", "tmpfs", "-o", "size=64k"], Path::new("tmpfs"));
        Self::or_skip(mount)
    }

    /// Another view of a folder, for reading only.
    pub(crate) fn read_only_view(of: &Path) -> Option<Self> {
        let mount = Self::make(&["--bind"], of);
        let mount = mount.filter(|mount| {
            run(std::process::Command::new("mount")
                .args(["-o", "remount,ro,bind"])
                .arg(mount.0.path()))
        });
        Self::or_skip(mount)
    }

    fn make(arguments: &[&str], what: &Path) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(arguments).arg(what).arg(directory.path());
        run(&mut mount).then(|| Mount(directory))
    }

    fn or_skip(mount: Option<Self>) -> Option<Self> {
        if mount.is_none() {
            println!("skipped: no permission to mount file systems");
        }
        mount
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn run(command: &mut std::process::Command) -> bool {
    command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(std::process::Command::new("umount").arg(self.0.path()));
    }
}
