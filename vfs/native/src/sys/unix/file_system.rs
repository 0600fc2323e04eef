//! Which file systems reach every process that uses their files.
//!
//! Network file systems have maps that other machines do not see, and locks that are local, slow to
//! vanish or missing. File systems in user space (FUSE) hide what they are and get the benefit of
//! the doubt; their locks and maps are at least one machine's. Cluster file systems made for shared
//! disks keep locks and maps coherent.

use nix::sys::statfs::{Statfs, fstatfs};
use siltstone_env::{EnvError, Result};
use std::fs::File;

/// Fails where other users of the file would not see this process's locks and maps.
pub(crate) fn reaches_everybody(file: &File) -> Result<()> {
    match fstatfs(file) {
        Ok(found) if is_remote(&found) => Err(EnvError::CannotShare),
        // What cannot say what it is has to show it by its locks.
        _ => Ok(()),
    }
}

/// Numbers by which Linux tells file systems apart.
#[cfg(any(target_os = "linux", target_os = "android"))]
const REMOTE: [u32; 18] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2 and later
    0x564c,      // NetWare
    0x0102_1997, // 9P, also the folders of a host
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x6b41_4653, // AFS of the kernel
    0x7375_7245, // Coda
    0x2003_0528, // OrangeFS
    0x0bd0_0bd0, // Lustre
    0x1983_0326, // BeeGFS
    0x0131_11a8, // IBRIX
    0xaad7_aaea, // PanFS
    0x786f_4256, // folders of a VirtualBox host
    0xbacb_acbc, // folders of a VMware host
    0x7c7c_6673, // folders of a Parallels host
];

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_remote(found: &Statfs) -> bool {
    // The number's type and sign differ between targets; its 32 bits do not.
    REMOTE.contains(&(found.filesystem_type().0 as u32))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_remote(found: &Statfs) -> bool {
    let remote = ["nfs", "smbfs", "cifs", "afpfs", "webdav", "9p", "p9fs", "afs"];
    remote.contains(&found.filesystem_type_name())
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_not_refused() {
        assert_eq!(reaches_everybody(tempfile::tempfile().as_ref().unwrap()), Ok(()));
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1_u32] {
            assert!(!REMOTE.contains(&local), "{local:x}");
        }
    }
}
