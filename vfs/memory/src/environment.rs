//! One process of a world.

use crate::file::MemoryFile;
use crate::locks::Owner;
use crate::shared::{EIO, Node, Shared};
use crate::trace::Event;
use siltstone_env::{
    Access, Capabilities, Env, EnvError, File, FilePath, Registry, Result, StdThread, Task, Thread,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What the files of a process know of it.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: u64,
    pub(crate) dead: Arc<AtomicBool>,
    pub(crate) shared: Arc<Shared>,
}

impl Process {
    /// Fails once the process is killed or the world crashed.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(EnvError::Io(EIO));
        }
        self.shared.alive()
    }
}

/// A simulated process: an owner of locks with a registry of its own.
#[derive(Debug)]
pub struct MemoryEnv {
    process: Arc<Process>,
    registry: Registry,
}

impl MemoryEnv {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let number = shared.next_number();
        let process = Arc::new(Process { number, dead: Arc::default(), shared });
        Arc::new(MemoryEnv { process, registry: Registry::new() })
    }

    /// Ends the process as `kill -9` does: its locks vanish, files and shared memory stay as they
    /// are, and every later call of the dead process fails with `Io`.
    pub fn kill(&self) {
        self.process.dead.store(true, Ordering::SeqCst);
    }

    /// Whether the process was killed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.process.dead.load(Ordering::SeqCst)
    }

    /// The number that names this process in lists of locks.
    #[must_use]
    pub fn process_number(&self) -> u64 {
        self.process.number
    }
}

/// Absolute, without empty, `.` and `..` parts.
pub(crate) fn canonical(name: &[u8]) -> Result<FilePath> {
    if name.ends_with(b"/") {
        return Err(EnvError::NotAFile);
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(EnvError::NotFound);
    }
    let mut path = Vec::with_capacity(name.len() + 1);
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    Ok(FilePath::from_bytes(&path))
}

impl Env for MemoryEnv {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.multi_process = self.process.shared.settings.shared_memory;
        capabilities.process_locks = true;
        capabilities.directory_sync = true;
        capabilities.range_locks = true;
        capabilities.threads = cfg!(any(not(target_family = "wasm"), target_feature = "atomics"));
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.process.alive()?;
        canonical(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        self.process.alive()?;
        let shared = &self.process.shared;
        if access != Access::ReadOnly {
            shared.writable()?;
        }
        let mut directory = shared.directory();
        let node = match directory.files.get(path) {
            Some(node) => node.clone(),
            None if access != Access::ReadWriteCreate => return Err(EnvError::NotFound),
            None => {
                let node = Node::new(shared.next_number(), Default::default());
                shared.event(|| Event::Create { path: path.clone(), file: node.number })?;
                directory.files.insert(path.clone(), node.clone());
                node
            }
        };
        drop(directory);
        let owner = Owner {
            handle: shared.next_number(),
            process: self.process.number,
            dead: self.process.dead.clone(),
        };
        let writable = access != Access::ReadOnly;
        Ok(Arc::new(MemoryFile::new(self.process.clone(), node, path.clone(), owner, writable)))
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        self.process.alive()?;
        let shared = &self.process.shared;
        shared.writable()?;
        let mut directory = shared.directory();
        if !directory.files.contains_key(path) {
            return Err(EnvError::NotFound);
        }
        shared.event(|| Event::Remove { path: path.clone() })?;
        directory.files.remove(path);
        Ok(())
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        self.process.alive()?;
        let id = file.id()?;
        let directory = self.process.shared.directory();
        Ok(directory.files.get(path).is_some_and(|node| id == Some(node.id())))
    }

    fn sync_directory(&self, path: &FilePath) -> Result<()> {
        self.process.alive()?;
        let shared = &self.process.shared;
        let _directory = shared.directory();
        shared.event(|| Event::SyncDirectory { path: path.clone() })
    }

    fn now(&self) -> Duration {
        self.process.shared.clock.now()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        self.process.alive()?;
        let random = &self.process.shared.random;
        random.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer);
        Ok(())
    }

    fn sleep(&self, duration: Duration) {
        self.process.shared.clock.sleep(duration);
    }

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        self.process.alive()?;
        Ok(Box::new(StdThread::spawn(name, body)?))
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (name, path) in
            [("a", "/a"), ("/a", "/a"), ("./x/../a", "/a"), ("//x///y", "/x/y"), ("../../a", "/a")]
        {
            assert_eq!(canonical(name.as_bytes()).unwrap().as_bytes(), path.as_bytes());
        }
        assert_eq!(canonical(b"/x/"), Err(EnvError::NotAFile));
        assert_eq!(canonical(b"/.."), Err(EnvError::NotFound));
    }
}
