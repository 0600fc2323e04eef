//! Choosing which levels to merge, and when a new level must wait for merges.
//!
//! Pure functions over the level list. [`choose`] follows lsm1's selection, [`choose_under_pressure`]
//! always finds something when a flush is waiting, so that no caller can spin.
//! Rules: docs/format.md, "Choosing what to merge".

use crate::format::checkpoint::{Level, MAX_SEGMENTS};

/// What to merge next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Begin to merge `count` adjacent levels, the newest of them at index `first`.
    Start {
        /// Index of the newest level of the run.
        first: usize,
        /// How many levels.
        count: usize,
    },
    /// Continue the merge of the level at this index.
    Continue(usize),
}

/// How many levels from `index` on have the age of the first of them.
fn same_age(levels: &[Level], index: usize) -> usize {
    let tail = levels.get(index..).unwrap_or_default();
    let Some(age) = tail.first().map(|level| level.age) else { return 0 };
    tail.iter().take_while(|level| level.age == age).count()
}

/// Whether the level at `index` reads separators from the b-tree of the level below it.
fn reads_next(levels: &[Level], index: usize) -> bool {
    levels.get(index).is_some_and(|level| {
        level.merge.as_ref().is_some_and(|merge| merge.inputs.len() > level.right.len())
    })
}

/// Beginning a merge below a level that is still reading the b-tree of its first input would pull
/// that b-tree away: such a level is finished first.
fn start(levels: &[Level], first: usize, count: usize) -> Choice {
    match first.checked_sub(1) {
        Some(above) if reads_next(levels, above) => Choice::Continue(above),
        _ => Choice::Start { first, count },
    }
}

/// Runs of adjacent levels of equal age that are not being merged: `(first, count)`.
fn runs(levels: &[Level]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    let mut open = None;
    for (index, level) in levels.iter().enumerate() {
        if level.is_merging() {
            open = None;
            continue;
        }
        match (open, out.last_mut()) {
            (Some(age), Some((_, count))) if age == level.age => *count += 1,
            _ => out.push((index, 1)),
        }
        open = Some(level.age);
    }
    out
}

/// The best merge for a caller that wants at least `merge_count` inputs; 1 asks for one segment in
/// the end.
#[must_use]
pub(crate) fn choose(levels: &[Level], merge_count: usize, automerge: usize) -> Option<Choice> {
    let mut best = merge_count.saturating_sub(1).max(1);
    let mut found = None;
    let mut runs = runs(levels).into_iter().peekable();
    for (index, level) in levels.iter().enumerate() {
        if level.is_merging() {
            if level.right.len() > best {
                best = level.right.len();
                found = Some(Choice::Continue(index));
            }
            continue;
        }
        // A run competes where it ends, before a merging level that follows it.
        let Some(&(first, count)) = runs.peek() else { continue };
        if first + count - 1 != index {
            continue;
        }
        runs.next();
        let accepted = match levels.get(index + 1) {
            None => true,
            Some(next) => {
                u32::from(next.age) != u32::from(level.age) + 1
                    || (!next.is_merging() && same_age(levels, index + 1) <= automerge)
            }
        };
        if count > best && accepted {
            best = count;
            found = Some(start(levels, first, count));
        }
    }
    let data_levels = levels.iter().filter(|level| !level.freelist_only).count();
    if found.is_none() && merge_count <= 1 && data_levels > 1 {
        found = Some(Choice::Start { first: 0, count: levels.len() });
    }
    found
}

/// Like [`choose`], but never refuses while there is anything to merge.
#[must_use]
pub(crate) fn choose_under_pressure(levels: &[Level], automerge: usize) -> Option<Choice> {
    choose(levels, automerge, automerge).or_else(|| {
        let merging = levels.iter().enumerate().filter(|(_, level)| level.is_merging());
        if let Some((index, _)) = merging.rev().max_by_key(|(_, level)| level.right.len()) {
            return Some(Choice::Continue(index));
        }
        let run = runs(levels).into_iter().rev().max_by_key(|&(_, count)| count);
        match run {
            Some((first, count)) if count >= 2 => Some(start(levels, first, count)),
            _ if levels.len() >= 2 => Some(Choice::Start { first: 0, count: 2 }),
            _ => None,
        }
    })
}

/// Whether a level may be added at all.
#[must_use]
pub(crate) fn has_room(levels: &[Level]) -> bool {
    levels.iter().map(|level| level.right.len().max(1)).sum::<usize>() < MAX_SEGMENTS
}

/// Whether merges should run before the next flush.
#[must_use]
pub(crate) fn is_full(levels: &[Level], automerge: usize) -> bool {
    let crowded = levels.first().is_some_and(|top| {
        top.age == 0 && (top.is_merging() || same_age(levels, 0) >= automerge.max(2))
    });
    crowded || !has_room(levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::checkpoint::{CellPosition, Merge, Segment};

    /// One level per item: its age and the number of merge inputs (negative: one more input reads
    /// the next level's b-tree).
    fn levels(items: &[(u16, i32)]) -> Vec<Level> {
        let segment = Segment { first: 3, last: 3, root: 0, size: 1 };
        let level = |&(age, inputs): &(u16, i32)| {
            let right = inputs.unsigned_abs() as usize;
            let count = right + usize::from(inputs < 0);
            Level {
                age,
                freelist_only: false,
                left: segment,
                right: vec![segment; right],
                merge: (right > 0).then(|| Merge {
                    inputs: vec![CellPosition::default(); count],
                    ..Merge::default()
                }),
            }
        };
        items.iter().map(level).collect()
    }

    const fn begin(first: usize, count: usize) -> Option<Choice> {
        Some(Choice::Start { first, count })
    }

    #[test]
    fn choices_follow_the_table() {
        type Row<'a> = (&'a [(u16, i32)], usize, Option<Choice>);
        let table: &[Row<'_>] = &[
            (&[], 4, None),
            (&[(0, 0)], 1, None),
            (&[(0, 0), (0, 0), (0, 0)], 4, None),
            (&[(0, 0), (0, 0), (0, 0), (0, 0)], 4, begin(0, 4)),
            (&[(0, 0), (0, 0)], 2, begin(0, 2)),
            // A single segment per age: only optimising merges everything.
            (&[(0, 0), (1, 0), (2, 0)], 2, None),
            (&[(0, 0), (1, 0), (2, 0)], 1, begin(0, 3)),
            // A run above a merging level of the next age waits for it.
            (&[(0, 0), (0, 0), (0, 0), (0, 0), (1, 4)], 4, Some(Choice::Continue(4))),
            (&[(0, 0), (0, 0), (0, 0), (0, 0), (1, 2)], 4, None),
            (&[(0, 0), (0, 0), (0, 0), (0, 0), (2, 2)], 4, begin(0, 4)),
            // ... or a crowded next age.
            (
                &[(0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)],
                4,
                begin(4, 5),
            ),
            // The first of equals wins.
            (&[(0, 0), (0, 0), (1, 0), (1, 0)], 2, begin(0, 2)),
            (&[(0, 0), (1, 3), (2, 0), (2, 0)], 2, Some(Choice::Continue(1))),
            // A b-tree that is being read above is not pulled away.
            (&[(1, -2), (1, 0), (1, 0), (1, 0)], 2, Some(Choice::Continue(0))),
            (&[(1, 2), (1, 0), (1, 0), (1, 0)], 2, begin(1, 3)),
        ];
        for (items, merge_count, expected) in table {
            assert_eq!(choose(&levels(items), *merge_count, 4), *expected, "{items:?}");
        }
    }

    #[test]
    fn pressure_always_finds_work() {
        let stuck = levels(&[(0, 0), (0, 0), (0, 0), (0, 0), (1, 2)]);
        assert_eq!(choose_under_pressure(&stuck, 4), Some(Choice::Continue(4)));
        let short_run = levels(&[(0, 0), (1, 0), (1, 0), (2, 0)]);
        assert_eq!(choose_under_pressure(&short_run, 4), begin(1, 2));
        let ages: Vec<(u16, i32)> = (0..40).map(|age| (age, 0)).collect();
        assert_eq!(choose_under_pressure(&levels(&ages), 4), begin(0, 2));
        assert_eq!(choose_under_pressure(&levels(&[(0, 0)]), 4), None);
        assert_eq!(choose_under_pressure(&[], 4), None);
    }

    #[test]
    fn only_free_list_levels_are_left_alone_when_optimising() {
        let mut list = levels(&[(0, 0), (3, 0)]);
        assert_eq!(choose(&list, 1, 4), begin(0, 2));
        list[0].freelist_only = true;
        assert_eq!(choose(&list, 1, 4), None);
    }

    #[test]
    fn fullness() {
        assert!(!is_full(&levels(&[(0, 0), (0, 0), (0, 0)]), 4));
        assert!(is_full(&levels(&[(0, 0), (0, 0), (0, 0), (0, 0)]), 4));
        assert!(!is_full(&levels(&[(1, 0), (1, 0), (1, 0), (1, 0)]), 4));
        let ages: Vec<(u16, i32)> = (0..40).map(|age| (age, 0)).collect();
        assert!(!has_room(&levels(&ages)));
        assert!(has_room(&levels(&ages[1..])));
        assert!(!has_room(&levels(&[(1, 39), (2, 0)])));
    }
}
