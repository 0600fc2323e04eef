//! Records of the log and the checksum that proves them: the bytes only, no file.
//!
//! A record is a type byte, up to two varints, an optional stored checksum and its payload. The
//! checksum runs over everything since the last stored one, except the stored bytes themselves.
//! Format: docs/format-log.md, "Records" and "Checksum".

use super::varint;

/// Ends the log; unwritten space reads as this.
pub const END: u8 = 0x00;
/// One byte of padding.
pub const PAD_BYTE: u8 = 0x01;
/// Padding with a byte count.
pub const PAD: u8 = 0x02;
/// End of a transaction; the checksum follows.
pub const COMMIT: u8 = 0x03;
/// Reading continues elsewhere.
pub const JUMP: u8 = 0x04;
/// A key gets a value.
pub const INSERT: u8 = 0x06;
/// A key is deleted.
pub const DELETE: u8 = 0x08;
/// All keys between two are deleted.
pub const DELETE_RANGE: u8 = 0x0A;
/// Added to the type of the last three when a checksum follows the lengths.
pub const CHECKED: u8 = 0x01;

/// Bytes of a stored checksum.
pub const CHECKSUM_LEN: usize = 8;
/// Bytes of a commit record.
pub const COMMIT_LEN: usize = 1 + CHECKSUM_LEN;
/// Longest head: type byte, two varints, checksum.
pub const MAX_HEAD_LEN: usize = 1 + 2 * varint::MAX_LEN + CHECKSUM_LEN;
/// A record with more payload than this carries a checksum.
pub const MAX_UNCHECKED_PAYLOAD: u64 = 32768;
/// Most bytes a jump record takes, its padding included.
pub const MAX_JUMP_LEN: u64 = 17;
/// First offset that C lsm1 cannot jump to: it reads the target into 31 bits.
pub const JUMP_LIMIT: u64 = 1 << 31;

/// Running checksum of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    first: u32,
    second: u32,
}

impl Checksum {
    /// Continues from stored words.
    #[must_use]
    pub fn new(words: [u32; 2]) -> Self {
        let [first, second] = words;
        Checksum { first, second }
    }

    /// The state as stored in headers and checkpoints.
    #[must_use]
    pub fn words(self) -> [u32; 2] {
        [self.first, self.second]
    }

    /// The state as stored in the log.
    #[must_use]
    pub fn to_bytes(self) -> [u8; CHECKSUM_LEN] {
        (u64::from(self.first) << 32 | u64::from(self.second)).to_be_bytes()
    }

    /// Takes in whole groups.
    #[inline]
    pub fn fold(&mut self, groups: &[[u8; 8]]) {
        let (mut first, mut second) = (self.first, self.second);
        for group in groups {
            let word = u64::from_le_bytes(*group);
            let (low, high) = (word as u32, (word >> 32) as u32);
            // first += low + second; second += high + first, with the dependency between groups
            // cut to two additions.
            let sum = first.wrapping_add(second);
            first = sum.wrapping_add(low);
            second = second.wrapping_add(low.wrapping_add(high)).wrapping_add(sum);
        }
        *self = Checksum { first, second };
    }

    /// Takes in `bytes`, the last group filled up with zeros.
    pub fn fold_padded(&mut self, bytes: &[u8]) {
        let (groups, tail) = bytes.as_chunks::<8>();
        self.fold(groups);
        if !tail.is_empty() {
            let mut group = [0u8; 8];
            group.iter_mut().zip(tail).for_each(|(to, &from)| *to = from);
            self.fold(&[group]);
        }
    }
}

/// What a record says, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Filler bytes to ignore.
    Padding {
        /// How many follow.
        filler: u64,
    },
    /// End of a transaction.
    Commit,
    /// Reading continues at an absolute offset.
    Jump {
        /// The offset.
        target: u64,
    },
    /// A key and its value follow.
    Insert {
        /// Bytes of the key.
        key: u64,
        /// Bytes of the value.
        value: u64,
    },
    /// A key follows.
    Delete {
        /// Bytes of the key.
        key: u64,
    },
    /// Two keys follow, both exclusive.
    DeleteRange {
        /// Bytes of the lower key.
        low: u64,
        /// Bytes of the upper key.
        high: u64,
    },
}

impl RecordKind {
    /// Bytes behind the head (and behind the checksum, if there is one).
    #[must_use]
    pub fn payload(self) -> u64 {
        match self {
            RecordKind::Padding { filler } => filler,
            RecordKind::Commit | RecordKind::Jump { .. } => 0,
            RecordKind::Insert { key, value } => key + value,
            RecordKind::Delete { key } => key,
            RecordKind::DeleteRange { low, high } => low + high,
        }
    }
}

/// The decoded start of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// What it is.
    pub kind: RecordKind,
    /// Bytes of type and lengths: what is folded before the checksum is compared.
    pub len: usize,
    /// The stored checksum, if the record has one.
    pub checksum: Option<[u8; CHECKSUM_LEN]>,
}

impl RecordHead {
    /// Decodes the start of `bytes`, which the caller fills up with zeros where the file ends.
    /// `None` ends the log: an end record, an unknown type, or a length beyond the format's limit.
    #[must_use]
    pub fn decode(bytes: &[u8; MAX_HEAD_LEN]) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let mut len = 1;
        let mut number = || {
            let (value, taken) = varint::decode(rest)?;
            rest = rest.get(taken..)?;
            len += taken;
            Some(value)
        };
        let mut length = || number().filter(|&value| value < 1 << 31);
        let kind_of_record = match kind {
            PAD_BYTE => RecordKind::Padding { filler: 0 },
            PAD => RecordKind::Padding { filler: length()? },
            COMMIT => RecordKind::Commit,
            JUMP => RecordKind::Jump { target: number()? },
            _ => match kind & !CHECKED {
                INSERT => RecordKind::Insert { key: length()?, value: length()? },
                DELETE => RecordKind::Delete { key: length()? },
                DELETE_RANGE => RecordKind::DeleteRange { low: length()?, high: length()? },
                _ => return None,
            },
        };
        let checked = kind == COMMIT || (kind >= INSERT && kind & CHECKED != 0);
        let checksum = if checked { Some(*rest.first_chunk()?) } else { None };
        Some(RecordHead { kind: kind_of_record, len, checksum })
    }
}

/// Appends a padding record of exactly `len` bytes (at most 202), filled with `filler`.
pub fn push_padding(out: &mut Vec<u8>, len: usize, filler: u8) {
    match len {
        0 => {}
        1 => out.push(PAD_BYTE),
        _ => {
            let count = (len - 2).min(200);
            out.extend_from_slice(&[PAD, count as u8]);
            out.resize(out.len() + count, filler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<RecordHead> {
        let mut all = [0; MAX_HEAD_LEN];
        all[..bytes.len()].copy_from_slice(bytes);
        RecordHead::decode(&all)
    }

    #[test]
    fn checksum_follows_the_definition() {
        let bytes: Vec<u8> = (0..83u32).map(|i| (i * 37 + 11) as u8).collect();
        let (mut s0, mut s1) = (1234u32, 5678u32);
        let mut padded = bytes.clone();
        padded.resize(88, 0);
        for group in padded.chunks(8) {
            let a = u32::from_le_bytes(group[..4].try_into().unwrap());
            let b = u32::from_le_bytes(group[4..].try_into().unwrap());
            s0 = s0.wrapping_add(a).wrapping_add(s1);
            s1 = s1.wrapping_add(b).wrapping_add(s0);
        }
        let mut sum = Checksum::new([1234, 5678]);
        sum.fold_padded(&bytes);
        assert_eq!(sum.words(), [s0, s1]);
        assert_eq!(sum.to_bytes()[..4], s0.to_be_bytes());
        assert_eq!(sum.to_bytes()[4..], s1.to_be_bytes());
    }

    #[test]
    fn decodes_every_kind() {
        let head = decode(&[INSERT, 2, 3]).unwrap();
        assert_eq!(head.kind, RecordKind::Insert { key: 2, value: 3 });
        assert_eq!((head.len, head.checksum, head.kind.payload()), (3, None, 5));
        let head = decode(&[DELETE | 1, 7, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(head.kind, RecordKind::Delete { key: 7 });
        assert_eq!((head.len, head.checksum), (2, Some([1, 2, 3, 4, 5, 6, 7, 8])));
        let head = decode(&[DELETE_RANGE, 0, 241, 1]).unwrap();
        assert_eq!(head.kind, RecordKind::DeleteRange { low: 0, high: 241 });
        assert_eq!(head.len, 4);
        assert_eq!(decode(&[COMMIT]).unwrap().checksum, Some([0; 8]));
        assert_eq!(decode(&[PAD_BYTE]).unwrap().kind, RecordKind::Padding { filler: 0 });
        assert_eq!(decode(&[PAD, 9]).unwrap().kind, RecordKind::Padding { filler: 9 });
        assert_eq!(decode(&[JUMP, 255]).unwrap().kind, RecordKind::Jump { target: 0 });
        for kind in [END, 5, 12, 13, 255] {
            assert_eq!(decode(&[kind]), None);
        }
    }

    #[test]
    fn lengths_beyond_31_bits_end_the_log() {
        assert!(decode(&[INSERT, 1, 251, 0x7F, 255, 255, 255]).is_some());
        assert_eq!(decode(&[INSERT, 1, 251, 0x80, 0, 0, 0]), None);
        assert_eq!(decode(&[PAD, 255, 255, 255, 255, 255, 255, 255, 255, 255]), None);
        let far = decode(&[JUMP, 255, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap();
        assert_eq!(far.kind, RecordKind::Jump { target: u64::MAX });
    }

    #[test]
    fn padding_takes_exactly_its_length() {
        for len in 0..=202 {
            let mut out = Vec::new();
            push_padding(&mut out, len, 0x2B);
            assert_eq!(out.len(), len);
            if len > 0 {
                let mut start = [0; MAX_HEAD_LEN];
                let n = len.min(MAX_HEAD_LEN);
                start[..n].copy_from_slice(&out[..n]);
                let head = RecordHead::decode(&start).unwrap();
                assert_eq!(head.len as u64 + head.kind.payload(), len as u64);
            }
        }
    }
}
