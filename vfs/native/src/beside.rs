//! Files beside a database: log and shared memory belong to whoever the database belongs to.
//!
//! Whoever may use the database must be able to use them too, whichever user's process came first,
//! and nobody else may. So a file made here takes mode, owner and group of the database file; what
//! the process is not allowed to give away it keeps.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// What a file takes from its database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belonging {
    mode: u32,
    owner: u32,
    group: u32,
}

impl Belonging {
    /// As the file with this metadata.
    pub(crate) fn of(database: &Metadata) -> Self {
        let (owner, group) = (database.uid(), database.gid());
        Belonging { mode: database.mode() & 0o777, owner, group }
    }

    /// The mode for a file of another group: its members were among the others of the database.
    fn mode_of_other_group(self) -> u32 {
        (self.mode & 0o707) | (self.mode & 0o007) << 3
    }

    /// Makes a file; fails with `AlreadyExists` if there is one, even a link that leads nowhere.
    pub(crate) fn create(self, path: &Path, flags: i32) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(self.mode & self.mode_of_other_group())
            .custom_flags(flags)
            .open(path)?;
        self.give(&file)?;
        Ok(file)
    }

    /// Hands a file over, as far as allowed: a failure to give away is no failure.
    fn give(self, file: &File) -> io::Result<()> {
        let mut present = file.metadata()?;
        if (present.uid(), present.gid()) != (self.owner, self.group) {
            let _ = fchown(file, Some(self.owner), Some(self.group))
                .or_else(|_| fchown(file, None, Some(self.group)));
            present = file.metadata()?;
        }
        let same_group = present.gid() == self.group;
        let mode = if same_group { self.mode } else { self.mode_of_other_group() };
        if present.mode() & 0o777 != mode {
            let _ = file.set_permissions(Permissions::from_mode(mode));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_gets_what_the_others_had() {
        for (mode, expected) in [(0o664, 0o644), (0o660, 0o600), (0o666, 0o666), (0o606, 0o666)] {
            let belonging = Belonging { mode, owner: 0, group: 0 };
            assert_eq!(belonging.mode_of_other_group(), expected, "{mode:o}");
        }
    }
}
