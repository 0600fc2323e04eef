//! Logs that no writer made, and logs that C lsm1 made: whole, cut and changed.

use super::model_tests::{Change, Random};
use super::test_file::TestFile;
use super::*;
use crate::format::checkpoint::{Checkpoint, LogPointer, verified_len};
use crate::format::log_record::{self, Checksum};
use std::sync::Arc;

const SEEDS: [u32; 2] = [1234, 5678];

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/c-lsm1/", $name))
    };
}

const LOG_ONLY: &[u8] = fixture!("log-only.lsm-log");
const LIVE_LOG: &[u8] = fixture!("live-log.lsm-log");
const LIVE_LOG_DATABASE: &[u8] = fixture!("live-log.lsm");

fn start() -> LogPointer {
    LogPointer { pointer: 0, checksum: SEEDS }
}

fn operations(file: &TestFile, pointer: LogPointer) -> (Recovery, Vec<Change>) {
    let mut all = Vec::new();
    let recovery = recover(Some(file), pointer, 0, &mut |operation| {
        all.push(Change::from(operation));
        Ok(())
    });
    (recovery.unwrap(), all)
}

#[test]
fn third_jump_ends_the_log() {
    let mut bytes = vec![];
    let mut checksum = log_record::Checksum::new(SEEDS);
    for target in [64u8, 128, 192] {
        let group = [1, 1, 1, 1, 1, 1, log_record::JUMP, target];
        bytes.extend_from_slice(&group);
        bytes.resize(usize::from(target), 0);
        checksum.fold_padded(&group);
    }
    let mut commit = checksum;
    commit.fold_padded(&[log_record::COMMIT]);
    bytes.push(log_record::COMMIT);
    bytes.extend_from_slice(&commit.to_bytes());
    assert_eq!(operations(&TestFile::new(bytes), start()).0.commits, 0);
}

#[test]
fn huge_lengths_end_the_log_without_allocating() {
    let huge = [251, 0x7F, 255, 255, 255];
    for kind in [log_record::PAD, log_record::INSERT, log_record::DELETE, log_record::DELETE_RANGE]
    {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&huge);
        bytes.extend_from_slice(&huge);
        bytes.extend_from_slice(&[9; 1000]);
        let file = TestFile::new(bytes);
        for no_size in [false, true] {
            file.inner().no_size = no_size;
            let (recovery, _) = operations(&file, start());
            assert_eq!((recovery.commits, recovery.bytes_after_end), (0, 0));
        }
    }
}

#[test]
fn pointers_anywhere_are_harmless() {
    let file = TestFile::new(LOG_ONLY.to_vec());
    for no_size in [false, true] {
        file.inner().no_size = no_size;
        for pointer in [1 << 20, i64::MAX, i64::MIN, -1] {
            let pointer = LogPointer { pointer, checksum: SEEDS };
            let (recovery, all) = operations(&file, pointer);
            assert!(recovery.restart_at_zero);
            assert_eq!((recovery.commits, all.len() > 80), (101, true));
        }
    }
}

#[test]
fn logs_of_c_are_read_to_their_end() {
    let (recovery, all) = operations(&TestFile::new(LOG_ONLY.to_vec()), start());
    assert_eq!((recovery.commits, recovery.state.regions[2].end), (101, 5695));
    assert_eq!(recovery.state.checksum, [0xa1ac_d502, 0x927d_10cb]);
    assert!(matches!(&all[0], Change::Insert(key, _) if key == b"only-in-log-000"));
    for (page, commits) in LIVE_LOG_DATABASE.chunks(4096).zip([289, 137]) {
        let (words, _) = page.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
        let checkpoint = Checkpoint::decode(&words[..verified_len(&words).unwrap()]).unwrap();
        let file = TestFile::new(LIVE_LOG.to_vec());
        let (recovery, _) = operations(&file, checkpoint.log);
        assert_eq!((recovery.commits, recovery.state.regions[2].end), (commits, 43_908));
        assert_eq!(recovery.state.checksum, [0xc640_e7dd, 0x294a_79af]);
        assert_eq!(recovery.bytes_after_end, 0);
    }
}

#[test]
fn log_of_c_with_any_byte_changed_gives_a_prefix() {
    let (_, whole) = operations(&TestFile::new(LOG_ONLY.to_vec()), start());
    let file = TestFile::new(LOG_ONLY.to_vec());
    for at in 0..LOG_ONLY.len() {
        for change in [1, 0x80, 0xFF] {
            file.inner().bytes[at] ^= change;
            let (_, all) = operations(&file, start());
            assert_eq!(all, whole[..all.len()], "byte {at} change {change}");
            assert!(all.len() < whole.len());
            file.inner().bytes[at] ^= change;
        }
    }
}

#[test]
fn log_of_c_can_be_continued() {
    let file = Arc::new(TestFile::new(LOG_ONLY.to_vec()));
    let (recovery, before) = operations(&file, start());
    let mut state = recovery.state;
    let mut writer = LogWriter::new(file.clone());
    writer.begin(&mut state, 512).unwrap();
    writer.insert(b"one", b"more").unwrap();
    writer.commit(true).unwrap();
    writer.end(&mut state).unwrap();
    let (recovery, after) = operations(&file, start());
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(recovery.state, state);
}

/// Records in any order, with right checksums and wild jumps.
fn soup(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; 8192];
    let mut checksum = Checksum::new(SEEDS);
    let (mut at, mut group) = (0, Vec::new());
    for _ in 0..60 {
        let mut record = Vec::new();
        let mut sum = false;
        match random.below(8) {
            0 => record.push(log_record::PAD_BYTE),
            1 => record.extend_from_slice(&[log_record::PAD, 3, 9, 9, 9]),
            2 if random.below(3) == 0 => {
                let target = random.below(8000);
                let (encoded, len) = crate::format::varint::encode(target);
                record.push(log_record::JUMP);
                record.extend_from_slice(&encoded[..len]);
                group.extend_from_slice(&record);
                bytes[at..at + record.len()].copy_from_slice(&record);
                at = target as usize;
                continue;
            }
            2..5 => {
                record.push(log_record::COMMIT);
                sum = true;
            }
            5 => record.extend_from_slice(&[log_record::DELETE, 2, 1, 1]),
            6 => record.extend_from_slice(&[log_record::DELETE_RANGE, 1, 1, 1, 2]),
            _ => record.extend_from_slice(&[log_record::INSERT, 1, 2, 1, 2, 3]),
        }
        if at + record.len() + 8 > bytes.len() {
            break;
        }
        bytes[at..at + record.len()].copy_from_slice(&record);
        at += record.len();
        group.extend_from_slice(&record);
        if sum {
            checksum.fold_padded(&group);
            group.clear();
            bytes[at..at + 8].copy_from_slice(&checksum.to_bytes());
            at += 8;
        }
    }
    bytes
}

#[test]
fn soup_with_right_checksums_is_survived_and_continued() {
    let (mut commits, mut jumped) = (0, 0);
    for seed in 0..3000 {
        let file = Arc::new(TestFile::new(soup(&mut Random(seed))));
        let (recovery, before) = operations(&file, start());
        commits += recovery.commits;
        jumped += usize::from(recovery.state.regions[1].end > 0);
        let mut state = recovery.state;
        let mut writer = LogWriter::new(file.clone());
        for _ in 0..3 {
            writer.begin(&mut state, 1).unwrap();
            writer.insert(b"one", b"more").unwrap();
            writer.commit(true).unwrap();
            writer.end(&mut state).unwrap();
        }
        let (_, after) = operations(&file, start());
        assert!(after.len() <= before.len() + 3, "seed {seed}");
    }
    assert!(commits > 10_000 && jumped > 100, "{commits} {jumped}");
}
