//! Walks the records of a log file with bounded memory.
//!
//! The file is read through one window. Lengths found in it are never trusted: the window grows
//! only by bytes the file really holds. Behind its end a file reads as zeros, which end the log.
//! Format: docs/format-log.md, "Records".

use crate::env::File;
use crate::error::{IoContext, Result};
use crate::format::log_record::{CHECKSUM_LEN, Checksum, MAX_HEAD_LEN, RecordHead, RecordKind};

/// Bytes read at once, where the log is short and where it is long.
const FIRST_WINDOW: usize = 8 * 1024;
const WINDOW: usize = 64 * 1024;
/// Beyond this no file can be read; such offsets are treated as behind its end.
const FAR: u64 = 1 << 62;

/// A change that a committed transaction made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOperation<'a> {
    /// The key has this value now.
    Insert {
        /// The key.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// The key is gone.
    Delete {
        /// The key.
        key: &'a [u8],
    },
    /// All keys strictly between the two are gone.
    DeleteRange {
        /// Exclusive lower bound.
        low: &'a [u8],
        /// Exclusive upper bound.
        high: &'a [u8],
    },
}

/// Folds bytes that arrive in pieces of any length.
#[derive(Debug)]
struct Folder {
    checksum: Checksum,
    carried: [u8; 8],
    count: usize,
}

impl Folder {
    fn push(&mut self, mut bytes: &[u8]) {
        if self.count > 0 {
            let free = self.carried.get_mut(self.count..).unwrap_or_default();
            let taken = free.len().min(bytes.len());
            let (now, later) = bytes.split_at(taken);
            free.iter_mut().zip(now).for_each(|(to, &from)| *to = from);
            self.count += taken;
            bytes = later;
            if self.count < 8 {
                return;
            }
            self.checksum.fold(&[self.carried]);
        }
        let (groups, tail) = bytes.as_chunks::<8>();
        self.checksum.fold(groups);
        self.carried = [0; 8];
        self.carried.iter_mut().zip(tail).for_each(|(to, &from)| *to = from);
        self.count = tail.len();
    }

    fn finish(&mut self) -> Checksum {
        if self.count > 0 {
            let carried = self.carried.get(..self.count).unwrap_or_default();
            self.checksum.fold_padded(carried);
            self.count = 0;
        }
        self.checksum
    }
}

/// A position in a log, and whatever of the file is buffered there.
#[derive(Debug)]
pub(super) struct LogReader<'a> {
    file: &'a dyn File,
    /// Size of the file, where the world can tell.
    size: Option<u64>,
    window: Vec<u8>,
    window_offset: u64,
    filled: usize,
    at: usize,
    end_of_file: bool,
    folder: Option<Folder>,
}

impl<'a> LogReader<'a> {
    /// Starts at `offset`; with a checksum, folds everything consumed into it.
    pub(super) fn new(file: &'a dyn File, offset: u64, checksum: Option<Checksum>) -> Self {
        let mut reader = LogReader {
            file,
            size: file.size().ok(),
            window: Vec::new(),
            window_offset: 0,
            filled: 0,
            at: 0,
            end_of_file: false,
            folder: checksum.map(|checksum| Folder { checksum, carried: [0; 8], count: 0 }),
        };
        reader.go_to(offset);
        reader
    }

    /// Offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.window_offset.saturating_add(self.at as u64)
    }

    /// Continues elsewhere. Groups of the checksum do not restart.
    pub(super) fn go_to(&mut self, offset: u64) {
        self.window_offset = offset;
        self.filled = 0;
        self.at = 0;
        self.end_of_file = offset >= self.size.unwrap_or(FAR).min(FAR);
    }

    /// At least `wanted` bytes from the present position on, fewer only where the file ends.
    pub(super) fn fill(&mut self, wanted: usize) -> Result<&[u8]> {
        while self.filled - self.at < wanted && !self.end_of_file {
            self.window.copy_within(self.at..self.filled, 0);
            self.window_offset += self.at as u64;
            self.filled -= self.at;
            self.at = 0;
            if self.filled == self.window.len() || self.window.len() < WINDOW {
                // At most doubles, after the file proved to hold what was asked for so far.
                let doubled = self.window.len().saturating_mul(2);
                self.window.resize(doubled.min(wanted.max(WINDOW)).max(FIRST_WINDOW), 0);
            }
            let free = self.window.get_mut(self.filled..).unwrap_or_default();
            let offset = self.window_offset + self.filled as u64;
            let got = self.file.read_at(offset, free).during("reading the log")?.min(free.len());
            self.end_of_file = got < free.len();
            self.filled += got;
        }
        Ok(self.window.get(self.at..self.filled).unwrap_or_default())
    }

    /// The head of the next record; `None` = the log ends here.
    pub(super) fn head(&mut self) -> Result<Option<RecordHead>> {
        let bytes = self.fill(MAX_HEAD_LEN)?;
        if let Some(whole) = bytes.first_chunk() {
            return Ok(RecordHead::decode(whole));
        }
        let mut padded = [0; MAX_HEAD_LEN];
        padded.iter_mut().zip(bytes).for_each(|(to, &from)| *to = from);
        Ok(RecordHead::decode(&padded))
    }

    /// Moves over `count` bytes of a head, folding them.
    pub(super) fn consume(&mut self, count: usize) {
        let end = self.filled.min(self.at.saturating_add(count));
        let bytes = self.window.get(self.at..end).unwrap_or_default();
        // Of a head at the end of the file the rest is virtual zeros.
        let missing = count - bytes.len();
        if let Some(folder) = &mut self.folder {
            folder.push(bytes);
            folder.push([0; MAX_HEAD_LEN].get(..missing).unwrap_or_default());
        }
        self.at = end;
        self.window_offset += missing as u64;
    }

    /// Closes the group and moves over a stored checksum; the running one.
    pub(super) fn checksum(&mut self) -> Checksum {
        let folder = self.folder.take();
        self.consume(CHECKSUM_LEN);
        self.folder = folder;
        self.folder.as_mut().map(Folder::finish).unwrap_or_default()
    }

    /// Moves over payload, folding it; `false` if the file ends within.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<bool> {
        while count > 0 {
            let available = self.fill(1)?.len();
            if available == 0 {
                return Ok(false);
            }
            let step = count.min(available as u64);
            self.consume(step as usize);
            count -= step;
        }
        Ok(true)
    }

    /// The payload of a record whose head was consumed, as an operation; `None` if the record is
    /// not one, or the file ends within. Call `skip` or `consume` afterwards to move on.
    pub(super) fn operation(&mut self, kind: RecordKind) -> Result<Option<LogOperation<'_>>> {
        let (RecordKind::Insert { key: first, .. }
        | RecordKind::Delete { key: first }
        | RecordKind::DeleteRange { low: first, .. }) = kind
        else {
            return Ok(None);
        };
        let (Ok(first), Ok(all)) = (usize::try_from(first), usize::try_from(kind.payload())) else {
            return Ok(None);
        };
        let halves = self.fill(all)?.get(..all).and_then(|bytes| bytes.split_at_checked(first));
        Ok(halves.map(|(first, second)| match kind {
            RecordKind::Delete { .. } => LogOperation::Delete { key: first },
            RecordKind::DeleteRange { .. } => {
                LogOperation::DeleteRange { low: first, high: second }
            }
            _ => LogOperation::Insert { key: first, value: second },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::test_file::TestFile;

    #[test]
    fn folding_in_pieces_equals_folding_at_once() {
        let bytes: Vec<u8> = (0..100u8).map(|byte| byte.wrapping_mul(77)).collect();
        let mut whole = Checksum::new([1, 2]);
        whole.fold_padded(&bytes);
        for first in 0..=100 {
            for second in [first, (first + 5).min(100), 100] {
                let checksum = Checksum::new([1, 2]);
                let mut folder = Folder { checksum, carried: [0; 8], count: 0 };
                folder.push(&bytes[..first]);
                folder.push(&bytes[first..second]);
                folder.push(&bytes[second..]);
                assert_eq!(folder.finish(), whole, "{first} {second}");
                assert_eq!(folder.finish(), whole);
            }
        }
    }

    #[test]
    fn window_grows_only_with_the_file() {
        let file = TestFile::new(vec![7; 100_000]);
        let mut reader = LogReader::new(&file, 0, None);
        assert_eq!(reader.fill(usize::MAX).unwrap().len(), 100_000);
        assert!(reader.window.len() <= 4 * WINDOW);
        assert!(!reader.skip(100_001).unwrap());
        assert_eq!(reader.position(), 100_000);
        reader.go_to(u64::MAX);
        assert_eq!(reader.head().unwrap(), None);
    }
}
