//! The owner file: how a world without file locks notes that a database is in use.
//!
//! `<database>-lock` is made by whoever opens the database, with a call that fails if the file is
//! there already, and removed by the same when it closes it. A killed owner leaves it behind: nobody
//! can tell, so it is never taken over silently, only broken when somebody says so. Worlds with
//! locks make no such file, but keep off a database that has one.
//!
//! 32 bytes, little-endian: `SLTLOCK1`, a random token, and the times of its making and of the last
//! sign of life, in nanoseconds since 1970. The format is ours; C lsm1 does not know the file.

use std::time::Duration;

const MAGIC: [u8; 8] = *b"SLTLOCK1";

/// What an owner file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerRecord {
    /// Tells owners apart.
    pub token: u64,
    /// When the file was made, in nanoseconds since 1970 by the owner's clock.
    pub created: u64,
    /// When the owner last gave a sign of life.
    pub active: u64,
}

impl OwnerRecord {
    /// Bytes of the file.
    pub const BYTES: usize = 32;
    /// Where the last word, the sign of life, stands.
    pub const ACTIVE_OFFSET: u64 = 24;
    /// What the file's name has beyond the database's.
    pub const SUFFIX: &str = "-lock";

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [MAGIC, self.token.to_le_bytes(), self.created.to_le_bytes()];
        let words = words.into_iter().chain([self.active.to_le_bytes()]);
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word;
        }
        bytes
    }

    /// What the bytes say; `None` if they are not those of an owner file.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[magic, token, created, active], []) = bytes.as_chunks::<8>() else { return None };
        let word = u64::from_le_bytes;
        let record =
            OwnerRecord { token: word(token), created: word(created), active: word(active) };
        (magic == MAGIC).then_some(record)
    }
}

/// Somebody else's owner file, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Time since the owner's last sign of life: the opening, or the last checkpoint. `None` if the
    /// file does not say, or names a time to come.
    pub idle: Option<Duration>,
}

impl Owner {
    /// From the file's bytes, at the time `now` in nanoseconds since 1970.
    #[must_use]
    pub fn read(bytes: &[u8], now: u64) -> Self {
        let idle = OwnerRecord::decode(bytes).and_then(|record| now.checked_sub(record.active));
        Owner { idle: idle.map(Duration::from_nanos) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_other_bytes_are_none() {
        let record = OwnerRecord { token: u64::MAX - 1, created: 3, active: 0x0102_0304 };
        let bytes = record.encode();
        assert_eq!(OwnerRecord::decode(&bytes), Some(record));
        let at = usize::try_from(OwnerRecord::ACTIVE_OFFSET).unwrap();
        assert_eq!(bytes[at..], record.active.to_le_bytes());
        assert_eq!(&bytes[..8], b"SLTLOCK1");
        let mut other = bytes;
        other[3] ^= 1;
        for bytes in [&other[..], &[], &bytes[..31], &[&bytes[..], b"x"].concat()] {
            assert_eq!(OwnerRecord::decode(bytes), None);
            assert_eq!(Owner::read(bytes, 7).idle, None);
        }
    }

    #[test]
    fn idle_time_is_counted_from_the_sign_of_life() {
        let bytes = OwnerRecord { token: 1, created: 5, active: 2_000_000_000 }.encode();
        assert_eq!(Owner::read(&bytes, 5_000_000_000).idle, Some(Duration::from_secs(3)));
        assert_eq!(Owner::read(&bytes, 1).idle, None, "a clock that went back");
    }
}
