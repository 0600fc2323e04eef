//! A header and a snapshot of a few words, with checksums that no mixture of two versions passes.

/// The tree header.
pub(crate) mod tree_header {
    /// Words in a header.
    pub(crate) const WORDS: usize = 3;

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub(crate) struct TreeHeader {
        pub(crate) used_chunk_id: u32,
        pub(crate) next_chunk_id: u32,
        pub(crate) chunk_count: u32,
    }

    impl TreeHeader {
        /// The header of version `version`.
        pub(crate) fn version(version: u32) -> Self {
            TreeHeader { used_chunk_id: version, next_chunk_id: version + 2, chunk_count: 1 }
        }

        pub(crate) fn encode(&self) -> [u32; WORDS] {
            let [a, b] = [self.used_chunk_id, self.next_chunk_id];
            [a, b, a * 100 + b * 10_000 + 7]
        }

        pub(crate) fn decode(words: &[u32; WORDS]) -> Option<Self> {
            let [used_chunk_id, next_chunk_id, _] = *words;
            let header = TreeHeader { used_chunk_id, next_chunk_id, chunk_count: 1 };
            (header.encode() == *words).then_some(header)
        }
    }

    pub(crate) fn split_long(value: u64) -> [u32; 2] {
        [value as u32, (value >> 32) as u32]
    }

    pub(crate) fn join_long([low, high]: [u32; 2]) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }
}

/// The snapshot.
pub(crate) mod checkpoint {
    /// Words of a snapshot: its id in two, and a checksum.
    pub(crate) const SNAPSHOT_WORDS: usize = 3;

    /// The snapshot with this id.
    pub(crate) fn snapshot(id: u32) -> [u32; SNAPSHOT_WORDS] {
        [0, id, id * 1000 + 7]
    }

    pub(crate) fn verified_len(words: &[u32]) -> Option<usize> {
        let [0, id, _] = *words else { return None };
        (words == snapshot(id)).then_some(SNAPSHOT_WORDS)
    }
}
