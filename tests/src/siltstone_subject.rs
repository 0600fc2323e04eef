//! The engine as a subject of histories, in the in-memory world or on native files.
//!
//! A transaction, its savepoints and its cursors borrow one another, so they live on the stack: the
//! subject fetches operations from a `Replay` instead of being handed them. One *session* lasts from
//! an opening of the file to its closing or the death of the process; between two sessions another
//! engine may have the file. Cursors of a transaction stay open while it writes; cursors of a
//! snapshot show an old state after a commit and are placed anew by key, as a program would do.
//! Beside each cursor opened outside a transaction a snapshot is kept, which must not change.

use crate::counters::Counters;
use crate::history::{History, Operation};
use crate::model::{self, View};
use crate::profile::Settings;
use crate::replay::{Divergence, Replay, Seen};
use crate::{Row, fixtures};
use siltstone::codec::{self, CodecError};
use siltstone::{
    Codec, Cursor, Database, Durability, Iter, Mapping, Options, Savepoint, Seek, Snapshot,
    WorkLimit, WriteTransaction,
};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use siltstone_peer::ZRLE;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "file.lsm";
const SLOTS: usize = 3;

/// Where the file is.
enum Place {
    Memory(MemoryWorld),
    Native(PathBuf),
}

/// The engine on one database file.
pub struct SiltstoneSubject {
    place: Place,
    settings: Settings,
    /// What the files held on the way.
    pub counters: Counters,
    /// Whether snapshots are kept beside cursors.
    pub snapshots: bool,
    /// What is done before the file is closed.
    pub parting: Parting,
}

/// What is done before a file is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parting {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything becomes one segment, whose blocks move forward.
    Compact,
    /// A merge of everything is begun and left to the next user.
    HalfMerge,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Closed for the next session.
    Closed,
    /// The process died.
    Crashed,
    /// Closed, and the history is over.
    Over,
}

type Steps<T> = Result<T, Divergence>;

/// Where a cursor of the history stands.
#[derive(Clone, Debug, Default)]
struct Stand {
    key: Option<Vec<u8>>,
    forward: bool,
    /// A state that must stay as it was.
    kept: Option<(Snapshot, Vec<Row>)>,
}

type Stands = [Option<Stand>; SLOTS];

impl SiltstoneSubject {
    /// The engine in a world of its own.
    #[must_use]
    pub fn in_memory(settings: &Settings) -> Self {
        Self::at(Place::Memory(MemoryWorld::new()), settings)
    }

    /// The engine on a native file.
    #[must_use]
    pub fn on_file(path: PathBuf, settings: &Settings) -> Self {
        Self::at(Place::Native(path), settings)
    }

    fn at(place: Place, settings: &Settings) -> Self {
        let counters = Counters::default();
        SiltstoneSubject {
            place,
            settings: settings.clone(),
            counters,
            snapshots: true,
            parting: Parting::Nothing,
        }
    }

    /// Runs a whole history. Returns the content at the end.
    ///
    /// # Errors
    /// The first difference.
    pub fn run(&mut self, history: &History) -> Steps<View> {
        let mut replay = Replay::new(history);
        while self.session(&mut replay)? != Ended::Over {}
        Ok(replay.view())
    }

    /// Options that say what `settings` say.
    #[must_use]
    pub fn options(settings: &Settings) -> Options {
        let options = Options::new()
            .page_size(settings.page_size)
            .block_size(settings.block_size)
            .automerge(settings.automerge)
            .autoflush(u64::from(settings.autoflush))
            .autowork(settings.autowork)
            .autocheckpoint(u64::from(settings.autocheckpoint))
            .max_freelist(settings.max_freelist)
            .cache_size(64 << 10)
            .mapping(if settings.map { Mapping::All } else { Mapping::Off })
            .durability(match settings.safety {
                0 => Durability::None,
                1 => Durability::Normal,
                _ => Durability::Full,
            });
        match settings.codec {
            Some(id) => options.codec(codec_of(id)),
            None => options,
        }
    }

    /// From opening to closing or death.
    ///
    /// # Errors
    /// The first difference, or what `Database::check` finds.
    pub fn session(&mut self, replay: &mut Replay<'_>) -> Steps<Ended> {
        let options = Self::options(&self.settings);
        let (database, process) = match &self.place {
            Place::Memory(world) => {
                let process = world.process();
                (options.open_with_env(process.clone(), FILE), Some(process))
            }
            Place::Native(path) => (options.open(path), None),
        };
        let database = database.map_err(|error| replay.refused("open", &error))?;
        let mut stands = Stands::default();
        let ended = self.operations(&database, replay, &mut stands, process.as_ref())?;
        if ended == Ended::Crashed {
            return self.crashed(database, stands, replay);
        }
        drop(stands);
        let parted = match self.parting {
            Parting::Nothing => Ok(()),
            Parting::Compact => database.compact().map(drop),
            Parting::HalfMerge => database
                .flush()
                .and_then(|()| database.work(WorkLimit { bytes: Some(8192), segments: Some(1) }))
                .map(drop),
        };
        parted.map_err(|error| replay.refused("parting", &error))?;
        let report = database.check().map_err(|error| replay.refused("check", &error))?;
        if !report.is_sound() {
            return Err(replay.diverged(format!("check: {:?}", report.problems)));
        }
        self.observe_log(&database);
        database.close().map_err(|error| replay.refused("close", &error))?;
        self.observe(replay)?;
        Ok(ended)
    }

    /// The process is dead, or its files were copied aside: lets go of the handle, keeps the files.
    fn crashed(&mut self, database: Database, stands: Stands, replay: &Replay<'_>) -> Steps<Ended> {
        drop(stands);
        drop(database);
        if let Place::Native(path) = &self.place {
            put_back(path).map_err(|error| replay.refused("crash", &error))?;
        }
        self.observe(replay)?;
        Ok(Ended::Crashed)
    }

    /// Looks at the file.
    fn observe(&mut self, replay: &Replay<'_>) -> Steps<()> {
        let bytes = match &self.place {
            Place::Memory(world) => world.read_file(FILE).unwrap_or_default(),
            Place::Native(path) => fs::read(path).unwrap_or_default(),
        };
        let outcome = self.counters.observe_bytes(&bytes);
        outcome.map_err(|error| replay.refused("observation", &error))
    }

    fn observe_log(&mut self, database: &Database) {
        if let Ok(structure) = database.structure() {
            let [a, b, c] = structure.log_regions.map(|(low, high)| [low as i64, high as i64]);
            self.counters.observe_log([a[0], a[1], b[0], b[1], c[0], c[1]]);
        }
    }

    fn die(&self, process: Option<&Arc<MemoryEnv>>) -> std::io::Result<()> {
        match (&self.place, process) {
            (Place::Native(path), _) => set_aside(path),
            (_, Some(process)) => {
                process.kill();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Operations outside transactions.
    fn operations(
        &mut self,
        database: &Database,
        replay: &mut Replay<'_>,
        stands: &mut Stands,
        process: Option<&Arc<MemoryEnv>>,
    ) -> Steps<Ended> {
        let mut cursors: [Option<Cursor<'_>>; SLOTS] = Default::default();
        while let Some((operation, _)) = replay.next() {
            match operation {
                Operation::Begin => {
                    cursors = Default::default();
                    if self.transaction(database, replay, stands, process)? {
                        return Ok(Ended::Crashed);
                    }
                }
                Operation::CloseReopen => {
                    replay.saw::<()>(Ok(Seen::Done))?;
                    return Ok(Ended::Closed);
                }
                Operation::CrashReopen => {
                    replay.saw(self.die(process).map(|()| Seen::Done))?;
                    return Ok(Ended::Crashed);
                }
                Operation::CursorOpen(slot) => {
                    let kept = self.snapshots.then(|| keep(database)).transpose();
                    let kept = kept.map_err(|error| replay.refused("snapshot", &error))?;
                    stands[*slot] = Some(Stand { kept, ..Stand::default() });
                    replay.saw::<()>(Ok(Seen::Done))?;
                }
                other => {
                    if other.is_write() {
                        cursors = Default::default();
                    }
                    if *other == Operation::Checkpoint {
                        self.observe(replay)?;
                    }
                    let reader = Reader::Database(database);
                    let seen = self.apply(database, &reader, other, &mut cursors, stands);
                    replay.saw(seen)?;
                }
            }
        }
        Ok(Ended::Over)
    }

    /// A transaction whose beginning was fetched. Returns whether the process died in it.
    fn transaction(
        &mut self,
        database: &Database,
        replay: &mut Replay<'_>,
        stands: &mut Stands,
        process: Option<&Arc<MemoryEnv>>,
    ) -> Steps<bool> {
        let transaction = database.begin();
        let transaction = transaction.map_err(|error| replay.refused("begin", &error))?;
        let ended = self.inside(database, &transaction, replay, stands, process)?;
        match ended {
            Operation::Commit => replay.saw(transaction.commit().map(|()| Seen::Done))?,
            Operation::Rollback => replay.saw(transaction.rollback().map(|()| Seen::Done))?,
            _ => {
                // Replays a history that ends within a transaction, or a process that died in it.
                drop(transaction);
            }
        }
        Ok(ended == Operation::CrashReopen)
    }

    fn inside(
        &mut self,
        database: &Database,
        transaction: &WriteTransaction,
        replay: &mut Replay<'_>,
        stands: &mut Stands,
        process: Option<&Arc<MemoryEnv>>,
    ) -> Steps<Operation> {
        // The first stands for the transaction itself, so that one can roll back to its beginning.
        let mut levels: Vec<Savepoint<'_>> = Vec::new();
        let mut cursors: [Option<Cursor<'_>>; SLOTS] = Default::default();
        let mut seen = transaction.savepoint().map(|level| {
            levels.push(level);
            Seen::Done
        });
        loop {
            replay.saw(seen)?;
            let Some((operation, _)) = replay.next() else { return Ok(Operation::Rollback) };
            seen = match operation {
                Operation::Commit => {
                    if let Some(first) = levels.drain(..1).next() {
                        first.release().map_err(|error| replay.refused("release", &error))?;
                    }
                    return Ok(Operation::Commit);
                }
                Operation::Rollback => return Ok(Operation::Rollback),
                Operation::CrashReopen => {
                    replay.saw(self.die(process).map(|()| Seen::Done))?;
                    return Ok(Operation::CrashReopen);
                }
                Operation::Savepoint => transaction.savepoint().map(|level| {
                    levels.push(level);
                    Seen::Done
                }),
                Operation::Release => end(levels.pop(), Savepoint::release),
                Operation::RollbackSavepoint => end(levels.pop(), Savepoint::rollback),
                Operation::RollbackTo(level) => {
                    let restored = levels[level - 1].restore();
                    levels.truncate(*level);
                    restored.map(|()| Seen::Done)
                }
                Operation::Scan => {
                    let outside: siltstone::Result<Vec<Row>> =
                        database.iter().and_then(Iterator::collect);
                    if outside.as_ref().ok() != Some(&replay.committed().rows()) {
                        return Err(replay.refused("outside the transaction", &outside.err()));
                    }
                    transaction.iter().and_then(Iterator::collect).map(Seen::Rows)
                }
                Operation::CursorOpen(slot) => {
                    stands[*slot] = Some(Stand::default());
                    Ok(Seen::Done)
                }
                other => {
                    let reader = Reader::Transaction(transaction);
                    self.apply(database, &reader, other, &mut cursors, stands)
                }
            };
        }
    }

    /// What is the same within and outside transactions.
    fn apply<'a>(
        &mut self,
        database: &Database,
        reader: &Reader<'a>,
        operation: &Operation,
        cursors: &mut [Option<Cursor<'a>>; SLOTS],
        stands: &mut Stands,
    ) -> siltstone::Result<Seen> {
        match operation {
            Operation::Insert(key, value) => match reader {
                Reader::Database(database) => database.insert(key, value)?,
                Reader::Transaction(transaction) => transaction.insert(key, value)?,
            },
            Operation::Delete(key) => match reader {
                Reader::Database(database) => database.remove(key)?,
                Reader::Transaction(transaction) => transaction.remove(key)?,
            },
            Operation::DeleteRange(first, last) => {
                use std::ops::Bound::Excluded;
                let range = (Excluded(first), Excluded(last));
                match reader {
                    Reader::Database(database) => database.remove_range::<&Vec<u8>>(range)?,
                    Reader::Transaction(transaction) => {
                        transaction.remove_range::<&Vec<u8>>(range)?
                    }
                }
            }
            Operation::Get(key) => {
                let value = match reader {
                    Reader::Database(database) => database.get(key)?,
                    Reader::Transaction(transaction) => transaction.get(key)?,
                };
                return Ok(Seen::Entry(value.map(|value| (key.clone(), value))));
            }
            Operation::Seek(mode, key) => {
                let mut cursor = reader.cursor()?;
                cursor.seek(key, seek(*mode))?;
                return entry(&mut cursor).map(Seen::Entry);
            }
            Operation::Scan => return Ok(Seen::Rows(reader.iter()?.collect::<Result<_, _>>()?)),
            Operation::ScanBackward => {
                return Ok(Seen::Rows(reader.iter()?.rev().collect::<Result<_, _>>()?));
            }
            Operation::CursorClose(slot) => {
                cursors[*slot] = None;
                if let Some((snapshot, rows)) = stands[*slot].take().and_then(|stand| stand.kept) {
                    let now = snapshot.iter()?.collect::<Result<Vec<_>, _>>()?;
                    assert!(now == rows, "a snapshot changed");
                }
            }
            Operation::CursorFirst(slot)
            | Operation::CursorLast(slot)
            | Operation::CursorSeek(slot, ..)
            | Operation::CursorStep(slot) => {
                let stand = stands[*slot].get_or_insert_default();
                return moved(operation, reader, &mut cursors[*slot], stand).map(Seen::Entry);
            }
            Operation::Flush => database.flush()?,
            Operation::Work(merge, kb) => {
                let bytes = u64::try_from(*kb).ok().map(|kb| kb * 1024);
                let segments = (*merge > 0).then_some(*merge);
                database.work(WorkLimit { bytes, segments })?;
            }
            Operation::Checkpoint => {
                database.checkpoint()?;
                self.observe_log(database);
            }
            Operation::SetAutomerge(count) => {
                self.settings.automerge = *count;
                database.set_automerge(*count)?;
            }
            Operation::SetAutoflush(bytes) => {
                self.settings.autoflush = *bytes;
                database.set_autoflush(u64::from(*bytes))?;
            }
            Operation::SetAutocheckpoint(bytes) => {
                self.settings.autocheckpoint = *bytes;
                database.set_autocheckpoint(u64::from(*bytes))?;
            }
            Operation::SetAutowork(on) => {
                self.settings.autowork = *on;
                database.set_autowork(*on);
            }
            other => panic!("{other:?} does not belong here"),
        }
        Ok(Seen::Done)
    }
}

/// What is read from.
enum Reader<'a> {
    Database(&'a Database),
    Transaction(&'a WriteTransaction),
}

impl<'a> Reader<'a> {
    fn cursor(&self) -> siltstone::Result<Cursor<'a>> {
        match self {
            Reader::Database(database) => database.cursor(),
            Reader::Transaction(transaction) => transaction.cursor(),
        }
    }

    fn iter(&self) -> siltstone::Result<Iter<'a>> {
        match self {
            Reader::Database(database) => database.iter(),
            Reader::Transaction(transaction) => transaction.iter(),
        }
    }
}

/// Moves a cursor of the history.
fn moved<'a>(
    operation: &Operation,
    reader: &Reader<'a>,
    cursor: &mut Option<Cursor<'a>>,
    stand: &mut Stand,
) -> siltstone::Result<Option<Row>> {
    let fresh = cursor.is_none();
    let cursor = match cursor {
        Some(cursor) => cursor,
        None => cursor.insert(reader.cursor()?),
    };
    match operation {
        Operation::CursorFirst(_) => {
            stand.forward = true;
            cursor.first()?;
        }
        Operation::CursorLast(_) => {
            stand.forward = false;
            cursor.last()?;
        }
        Operation::CursorSeek(_, mode, key) => {
            stand.forward = *mode == model::Seek::AtLeast;
            cursor.seek(key, seek(*mode))?;
        }
        _ => {
            let Some(key) = &stand.key else { return Ok(None) };
            if fresh {
                cursor.seek(key, if stand.forward { Seek::AtLeast } else { Seek::AtMost })?;
            }
            if !fresh || cursor.key() == Some(key) {
                if stand.forward {
                    cursor.next()?
                } else {
                    cursor.previous()?
                };
            }
        }
    }
    let found = entry(cursor)?;
    stand.key = found.as_ref().map(|(key, _)| key.clone());
    Ok(found)
}

fn entry(cursor: &mut Cursor<'_>) -> siltstone::Result<Option<Row>> {
    Ok(cursor.entry()?.map(|(key, value)| (key.to_vec(), value.to_vec())))
}

fn keep(database: &Database) -> siltstone::Result<(Snapshot, Vec<Row>)> {
    let snapshot = database.snapshot()?;
    let rows = snapshot.iter()?.collect::<Result<_, _>>()?;
    Ok((snapshot, rows))
}

fn end<'a>(
    level: Option<Savepoint<'a>>,
    how: impl FnOnce(Savepoint<'a>) -> siltstone::Result<()>,
) -> siltstone::Result<Seen> {
    level.map_or(Ok(()), how).map(|()| Seen::Done)
}

/// The engine's word for it.
#[must_use]
pub fn seek(mode: model::Seek) -> Seek {
    match mode {
        model::Seek::Exact => Seek::Exact,
        model::Seek::AtLeast => Seek::AtLeast,
        model::Seek::AtMost => Seek::AtMost,
    }
}

/// Copies the files of an open database aside: what a killed process leaves.
fn set_aside(path: &Path) -> std::io::Result<()> {
    for path in [path.to_owned(), fixtures::log_of(path)] {
        if path.exists() {
            fs::copy(&path, aside_of(&path))?;
        }
    }
    Ok(())
}

fn aside_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".aside");
    name.into()
}

/// Puts the copies in the place of what closing made of the files.
fn put_back(path: &Path) -> std::io::Result<()> {
    for path in [path.to_owned(), fixtures::log_of(path)] {
        let aside = aside_of(&path);
        if aside.exists() {
            fs::rename(aside, path)?;
        } else if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The codec with this id: a built-in one, or that of the fixtures.
#[must_use]
pub fn codec_of(id: u32) -> Arc<dyn Codec> {
    if id == ZRLE {
        return Arc::new(ZeroRuns);
    }
    codec::built_in(id).expect("a built-in codec")
}

/// The zero-run codec of the fixtures (tests/fixtures/c-lsm1/README.md).
#[derive(Debug)]
struct ZeroRuns;

impl Codec for ZeroRuns {
    fn id(&self) -> u32 {
        ZRLE
    }

    fn bound(&self, page_len: usize) -> usize {
        siltstone_peer::zrle_bound(page_len)
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> codec::Result<()> {
        out.extend(siltstone_peer::zrle_compress(page));
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> codec::Result<()> {
        let bytes = siltstone_peer::zrle_uncompress(record, page.len());
        let bytes = bytes.filter(|bytes| bytes.len() == page.len());
        let bytes = bytes.ok_or(CodecError::new("not a page of zero runs"))?;
        page.copy_from_slice(&bytes);
        Ok(())
    }
}
