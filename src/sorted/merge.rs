//! Merging sources into one sequence of records: which key is next, what becomes of it.
//!
//! Sources are ordered newest first. Range deletes of newer sources hide older keys; deletes
//! disappear when nothing older is left; keys of the separator source become pointers into the next
//! older segment. Rules: docs/format.md, "Range deletes" and "Merge work".

use super::merge_input::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::format::checkpoint::CellPosition;
use crate::format::page::EntryFlags;
use std::cmp::Ordering;

/// Most sources of one merge: a bit each.
const MAX_SOURCES: usize = 64;

/// What becomes of the smallest key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Source whose key this is.
    pub(crate) key: usize,
    /// Type bits to write, `SYSTEM` included; `None` = nothing is written.
    pub(crate) flags: Option<EntryFlags>,
    /// Pointer to write.
    pub(crate) pointer: u64,
    /// Source that holds the value, of an `INSERT`.
    pub(crate) value: usize,
    /// Sources that stand on the key, as bits.
    equal: u64,
}

/// A merge in progress.
#[derive(Debug)]
pub(crate) struct Merger<'a> {
    sources: Vec<Source<'a>>,
    /// Valid sources in descending order of their keys, of equal keys the newest last.
    order: Vec<usize>,
    /// Sources whose current record ends a deleted range, as bits.
    ends: u64,
    /// The last source feeds separators.
    has_separators: bool,
    /// Nothing older is left below the output.
    bottom: bool,
    /// Pointer of the last record of the separator source that was passed.
    pub(crate) current_pointer: u64,
}

impl<'a> Merger<'a> {
    /// Merges `sources`, newest first. With `has_separators` the last one's pointers are used.
    pub(crate) fn new(
        sources: Vec<Source<'a>>,
        has_separators: bool,
        bottom: bool,
        current_pointer: u64,
    ) -> Result<Self> {
        let (order, ends) = (Vec::new(), 0);
        let mut merger = Merger { sources, order, ends, has_separators, bottom, current_pointer };
        merger.arrange()?;
        Ok(merger)
    }

    /// Puts newer sources in front.
    pub(crate) fn add_newer(&mut self, mut newer: Vec<Source<'a>>) -> Result<()> {
        newer.append(&mut self.sources);
        self.sources = newer;
        self.arrange()
    }

    fn arrange(&mut self) -> Result<()> {
        if self.sources.len() > MAX_SOURCES {
            return Err(Error::new(ErrorKind::Full("a merge has more than 64 inputs".into())));
        }
        self.order.clear();
        for index in 0..self.sources.len() {
            self.place(index);
        }
        Ok(())
    }

    /// Sorts a source in, which is not in the order now.
    fn place(&mut self, index: usize) {
        let Some(source) = self.sources.get(index) else { return };
        if source.flags.contains(EntryFlags::END_DELETE) {
            self.ends |= 1 << index;
        } else {
            self.ends &= !(1 << index);
        }
        if !source.is_valid() {
            return;
        }
        // From the end: a source that was just read usually goes on near the smallest key.
        let mut at = self.order.len();
        while let Some(&other) = at.checked_sub(1).and_then(|below| self.order.get(below)) {
            let Some(other_source) = self.sources.get(other) else { break };
            match source.compare(other_source) {
                Ordering::Less => break,
                Ordering::Equal if index < other => break,
                _ => at -= 1,
            }
        }
        self.order.insert(at, index);
    }

    /// A source.
    pub(crate) fn source(&self, index: usize) -> Option<&Source<'a>> {
        self.sources.get(index)
    }

    /// A source, to copy its value.
    pub(crate) fn source_mut(&mut self, index: usize) -> Option<&mut Source<'a>> {
        self.sources.get_mut(index)
    }

    /// Positions of all sources.
    pub(crate) fn positions(&self) -> Vec<CellPosition> {
        self.sources.iter().map(Source::position).collect()
    }

    /// Passes keys hidden by newer ranges. Returns what becomes of the first that is not; `None`
    /// at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Plan>> {
        while let Some(&first) = self.order.last() {
            let Some(source) = self.sources.get(first) else { break };
            let equal = self.equal_to(first, source);
            // Keys of other sources are greater or equal, so an end there covers this key.
            let newer = self.ends & ((1 << first) - 1);
            if newer == 0 || !self.reaches(newer, source) {
                return Ok(Some(self.plan(first, source, equal)));
            }
            self.pass_sources(equal)?;
        }
        Ok(None)
    }

    /// Moves all sources that stand on the planned key on.
    pub(crate) fn pass(&mut self, plan: &Plan) -> Result<()> {
        self.pass_sources(plan.equal)
    }

    fn pass_sources(&mut self, equal: u64) -> Result<()> {
        let kept = self.order.len().saturating_sub(equal.count_ones() as usize);
        self.order.truncate(kept);
        let last = self.sources.len().saturating_sub(1);
        let mut left = equal;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(source) = self.sources.get_mut(index) else { break };
            if self.has_separators && index == last {
                self.current_pointer = source.pointer;
            }
            source.advance()?;
            self.place(index);
        }
        Ok(())
    }

    /// Sources that stand on the key of source `first`, the newest of them, as bits.
    fn equal_to(&self, first: usize, source: &Source<'_>) -> u64 {
        let mut equal = 1 << first;
        for &other in self.order.iter().rev().skip(1) {
            let same = |other: &Source<'_>| other.compare(source) == Ordering::Equal;
            if !self.sources.get(other).is_some_and(same) {
                break;
            }
            equal |= 1 << other;
        }
        equal
    }

    /// Whether one of these sources is of the kind (user's or engine's keys) of `source`.
    fn reaches(&self, ends: u64, source: &Source<'_>) -> bool {
        let of_kind = |other: &Source<'_>| other.is_system() == source.is_system();
        let mut sources = self.sources.iter().enumerate();
        sources.any(|(index, other)| ends >> index & 1 != 0 && of_kind(other))
    }

    fn plan(&self, first: usize, source: &Source<'a>, equal: u64) -> Plan {
        let mut flags = source.flags;
        let mut value = first;
        // Only the separator source has a key without data bits, and it has none older.
        let separator_only = flags == EntryFlags::NONE;
        if equal & (equal - 1) != 0 || self.ends >> first > 1 {
            (flags, value) = self.combine(first, source, equal);
        }
        const REDUNDANT: EntryFlags = EntryFlags::RANGE.union(EntryFlags::POINT_DELETE);
        if flags == REDUNDANT {
            flags = EntryFlags::NONE;
        }
        if self.bottom {
            flags = EntryFlags(flags.0 & EntryFlags::INSERT.0);
        }
        let last = self.sources.len().saturating_sub(1);
        let mut pointer = self.current_pointer;
        if self.has_separators && equal >> last & 1 != 0 {
            pointer = self.sources.last().map_or(pointer, |source| source.pointer);
        }
        if separator_only && self.has_separators && pointer != 0 {
            flags = EntryFlags::SEPARATOR;
        }
        let topic = if source.is_system() { EntryFlags::SYSTEM } else { EntryFlags::NONE };
        let written = (flags != EntryFlags::NONE).then(|| flags.union(topic));
        Plan { key: first, flags: written, pointer, value, equal }
    }

    /// What older sources add to a record, and the source of its value.
    fn combine(&self, first: usize, source: &Source<'a>, equal: u64) -> (EntryFlags, usize) {
        let (mut flags, mut value) = (source.flags, first);
        for (index, other) in self.sources.iter().enumerate().skip(first + 1) {
            let bit = 1 << index;
            if equal & bit != 0 {
                if !flags.intersects(EntryFlags::DECISIVE) {
                    flags = flags.union(other.flags.without(EntryFlags::RANGE));
                    value = index;
                }
                flags = flags.union(other.flags.without(EntryFlags::DECISIVE));
            } else if self.ends & bit != 0 && other.is_system() == source.is_system() {
                // Inside an older deleted range, which hides everything older still.
                let kept = flags.intersects(EntryFlags::DECISIVE);
                let inside = flags.union(EntryFlags::RANGE);
                return (if kept { inside } else { EntryFlags::NONE }, value);
            }
        }
        (flags, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sorted::merge_input::{Input, Record, RecordInput};

    /// `flags key [value]`: S start, E end, P point delete, I insert.
    fn source(text: &str) -> Source<'static> {
        let records = text.split_whitespace().map(|word| {
            let (flags, rest) = word.split_once(':').unwrap();
            let bit = |letter: char| match letter {
                'S' => EntryFlags::START_DELETE,
                'E' => EntryFlags::END_DELETE,
                'P' => EntryFlags::POINT_DELETE,
                _ => EntryFlags::INSERT,
            };
            let flags = flags.chars().fold(EntryFlags::NONE, |all, letter| all.union(bit(letter)));
            let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
            Record { flags, key: key.into(), value: value.into() }
        });
        Source::new(Input::Records(RecordInput::new(records.collect())))
    }

    fn merged(texts: &[&str], bottom: bool) -> String {
        let sources = texts.iter().map(|text| source(text)).collect();
        let mut merger = Merger::new(sources, false, bottom, 0).unwrap();
        let mut out = Vec::new();
        while let Some(plan) = merger.next().unwrap() {
            if let Some(flags) = plan.flags {
                let mut text = String::new();
                for (letter, bit) in [('S', 1), ('E', 2), ('P', 4), ('I', 8)] {
                    if flags.0 & bit != 0 {
                        text.push(letter);
                    }
                }
                let key = merger.source(plan.key).unwrap().key().to_vec();
                text += &format!(":{}", String::from_utf8(key).unwrap());
                if flags.contains(EntryFlags::INSERT) {
                    let mut value = Vec::new();
                    let source = merger.source_mut(plan.value).unwrap();
                    source
                        .copy_value(&mut |part| {
                            value.extend_from_slice(part);
                            Ok(())
                        })
                        .unwrap();
                    text += &format!("={}", String::from_utf8(value).unwrap());
                }
                out.push(text);
            }
            merger.pass(&plan).unwrap();
        }
        out.join(" ")
    }

    #[test]
    fn newer_wins_and_deletes_stay_until_the_bottom() {
        let inputs = ["I:a=1 P:b", "I:a=0 I:b=0 I:c=0"];
        assert_eq!(merged(&inputs, false), "I:a=1 P:b I:c=0");
        assert_eq!(merged(&inputs, true), "I:a=1 I:c=0");
    }

    #[test]
    fn ranges_hide_older_keys_and_meet() {
        assert_eq!(merged(&["S:a E:d", "I:a=0 I:b=0 I:c=0 I:d=0"], false), "SI:a=0 EI:d=0");
        assert_eq!(merged(&["S:a E:d", "I:a=0 I:b=0 I:c=0 I:d=0"], true), "I:a=0 I:d=0");
        assert_eq!(merged(&["S:c E:e", "S:a E:c"], false), "S:a SE:c E:e");
        assert_eq!(merged(&["S:b E:e", "S:a E:c"], false), "S:a E:e");
        assert_eq!(merged(&["S:a E:c", "S:b E:e"], false), "S:a E:e");
        // Inside an older range: kept with both bits, or pointless.
        assert_eq!(merged(&["I:b=1 P:c", "S:a E:d"], false), "S:a SEI:b=1 E:d");
        assert_eq!(merged(&["I:b=1 P:c", "S:a E:d", "I:b=0 I:c=0"], true), "I:b=1");
        // A key covered by an older range does not take an even older value.
        assert_eq!(merged(&["S:b E:f", "S:a E:d", "I:b=0"], false), "S:a E:f");
    }

    #[test]
    fn a_boundary_takes_the_value_below_it() {
        assert_eq!(merged(&["E:b", "P:b", "I:b=0"], false), "EP:b");
        assert_eq!(merged(&["S:b", "E:b", "I:b=0"], false), "SEI:b=0");
        assert_eq!(merged(&["S:b", "E:b", "P:b"], false), "");
    }
}
