//! The 29 byte locks of the lsm1 protocol.

/// How a lock is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockMode {
    /// Release it.
    Unlock,
    /// Many may hold it together.
    Shared,
    /// One holds it alone.
    Exclusive,
}

/// One of the locks 1..=29. Lock `n` is the byte at offset `4096 - n` of the database file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct LockId(u8);

impl LockId {
    /// Held exclusively while a connection is made or ended.
    pub const DMS1: LockId = LockId(1);
    /// Held shared by every read-write connection, or exclusively in single-process mode.
    pub const DMS2: LockId = LockId(2);
    /// Held shared by read-only connections attached to a live database.
    pub const DMS3: LockId = LockId(3);
    /// Held exclusively during a write transaction.
    pub const WRITER: LockId = LockId(4);
    /// Held exclusively while working on the database file.
    pub const WORKER: LockId = LockId(5);
    /// Held exclusively while a checkpoint is written.
    pub const CHECKPOINTER: LockId = LockId(6);
    /// Held shared by a private read-only transaction.
    pub const READ_ONLY_TRANSACTION: LockId = LockId(7);
    /// Number of reader slots.
    pub const READER_SLOTS: u8 = 6;
    /// Number of read-write client locks.
    pub const CLIENT_SLOTS: u8 = 16;
    /// Number of locks.
    pub const COUNT: u8 = 29;

    /// Reader slot `slot` (0..6); `None` beyond.
    #[must_use]
    pub fn reader(slot: u8) -> Option<LockId> {
        (slot < Self::READER_SLOTS).then_some(LockId(8 + slot))
    }

    /// Read-write client `slot` (0..16); `None` beyond.
    #[must_use]
    pub fn client(slot: u8) -> Option<LockId> {
        (slot < Self::CLIENT_SLOTS).then_some(LockId(14 + slot))
    }

    /// Lock with this number (1..=29); `None` beyond.
    #[must_use]
    pub fn from_number(number: u8) -> Option<LockId> {
        (1..=Self::COUNT).contains(&number).then_some(LockId(number))
    }

    /// The lock's number, 1..=29.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The byte of the database file that stands for this lock.
    #[must_use]
    pub fn byte_offset(self) -> u64 {
        4096 - u64::from(self.0)
    }

    /// What the lock protects, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "connect (DMS1)",
            2 => "clients (DMS2)",
            3 => "read-only clients (DMS3)",
            4 => "writer",
            5 => "worker",
            6 => "checkpointer",
            7 => "read-only transaction",
            8..=13 => "reader slot",
            _ => "read-write client",
        }
    }
}
