//! Reading ahead: whoever misses page after page in file order gets several with one call.
//!
//! A call of the host costs more than the bytes it brings wherever there are no maps (docs/wasi.md,
//! "Calls of the host"). Only pages of the run that is read are taken along: what lies behind its end
//! may be about to be written by somebody else, and must not be cached.

use super::Run;
use crate::format::geometry::{Geometry, PageId};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes read at once at most: what wasmtime gives per call.
const MOST: u64 = 64 << 10;
/// Runs that may be walked at the same time, as a merge or a scan of several levels does.
const STREAMS: usize = 16;
/// How much more each call reads than the one before.
const GROWTH: u64 = 4;
/// Pages of a b-tree lie between those of the data: this many may be left out.
const GAP: u64 = 2;
/// Bits of a stream that hold how many pages were read last.
const COUNT_BITS: u32 = 16;

/// Where page after page is being read.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    /// The page expected next and how many were read last; a wrong guess costs a call, no more.
    streams: [AtomicU64; STREAMS],
    oldest: AtomicUsize,
}

impl ReadAhead {
    /// How many pages to read at once from page `id`, which is not in the cache. `room` pages from
    /// there on may be read, `most` at once. No stream goes on behind the room of its run.
    pub(super) fn plan(&self, id: PageId, room: u64, most: u64) -> u64 {
        if id >= 1 << (63 - COUNT_BITS) {
            return 1;
        }
        let keep = |stream: &AtomicU64, count: u64| {
            let state = if count < room { (id + count) << COUNT_BITS | count } else { 0 };
            stream.store(state, Ordering::Relaxed);
            count
        };
        for stream in &self.streams {
            let state = stream.load(Ordering::Relaxed);
            let (next, before) = (state >> COUNT_BITS, state & ((1 << COUNT_BITS) - 1));
            if before > 0 && (next..=next + GAP).contains(&id) {
                return keep(stream, (before * GROWTH).min(most).min(room).max(1));
            }
        }
        let oldest = self.oldest.fetch_add(1, Ordering::Relaxed) % STREAMS;
        self.streams.get(oldest).map_or(1, |stream| keep(stream, 1))
    }
}

/// How many pages from `id` on belong to `run` and lie one behind the other.
pub(super) fn room(run: &Run, geometry: &Geometry, id: PageId) -> u64 {
    let block = geometry.block_of(id);
    let (first, last) = (run.segment.first, run.segment.last);
    let end = if block == geometry.block_of(last) { last } else { geometry.last_on_block(block) };
    let start = if block == geometry.block_of(first) { first } else { 0 };
    // Before the start it is a page of another segment.
    if id < start { 1 } else { end.saturating_sub(id) + 1 }
}

/// Pages that fit into one call, and leave a small cache room for others.
pub(super) fn most(geometry: &Geometry, cache_bytes: usize) -> u64 {
    let bytes = MOST.min(cache_bytes as u64 / 16);
    (bytes / u64::from(geometry.page_size()).max(1)).clamp(1, (1 << COUNT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::checkpoint::Segment;
    use std::sync::Arc;

    #[test]
    fn steady_readers_get_more_and_others_do_not() {
        let ahead = ReadAhead::default();
        assert_eq!([100, 101, 105].map(|id| ahead.plan(id, 99, 16)), [1, 4, 16]);
        // A page of the b-tree was left out.
        assert_eq!(ahead.plan(122, 99, 16), 16);
        assert_eq!([500, 700, 900].map(|id| ahead.plan(id, 99, 16)), [1, 1, 1]);
        // Two more at once.
        assert_eq!([501, 701, 138, 705].map(|id| ahead.plan(id, 99, 16)), [4, 4, 16, 16]);
        assert_eq!(ahead.plan(PageId::MAX, 99, 16), 1);
        // Nothing follows the end.
        assert_eq!(ahead.plan(154, 3, 16), 3);
        assert_eq!([157, 158].map(|id| ahead.plan(id, 99, 16)), [1, 4]);
    }

    #[test]
    fn room_ends_with_the_segment_and_with_the_block() {
        let geometry = Geometry::new(1024, 65536, false).unwrap();
        let segment = Segment { first: 70, last: 200, ..Segment::default() };
        let run = Run::new(segment, Arc::from([]), (4, 4), None);
        let rooms = [69, 70, 128, 129, 193, 200, 201].map(|id| room(&run, &geometry, id));
        assert_eq!(rooms, [1, 59, 1, 64, 8, 1, 1]);
        assert_eq!(most(&geometry, 2 << 20), 64);
        assert_eq!(most(&geometry, 64 << 10), 4);
    }
}
