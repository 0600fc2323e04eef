//! Appends transactions to the log.
//!
//! One transaction at a time, by the holder of the writer role. Records gather in a buffer that
//! outlives transactions; it goes to the file with a checksum when 32 KiB are exceeded, before a
//! jump, and at commit, so that a small commit is one write and, under full durability, one sync.
//! Until [`LogWriter::end`] nothing but the private regions has changed: [`LogWriter::rollback`]
//! restores them exactly, whatever reached the file. Protocol: docs/format-log.md, "Writing".

use super::regions::{self, Obstacle};
use crate::env::File;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::log_record::{
    self, COMMIT_LEN, Checksum, DELETE, DELETE_RANGE, INSERT, JUMP, JUMP_LIMIT, MAX_JUMP_LEN,
};
use crate::format::tree_header::{LogRegion, LogState};
use crate::format::varint;
use std::borrow::Cow;
use std::sync::Arc;

/// The buffer is written, with a checksum, before a record would make it longer.
const BUFFER_LIMIT: usize = 32768;
/// Capacity kept between transactions; only large values take more.
const KEEP_CAPACITY: usize = 256 * 1024;
/// The file grows by multiples of this under full durability.
const GROWTH: u64 = 32 * 1024;
/// Longest key or value.
const MAX_LENGTH: usize = 0x7FFF_FFFF;
/// What padding before a commit is made of.
const FILLER: u8 = 0x2B;
/// Padding to a group of eight and a jump to offset 0.
const WRAP: [u8; regions::WRAP_LEN as usize] = [0x02, 4, 0, 0, 0, 0, JUMP, 0];

/// The transaction went past an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jumped {
    /// End of the records before it.
    end: u64,
    /// Start of those behind.
    resume: u64,
}

/// A point of a transaction to which it can be rolled back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogMark {
    /// Offset up to which `checksum` reaches.
    folded_to: u64,
    /// What follows it, less than a group.
    tail: [u8; 8],
    tail_len: usize,
    checksum: Checksum,
    jumped: Option<Jumped>,
}

/// Writes the log of one database.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: Arc<dyn File>,
    /// Records not written yet, or written only in part.
    buffer: Vec<u8>,
    /// File offset of the buffer's first byte.
    offset: u64,
    /// Bytes of the buffer that are in the checksum already; whole groups.
    folded: usize,
    checksum: Checksum,
    sector: u64,
    obstacle: Option<Obstacle>,
    jumped: Option<Jumped>,
    /// What `begin` found.
    before: LogState,
    stage: Stage,
    /// The file was at least this long when it was asked; others may have made it longer since.
    file_size: u64,
}

/// How far the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Idle,
    /// Records may be added.
    Open,
    /// A write failed; only seeking back or rolling back helps.
    Failed,
    /// The commit record may be in the file, wholly or in part.
    CommitFailed,
    /// The commit record is in the file.
    Committed,
}

impl LogWriter {
    /// Writes into `file`.
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        LogWriter {
            file,
            buffer: Vec::new(),
            offset: 0,
            folded: 0,
            checksum: Checksum::default(),
            sector: 1,
            obstacle: None,
            jumped: None,
            before: LogState::default(),
            stage: Stage::Idle,
            file_size: 0,
        }
    }

    /// The log file.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Starts a transaction at the end of the log that `state` describes. Under full durability
    /// `sector_size` is that of the database file, otherwise 1. A log that has room in front of it
    /// starts over at offset 0. On an error `state` is unchanged.
    ///
    /// # Errors
    /// `Corrupt` for impossible regions; `Io`, `Full`.
    pub(crate) fn begin(&mut self, state: &mut LogState, sector_size: u32) -> Result<()> {
        self.reset();
        self.sector = u64::from(sector_size.max(1));
        self.checksum = Checksum::new(state.checksum);
        self.before = *state;
        let placement = regions::place(state, self.sector)?;
        if let Some(offset) = placement.wrap {
            if let Err(error) = self.file.write_at(offset, &WRAP).during("writing the log") {
                *state = self.before;
                return Err(error);
            }
            self.checksum.fold_padded(&WRAP);
        }
        self.offset = placement.offset;
        self.obstacle = placement.obstacle;
        self.stage = Stage::Open;
        Ok(())
    }

    /// Adds: `key` has `value`.
    ///
    /// # Errors
    /// `Misuse` for a key or value beyond 2 GiB; `OutOfMemory`; `Io`, `Full`.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.append(INSERT, key, Some(value))
    }

    /// Adds: `key` is gone.
    ///
    /// # Errors
    /// As `insert`.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.append(DELETE, key, None)
    }

    /// Adds: all keys strictly between `low` and `high` are gone.
    ///
    /// # Errors
    /// As `insert`.
    pub(crate) fn delete_range(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        self.append(DELETE_RANGE, low, Some(high))
    }

    /// Remembers this point.
    pub(crate) fn mark(&mut self) -> LogMark {
        let (groups, rest) = self.buffer.get(self.folded..).unwrap_or_default().as_chunks::<8>();
        self.checksum.fold(groups);
        let mut tail = [0; 8];
        tail.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
        let tail_len = rest.len();
        self.folded = self.buffer.len() - tail_len;
        LogMark {
            folded_to: self.offset + self.folded as u64,
            tail,
            tail_len,
            checksum: self.checksum,
            jumped: self.jumped,
        }
    }

    /// Forgets everything added after `mark`, also a write that failed since. Marks made after it
    /// are void.
    pub(crate) fn seek(&mut self, mark: &LogMark) {
        let inside = mark
            .folded_to
            .checked_sub(self.offset)
            .and_then(|folded| usize::try_from(folded).ok())
            .filter(|folded| folded + mark.tail_len <= self.buffer.len());
        if let Some(folded) = inside {
            self.buffer.truncate(folded + mark.tail_len);
            self.folded = folded;
        } else {
            // What follows the mark in the file is overwritten, or never proved by a checksum.
            self.buffer.clear();
            self.buffer.extend_from_slice(mark.tail.get(..mark.tail_len).unwrap_or_default());
            self.offset = mark.folded_to;
            self.folded = 0;
        }
        self.checksum = mark.checksum;
        self.jumped = mark.jumped;
        if self.stage == Stage::Failed {
            self.stage = Stage::Open;
        }
    }

    /// Writes what is left and the commit record; with `will_sync`, prepared for the sync of the
    /// file that makes it safe. After an error the transaction is not committed and must be rolled
    /// back.
    ///
    /// # Errors
    /// `Io`, `Full`.
    pub(crate) fn commit(&mut self, will_sync: bool) -> Result<()> {
        self.usable()?;
        let padding_room = if self.sector > 1 { self.sector + MAX_JUMP_LEN } else { 0 };
        self.jump_if_required(COMMIT_LEN as u64 + padding_room)?;
        if self.sector > 1 {
            // The next commit must not share a sector with this one: rewriting it could tear.
            let end = self.position() + COMMIT_LEN as u64;
            let goal = self.buffer.len() + (end.next_multiple_of(self.sector) - end) as usize;
            while self.buffer.len() < goal {
                let missing = goal - self.buffer.len();
                log_record::push_padding(&mut self.buffer, missing, FILLER);
            }
        }
        self.buffer.push(log_record::COMMIT);
        self.stage = Stage::CommitFailed;
        self.fold_rest();
        self.buffer.extend_from_slice(&self.checksum.to_bytes());
        if will_sync {
            self.grow_with_zeros();
        }
        self.write()?;
        self.stage = Stage::Committed;
        Ok(())
    }

    /// After `commit`: describes the log with the transaction in `state`, for publication.
    ///
    /// # Errors
    /// `Misuse` without a successful commit.
    pub(crate) fn end(&mut self, state: &mut LogState) -> Result<()> {
        if self.stage != Stage::Committed {
            return Err(Error::misuse("the transaction was not committed to the log"));
        }
        let [_, second, last] = &mut state.regions;
        if let Some(Jumped { end, resume }) = self.jumped {
            *second = LogRegion { start: last.start, end };
            last.start = resume;
        }
        last.end = self.offset;
        state.checksum = self.checksum.words();
        self.reset();
        Ok(())
    }

    /// Gives the transaction up: `state` is as `begin` found it, and what was written is
    /// overwritten by the next transaction. Harmless without a transaction.
    pub(crate) fn rollback(&mut self, state: &mut LogState) {
        if self.stage == Stage::Idle {
            return;
        }
        *state = self.before;
        if matches!(self.stage, Stage::CommitFailed | Stage::Committed) {
            // The commit record may stand in the file: end the log before it, so that a crash
            // does not bring back what was reported as failed. If this fails too, nothing is
            // lost but that certainty.
            let _ = end_at(&*self.file, &self.before);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEEP_CAPACITY);
        self.folded = 0;
        self.jumped = None;
        self.obstacle = None;
        self.stage = Stage::Idle;
    }

    fn usable(&self) -> Result<()> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Failed | Stage::CommitFailed => {
                Err(Error::misuse("writing the log failed; roll the transaction back"))
            }
            Stage::Idle | Stage::Committed => Err(Error::misuse("no transaction writes the log")),
        }
    }

    /// Offset of the next record.
    fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    #[inline]
    fn append(&mut self, kind: u8, first: &[u8], second: Option<&[u8]>) -> Result<()> {
        self.usable()?;
        if first.len() > MAX_LENGTH || second.is_some_and(|bytes| bytes.len() > MAX_LENGTH) {
            return Err(Error::misuse("keys and values are limited to 2147483647 bytes"));
        }
        let field = |bytes: &[u8]| varint::len(bytes.len() as u64) as u64 + bytes.len() as u64;
        let needed = 1 + log_record::CHECKSUM_LEN as u64 + field(first) + second.map_or(0, field);
        let jumped = self.jump_if_required(needed)?;
        let reserve = usize::try_from(needed).unwrap_or(usize::MAX);
        if self.buffer.try_reserve(reserve).is_err() {
            return Err(Error::new(ErrorKind::OutOfMemory(Cow::Borrowed("buffering the log"))));
        }
        let checked = jumped || self.buffer.len() + reserve > BUFFER_LIMIT;
        self.buffer.push(kind | if checked { log_record::CHECKED } else { 0 });
        varint::push(&mut self.buffer, first.len() as u64);
        if let Some(second) = second {
            varint::push(&mut self.buffer, second.len() as u64);
        }
        if checked {
            self.write_with_checksum()?;
        }
        self.buffer.extend_from_slice(first);
        self.buffer.extend_from_slice(second.unwrap_or_default());
        Ok(())
    }

    /// Goes past the obstacle if a record of `needed` bytes, and a jump after it, would not fit
    /// before it. The record that follows must carry a checksum, which proves the jump.
    #[inline]
    fn jump_if_required(&mut self, needed: u64) -> Result<bool> {
        let position = self.position();
        match self.obstacle {
            Some(obstacle)
                if position <= obstacle.last
                    && position + needed + MAX_JUMP_LEN > obstacle.start =>
            {
                self.jump(obstacle)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    #[cold]
    fn jump(&mut self, obstacle: Obstacle) -> Result<()> {
        let target = obstacle.behind();
        if target >= JUMP_LIMIT {
            self.stage = Stage::Failed;
            return Err(Error::new(ErrorKind::Full(Cow::Borrowed(
                "the log has grown beyond 2 GiB; write a checkpoint, then retry",
            ))));
        }
        let (encoded, len) = varint::encode(target);
        let end = self.buffer.len() + 1 + len;
        log_record::push_padding(&mut self.buffer, end.next_multiple_of(8) - end, 0);
        self.buffer.push(JUMP);
        self.buffer.extend_from_slice(encoded.get(..len).unwrap_or_default());
        self.fold_rest();
        self.write()?;
        self.jumped = Some(Jumped { end: self.offset, resume: target });
        self.offset = target;
        Ok(())
    }

    fn fold_rest(&mut self) {
        self.checksum.fold_padded(self.buffer.get(self.folded..).unwrap_or_default());
    }

    fn write_with_checksum(&mut self) -> Result<()> {
        self.fold_rest();
        self.buffer.extend_from_slice(&self.checksum.to_bytes());
        self.write()
    }

    /// Lets the file end far behind the buffer: a sync of bytes that lie inside the file is much
    /// cheaper than one that must also make a new size safe. Zeros end the log for every reader.
    /// What lies inside the file already is not touched, for it may be an older region of the log;
    /// without room for zeros nothing happens.
    fn grow_with_zeros(&mut self) {
        let (len, end) = (self.buffer.len(), self.position());
        if end <= self.file_size {
            return;
        }
        // Other processes write as well, so an older answer says too little. Not every world can
        // tell the size of a file.
        let Ok(size) = self.file.size() else { return };
        self.file_size = size.max(end);
        if end <= size {
            return;
        }
        let goal = end.next_multiple_of(GROWTH);
        self.buffer.resize(len + (goal - end) as usize, 0);
        let zeros = self.buffer.get(len..).unwrap_or_default();
        if self.file.write_at(end, zeros).is_ok() {
            self.file_size = goal;
        }
        self.buffer.truncate(len);
    }

    /// Writes the whole buffer. After a failure the buffer is still there for `seek`.
    fn write(&mut self) -> Result<()> {
        if let Err(error) = self.file.write_at(self.offset, &self.buffer).during("writing the log")
        {
            if self.stage == Stage::Open {
                self.stage = Stage::Failed;
            }
            return Err(error);
        }
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        self.folded = 0;
        Ok(())
    }
}

/// Ends the log where `state` says, so that recovery finds nothing of what was written since.
pub(crate) fn end_at(file: &dyn File, state: &LogState) -> Result<()> {
    let [.., last] = state.regions;
    file.write_at(last.end, &[log_record::END]).during("ending the log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::test_file::TestFile;

    fn start() -> (Arc<TestFile>, LogWriter, LogState) {
        let file = Arc::new(TestFile::default());
        let writer = LogWriter::new(file.clone());
        (file, writer, LogState { checksum: [1234, 5678], ..LogState::default() })
    }

    #[test]
    fn writes_the_documented_bytes() {
        let (file, mut writer, mut state) = start();
        writer.begin(&mut state, 1).unwrap();
        writer.insert(b"k1", b"v1").unwrap();
        writer.commit(false).unwrap();
        writer.end(&mut state).unwrap();
        writer.begin(&mut state, 1).unwrap();
        writer.insert(b"k2", b"v2").unwrap();
        writer.delete(b"k1").unwrap();
        writer.delete_range(b"a", b"c").unwrap();
        writer.commit(false).unwrap();
        writer.end(&mut state).unwrap();
        let expected = b"\x06\x02\x02k1v1\x03\x6b\x02\x1d\x06\x6e\x33\xa9\x65\
            \x06\x02\x02k2v2\x08\x02k1\x0a\x01\x01ac\x03\x30\x0d\x20\x02\x57\x13\x24\x86";
        assert_eq!(file.bytes(), expected);
        let [.., last] = state.regions;
        assert_eq!(last, LogRegion { start: 0, end: 41 });
        assert_eq!(state.checksum, [0x300d_2002, 0x5713_2486]);
    }

    #[test]
    fn full_commit_is_one_write_one_sync_and_whole_sectors() {
        let (file, mut writer, mut state) = start();
        for round in 1..=3 {
            writer.begin(&mut state, 512).unwrap();
            writer.insert(b"key", b"value").unwrap();
            assert_eq!(file.inner().writes, if round == 1 { 0 } else { round });
            writer.commit(true).unwrap();
            writer.file().sync().unwrap();
            writer.end(&mut state).unwrap();
            // The first one makes the file longer.
            assert_eq!(file.writes_and_syncs(), (round + 1, round));
            let bytes = file.bytes();
            assert_eq!(bytes.len() as u64, GROWTH);
            assert!(bytes[round * 512 - 9] == log_record::COMMIT);
            assert!(bytes[round * 512..].iter().all(|&byte| byte == 0));
        }
        let bytes = file.bytes();
        assert_eq!(bytes[11..13], [log_record::PAD, 200]);
        assert_eq!(bytes[13 + 200..13 + 202], [log_record::PAD, 200]);
        assert_eq!(bytes[15 + 400..15 + 402], [log_record::PAD, 86]);
    }

    #[test]
    fn zeros_never_cover_what_others_wrote() {
        let (file, mut writer, mut state) = start();
        writer.begin(&mut state, 512).unwrap();
        writer.insert(b"key", b"value").unwrap();
        writer.commit(true).unwrap();
        writer.end(&mut state).unwrap();
        // Another process went on to 92 KB and over the end to the front; 50 KB and what follows
        // are needed still.
        file.write_at(GROWTH, &[7; 60_000]).unwrap();
        state.regions = [
            LogRegion { start: 50_000, end: GROWTH + 60_000 },
            LogRegion::default(),
            LogRegion { start: 0, end: GROWTH + 512 },
        ];
        writer.begin(&mut state, 512).unwrap();
        writer.insert(b"key", b"other").unwrap();
        writer.commit(true).unwrap();
        let bytes = file.bytes();
        assert_eq!(bytes.len() as u64, GROWTH + 60_000);
        assert!(bytes[50_000..].iter().all(|&byte| byte == 7));
    }

    #[test]
    fn failed_writes_poison_only_their_transaction() {
        let (file, mut writer, mut state) = start();
        writer.begin(&mut state, 1).unwrap();
        writer.insert(b"a", b"1").unwrap();
        writer.commit(false).unwrap();
        writer.end(&mut state).unwrap();
        let before = state;
        writer.begin(&mut state, 1).unwrap();
        file.inner().space = Some(100);
        writer.insert(b"b", &[0; 40_000]).unwrap();
        let error = writer.insert(b"c", b"3").unwrap_err();
        assert_eq!(error.code(), 13);
        assert_eq!(writer.insert(b"d", b"4").unwrap_err().code(), 21);
        assert_eq!(writer.commit(true).unwrap_err().code(), 21);
        writer.rollback(&mut state);
        assert_eq!(state, before);
        file.inner().space = None;
        writer.begin(&mut state, 1).unwrap();
        writer.insert(b"b", b"2").unwrap();
        writer.commit(true).unwrap();
        writer.end(&mut state).unwrap();
    }

    #[test]
    fn a_commit_that_was_written_can_be_taken_back() {
        let (file, mut writer, mut state) = start();
        let before = state;
        writer.begin(&mut state, 512).unwrap();
        writer.insert(b"a", b"1").unwrap();
        writer.commit(true).unwrap();
        writer.end(&mut state).unwrap();
        assert_ne!(file.bytes()[0], log_record::END);
        end_at(&*file, &before).unwrap();
        assert_eq!(file.bytes()[0], log_record::END);
    }

    #[test]
    fn failed_wrap_changes_nothing() {
        let (file, mut writer, mut state) = start();
        state.regions[2] = LogRegion { start: 151_691, end: 156_891 };
        let before = state;
        file.inner().space = Some(3);
        assert_eq!(writer.begin(&mut state, 1).unwrap_err().code(), 13);
        assert_eq!(state, before);
        assert!(writer.insert(b"a", b"b").is_err());
    }

    #[test]
    fn buffer_of_a_large_value_is_not_kept() {
        let (_, mut writer, mut state) = start();
        writer.begin(&mut state, 1).unwrap();
        writer.insert(b"a", &vec![1; 4 << 20]).unwrap();
        writer.commit(false).unwrap();
        writer.end(&mut state).unwrap();
        assert!(writer.buffer.capacity() <= KEEP_CAPACITY);
    }
}
