//! The order of keys: user keys before system keys, then bytes, shorter first.
//!
//! System keys carry the free list and never meet the user. docs/format.md, "Key order".

use std::cmp::Ordering;

/// A key with its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyRef<'a> {
    /// Whether this is a key of the engine itself.
    pub system: bool,
    /// The bytes; may be empty.
    pub bytes: &'a [u8],
}

impl<'a> KeyRef<'a> {
    /// A user's key.
    #[must_use]
    #[inline]
    pub fn user(bytes: &'a [u8]) -> Self {
        KeyRef { system: false, bytes }
    }

    /// A key of the engine.
    #[must_use]
    #[inline]
    pub fn system(bytes: &'a [u8]) -> Self {
        KeyRef { system: true, bytes }
    }

    /// The first eight bytes as a number: whenever two such numbers differ, they order as the keys
    /// do (within one topic). Equal numbers decide nothing.
    #[must_use]
    #[inline]
    pub fn prefix(&self) -> u64 {
        match self.bytes.first_chunk::<8>() {
            Some(first) => u64::from_be_bytes(*first),
            None => {
                let mut padded = [0; 8];
                for (to, from) in padded.iter_mut().zip(self.bytes) {
                    *to = *from;
                }
                u64::from_be_bytes(padded)
            }
        }
    }
}

impl Ord for KeyRef<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.system.cmp(&other.system).then_with(|| self.bytes.cmp(other.bytes))
    }
}

impl PartialOrd for KeyRef<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A key that is compared with many others: its prefix is taken once.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The key.
    pub key: KeyRef<'a>,
    prefix: u64,
}

impl<'a> Probe<'a> {
    /// Prepares `key`.
    #[must_use]
    #[inline]
    pub fn new(key: KeyRef<'a>) -> Self {
        Probe { key, prefix: key.prefix() }
    }

    /// Orders `other` against the key.
    #[must_use]
    #[inline]
    pub fn order_of(&self, other: KeyRef<'_>) -> Ordering {
        let prefix = other.prefix();
        if other.system == self.key.system && prefix != self.prefix {
            return prefix.cmp(&self.prefix);
        }
        other.cmp(&self.key)
    }
}

/// A key that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyBuffer {
    /// Whether this is a key of the engine itself.
    pub system: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl KeyBuffer {
    /// Copies `key`, reusing the buffer.
    #[inline]
    pub fn set(&mut self, key: KeyRef<'_>) {
        self.system = key.system;
        self.bytes.clear();
        self.bytes.extend_from_slice(key.bytes);
    }

    /// Borrows it.
    #[must_use]
    #[inline]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { system: self.system, bytes: &self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_orders_before_bytes_and_short_before_long() {
        let sorted = [
            KeyRef::user(b""),
            KeyRef::user(b"\0"),
            KeyRef::user(b"a"),
            KeyRef::user(b"a\0"),
            KeyRef::user(b"aaaaaaaa"),
            KeyRef::user(b"aaaaaaaab"),
            KeyRef::user(b"b"),
            KeyRef::user(b"\xff\xff"),
            KeyRef::system(b""),
            KeyRef::system(b"\0"),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
                assert_eq!(Probe::new(*b).order_of(*a), i.cmp(&j), "{a:?} {b:?}");
                if a.system == b.system && a.prefix() != b.prefix() {
                    assert_eq!(a.prefix().cmp(&b.prefix()), i.cmp(&j));
                }
            }
        }
    }
}
