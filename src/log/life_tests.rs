//! The life cycle of the regions, savepoints across jumps, and damaged logs, by example.

use super::test_file::TestFile;
use super::*;
use crate::format::checkpoint::LogPointer;
use crate::format::tree_header::LogState;
use std::sync::Arc;

const SEEDS: [u32; 2] = [1234, 5678];

/// A log with its writer and published state, and what a checkpoint would say.
struct Log {
    file: Arc<TestFile>,
    writer: LogWriter,
    state: LogState,
    sector: u32,
    checkpoint: LogPointer,
    checkpoint_id: i64,
    /// Keys committed since the checkpoint.
    keys: Vec<Vec<u8>>,
}

impl Log {
    fn new(sector: u32) -> Self {
        let file = Arc::new(TestFile::default());
        let checkpoint = LogPointer { pointer: 0, checksum: SEEDS };
        let state = LogState { checksum: SEEDS, snapshot_id: 10, ..LogState::default() };
        let writer = LogWriter::new(file.clone());
        Log { file, writer, state, sector, checkpoint, checkpoint_id: 10, keys: Vec::new() }
    }

    fn begin(&mut self) {
        self.writer.begin(&mut self.state, self.sector).unwrap();
    }

    fn insert(&mut self, key: &str, value: usize) {
        self.writer.insert(key.as_bytes(), &vec![b'v'; value]).unwrap();
        self.keys.push(key.as_bytes().to_vec());
    }

    fn commit(&mut self) {
        self.writer.commit(self.sector > 1).unwrap();
        self.writer.end(&mut self.state).unwrap();
    }

    fn single(&mut self, key: &str, value: usize) {
        self.begin();
        self.insert(key, value);
        self.commit();
    }

    /// A flush and checkpoint of everything so far, noticed by the next transaction.
    fn checkpoint(&mut self) {
        self.flush();
        self.reclaim();
    }

    fn flush(&mut self) {
        let [.., last] = self.state.regions;
        let pointer = (last.end << 1) as i64;
        self.checkpoint = LogPointer { pointer, checksum: self.state.checksum };
        self.keys.clear();
    }

    fn reclaim(&mut self) {
        self.checkpoint_id += 1;
        assert!(reclaim(&mut self.state, self.checkpoint_id, self.checkpoint.offset()));
    }

    fn regions(&self) -> [(u64, u64); 3] {
        self.state.regions.map(|region| (region.start, region.end))
    }

    fn recovered(&self) -> (Recovery, Vec<Vec<u8>>) {
        let mut keys = Vec::new();
        let file = TestFile::new(self.file.bytes());
        let recovery = recover(Some(&file), self.checkpoint, 10, &mut |operation| {
            if let LogOperation::Insert { key, .. } = operation {
                keys.push(key.to_vec());
            }
            Ok(())
        });
        (recovery.unwrap(), keys)
    }

    /// A crash now gives exactly what was committed, and the same log to continue.
    fn assert_recovers(&self) -> Recovery {
        let (recovery, keys) = self.recovered();
        assert_eq!(keys, self.keys);
        assert!(!recovery.restart_at_zero || keys.is_empty());
        if recovery.commits > 0 {
            assert_eq!(recovery.state.checksum, self.state.checksum);
            assert_eq!(recovery.state.regions[2], self.state.regions[2]);
        }
        recovery
    }

    /// The set-up of the reproduction recipes: the next transaction starts over at offset 0.
    fn about_to_wrap() -> Self {
        let mut log = Log::new(1);
        log.begin();
        for i in 0..150 {
            log.insert(&format!("a{i:06}"), 1000);
        }
        log.commit();
        assert_eq!(log.regions(), [(0, 0), (0, 0), (0, 151_691)]);
        log.flush();
        for i in 0..10 {
            log.single(&format!("b{i:06}"), 500);
        }
        assert_eq!(log.regions(), [(0, 0), (0, 0), (0, 156_891)]);
        log.reclaim();
        assert_eq!(log.regions(), [(0, 0), (0, 0), (151_691, 156_891)]);
        log
    }
}

#[test]
fn regions_wrap_jump_and_are_reclaimed() {
    let mut log = Log::about_to_wrap();
    // B: starts over at 0; the jump takes eight bytes.
    log.single("wrapped", 590);
    assert_eq!(log.regions(), [(151_691, 156_899), (0, 0), (0, 610)]);
    assert_eq!(log.file.bytes()[156_891..156_899], [2, 4, 0, 0, 0, 0, 4, 0]);
    let recovery = log.assert_recovers();
    assert_eq!(recovery.state.regions, log.state.regions);
    // C: reaches what is live and jumps over it.
    for i in 0..300 {
        log.single(&format!("long{i:05}"), 600);
        log.assert_recovers();
    }
    let [first, second, last] = log.regions();
    assert_eq!(first, (151_691, 156_899));
    assert_eq!(second.0, 0);
    assert!(second.1 <= 151_691 && second.1 + 700 > 151_691, "{second:?}");
    assert_eq!(last.0, 156_900, "one byte is skipped without sectors");
    assert_eq!(log.assert_recovers().state.regions, log.state.regions);
    // Recovery from a pointer in region 1 makes it region 0.
    log.checkpoint();
    assert_eq!(log.regions()[..2], [(0, 0), (0, 0)]);
    // A again, and around once more.
    log.single("again", 10);
    assert_eq!(log.regions()[2].0, 0);
    log.assert_recovers();
    // Emptying region 0 gives the fresh state.
    log.checkpoint();
    assert_eq!(log.regions()[..2], [(0, 0), (0, 0)]);
    log.single("fresh", 10);
    log.assert_recovers();
}

#[test]
fn sectors_are_never_shared_across_a_jump() {
    let mut log = Log::new(512);
    for i in 0..300 {
        log.single(&format!("first{i:05}"), 400);
    }
    log.checkpoint();
    for i in 0..900 {
        log.single(&format!("next{i:05}"), 300);
        log.assert_recovers();
        assert!(log.regions().iter().all(|region| region.0 % 512 == 0 || region.0 == 0));
        assert_eq!(log.regions()[2].1 % 512, 0);
    }
    let [first, second, last] = log.regions();
    assert!(first.1 > 0 && second.1 > 0, "{first:?} {second:?}");
    assert_eq!(last.0, (first.1 / 512 + 1) * 512);
}

#[test]
fn rolled_back_wrap_costs_nothing() {
    let mut log = Log::about_to_wrap();
    let before = log.state;
    log.begin();
    log.writer.insert(b"undone", b"x").unwrap();
    log.writer.rollback(&mut log.state);
    assert_eq!(log.state, before);
    log.assert_recovers();
    for i in 0..5 {
        log.single(&format!("after{i}"), 20);
        assert_eq!(log.assert_recovers().commits, 11 + i);
    }
}

#[test]
fn savepoint_rolled_back_across_a_jump() {
    let mut log = Log::about_to_wrap();
    log.single("one", 500);
    log.begin();
    for i in 0..140 {
        log.insert(&format!("bulk{i:05}"), 1000);
    }
    let mark = log.writer.mark();
    let kept = log.keys.len();
    for i in 0..30 {
        log.insert(&format!("undone{i:05}"), 1000);
    }
    log.keys.truncate(kept);
    log.writer.seek(&mark);
    log.insert("kept", 500);
    log.commit();
    assert!(log.regions().iter().all(|region| region.0 <= region.1), "{:?}", log.regions());
    assert_eq!(log.regions()[1], (0, 0), "the jump was undone with the savepoint");
    log.assert_recovers();
    for i in 0..20 {
        log.single(&format!("later{i:05}"), 800);
        log.assert_recovers();
    }
    assert_ne!(log.regions()[1], (0, 0));
}

#[test]
fn savepoint_recovers_from_a_full_disk() {
    let mut log = Log::new(1);
    log.begin();
    log.insert("a", 100);
    let mark = log.writer.mark();
    log.file.inner().space = Some(70);
    log.writer.insert(b"big", &[1; 40_000]).unwrap_err();
    log.writer.seek(&mark);
    log.file.inner().space = None;
    log.insert("b", 100);
    log.commit();
    log.assert_recovers();
}

#[test]
fn transaction_after_a_torn_commit_is_found() {
    for space in 0..130 {
        let mut log = Log::new(1);
        log.single("first", 10);
        log.begin();
        log.writer.insert(b"torn", &[7; 90]).unwrap();
        log.file.inner().space = Some(space);
        let failed = log.writer.commit(false).is_err();
        log.file.inner().space = None;
        if failed {
            log.writer.rollback(&mut log.state);
        } else {
            log.keys.push(b"torn".to_vec());
            log.writer.end(&mut log.state).unwrap();
        }
        log.assert_recovers();
        log.single("next", 5);
        log.assert_recovers();
    }
}

#[test]
fn unusable_pointer_restarts_at_zero_with_the_same_checksum() {
    let mut log = Log::new(1);
    log.single("first", 10);
    log.checkpoint();
    // As after a clean close: the log is gone, the pointer stayed.
    let restarted = recover(None, log.checkpoint, 7, &mut |_| Ok(())).unwrap();
    assert!(restarted.restart_at_zero);
    assert_eq!(restarted.state.regions, LogState::default().regions);
    assert_eq!(restarted.state.checksum, log.checkpoint.checksum);
    assert_eq!(restarted.state.snapshot_id, 7);
    log.file.inner().bytes.clear();
    let (empty, _) = log.recovered();
    assert_eq!((empty.state.regions, empty.restart_at_zero), (restarted.state.regions, true));
    log.state = restarted.state;
    log.single("second", 10);
    let (recovery, keys) = log.recovered();
    assert_eq!(keys, [b"second"]);
    assert!(recovery.restart_at_zero);
    assert_eq!(recovery.state.regions, log.state.regions);
}

#[test]
fn pointer_of_the_first_flush_of_c_is_understood() {
    let mut log = Log::new(1);
    log.single("first", 10);
    log.checkpoint = LogPointer { pointer: 1, checksum: [0, 0] };
    let recovery = log.assert_recovers();
    assert_eq!(recovery.commits, 1);
    assert!(!recovery.restart_at_zero);
}

#[test]
fn good_records_behind_a_damaged_one_are_counted() {
    let mut log = Log::new(1);
    for i in 0..10 {
        log.single(&format!("key{i}"), 20);
    }
    let (_, all) = log.recovered();
    assert_eq!(all.len(), 10);
    let length = log.file.bytes().len() as u64;
    let third = length / 10 * 3;
    log.file.inner().bytes[third as usize + 10] ^= 1;
    let (recovery, keys) = log.recovered();
    assert_eq!(keys, all[..3]);
    assert_eq!(recovery.bytes_after_end, length - third);
    assert_eq!(recovery.commits_after_end, 7);
}

#[test]
fn records_are_shown_in_order() {
    let mut log = Log::about_to_wrap();
    log.single("wrapped", 5);
    let (mut commits, mut jumps, mut keys) = (0, Vec::new(), Vec::new());
    visit_records(&*log.file, log.checkpoint, &mut |offset, entry| {
        match entry {
            LogEntry::Commit => commits += 1,
            LogEntry::Jump { target } => jumps.push((offset, target)),
            LogEntry::Operation(LogOperation::Insert { key, .. }) => keys.push(key.to_vec()),
            LogEntry::Padding { bytes } => assert_eq!(bytes, 6),
            LogEntry::Operation(_) => panic!(),
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((commits, keys), (11, log.keys.clone()));
    assert_eq!(jumps, [(log.regions()[0].1 - 2, 0)]);
}
