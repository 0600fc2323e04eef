//! A database with its history, for tests that go step by step.

use crate::history::History;
use crate::process::{Kind, Process, Reply, Trouble};
use crate::protocol::{Change, Ending, Opening, Request};
use std::path::PathBuf;
use std::time::Duration;

/// A database in a folder of its own.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
    pub(crate) opening: Opening,
    pub(crate) history: History,
    seed: u64,
}

/// Long enough for anybody who will let go.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// Long enough to have tried.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

impl Scene {
    /// Small pages and blocks.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let opening = Opening {
            page_size: 512,
            block_size: 65536,
            autoflush: 64 << 10,
            autocheckpoint: 0,
            ..Opening::new(path)
        };
        Scene { directory, opening, history: History::default(), seed: 0 }
    }

    pub(crate) fn start(&self, kind: Kind) -> Process {
        let mut process = Process::start(kind, &self.errors());
        process.ready().unwrap();
        process
    }

    fn errors(&self) -> PathBuf {
        self.directory.path().join("errors.txt")
    }

    /// A process that has the database open.
    pub(crate) fn open(&self, kind: Kind) -> Process {
        self.open_as(kind, &self.opening)
    }

    pub(crate) fn open_as(&self, kind: Kind, opening: &Opening) -> Process {
        let mut process = self.start(kind);
        let opened = process.ask(&Request::Open(opening.clone()));
        opened.unwrap_or_else(|trouble| panic!("{kind:?} opens: {trouble}"));
        process
    }

    /// `count` changes nobody has asked for before, of `len` bytes each.
    pub(crate) fn changes(&mut self, count: usize, len: usize) -> Vec<Change> {
        let put = |_| {
            self.seed += 1;
            let key = format!("key {:04}", self.seed * 7919 % 1000).into_bytes();
            Change::Put { key, seed: self.seed, len }
        };
        (0..count).map(put).collect()
    }

    /// Asks for a transaction and notes what becomes of it.
    pub(crate) fn transact(
        &mut self,
        process: &mut Process,
        changes: Vec<Change>,
        wait: Duration,
    ) -> Result<Reply, Trouble> {
        self.transact_ending(process, changes, wait, Ending::Commit)
    }

    pub(crate) fn transact_ending(
        &mut self,
        process: &mut Process,
        changes: Vec<Change>,
        wait: Duration,
        ending: Ending,
    ) -> Result<Reply, Trouble> {
        let tag = self.history.pending("a process", &changes);
        let reply = process.ask(&Request::Transact { tag, wait, ending, changes });
        match &reply {
            Ok(reply) if !reply.waiting => self.acknowledged(reply, tag),
            Err(Trouble::Busy(_)) => self.history.refused(tag),
            _ => {}
        }
        reply
    }

    /// A transaction that stood still was committed after all.
    pub(crate) fn acknowledged(&mut self, reply: &Reply, tag: u32) {
        let (serial, _) = reply.text.split_once(' ').unwrap();
        self.history.committed(serial.parse().unwrap(), tag).unwrap();
    }

    /// One that must be committed.
    pub(crate) fn commit(&mut self, process: &mut Process) {
        let changes = self.changes(3, 40);
        let done = self.transact(process, changes, LONG);
        done.unwrap_or_else(|trouble| panic!("commit: {trouble}\n{}", process.past()));
    }

    /// Reads everything; it must be what has happened.
    pub(crate) fn read(&mut self, process: &mut Process) -> u32 {
        self.read_as(process, &Request::Scan(true))
    }

    /// The same by another request that answers rows backward.
    pub(crate) fn read_as(&mut self, process: &mut Process, request: &Request) -> u32 {
        let since = match request {
            Request::Scan(_) => self.history.newest(),
            _ => 0,
        };
        let reply = process.ask(request);
        let mut reply =
            reply.unwrap_or_else(|trouble| panic!("read: {trouble}\n{}", process.past()));
        reply.rows.reverse();
        let number = self.history.read(&reply.rows, since);
        number.unwrap_or_else(|problem| panic!("{problem}\n{}", process.past()))
    }

    /// A process that comes now opens, reads, writes, works, finds all sound, and closes.
    pub(crate) fn newcomer(&mut self) {
        let mut process = self.open(Kind::Siltstone);
        self.read(&mut process);
        self.commit(&mut process);
        for request in [Request::Work(64), Request::Checkpoint] {
            self.must(&mut process, &request);
        }
        assert_eq!(self.must(&mut process, &Request::Check).text, "");
        self.read(&mut process);
        self.must(&mut process, &Request::Close);
    }

    /// Asks for what must not fail.
    pub(crate) fn must(&self, process: &mut Process, request: &Request) -> Reply {
        let reply = process.ask(request);
        reply.unwrap_or_else(|trouble| panic!("{request:?}: {trouble}\n{}", process.past()))
    }
}

/// The change that puts a text under a key.
pub(crate) fn put(key: &str, seed: u64, len: usize) -> Change {
    Change::Put { key: key.into(), seed, len }
}
