//! Which files this process has open, for the sake of process-wide (POSIX) locks.
//!
//! Closing any descriptor of a file drops all POSIX locks the process holds on it. Therefore, once
//! a file carries such locks, descriptors are parked here instead of being closed, until the last
//! handle of that file goes. Files locked by open file description are closed at once.

use siltstone_env::FileId;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Device and inode.
pub(crate) type Identity = (u64, u64);

/// The identity in the engine's terms.
pub(crate) fn id((device, inode): Identity) -> FileId {
    FileId([device.to_be_bytes(), inode.to_be_bytes()].concat())
}

#[derive(Default)]
struct Open {
    handles: usize,
    parked: Vec<Arc<File>>,
}

static TABLE: Mutex<BTreeMap<Identity, Open>> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, BTreeMap<Identity, Open>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a new handle.
pub(crate) fn opened(identity: Identity) {
    table().entry(identity).or_default().handles += 1;
}

/// Counts a handle that goes; `park` keeps its descriptor while others are open.
pub(crate) fn closed(identity: Identity, descriptor: &Arc<File>, park: bool) {
    let mut table = table();
    let Some(open) = table.get_mut(&identity) else { return };
    open.handles = open.handles.saturating_sub(1);
    // Once one descriptor is parked the file carries process locks, whoever took them.
    if open.handles == 0 {
        table.remove(&identity);
    } else if park || !open.parked.is_empty() {
        open.parked.push(descriptor.clone());
    }
}

/// How many descriptors of a file are parked.
#[cfg(all(test, not(miri)))]
pub(crate) fn parked(identity: Identity) -> usize {
    table().get(&identity).map_or(0, |open| open.parked.len())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::environment::{LockStyle, NativeEnv};
    use siltstone_env::{Access, Env, LockId, LockMode};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn descriptors_are_parked_only_beside_process_locks() {
        for (style, expected) in [(LockStyle::Process, 2), (LockStyle::Best, 0)] {
            if style == LockStyle::Best && !cfg!(target_os = "linux") {
                continue;
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            let metadata = file.as_file().metadata().unwrap();
            let identity = (metadata.dev(), metadata.ino());
            let env = NativeEnv::separate(style);
            let path = env.canonical_path(file.path().as_os_str().as_bytes()).unwrap();
            let open = || env.open(&path, Access::ReadWrite).unwrap();
            let keeper = open();
            keeper.lock(LockId::DMS2, LockMode::Shared).unwrap();
            drop((open(), open()));
            assert_eq!(parked(identity), expected);
            drop(keeper);
            assert_eq!(parked(identity), 0);
        }
    }
}
