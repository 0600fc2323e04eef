//! The 152-byte header of the in-memory tree, as it stands twice in chunk 0 of shared memory.
//!
//! Layout: docs/format.md, "In-memory tree". 38 words in host order, the last two a checksum over
//! the first 36.

/// Words in a tree header.
pub const WORDS: usize = 38;

/// Root of one version of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeRoot {
    /// Offset of the root node in shared memory; 0 = empty tree.
    pub node: u32,
    /// Levels of nodes.
    pub height: u32,
    /// Bytes taken by the tree, copies included.
    pub bytes: u32,
    /// Transaction that made this version.
    pub transaction: u32,
}

/// A piece of the log that holds live records: `start..end`; `(0, 0)` = absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRegion {
    /// First byte.
    pub start: u64,
    /// First byte behind.
    pub end: u64,
}

/// State of the log as all connections see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Running checksum at the end of region 2.
    pub checksum: [u32; 2],
    /// Checkpoint id up to which space was reclaimed.
    pub snapshot_id: i64,
    /// Regions in recovery order; appends go to the end of the last.
    pub regions: [LogRegion; 3],
}

/// The tree header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeHeader {
    /// Id of the oldest chunk that new readers may need.
    pub used_chunk_id: u32,
    /// Id for the next chunk taken into use.
    pub next_chunk_id: u32,
    /// Chunk number with the smallest id.
    pub first_chunk: u32,
    /// Chunks in use, chunk 0 included.
    pub chunk_count: u32,
    /// The live tree.
    pub live: TreeRoot,
    /// Next free byte.
    pub write_offset: u32,
    /// The old tree, waiting to be flushed.
    pub old: TreeRoot,
    /// Last chunk id used by the old tree; 0 = there is none.
    pub old_chunk_id: u32,
    /// The application's version number.
    pub user_version: u32,
    /// Padding, carried verbatim.
    pub padding: u32,
    /// Log pointer of the old tree: byte offset << 1 | toggle.
    pub old_log_pointer: i64,
    /// Log checksum at that pointer.
    pub old_log_checksum: [u32; 2],
    /// The log.
    pub log: LogState,
}

/// First value of the checksum.
const CHECKSUM_SEED: [u32; 2] = [0x1234_5678, 0x9ABC_DEF0];
/// Words the checksum covers.
const CHECKED_WORDS: usize = WORDS - 2;

/// Checksum over the first 36 words of a header.
#[must_use]
pub fn checksum(words: &[u32; WORDS]) -> [u32; 2] {
    let [mut first, mut second] = CHECKSUM_SEED;
    let (pairs, _) = words.as_chunks::<2>();
    for &[a, b] in pairs.iter().take(CHECKED_WORDS / 2) {
        first = first.wrapping_add(a);
        second = second.wrapping_add(first).wrapping_add(b);
    }
    [first, second]
}

/// A 64-bit number as two words in the order the host keeps them in memory.
#[must_use]
pub const fn split_long(value: u64) -> [u32; 2] {
    let (low, high) = (value as u32, (value >> 32) as u32);
    if cfg!(target_endian = "big") { [high, low] } else { [low, high] }
}

/// The inverse of [`split_long`].
#[must_use]
pub const fn join_long(words: [u32; 2]) -> u64 {
    let [a, b] = words;
    let (low, high) = if cfg!(target_endian = "big") { (b, a) } else { (a, b) };
    low as u64 | (high as u64) << 32
}

impl TreeHeader {
    /// The words as they stand in shared memory, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u32; WORDS] {
        let root = |root: &TreeRoot| [root.node, root.height, root.bytes, root.transaction];
        let [live_node, live_height, live_bytes, live_transaction] = root(&self.live);
        let [old_node, old_height, old_bytes, old_transaction] = root(&self.old);
        let [old_log_a, old_log_b] = split_long(self.old_log_pointer.cast_unsigned());
        let [snapshot_a, snapshot_b] = split_long(self.log.snapshot_id.cast_unsigned());
        let [r0, r1, r2] = self.log.regions.map(|region| {
            let ([a, b], [c, d]) = (split_long(region.start), split_long(region.end));
            [a, b, c, d]
        });
        let ([r0a, r0b, r0c, r0d], [r1a, r1b, r1c, r1d], [r2a, r2b, r2c, r2d]) = (r0, r1, r2);
        let mut words = [
            self.used_chunk_id,
            self.next_chunk_id,
            self.first_chunk,
            self.chunk_count,
            live_node,
            live_height,
            live_bytes,
            live_transaction,
            self.write_offset,
            old_node,
            old_height,
            old_bytes,
            old_transaction,
            self.old_chunk_id,
            self.user_version,
            self.padding,
            old_log_a,
            old_log_b,
            self.old_log_checksum[0],
            self.old_log_checksum[1],
            self.log.checksum[0],
            self.log.checksum[1],
            snapshot_a,
            snapshot_b,
            r0a,
            r0b,
            r0c,
            r0d,
            r1a,
            r1b,
            r1c,
            r1d,
            r2a,
            r2b,
            r2c,
            r2d,
            0,
            0,
        ];
        [words[36], words[37]] = checksum(&words);
        words
    }

    /// The header in `words`; `None` if its checksum does not hold.
    #[must_use]
    pub fn decode(words: &[u32; WORDS]) -> Option<Self> {
        if [words[36], words[37]] != checksum(words) {
            return None;
        }
        let root = |node, height, bytes, transaction| TreeRoot { node, height, bytes, transaction };
        let region = |a, b, c, d| LogRegion { start: join_long([a, b]), end: join_long([c, d]) };
        Some(TreeHeader {
            used_chunk_id: words[0],
            next_chunk_id: words[1],
            first_chunk: words[2],
            chunk_count: words[3],
            live: root(words[4], words[5], words[6], words[7]),
            write_offset: words[8],
            old: root(words[9], words[10], words[11], words[12]),
            old_chunk_id: words[13],
            user_version: words[14],
            padding: words[15],
            old_log_pointer: join_long([words[16], words[17]]).cast_signed(),
            old_log_checksum: [words[18], words[19]],
            log: LogState {
                checksum: [words[20], words[21]],
                snapshot_id: join_long([words[22], words[23]]).cast_signed(),
                regions: [
                    region(words[24], words[25], words[26], words[27]),
                    region(words[28], words[29], words[30], words[31]),
                    region(words[32], words[33], words[34], words[35]),
                ],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What C lsm1 leaves after initialising a new database, as little-endian bytes.
    const INITIAL: [&str; 10] = [
        "01000000020000000100000002000000",
        "00000000000000000000000001000000",
        "08800000000000000000000000000000",
        "00000000000000000000000000000000",
        "00000000000000000000000000000000",
        "d20400002e1600000a00000000000000",
        "00000000000000000000000000000000",
        "00000000000000000000000000000000",
        "00000000000000000000000000000000",
        "5edb3412fc3072e2",
    ];

    fn initial() -> TreeHeader {
        TreeHeader {
            used_chunk_id: 1,
            next_chunk_id: 2,
            first_chunk: 1,
            chunk_count: 2,
            live: TreeRoot { transaction: 1, ..TreeRoot::default() },
            write_offset: 32776,
            log: LogState { checksum: [1234, 5678], snapshot_id: 10, ..LogState::default() },
            ..TreeHeader::default()
        }
    }

    #[test]
    fn the_initial_header_equals_what_c_writes() {
        let words = initial().encode();
        let hex: String = words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, INITIAL.concat());
        assert_eq!(TreeHeader::decode(&words), Some(initial()));
    }

    #[test]
    fn every_field_survives_and_every_flipped_bit_is_noticed() {
        let words: [u32; WORDS] = std::array::from_fn(|i| (i as u32 + 1).wrapping_mul(0x9E37_79B9));
        let mut sealed = words;
        [sealed[36], sealed[37]] = checksum(&words);
        let header = TreeHeader::decode(&sealed).unwrap();
        assert_eq!(header.encode(), sealed);
        for word in 0..WORDS {
            for bit in 0..32 {
                let mut broken = sealed;
                broken[word] ^= 1 << bit;
                assert_eq!(TreeHeader::decode(&broken), None, "word {word} bit {bit}");
            }
        }
    }
}
