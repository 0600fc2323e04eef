//! What happened to the files of a world, event by event.

use siltstone_env::FilePath;
use std::sync::Arc;

/// One change, in the order the world saw it. Files are named by number: names come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A file got its name.
    Create {
        /// The name.
        path: FilePath,
        /// The file's number.
        file: u64,
    },
    /// A name was removed.
    Remove {
        /// The name.
        path: FilePath,
    },
    /// Names in the directory of `path` became durable.
    SyncDirectory {
        /// A name in that directory.
        path: FilePath,
    },
    /// Bytes were written.
    Write {
        /// The file's number.
        file: u64,
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The file was cut.
    Truncate {
        /// The file's number.
        file: u64,
        /// The new size.
        size: u64,
    },
    /// Everything written to the file became durable.
    Sync {
        /// The file's number.
        file: u64,
    },
    /// A failed sync dropped what was not durable yet: readers still see it, but no later sync
    /// makes it durable.
    PagesLost {
        /// The file's number.
        file: u64,
    },
    /// A remark of the test, such as the number of a finished commit.
    Mark(u64),
}

/// The events since recording began.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) events: Vec<Event>,
}

impl Recorder {
    pub(crate) fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}
