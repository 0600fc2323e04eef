//! Block accounting: every block is used by a segment, reserved behind the last page of an
//! unfinished one, or free; no two segments share a page.

use super::Checker;
use crate::error::Result;
use crate::format::geometry::{BlockId, PageId};
use crate::shared::{free_list, runs};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn check(checker: &mut Checker<'_>) -> Result<()> {
    let pager = Arc::clone(checker.pager);
    let geometry = *pager.geometry();
    let snapshot = Arc::clone(&checker.view.snapshot);
    let mut used = BTreeSet::new();
    let mut extents: Vec<(PageId, PageId)> = Vec::new();
    let mut all_known = true;
    for run in runs(&snapshot) {
        let Some(blocks) = checker.problems.noted(pager.blocks_of(run))? else {
            all_known = false;
            continue;
        };
        let (first, last) = (run.segment.first, run.segment.last);
        for (at, &block) in blocks.iter().enumerate() {
            let from = if at == 0 { first } else { geometry.first_on_block(block) };
            let to = if at + 1 == blocks.len() { last } else { geometry.last_on_block(block) };
            if from > to {
                checker.problems.add(format!("segment at page {first} ends before it begins"));
            }
            extents.push((from, to));
        }
        used.extend(blocks);
    }
    extents.sort_unstable();
    for pair in extents.windows(2) {
        if let [(_, end), (start, _)] = pair
            && start <= end
        {
            checker.problems.add(format!("page {start}: belongs to two segments"));
        }
    }
    for level in &snapshot.levels {
        let last = level.left.segment.last;
        if level.split().is_some() && geometry.is_last_on_block(last) {
            let next = pager.next_block(&level.left, geometry.block_of(last));
            match checker.problems.noted(next)? {
                Some(reserved) => all_known &= used.insert(reserved),
                None => all_known = false,
            }
        }
    }
    let Some(free) = checker.problems.noted(free_list(checker.view))? else { return Ok(()) };
    let free: BTreeSet<BlockId> = free.iter().map(|entry| entry.block).collect();
    for block in free.intersection(&used) {
        checker.problems.add(format!("block {block}: both used and free"));
    }
    if all_known {
        report_unaccounted(checker, &used, &free, snapshot.checkpoint.block_count);
    }
    Ok(())
}

/// Gaps are told as ranges: a damaged block count makes them long.
fn report_unaccounted(
    checker: &mut Checker<'_>,
    used: &BTreeSet<BlockId>,
    free: &BTreeSet<BlockId>,
    count: BlockId,
) {
    let mut expected = 1;
    let end = std::iter::once(count.saturating_add(1));
    for block in used.union(free).copied().chain(end) {
        if block == expected + 1 {
            checker.problems.add(format!("block {expected}: unaccounted, neither used nor free"));
        } else if block > expected {
            let last = block - 1;
            checker
                .problems
                .add(format!("blocks {expected} to {last}: unaccounted, neither used nor free"));
        }
        expected = block.saturating_add(1);
    }
}
