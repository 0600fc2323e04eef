//! Random histories against a model: after each commit a crash gives exactly what was committed.

use super::test_file::TestFile;
use super::*;
use crate::format::checkpoint::LogPointer;
use crate::format::tree_header::LogState;
use std::sync::Arc;

const SEEDS: [u32; 2] = [1234, 5678];

/// Splitmix64: deterministic and printed with every failure.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

impl From<LogOperation<'_>> for Change {
    fn from(operation: LogOperation<'_>) -> Self {
        match operation {
            LogOperation::Insert { key, value } => Change::Insert(key.to_vec(), value.to_vec()),
            LogOperation::Delete { key } => Change::Delete(key.to_vec()),
            LogOperation::DeleteRange { low, high } => {
                Change::DeleteRange(low.to_vec(), high.to_vec())
            }
        }
    }
}

/// What the model knows: transactions since the log pointer of the newest checkpoint.
struct History {
    random: Random,
    file: Arc<TestFile>,
    writer: LogWriter,
    state: LogState,
    pointer: LogPointer,
    checkpoint_id: i64,
    transactions: Vec<Vec<Change>>,
    /// Log pointer after each of them.
    ends: Vec<(u64, [u32; 2])>,
    large: bool,
    wraps: usize,
    jumps: usize,
}

impl History {
    fn new(seed: u64, large: bool) -> Self {
        let file = Arc::new(TestFile::default());
        History {
            random: Random(seed),
            writer: LogWriter::new(file.clone()),
            file,
            state: LogState { checksum: SEEDS, snapshot_id: 10, ..LogState::default() },
            pointer: LogPointer { pointer: 0, checksum: SEEDS },
            checkpoint_id: 10,
            transactions: Vec::new(),
            ends: Vec::new(),
            large,
            wraps: 0,
            jumps: 0,
        }
    }

    fn bytes(&mut self, limit: u64) -> Vec<u8> {
        let length = self.random.below(limit);
        (0..length).map(|_| self.random.next() as u8).collect()
    }

    fn change(&mut self) -> Change {
        let limit = match self.random.below(100) {
            0..80 => 40,
            80..95 => 3_000,
            _ if self.large => 80_000,
            _ => 300,
        };
        match self.random.below(6) {
            0 => Change::Delete(self.bytes(60)),
            1 => Change::DeleteRange(self.bytes(30), self.bytes(30)),
            _ => Change::Insert(self.bytes(30), self.bytes(limit)),
        }
    }

    fn log(&mut self, change: &Change) {
        match change {
            Change::Insert(key, value) => self.writer.insert(key, value),
            Change::Delete(key) => self.writer.delete(key),
            Change::DeleteRange(low, high) => self.writer.delete_range(low, high),
        }
        .unwrap();
    }

    /// One transaction; whether it was committed.
    /// The file as far as it was ever used.
    fn used_bytes(&self) -> Vec<u8> {
        let mut bytes = self.file.bytes();
        let used = self.state.regions.map(|region| region.end as usize).into_iter().max();
        let last = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(last.max(used.unwrap_or(0)));
        bytes
    }

    fn transaction(&mut self) -> bool {
        let sector = if self.random.below(2) == 0 { 512 } else { 1 };
        let before = self.state;
        self.writer.begin(&mut self.state, sector).unwrap();
        self.wraps += usize::from(self.state.regions[2].end < before.regions[2].end);
        let mut changes = Vec::new();
        let mut marks = vec![(self.writer.mark(), 0)];
        for _ in 0..self.random.below(if self.large { 40 } else { 6 }) {
            match self.random.below(10) {
                0 => marks.push((self.writer.mark(), changes.len())),
                1 => {
                    let keep = 1 + self.random.below(marks.len() as u64) as usize;
                    marks.truncate(keep);
                    let (mark, length) = marks[keep - 1];
                    self.writer.seek(&mark);
                    changes.truncate(length);
                }
                _ => {
                    let change = self.change();
                    self.log(&change);
                    changes.push(change);
                }
            }
        }
        if self.random.below(8) == 0 {
            self.writer.rollback(&mut self.state);
            assert_eq!(self.state, before);
            return false;
        }
        self.writer.commit(sector > 1).unwrap();
        let second = self.state.regions[1];
        self.writer.end(&mut self.state).unwrap();
        self.jumps += usize::from(self.state.regions[1] != second);
        self.transactions.push(changes);
        self.ends.push((self.state.regions[2].end, self.state.checksum));
        true
    }

    /// A checkpoint that covers all transactions or only the older ones.
    fn checkpoint(&mut self) {
        let all = self.transactions.len();
        let covered = all - self.random.below(all as u64 / 2 + 1) as usize;
        if covered == 0 {
            return;
        }
        let (offset, checksum) = self.ends[covered - 1];
        let pointer = (offset << 1 | self.random.below(2)) as i64;
        self.pointer = LogPointer { pointer, checksum };
        self.checkpoint_id += 1;
        self.transactions.drain(..covered);
        self.ends.drain(..covered);
        assert!(reclaim(&mut self.state, self.checkpoint_id, offset));
    }

    /// A crash: the process forgets everything but file and checkpoint.
    fn crash(&mut self) {
        let (recovery, changes) = recovered(&self.file, self.pointer);
        assert_eq!(changes, self.transactions.concat());
        assert_eq!(recovery.commits as usize, self.transactions.len());
        if recovery.commits > 0 {
            assert_eq!(recovery.state.checksum, self.state.checksum);
            assert_eq!(recovery.state.regions[2].end, self.state.regions[2].end);
        }
        self.state = LogState { snapshot_id: self.checkpoint_id, ..recovery.state };
        if recovery.restart_at_zero {
            self.pointer.pointer = 0;
        }
        self.writer = LogWriter::new(self.file.clone());
    }
}

fn recovered(file: &TestFile, pointer: LogPointer) -> (Recovery, Vec<Change>) {
    let mut changes = Vec::new();
    let recovery = recover(Some(file), pointer, 10, &mut |operation| {
        changes.push(Change::from(operation));
        Ok(())
    });
    (recovery.unwrap(), changes)
}

fn run(seed: u64, large: bool, steps: usize) -> History {
    println!("seed {seed} large {large}");
    let mut history = History::new(seed, large);
    for _ in 0..steps {
        let committed = history.transaction();
        let (_, changes) = recovered(&history.file, history.pointer);
        assert!(changes == history.transactions.concat(), "committed {committed}");
        // Rare checkpoints let the log reach what is still live, frequent ones let it wrap.
        if history.random.below(4 + 5 * (seed % 4)) == 0 {
            history.checkpoint();
        } else if history.random.below(12) == 0 {
            history.crash();
        }
    }
    history
}

#[test]
fn crash_after_any_commit_gives_what_was_committed() {
    let (mut wraps, mut jumps) = (0, 0);
    for seed in 0..12 {
        let history = run(seed, true, 400);
        wraps += history.wraps;
        jumps += history.jumps;
    }
    println!("{wraps} wraps, {jumps} jumps");
    assert!(wraps > 100 && jumps > 20, "{wraps} {jumps}");
    for seed in 100..200 {
        run(seed, false, 60);
    }
}

/// The longest prefix of transactions that `changes` is.
fn prefix_of(transactions: &[Vec<Change>], changes: &[Change]) -> Option<usize> {
    (0..=transactions.len()).find(|&count| transactions[..count].concat() == changes)
}

#[test]
fn torn_tail_is_a_transaction_less_and_nothing_else() {
    for seed in 300..320 {
        let mut history = run(seed, false, 12);
        if !history.transaction() {
            continue;
        }
        let bytes = history.used_bytes();
        let start = (history.pointer.offset() as usize).min(bytes.len());
        let mut last = 0;
        for length in start..=bytes.len() {
            let cut = TestFile::new(bytes[..length].to_vec());
            let (recovery, changes) = recovered(&cut, history.pointer);
            let transactions = &history.transactions;
            let count = recovery.commits as usize;
            assert!(count >= last, "{length}");
            assert_eq!(changes, transactions[..count].concat(), "seed {seed} length {length}");
            // A stored checksum that ends in zeros is whole without them.
            let rest = &bytes[length..];
            if count == transactions.len() {
                assert!(rest.iter().all(|&byte| byte == 0) || length >= bytes.len());
            }
            last = count;
        }
        assert_eq!(last, history.transactions.len());
    }
}

#[test]
fn garbage_behind_the_end_is_ignored() {
    for seed in 400..440 {
        let mut history = run(seed, false, 10);
        let garbage = history.bytes(3_000);
        let end = history.state.regions[2].end as usize;
        let mut bytes = history.file.bytes();
        bytes.resize(bytes.len().max(end + garbage.len()), 0);
        bytes[end..end + garbage.len()].copy_from_slice(&garbage);
        let (_, changes) = recovered(&TestFile::new(bytes), history.pointer);
        assert_eq!(changes, history.transactions.concat(), "seed {seed}");
    }
}

#[test]
fn damage_only_shortens_history() {
    for seed in [500, 501, 502] {
        let history = run(seed, false, 14);
        let bytes = history.used_bytes();
        for at in 0..bytes.len() {
            for change in [1u8, 0x80, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                let (_, changes) = recovered(&TestFile::new(damaged), history.pointer);
                let prefix = prefix_of(&history.transactions, &changes);
                assert!(prefix.is_some(), "seed {seed} byte {at} change {change}");
            }
        }
    }
}
