//! C lsm1 as a subject: in its own process, under a watchdog, killed for every crash of a history.

use crate::history::Operation;
use crate::model::Seek;
use crate::profile::Settings;
use crate::replay::{Divergence, Replay, Seen, Subject};
use crate::siltstone_subject::Ended;
use siltstone_peer::{CConfig, Command, PeerError, PeerProcess, Setting};
use std::collections::HashMap;
use std::path::PathBuf;

/// C on one database file.
pub struct CSubject {
    path: PathBuf,
    config: CConfig,
    peer: PeerProcess,
    /// Whether the last seek of each cursor allows forward steps (else backward).
    forward: HashMap<usize, bool>,
}

impl CSubject {
    /// C in a new process. The test's crate root must say `siltstone_peer::peer_test!();`.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn new(path: PathBuf) -> Result<Self, PeerError> {
        let peer = PeerProcess::spawn()?;
        Ok(CSubject { path, config: CConfig::new(), peer, forward: HashMap::new() })
    }

    /// The process, for questions of one's own.
    pub fn peer(&mut self) -> &mut PeerProcess {
        &mut self.peer
    }

    /// As `new`, for a file with these settings; opens nothing.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn with(path: PathBuf, settings: &Settings) -> Result<Self, PeerError> {
        Ok(CSubject { config: settings.c_config(), ..Self::new(path)? })
    }

    /// From opening to closing or death, as `SiltstoneSubject::session`.
    ///
    /// # Errors
    /// The first difference.
    pub fn session(&mut self, replay: &mut Replay<'_>) -> Result<Ended, Divergence> {
        let opened = self.peer.open(&self.path, &self.config);
        opened.map_err(|error| replay.refused("C opens", &error))?;
        while let Some((operation, depth)) = replay.next() {
            match operation {
                Operation::CloseReopen => {
                    replay.saw(self.peer.close().map(|()| Seen::Done))?;
                    return Ok(Ended::Closed);
                }
                Operation::CrashReopen => {
                    self.peer.kill();
                    let spawned = PeerProcess::spawn().map(|peer| self.peer = peer);
                    replay.saw(spawned.map(|()| Seen::Done))?;
                    return Ok(Ended::Crashed);
                }
                other => replay.saw(self.apply(other, depth))?,
            }
        }
        self.peer.close().map_err(|error| replay.refused("C closes", &error))?;
        Ok(Ended::Over)
    }

    fn set(&mut self, setting: Setting, value: u32) -> Vec<Command> {
        self.config = self.config.clone().set(setting, value as i32);
        vec![Command::Configure(setting, value as i32)]
    }

    fn commands(&mut self, operation: &Operation, depth: usize) -> Vec<Command> {
        let depth = depth as i32;
        let command = match operation {
            Operation::Insert(key, value) => Command::Put(key.clone(), value.clone()),
            Operation::Delete(key) => Command::Delete(key.clone()),
            Operation::DeleteRange(first, last) => {
                Command::DeleteRange(first.clone(), last.clone())
            }
            Operation::Begin => Command::Begin(1),
            Operation::Commit => Command::Commit(0),
            Operation::Rollback => Command::Rollback(0),
            Operation::Savepoint => Command::Begin(-1),
            Operation::Release => Command::Commit(depth - 1),
            Operation::RollbackSavepoint => {
                return vec![Command::Rollback(depth), Command::Commit(depth - 1)];
            }
            Operation::RollbackTo(level) => Command::Rollback(*level as i32),
            Operation::Get(key) => Command::Seek(seek(Seek::Exact), key.clone()),
            Operation::Seek(mode, key) => Command::Seek(seek(*mode), key.clone()),
            Operation::Scan => Command::Scan,
            Operation::ScanBackward => Command::ScanBackward,
            Operation::CursorOpen(slot) => Command::CursorOpen(*slot as u32),
            Operation::CursorClose(slot) => Command::CursorClose(*slot as u32),
            Operation::CursorFirst(slot) => {
                self.forward.insert(*slot, true);
                Command::CursorFirst(*slot as u32)
            }
            Operation::CursorLast(slot) => {
                self.forward.insert(*slot, false);
                Command::CursorLast(*slot as u32)
            }
            Operation::CursorSeek(slot, mode, key) => {
                self.forward.insert(*slot, *mode == Seek::AtLeast);
                Command::CursorSeek(*slot as u32, seek(*mode), key.clone())
            }
            Operation::CursorStep(slot) => match self.forward.get(slot) {
                Some(false) => Command::CursorPrev(*slot as u32),
                _ => Command::CursorNext(*slot as u32),
            },
            Operation::Flush => Command::Flush,
            Operation::Work(merge, kb) => Command::Work(*merge as i32, *kb),
            Operation::Checkpoint => Command::Checkpoint,
            Operation::CloseReopen => {
                return vec![Command::Close, Command::Open(self.path.clone(), self.config.clone())];
            }
            Operation::CrashReopen => return vec![],
            Operation::SetAutomerge(count) => return self.set(Setting::Automerge, *count),
            Operation::SetAutoflush(bytes) => return self.set(Setting::Autoflush, bytes / 1024),
            Operation::SetAutocheckpoint(bytes) => {
                return self.set(Setting::Autocheckpoint, bytes / 1024);
            }
            Operation::SetAutowork(on) => return self.set(Setting::Autowork, u32::from(*on)),
        };
        vec![command]
    }
}

fn seek(mode: Seek) -> siltstone_peer::Seek {
    match mode {
        Seek::Exact => siltstone_peer::Seek::Eq,
        Seek::AtLeast => siltstone_peer::Seek::Ge,
        Seek::AtMost => siltstone_peer::Seek::Le,
    }
}

impl Subject for CSubject {
    type Error = PeerError;

    fn create(&mut self, settings: &Settings) -> Result<(), PeerError> {
        self.config = settings.c_config();
        self.peer.open(&self.path, &self.config)
    }

    fn apply(&mut self, operation: &Operation, depth: usize) -> Result<Seen, PeerError> {
        if *operation == Operation::CrashReopen {
            self.peer.kill();
            self.peer = PeerProcess::spawn()?;
            self.peer.open(&self.path, &self.config)?;
            return Ok(Seen::Done);
        }
        if *operation == Operation::Scan {
            // Forward scans are not asked of C: `CDefect::ForwardOverMerge`.
            let mut rows = self.peer.scan_backward()?;
            rows.reverse();
            return Ok(Seen::Rows(rows));
        }
        let commands = self.commands(operation, depth);
        let answers = self.peer.ask_all(&commands)?;
        let rows = answers.into_iter().next_back().unwrap_or_default().rows;
        Ok(match operation {
            Operation::Scan | Operation::ScanBackward => Seen::Rows(rows),
            Operation::Get(_)
            | Operation::Seek(..)
            | Operation::CursorFirst(_)
            | Operation::CursorLast(_)
            | Operation::CursorSeek(..)
            | Operation::CursorStep(_) => Seen::Entry(rows.into_iter().next()),
            _ => Seen::Done,
        })
    }

    fn close(&mut self) -> Result<(), PeerError> {
        self.peer.close()
    }
}
