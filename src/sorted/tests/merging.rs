//! Random levels with range deletes and unfinished merges against a model: every key by lookup,
//! every seek, and scans in both directions.

use super::build::{Builder, Entry, Written, merging_level};
use super::support::{WAYS, open};
use crate::format::checkpoint::{CellPosition, Level};
use crate::format::page::EntryFlags;
use crate::sorted::ReadView;
use crate::sorted::cursor::{MergedCursor, Seek};
use crate::sorted::get::get;
use std::collections::BTreeMap;

pub(super) const KEYS: usize = 40;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % limit
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

pub(super) fn key(index: usize) -> Vec<u8> {
    format!("k{index:02}").into_bytes()
}

/// Operations of one flush.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Insert(usize, Vec<u8>),
    Delete(usize),
    DeleteRange(usize, usize),
}

pub(super) fn operations(random: &mut Random, serial: usize) -> Vec<Operation> {
    (0..1 + random.below(12))
        .map(|step| match random.below(5) {
            0 => Operation::Delete(random.below(KEYS)),
            1 | 2 => {
                let (a, b) = (random.below(KEYS), random.below(KEYS));
                Operation::DeleteRange(a.min(b), a.max(b))
            }
            _ => {
                let value = format!("v{serial}.{step}").repeat(1 + random.below(3));
                Operation::Insert(random.below(KEYS), value.into_bytes())
            }
        })
        .collect()
}

/// What the in-memory tree makes of the operations.
pub(super) fn entries(operations: &[Operation]) -> Vec<Entry> {
    let mut points: Vec<Option<Option<Vec<u8>>>> = vec![None; KEYS];
    let mut covered = [false; KEYS];
    // gaps[i] is the open interval between keys i and i + 1.
    let mut gaps = [false; KEYS];
    for operation in operations {
        match operation {
            Operation::Insert(at, value) => points[*at] = Some(Some(value.clone())),
            Operation::Delete(at) => points[*at] = Some(None),
            Operation::DeleteRange(low, high) => {
                for at in *low..*high {
                    gaps[at] = true;
                    if at > *low {
                        (points[at], covered[at]) = (None, true);
                    }
                }
            }
        }
    }
    let mut out = Vec::new();
    for at in 0..KEYS {
        let (left, right) = (at > 0 && gaps[at - 1], gaps[at]);
        let mut flags = EntryFlags::NONE;
        let mut value = Vec::new();
        match &points[at] {
            Some(Some(inserted)) => {
                flags = EntryFlags::INSERT;
                value = inserted.clone();
            }
            Some(None) => flags = EntryFlags::POINT_DELETE,
            None if covered[at] && left && right => continue,
            None if !left && !right => continue,
            None => {}
        }
        if left {
            flags = flags.union(EntryFlags::END_DELETE);
        }
        if right {
            flags = flags.union(EntryFlags::START_DELETE);
        }
        out.push(Entry { key: key(at), flags, value, pointer: 0 });
    }
    out
}

pub(super) fn apply(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, operations: &[Operation]) {
    for operation in operations {
        match operation {
            Operation::Insert(at, value) => {
                model.insert(key(*at), value.clone());
            }
            Operation::Delete(at) => {
                model.remove(&key(*at));
            }
            Operation::DeleteRange(low, high) => {
                for at in low + 1..*high {
                    model.remove(&key(at));
                }
            }
        }
    }
}

/// What a merge of `inputs` writes per key (`None`: nothing), with the keys it stops at.
fn merged(inputs: &[Vec<Entry>]) -> Vec<(Vec<u8>, Option<Entry>)> {
    let mut at = vec![0; inputs.len()];
    let mut out = Vec::new();
    loop {
        let heads: Vec<Option<&Entry>> =
            inputs.iter().zip(&at).map(|(input, &at)| input.get(at)).collect();
        let Some(least) = heads.iter().flatten().map(|head| head.key.clone()).min() else {
            return out;
        };
        let winner =
            heads.iter().position(|head| head.is_some_and(|head| head.key == least)).unwrap();
        let ends_later = |head: &Option<&Entry>| {
            head.is_some_and(|head| head.key > least && head.flags.contains(EntryFlags::END_DELETE))
        };
        let hidden = heads[..winner].iter().any(ends_later);
        if !hidden {
            let mut entry = heads[winner].unwrap().clone();
            let mut flags = entry.flags;
            for (index, head) in heads.iter().enumerate() {
                let Some(head) = head.filter(|_| index != winner) else { continue };
                if head.key == least {
                    if !flags.intersects(EntryFlags::DECISIVE) {
                        let decisive = EntryFlags(head.flags.0 & EntryFlags::DECISIVE.0);
                        flags = flags.union(decisive);
                        entry.value = head.value.clone();
                    }
                    flags = flags.union(EntryFlags(head.flags.0 & EntryFlags::RANGE.0));
                } else if index > winner && head.flags.contains(EntryFlags::END_DELETE) {
                    if flags.intersects(EntryFlags::DECISIVE) {
                        flags = flags.union(EntryFlags::RANGE);
                    } else {
                        flags = EntryFlags::NONE;
                    }
                    break;
                }
            }
            if flags.contains(EntryFlags(0x07)) {
                flags = EntryFlags::NONE;
            }
            entry.flags = flags;
            out.push((least.clone(), (flags != EntryFlags::NONE).then_some(entry)));
        }
        for (index, input) in inputs.iter().enumerate() {
            if input.get(at[index]).is_some_and(|head| head.key == least) {
                at[index] += 1;
            }
        }
    }
}

/// Adds pointers, and separators where they are visible, so that `entries` lead into `below`.
fn lead_into(entries: &[Entry], below: &Written) -> Vec<Entry> {
    let mut out: Vec<Entry> = entries.to_vec();
    let pointer = |key: &Vec<u8>| {
        let at = below.pages.partition_point(|page| page.0 <= *key);
        if at < 2 { 0 } else { below.pages[at - 1].1 }
    };
    for (first_key, page) in below.pages.iter().skip(1) {
        let at = out.partition_point(|entry| entry.key < *first_key);
        let opened = out[..at].iter().rfind(|entry| !entry.flags.is_pure_separator());
        let hidden = out.get(at).is_none_or(|next| next.key != *first_key)
            && opened.is_some_and(|entry| entry.flags.contains(EntryFlags::START_DELETE));
        if !hidden && out.get(at).is_none_or(|next| next.key != *first_key) {
            let flags = EntryFlags::SEPARATOR;
            let separator =
                Entry { key: first_key.clone(), flags, value: Vec::new(), pointer: *page };
            out.insert(at, separator);
        }
    }
    for entry in &mut out {
        entry.pointer = pointer(&entry.key);
    }
    out
}

/// How the levels of one case are tied together.
struct Case {
    random: Random,
    builder: Builder,
    /// The segment just below, if pointers may lead into it.
    below: Option<Written>,
}

impl Case {
    /// Writes a segment above `self.below`.
    fn write(&mut self, entries: &[Entry], bottom_up: bool) -> Written {
        let entries = match &self.below {
            Some(below) if below.segment.root == 0 => lead_into(entries, below),
            _ => entries.to_vec(),
        };
        let (random, with_btree) = (&mut self.random, false);
        let with_btree = with_btree || random.one_in(2);
        let written = self.builder.segment(&entries, with_btree, || random.one_in(3));
        if bottom_up {
            self.below = Some(written.clone());
        }
        written
    }
}

/// Makes the levels of `batches` (newest first); some neighbours in the middle of a merge.
pub(super) fn build(mut random: Random, batches: &[Vec<Entry>]) -> std::sync::Arc<Vec<u8>> {
    let count = batches.len();
    let merge_from = random.below(count);
    let merge_count = 2 + random.below(3);
    let merge = merge_from..(merge_from + merge_count).min(count);
    let mut case = Case { random, builder: Builder::default(), below: None };
    let mut levels: Vec<Level> = Vec::new();
    let plain = |case: &mut Case, levels: &mut Vec<Level>, batch: &Vec<Entry>| {
        if !batch.is_empty() {
            let left = case.write(batch, true).segment;
            levels.push(Level { left, ..Level::default() });
        }
    };
    for batch in batches[merge.end..].iter().rev() {
        plain(&mut case, &mut levels, batch);
    }
    let inputs: Vec<_> = batches[merge.clone()].iter().filter(|b| !b.is_empty()).cloned().collect();
    if !unfinished(&mut case, &mut levels, &inputs) {
        for batch in inputs.iter().rev() {
            plain(&mut case, &mut levels, batch);
        }
    }
    for batch in batches[..merge.start].iter().rev() {
        plain(&mut case, &mut levels, batch);
    }
    levels.reverse();
    case.builder.finish(levels)
}

/// Adds a level in the middle of merging `inputs`; `false` if they are too few or too small.
fn unfinished(case: &mut Case, levels: &mut Vec<Level>, inputs: &[Vec<Entry>]) -> bool {
    let all = merged(inputs);
    if inputs.len() < 2 || all.len() < 2 {
        return false;
    }
    let stop = 1 + case.random.below(all.len() - 1);
    let split = all[stop].0.clone();
    let left: Vec<_> = all[..stop].iter().filter_map(|(_, entry)| entry.clone()).collect();
    if left.is_empty() {
        return false;
    }
    // The left segment leads into what is below the level, and is never led into.
    let is_bottom = case.below.is_none();
    let left: Vec<_> = if is_bottom {
        let inserts = left.into_iter().filter(|entry| entry.flags.contains(EntryFlags::INSERT));
        let inserts: Vec<_> =
            inserts.map(|entry| Entry { flags: EntryFlags::INSERT, ..entry }).collect();
        if inserts.is_empty() {
            return false;
        }
        inserts
    } else {
        left
    };
    let left = {
        let entries = match &case.below {
            Some(below) if below.segment.root == 0 => lead_into(&left, below),
            _ => left,
        };
        let random = &mut case.random;
        case.builder.segment(&entries, true, || random.one_in(3)).segment
    };
    let (mut rights, mut positions) = (Vec::new(), Vec::new());
    for input in inputs.iter().rev() {
        let written = case.write(input, true);
        // Separators may have been added: find the position by key.
        let entries = written.positions.len();
        let mut next = CellPosition::default();
        if entries > 0 {
            next = position_of(case, &written, input, &split);
        }
        rights.push(written);
        positions.push(next);
    }
    rights.reverse();
    positions.reverse();
    let at = positions
        .iter()
        .zip(&rights)
        .find(|(position, right)| position.page != 0 && key_at(case, right, **position) == split);
    let (&split_at, _) = at.unwrap();
    let mut segments = Vec::new();
    for (written, position) in rights.iter().zip(&positions) {
        let mut segment = written.segment;
        // What lies before the page with the last key below the split key is given up.
        let below = |at: &&CellPosition| key_at(case, written, **at) < split;
        let taken = written.positions.iter().rfind(below).map(|at| at.page);
        if let (Some(taken), true) = (taken.filter(|_| position.page != 0), case.random.one_in(2)) {
            case.builder.scribble(&mut segment, taken);
        }
        segments.push(segment);
    }
    // Whatever is above enters through the newest input.
    case.below = rights.into_iter().next();
    levels.push(merging_level(left, segments, positions, split_at));
    true
}

/// The first entry of `input` at or above `split`, in the written segment.
fn position_of(case: &Case, written: &Written, input: &[Entry], split: &[u8]) -> CellPosition {
    let Some(wanted) = input.iter().find(|entry| entry.key.as_slice() >= split) else {
        return CellPosition::default();
    };
    let found = written.positions.iter().find(|at| key_at(case, written, **at) == wanted.key);
    *found.unwrap()
}

/// The key of a cell of a segment under construction.
fn key_at(case: &Case, written: &Written, at: CellPosition) -> Vec<u8> {
    case.builder.key(at).unwrap_or_else(|| panic!("no cell at {at:?} in {written:?}"))
}

pub(super) fn check(view: &ReadView, rows: &[(Vec<u8>, Vec<u8>)], what: &str) {
    let mut cursor = MergedCursor::new(view);
    for backward in [false, true] {
        let mut found = Vec::new();
        if backward { cursor.last(view) } else { cursor.first(view) }.unwrap();
        while cursor.is_valid() {
            let key = cursor.key().to_vec();
            found.push((key, cursor.value(view).unwrap().to_vec()));
            if backward { cursor.previous(view) } else { cursor.next(view) }.unwrap();
        }
        if backward {
            found.reverse();
        }
        assert_eq!(found, rows, "{what}, backward: {backward}");
    }
    let beside = |at| [key(at), [key(at).as_slice(), b"+"].concat()];
    for key in (0..KEYS).flat_map(beside) {
        let what = format!("{what}, {}", String::from_utf8_lossy(&key));
        let at = rows.partition_point(|row| row.0 < key);
        let hit = rows.get(at).filter(|row| row.0 == key);
        assert_eq!(get(view, &key).unwrap(), hit.map(|row| row.1.clone()), "{what}");
        cursor.seek(view, &key, Seek::Exact).unwrap();
        assert_eq!(cursor.is_valid(), hit.is_some(), "{what}, exact");
        cursor.seek(view, &key, Seek::AtLeast).unwrap();
        for row in rows.iter().skip(at).take(4) {
            assert_eq!(cursor.key(), row.0, "{what}, at least");
            cursor.next(view).unwrap();
        }
        cursor.seek(view, &key, Seek::AtMost).unwrap();
        let to = at + usize::from(hit.is_some());
        for row in rows[..to].iter().rev().take(4) {
            assert_eq!(cursor.key(), row.0, "{what}, at most");
            cursor.previous(view).unwrap();
        }
    }
}

#[test]
fn unfinished_merges_with_range_deletes_read_as_the_model_says() {
    let mut unfinished = 0;
    for seed in 0..1500 {
        let mut random = Random(seed);
        random.below(1);
        let count = 2 + random.below(6);
        let batches: Vec<_> = (0..count).map(|at| operations(&mut random, at)).collect();
        let mut model = BTreeMap::new();
        for batch in batches.iter().rev() {
            apply(&mut model, batch);
        }
        let entries: Vec<_> = batches.iter().map(|batch| entries(batch)).collect();
        let bytes = build(random, &entries);
        let view = open(&bytes, WAYS[0]).unwrap();
        let rows: Vec<_> = model.into_iter().collect();
        unfinished += usize::from(view.snapshot.levels.iter().any(|level| level.split.is_some()));
        check(&view, &rows, &format!("seed {seed}"));
    }
    assert!(unfinished > 500, "only {unfinished} unfinished merges");
}
