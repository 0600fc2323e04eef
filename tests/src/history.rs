//! Random histories: settings and operations, a function of profile and seed alone.
//!
//! Every operation is legal where it stands (no flush inside a transaction, no step against the
//! direction of a cursor), because what is illegal has tests of its own. Avoidances of the profile
//! take effect here and nowhere else.

use crate::model::{Model, Seek};
use crate::profile::{CDefect, Profile, Settings};
use crate::rng::Rng;
use std::fmt;
use std::ops::Bound;

/// One step of a history.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Inserts or overwrites.
    Insert(Vec<u8>, Vec<u8>),
    /// Deletes a key that may be absent.
    Delete(Vec<u8>),
    /// Deletes the keys strictly between.
    DeleteRange(Vec<u8>, Vec<u8>),
    /// Opens a write transaction.
    Begin,
    /// Commits it with all its savepoints.
    Commit,
    /// Undoes it with all its savepoints.
    Rollback,
    /// Opens a savepoint within it.
    Savepoint,
    /// Merges the innermost savepoint into what is around it.
    Release,
    /// Undoes the innermost savepoint and closes it.
    RollbackSavepoint,
    /// Undoes back to the opening of a level (1 = the transaction) and leaves it open.
    RollbackTo(usize),
    /// The value of a key.
    Get(Vec<u8>),
    /// Where a seek ends.
    Seek(Seek, Vec<u8>),
    /// All rows.
    Scan,
    /// All rows backward.
    ScanBackward,
    /// Opens cursor 0..3.
    CursorOpen(usize),
    /// Closes it.
    CursorClose(usize),
    /// Smallest entry.
    CursorFirst(usize),
    /// Greatest entry.
    CursorLast(usize),
    /// Seeks.
    CursorSeek(usize, Seek, Vec<u8>),
    /// Steps in the direction its last seek allows.
    CursorStep(usize),
    /// Moves both trees to the file.
    Flush,
    /// Merges: count (0 = automerge) and KB (-1 = to the end).
    Work(u32, i32),
    /// Makes the file current.
    Checkpoint,
    /// Closes the last handle and opens again.
    CloseReopen,
    /// The process dies and another opens the file.
    CrashReopen,
    /// Changes automerge.
    SetAutomerge(u32),
    /// Changes autoflush, in bytes.
    SetAutoflush(u32),
    /// Changes autocheckpoint, in bytes.
    SetAutocheckpoint(u32),
    /// Switches autowork.
    SetAutowork(bool),
}

impl Operation {
    /// Whether the content may change.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self, Operation::Insert(..) | Operation::Delete(_) | Operation::DeleteRange(..))
    }

    /// Whether it is neither write nor read: what shapes files.
    #[must_use]
    pub fn is_structural(&self) -> bool {
        !self.is_write()
            && !matches!(
                self,
                Operation::Get(_)
                    | Operation::Seek(..)
                    | Operation::Scan
                    | Operation::ScanBackward
                    | Operation::CursorOpen(_)
                    | Operation::CursorClose(_)
                    | Operation::CursorFirst(_)
                    | Operation::CursorLast(_)
                    | Operation::CursorSeek(..)
                    | Operation::CursorStep(_)
            )
    }

    /// What it does to the model.
    pub fn apply(&self, model: &mut Model) {
        match self {
            Operation::Insert(key, value) => model.insert(key, value),
            Operation::Delete(key) => model.delete(key),
            Operation::DeleteRange(first, last) => {
                model.delete_range(Bound::Excluded(first), Bound::Excluded(last));
            }
            Operation::Begin => model.begin(1),
            Operation::Commit => model.commit(0),
            Operation::Rollback => model.rollback(0),
            Operation::Savepoint => model.begin(-1),
            Operation::Release => model.commit(-1),
            Operation::RollbackSavepoint => model.rollback_innermost(),
            Operation::RollbackTo(level) => model.rollback(*level as i32),
            Operation::CloseReopen => model.close(),
            Operation::CrashReopen => model.crash(),
            _ => {}
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |key: &[u8]| match key.len() {
            0..=40 => key.escape_ascii().to_string(),
            len => format!("{}..({len} bytes)", key[..20].escape_ascii()),
        };
        match self {
            Operation::Insert(k, value) => write!(f, "Insert({}, {} bytes)", key(k), value.len()),
            Operation::Delete(k) => write!(f, "Delete({})", key(k)),
            Operation::DeleteRange(first, last) => {
                write!(f, "DeleteRange({}, {})", key(first), key(last))
            }
            Operation::Begin => f.write_str("Begin"),
            Operation::Commit => f.write_str("Commit"),
            Operation::Rollback => f.write_str("Rollback"),
            Operation::Savepoint => f.write_str("Savepoint"),
            Operation::Release => f.write_str("Release"),
            Operation::RollbackSavepoint => f.write_str("RollbackSavepoint"),
            Operation::RollbackTo(level) => write!(f, "RollbackTo({level})"),
            Operation::Get(k) => write!(f, "Get({})", key(k)),
            Operation::Seek(mode, k) => write!(f, "Seek({mode:?}, {})", key(k)),
            Operation::Scan => f.write_str("Scan"),
            Operation::ScanBackward => f.write_str("ScanBackward"),
            Operation::CursorOpen(slot) => write!(f, "CursorOpen({slot})"),
            Operation::CursorClose(slot) => write!(f, "CursorClose({slot})"),
            Operation::CursorFirst(slot) => write!(f, "CursorFirst({slot})"),
            Operation::CursorLast(slot) => write!(f, "CursorLast({slot})"),
            Operation::CursorSeek(slot, mode, k) => {
                write!(f, "CursorSeek({slot}, {mode:?}, {})", key(k))
            }
            Operation::CursorStep(slot) => write!(f, "CursorStep({slot})"),
            Operation::Flush => f.write_str("Flush"),
            Operation::Work(merge, kb) => write!(f, "Work({merge}, {kb} KB)"),
            Operation::Checkpoint => f.write_str("Checkpoint"),
            Operation::CloseReopen => f.write_str("CloseReopen"),
            Operation::CrashReopen => f.write_str("CrashReopen"),
            Operation::SetAutomerge(count) => write!(f, "SetAutomerge({count})"),
            Operation::SetAutoflush(bytes) => write!(f, "SetAutoflush({bytes})"),
            Operation::SetAutocheckpoint(bytes) => write!(f, "SetAutocheckpoint({bytes})"),
            Operation::SetAutowork(on) => write!(f, "SetAutowork({on})"),
        }
    }
}

/// A history.
#[derive(Clone, Debug)]
pub struct History {
    /// Name of the profile.
    pub profile: &'static str,
    /// Reproduces it.
    pub seed: u64,
    /// How the database is created.
    pub settings: Settings,
    /// What is done with it.
    pub operations: Vec<Operation>,
}

impl History {
    /// The history of a seed.
    #[must_use]
    pub fn new(profile: &Profile, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let settings = Settings::random(&mut rng, profile);
        let ranges = rng.chance(profile.ranges);
        let crashes =
            rng.chance(profile.crashes) && !(ranges && profile.avoids(CDefect::RangesAndRecovery));
        let long_values = rng.chance(profile.long_values);
        let keys = universe(&mut rng, profile);
        let mut generator = Generator {
            profile,
            page_size: settings.page_size,
            rng,
            keys,
            ranges,
            crashes,
            long_values,
            model: Model::default(),
            cursors: [None; CURSORS],
            tainted: false,
            operations: Vec::new(),
        };
        generator.fill();
        History { profile: profile.name, seed, settings, operations: generator.operations }
    }
}

const CURSORS: usize = 3;

/// Distinct keys: mostly short, some long, some sharing long prefixes, the empty one.
fn universe(rng: &mut Rng, profile: &Profile) -> Vec<Vec<u8>> {
    let count = rng.between(profile.keys.0, profile.keys.1);
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(count);
    let prefix = rng.bytes(profile.longest_key / 2);
    for index in 0..count {
        let key = match rng.weighted(&[70, 12, 8, 6, 4]) {
            0 => format!("k{index:05}").into_bytes(),
            1 => {
                let len = rng.between(0, 8.min(profile.longest_key));
                rng.bytes(len)
            }
            2 => [&prefix[..], format!("{index:04}").as_bytes()].concat(),
            3 => {
                let len = rng.between(1, profile.longest_key / 8 + 1);
                rng.bytes(len)
            }
            _ => {
                let len = rng.between(1, profile.longest_key);
                rng.bytes(len)
            }
        };
        let like_free_list = key.starts_with(&[0xFF, 0xFF]);
        if !(like_free_list && profile.avoids(CDefect::KeyLikeFreeList)) {
            keys.push(key);
        }
    }
    keys.push(b"k".to_vec());
    keys.sort();
    keys.dedup();
    keys
}

struct Generator<'a> {
    profile: &'a Profile,
    page_size: u32,
    rng: Rng,
    keys: Vec<Vec<u8>>,
    ranges: bool,
    crashes: bool,
    long_values: bool,
    model: Model,
    /// Open cursors, and whether their last seek allows stepping.
    cursors: [Option<bool>; CURSORS],
    /// Something happened that makes C lose data in a crash.
    tainted: bool,
    operations: Vec<Operation>,
}

impl Generator<'_> {
    fn fill(&mut self) {
        while self.operations.len() < self.profile.operations {
            self.step();
        }
        self.settle();
        self.scan();
    }

    fn scan(&mut self) {
        if !self.profile.avoids(CDefect::ForwardOverMerge) {
            self.push(Operation::Scan);
        }
        self.push(Operation::ScanBackward);
    }

    fn push(&mut self, operation: Operation) {
        operation.apply(&mut self.model);
        self.operations.push(operation);
    }

    fn step(&mut self) {
        match self.rng.weighted(&[30, 8, 6, 12, 12, 8, 12, 3, 2, 3, 2]) {
            0 => self.write(),
            1 => self.burst(),
            2 => self.range(),
            3 => self.transaction(),
            4 => self.read(),
            5 => self.cursor(),
            6 => self.work(),
            7 => self.reopen(),
            8 => self.configure(),
            9 => self.push(Operation::Checkpoint),
            _ => self.scan(),
        }
    }

    fn key(&mut self) -> Vec<u8> {
        self.rng.pick(&self.keys).clone()
    }

    fn value(&mut self) -> Vec<u8> {
        let longest = self.profile.longest_value;
        let len = match self.rng.weighted(&[60, 25, 12, 3]) {
            0 => self.rng.between(0, 40.min(longest)),
            1 => self.rng.between(0, 300.min(longest)),
            2 => self.rng.between(0, 3000.min(longest)),
            _ if self.long_values => self.rng.between(0, longest),
            _ => 0,
        };
        self.rng.bytes(len)
    }

    fn before_write(&mut self) {
        if self.profile.avoids(CDefect::CursorAcrossFlush) {
            self.close_cursors();
        }
    }

    fn write(&mut self) {
        self.before_write();
        let key = self.key();
        if self.rng.chance(70) {
            let value = self.value();
            self.push(Operation::Insert(key, value));
        } else {
            self.push(Operation::Delete(key));
        }
    }

    /// Many writes, so that trees fill up and levels come to be.
    fn burst(&mut self) {
        self.before_write();
        let start = self.rng.below(self.keys.len());
        let count = self.rng.between(10, 60);
        let deletes = self.rng.chance(25);
        let alone = self.model.depth() == 0 && self.rng.chance(50);
        if alone {
            self.push(Operation::Begin);
        }
        for index in start..start + count {
            let key = self.keys[index % self.keys.len()].clone();
            if deletes {
                self.push(Operation::Delete(key));
            } else {
                let value = self.value();
                self.push(Operation::Insert(key, value));
            }
        }
        if alone {
            self.push(Operation::Commit);
        }
    }

    fn range(&mut self) {
        if !self.ranges {
            return self.write();
        }
        self.before_write();
        let start = self.rng.below(self.keys.len());
        let width = if self.rng.chance(80) { self.rng.between(1, 12) } else { self.keys.len() };
        let mut first = self.keys[start].clone();
        let mut last = self.keys[(start + width).min(self.keys.len() - 1)].clone();
        if self.profile.avoids(CDefect::RangeBoundIsKey) {
            for bound in [&mut first, &mut last] {
                bound.push(0);
                while self.keys.contains(bound) {
                    bound.push(0);
                }
            }
        } else if self.rng.chance(5) {
            std::mem::swap(&mut first, &mut last);
        }
        self.push(Operation::DeleteRange(first, last));
    }

    fn transaction(&mut self) {
        let depth = self.model.depth();
        if depth == 0 {
            self.before_write();
            return self.push(Operation::Begin);
        }
        let nested = depth > 1;
        let choice = match self.rng.weighted(&[30, 15, 25, 15, 10, 5]) {
            0 => Operation::Commit,
            1 => Operation::Rollback,
            3 if nested => Operation::Release,
            4 if nested => Operation::RollbackSavepoint,
            5 => Operation::RollbackTo(self.rng.between(1, depth)),
            _ if depth < 6 => Operation::Savepoint,
            _ => Operation::Commit,
        };
        let undoes = matches!(
            choice,
            Operation::Rollback | Operation::RollbackSavepoint | Operation::RollbackTo(_)
        );
        self.tainted |= undoes && self.profile.avoids(CDefect::RollbackThenCrash);
        if undoes && self.profile.avoids(CDefect::CursorAcrossFlush) {
            self.close_cursors();
        }
        self.push(choice);
    }

    fn seek_target(&mut self) -> (Seek, Vec<u8>) {
        let mut key = self.key();
        if self.rng.chance(20) {
            key.push(self.rng.next_u64() as u8);
        }
        let mode = *self.rng.pick(&[Seek::Exact, Seek::AtLeast, Seek::AtLeast, Seek::AtMost]);
        let hazard = (self.ranges && self.profile.avoids(CDefect::SeekAmongRanges))
            || (mode == Seek::AtLeast
                && self.profile.avoids(CDefect::SeekBeforeSplitKey)
                && self.model.view().get(&key).is_none());
        (if hazard { Seek::Exact } else { mode }, key)
    }

    fn read(&mut self) {
        if self.rng.chance(40) {
            let key = self.key();
            return self.push(Operation::Get(key));
        }
        let (mode, key) = self.seek_target();
        self.push(Operation::Seek(mode, key));
    }

    fn cursor(&mut self) {
        let slot = self.rng.below(CURSORS);
        let Some(steps) = self.cursors[slot] else {
            self.cursors[slot] = Some(false);
            return self.push(Operation::CursorOpen(slot));
        };
        match self.rng.weighted(&[15, 15, 15, 45, 10]) {
            0 if !self.profile.avoids(CDefect::ForwardOverMerge) => {
                self.cursors[slot] = Some(true);
                self.push(Operation::CursorFirst(slot));
            }
            0 | 1 => {
                self.cursors[slot] = Some(true);
                self.push(Operation::CursorLast(slot));
            }
            2 => {
                let (mode, key) = self.seek_target();
                let forward = !self.profile.avoids(CDefect::ForwardOverMerge);
                self.cursors[slot] =
                    Some(mode == Seek::AtMost || (mode == Seek::AtLeast && forward));
                self.push(Operation::CursorSeek(slot, mode, key));
            }
            3 if steps => {
                for _ in 0..self.rng.between(1, 8) {
                    self.push(Operation::CursorStep(slot));
                }
            }
            _ => self.close_cursor(slot),
        }
    }

    fn close_cursor(&mut self, slot: usize) {
        if self.cursors[slot].take().is_some() {
            self.push(Operation::CursorClose(slot));
        }
    }

    fn close_cursors(&mut self) {
        (0..CURSORS).for_each(|slot| self.close_cursor(slot));
    }

    /// Ends whatever forbids work.
    fn settle(&mut self) {
        self.close_cursors();
        if self.model.depth() > 0 {
            self.push(Operation::Commit);
        }
    }

    fn work(&mut self) {
        self.settle();
        if self.rng.chance(40) {
            self.tainted |= self.profile.avoids(CDefect::FlushThenCrash);
            return self.push(Operation::Flush);
        }
        let merge = match self.rng.below(4) {
            _ if self.profile.avoids(CDefect::OtherMergeCount) => 0,
            0 => 1,
            1 => self.rng.between(2, 8) as u32,
            _ => 0,
        };
        let kb = if self.rng.chance(30) { -1 } else { self.rng.between(1, 64) as i32 };
        self.push(Operation::Work(merge, kb));
    }

    fn reopen(&mut self) {
        if self.crashes && !self.tainted && self.rng.chance(70) {
            // Whatever is open dies with the process.
            self.cursors = [None; CURSORS];
            return self.push(Operation::CrashReopen);
        }
        self.settle();
        self.tainted = false;
        self.push(Operation::CloseReopen);
    }

    fn configure(&mut self) {
        let operation = match self.rng.below(4) {
            0 if !self.profile.avoids(CDefect::OtherMergeCount) => {
                Operation::SetAutomerge(self.rng.between(2, 8) as u32)
            }
            1 => Operation::SetAutowork(self.rng.chance(70)),
            2 => {
                let wish = *self.rng.pick(&[0, 8192, 65536]);
                Operation::SetAutocheckpoint(self.profile.autocheckpoint(wish, self.page_size))
            }
            _ => Operation::SetAutoflush(*self.rng.pick(&[0, 1024, 4096, 65536])),
        };
        self.push(operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_history() {
        for profile in [Profile::everything(), Profile::c_safe(), Profile::dense()] {
            let history = History::new(&profile, 7);
            assert!(history.operations.len() >= 500);
            assert!(history.operations == History::new(&profile, 7).operations);
            assert!(history.operations != History::new(&profile, 8).operations);
        }
    }

    #[test]
    fn avoidances_take_effect() {
        let mut seen = [false; 4];
        for seed in 0..60 {
            let history = History::new(&Profile::c_safe(), seed);
            let (mut flushed, mut ranges, mut crashes) = (false, false, false);
            for operation in &history.operations {
                match operation {
                    Operation::Flush => flushed = true,
                    Operation::CloseReopen => flushed = false,
                    Operation::CrashReopen => {
                        assert!(!flushed, "seed {seed}");
                        crashes = true;
                    }
                    Operation::DeleteRange(..) => ranges = true,
                    Operation::Work(merge, _) => assert_eq!(*merge, 0, "seed {seed}"),
                    Operation::SetAutomerge(_) => panic!("seed {seed}"),
                    _ => {}
                }
            }
            assert!(!(ranges && crashes), "seed {seed}");
            seen[usize::from(ranges) * 2 + usize::from(crashes)] = true;
        }
        assert_eq!(seen, [true, true, true, false]);
    }
}
