//! Which parts of the log file hold live records, and where the next transaction goes.
//!
//! Up to three regions are live, in recovery order; appends go to the end of region 2. Pure
//! bookkeeping on [`LogState`], no file. Rules: docs/format-log.md, "Regions".

use crate::error::{Error, Place, Result};
use crate::format::log_record::JUMP_LIMIT;
use crate::format::tree_header::{LogRegion, LogState};

/// The log starts over at offset 0 once this much is free in front of it.
const WRAP_AT: u64 = 128 * 1024;
/// Bytes of the jump that starts the log over.
pub(super) const WRAP_LEN: u64 = 8;

/// Bytes that a transaction must not overwrite, last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// First byte.
    pub(super) start: u64,
    /// Last byte.
    pub(super) last: u64,
}

impl Obstacle {
    fn new(live: LogRegion, offset: u64, sector: u64) -> Self {
        let rounded = live.start / sector * sector;
        Obstacle {
            start: if rounded > offset { rounded } else { live.start },
            last: last_of(live, sector),
        }
    }

    /// Where writing continues behind it.
    pub(super) fn behind(self) -> u64 {
        self.last + 1
    }
}

fn last_of(live: LogRegion, sector: u64) -> u64 {
    live.end / sector * sector + (sector - 1)
}

/// Where a transaction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// File offset of its first record.
    pub(super) offset: u64,
    /// Live records further on.
    pub(super) obstacle: Option<Obstacle>,
    /// Where a jump to offset 0 must be written first.
    pub(super) wrap: Option<u64>,
}

/// Decides where the next transaction goes; a wrap moves the regions.
pub(super) fn place(state: &mut LogState, sector: u64) -> Result<Placement> {
    for region in state.regions {
        // Keeps all later sums far from overflow, whatever shared memory says.
        if region.start > region.end || region.end > u64::MAX >> 2 {
            return Err(Error::corrupt(
                Place::Log(region.start),
                "a log region ends before it starts or beyond any file",
            ));
        }
    }
    let [first, second, last] = &mut state.regions;
    if first.end == 0 && second.end == 0 && last.start >= WRAP_AT {
        let wrapped = LogRegion { start: last.start, end: last.end + WRAP_LEN };
        // C lsm1 reads the target of the jump over this region into 31 bits; keep appending
        // rather than write what it would misread.
        if last_of(wrapped, sector) + 1 < JUMP_LIMIT {
            let wrap = Some(last.end);
            *first = wrapped;
            *last = LogRegion::default();
            let obstacle = Some(Obstacle::new(wrapped, 0, sector));
            return Ok(Placement { offset: 0, obstacle, wrap });
        }
    }
    let offset = last.end;
    let obstacle =
        (second.end == 0 && offset < first.end).then(|| Obstacle::new(*first, offset, sector));
    Ok(Placement { offset, obstacle, wrap: None })
}

/// Frees what recovery no longer needs: everything before `log_offset`, the log pointer of a
/// checkpoint that is safely in the file. A checkpoint not newer than the last one reclaimed with
/// changes nothing; so does a pointer outside all regions, which is reported as `false`.
pub(crate) fn reclaim(state: &mut LogState, checkpoint_id: i64, log_offset: u64) -> bool {
    if checkpoint_id <= state.snapshot_id {
        return true;
    }
    let holds = |region: &LogRegion| region.start <= log_offset && log_offset <= region.end;
    let Some(index) = state.regions.iter().position(holds) else {
        return false;
    };
    for (at, region) in state.regions.iter_mut().enumerate().take(index + 1) {
        if at < index {
            *region = LogRegion::default();
        } else {
            region.start = log_offset;
        }
    }
    state.snapshot_id = checkpoint_id;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(regions: [(u64, u64); 3]) -> LogState {
        let regions = regions.map(|(start, end)| LogRegion { start, end });
        LogState { regions, snapshot_id: 10, ..LogState::default() }
    }

    fn regions(state: &LogState) -> [(u64, u64); 3] {
        state.regions.map(|region| (region.start, region.end))
    }

    #[test]
    fn wraps_once_128_kib_are_free() {
        let mut short = state([(0, 0), (0, 0), (131_071, 140_000)]);
        let placed = place(&mut short, 1).unwrap();
        assert_eq!(placed, Placement { offset: 140_000, obstacle: None, wrap: None });
        let mut long = state([(0, 0), (0, 0), (151_691, 156_891)]);
        let placed = place(&mut long, 1).unwrap();
        assert_eq!(placed.wrap, Some(156_891));
        assert_eq!(placed.offset, 0);
        assert_eq!(placed.obstacle, Some(Obstacle { start: 151_691, last: 156_899 }));
        assert_eq!(regions(&long), [(151_691, 156_899), (0, 0), (0, 0)]);
    }

    #[test]
    fn obstacles_are_widened_to_sectors() {
        let mut early = state([(151_691, 156_899), (0, 0), (0, 610)]);
        let placed = place(&mut early, 512).unwrap();
        assert_eq!(placed.obstacle, Some(Obstacle { start: 151_552, last: 157_183 }));
        // Not below what is written already.
        let mut close = state([(151_691, 156_899), (0, 0), (0, 151_600)]);
        let placed = place(&mut close, 512).unwrap();
        assert_eq!(placed.obstacle, Some(Obstacle { start: 151_691, last: 157_183 }));
    }

    #[test]
    fn appends_while_regions_0_and_1_are_live() {
        let mut late = state([(151_691, 156_899), (0, 150_694), (156_900, 178_164)]);
        let placed = place(&mut late, 1).unwrap();
        assert_eq!(placed, Placement { offset: 178_164, obstacle: None, wrap: None });
    }

    #[test]
    fn never_wraps_where_c_could_not_jump_over_the_region() {
        let edge = JUMP_LIMIT - 10;
        let mut near = state([(0, 0), (0, 0), (200_000, edge)]);
        assert_eq!(place(&mut near, 1).unwrap().wrap, Some(edge));
        for end in [edge + 1, JUMP_LIMIT, 1 << 40] {
            let before = state([(0, 0), (0, 0), (200_000, end)]);
            let mut far = before;
            let placed = place(&mut far, 1).unwrap();
            assert_eq!(placed, Placement { offset: end, obstacle: None, wrap: None });
            assert_eq!(far, before);
        }
    }

    #[test]
    fn impossible_regions_are_refused() {
        assert!(place(&mut state([(0, 0), (0, 9), (12, 8)]), 1).unwrap_err().is_corrupt());
        assert!(place(&mut state([(0, 0), (0, 0), (0, u64::MAX)]), 1).unwrap_err().is_corrupt());
    }

    #[test]
    fn reclaims_up_to_the_checkpoint() {
        let full = [(151_691, 156_899), (0, 150_694), (156_900, 178_164)];
        let cases = [
            (152_000, [(152_000, 156_899), (0, 150_694), (156_900, 178_164)]),
            (0, [(0, 0), (0, 150_694), (156_900, 178_164)]),
            (150_694, [(0, 0), (150_694, 150_694), (156_900, 178_164)]),
            (156_900, [(0, 0), (0, 0), (156_900, 178_164)]),
            (178_164, [(0, 0), (0, 0), (178_164, 178_164)]),
        ];
        for (offset, expected) in cases {
            let mut log = state(full);
            assert!(reclaim(&mut log, 11, offset));
            assert_eq!(regions(&log), expected, "{offset}");
            assert_eq!(log.snapshot_id, 11);
        }
        let mut fresh = state([(0, 0), (0, 0), (0, 156_891)]);
        assert!(reclaim(&mut fresh, 11, 0));
        assert_eq!(regions(&fresh), [(0, 0), (0, 0), (0, 156_891)]);
    }

    #[test]
    fn old_checkpoints_and_foreign_pointers_change_nothing() {
        let before = state([(151_691, 156_899), (0, 150_694), (156_900, 178_164)]);
        let mut log = before;
        assert!(reclaim(&mut log, 10, 178_164));
        assert!(!reclaim(&mut log, 11, 178_165));
        assert!(!reclaim(&mut log, 11, u64::MAX));
        assert_eq!(log, before);
    }
}
