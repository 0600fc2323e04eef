//! What has happened to one database, kept outside of it: every transaction with its mark (pending,
//! refused, committed as number n), and the state after each number.
//!
//! Whatever is read must be the state after some number n: the journal in it names transactions 1 to
//! n, none of them refused, none elsewhere known under another number, and the rows are what those
//! transactions made. n is at least the newest number anybody knew before the reading began: what
//! was acknowledged or seen once is never lost, neither to the living nor in a crash. A pending
//! transaction (its process was killed) may turn up once or never; after everybody died and the
//! database was recovered, never becomes final.

use crate::protocol::{Change, Row, digest, value};
use crate::store::{CLOCK, journal_serial, read_clock};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::Excluded;

/// Length and digest.
type Seen = (usize, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Pending,
    Refused,
    Committed(u32),
}

struct Transaction {
    by: String,
    mark: Mark,
    /// What it comes to; savepoints resolved.
    effects: Vec<Effect>,
}

enum Effect {
    Set(Vec<u8>, Option<Seen>),
    Clear(Vec<u8>, Vec<u8>),
}

/// A single value that was read, to be judged when all numbers are known.
struct Glance {
    by: String,
    key: Vec<u8>,
    seen: Option<Seen>,
    since: u32,
}

/// The record.
#[derive(Default)]
pub(crate) struct History {
    transactions: Vec<Transaction>,
    /// Tags by number, from number 1.
    order: Vec<Option<u32>>,
    /// So many numbers are worked into `keys`.
    applied: usize,
    /// Each key's versions, by the number that made them.
    keys: BTreeMap<Vec<u8>, Vec<(u32, Option<Seen>)>>,
    glances: Vec<Glance>,
}

impl History {
    /// Notes a transaction before it is asked for. Returns its tag.
    pub(crate) fn pending(&mut self, by: &str, changes: &[Change]) -> u32 {
        let transaction =
            Transaction { by: by.to_owned(), mark: Mark::Pending, effects: effects(changes) };
        self.transactions.push(transaction);
        // Tag 0 means none.
        self.transactions.len() as u32
    }

    fn transaction(&mut self, tag: u32) -> Option<&mut Transaction> {
        self.transactions.get_mut((tag as usize).checked_sub(1)?)
    }

    /// The transaction has certainly not happened.
    pub(crate) fn refused(&mut self, tag: u32) {
        if let Some(transaction) = self.transaction(tag)
            && transaction.mark == Mark::Pending
        {
            transaction.mark = Mark::Refused;
        }
    }

    /// Everybody died and the database was recovered: what has not turned up never will.
    pub(crate) fn settle(&mut self) -> usize {
        let lost = self.transactions.iter_mut().filter(|other| other.mark == Mark::Pending);
        lost.map(|other| other.mark = Mark::Refused).count()
    }

    /// The transaction is known to have number `serial`.
    pub(crate) fn committed(&mut self, serial: u32, tag: u32) -> Result<(), String> {
        if serial == 0 {
            return if tag == 0 { Ok(()) } else { Err(format!("number 0 is tag {tag}")) };
        }
        let at = serial as usize - 1;
        let known = self.order.get(at).copied().flatten();
        if known == Some(tag) {
            return Ok(());
        }
        let place = match known {
            Some(other) => format!("that was tag {other} before"),
            None => String::new(),
        };
        let (by, mark) = match self.transaction(tag) {
            Some(transaction) => (transaction.by.clone(), transaction.mark),
            None => {
                return Err(format!("number {serial} is tag {tag}, which nobody wrote; {place}"));
            }
        };
        if mark != Mark::Pending || known.is_some() {
            return Err(format!("number {serial} is tag {tag} of {by}, marked {mark:?}; {place}"));
        }
        if let Some(transaction) = self.transaction(tag) {
            transaction.mark = Mark::Committed(serial);
        }
        if self.order.len() <= at {
            self.order.resize(at + 1, None);
        }
        self.order[at] = Some(tag);
        Ok(())
    }

    /// The newest number known.
    pub(crate) fn newest(&self) -> u32 {
        self.order.len() as u32
    }

    /// Judges all rows of a state read by somebody who began when `since` was the newest number.
    /// Returns the state's number.
    pub(crate) fn read(&mut self, rows: &[Row], since: u32) -> Result<u32, String> {
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].key >= pair[1].key) {
            return Err(format!(
                "rows out of order: {} {}",
                name(&pair[0].key),
                name(&pair[1].key)
            ));
        }
        let bytes = |row: &Row| row.bytes.clone().unwrap_or_default();
        let mut journal = Vec::new();
        for row in rows {
            if let Some(serial) = journal_serial(&row.key) {
                let tag = String::from_utf8(bytes(row)).ok().and_then(|tag| tag.parse().ok());
                journal.push((serial, tag.ok_or(format!("journal {serial} holds no tag"))?));
            }
        }
        let clock = rows.iter().find(|row| row.key == CLOCK).map(bytes);
        let (number, tag) = read_clock(clock.as_deref()).ok_or("the clock holds no number")?;
        let missing: Vec<u32> = {
            let there: BTreeSet<u32> = journal.iter().map(|(serial, _)| *serial).collect();
            (1..=number).filter(|serial| !there.contains(serial)).collect()
        };
        if journal.len() != number as usize || !missing.is_empty() {
            let last = journal.last().map(|(serial, _)| *serial);
            return Err(format!(
                "clock {number}, but the journal ends at {last:?} and lacks {missing:?}; {} rows",
                rows.len()
            ));
        }
        if journal.last().map_or(0, |(_, tag)| *tag) != tag {
            return Err(format!("clock {number} has tag {tag}, the journal {:?}", journal.last()));
        }
        if number < since {
            return Err(format!("state {number} is older than {since}, known when reading began"));
        }
        for (serial, tag) in journal {
            self.committed(serial, tag)?;
        }
        self.apply(number);
        self.compare(rows, number)?;
        Ok(number)
    }

    /// Works numbers up to `number`, which are all known, into the versions.
    fn apply(&mut self, number: u32) {
        while self.applied < number as usize {
            let serial = self.applied as u32 + 1;
            let Some(Some(tag)) = self.order.get(self.applied).copied() else { return };
            let Some(transaction) = self.transactions.get(tag as usize - 1) else { return };
            for effect in &transaction.effects {
                match effect {
                    Effect::Set(key, seen) => {
                        self.keys.entry(key.clone()).or_default().push((serial, *seen));
                    }
                    Effect::Clear(low, high) if low < high => {
                        let range = (Excluded(low.as_slice()), Excluded(high.as_slice()));
                        for (_, versions) in self.keys.range_mut::<[u8], _>(range) {
                            versions.push((serial, None));
                        }
                    }
                    Effect::Clear(..) => {}
                }
            }
            self.applied += 1;
        }
    }

    fn compare(&self, rows: &[Row], number: u32) -> Result<(), String> {
        let mut expected = self
            .keys
            .iter()
            .filter_map(|(key, versions)| Some((key, version(versions, number)?)))
            .peekable();
        let data = rows.iter().filter(|row| row.key != CLOCK && journal_serial(&row.key).is_none());
        for row in data {
            let seen = (row.len, row.digest);
            match expected.next() {
                Some((key, right)) if *key == row.key && right == seen => {}
                Some((key, right)) if *key == row.key => {
                    let whose = self.origin(&row.key, seen);
                    return Err(format!(
                        "state {number}: {} should have {} bytes, has {} ({whose})",
                        name(key),
                        right.0,
                        row.len
                    ));
                }
                Some((key, _)) if *key < row.key => {
                    return Err(format!("state {number}: {} is missing", name(key)));
                }
                _ => {
                    let whose = self.origin(&row.key, seen);
                    return Err(format!(
                        "state {number}: {} should not exist ({whose})",
                        name(&row.key)
                    ));
                }
            }
        }
        match expected.next() {
            Some((key, _)) => Err(format!("state {number}: {} is missing", name(key))),
            None => Ok(()),
        }
    }

    /// Whose value was read, for messages.
    fn origin(&self, key: &[u8], seen: Seen) -> String {
        let versions = self.keys.get(key).into_iter().flatten();
        let numbers: Vec<u32> =
            versions.filter(|(_, other)| *other == Some(seen)).map(|(number, _)| *number).collect();
        let written = |transaction: &&Transaction| {
            transaction
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Set(k, Some(s)) if k == key && *s == seen))
        };
        match self.transactions.iter().find(written) {
            Some(writer) => {
                format!("the value of {} {:?}, numbers {numbers:?}", writer.by, writer.mark)
            }
            None => "a value nobody wrote".to_owned(),
        }
    }

    /// Notes a single value read by somebody who began when `since` was the newest number.
    pub(crate) fn glance(&mut self, by: &str, key: &[u8], row: Option<&Row>, since: u32) {
        let seen = row.map(|row| (row.len, row.digest));
        self.glances.push(Glance { by: by.to_owned(), key: key.to_vec(), seen, since });
    }

    /// Judges the single values, now that all numbers are known.
    pub(crate) fn judge_glances(&mut self) -> Result<usize, String> {
        self.apply(self.newest());
        let glances = std::mem::take(&mut self.glances);
        for glance in &glances {
            let versions = self.keys.get(&glance.key).map_or(&[][..], Vec::as_slice);
            let then = version(versions, glance.since);
            let later = versions.iter().filter(|(number, _)| *number > glance.since);
            if then != glance.seen && !later.into_iter().any(|(_, seen)| *seen == glance.seen) {
                let whose = glance.seen.map(|seen| self.origin(&glance.key, seen));
                return Err(format!(
                    "{} read {:?} under {} though {} were known: {whose:?}",
                    glance.by,
                    glance.seen,
                    name(&glance.key),
                    glance.since
                ));
            }
        }
        Ok(glances.len())
    }
}

/// The version at a number.
fn version(versions: &[(u32, Option<Seen>)], number: u32) -> Option<Seen> {
    versions.iter().rev().find(|(made, _)| *made <= number).and_then(|(_, seen)| *seen)
}

fn effects(changes: &[Change]) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut savepoint = None;
    for change in changes {
        match change {
            Change::Put { key, seed, len } => {
                effects.push(Effect::Set(key.clone(), Some((*len, digest(&value(*seed, *len))))));
            }
            Change::Delete(key) => effects.push(Effect::Set(key.clone(), None)),
            Change::DeleteRange(low, high) => {
                effects.push(Effect::Clear(low.clone(), high.clone()))
            }
            Change::Savepoint => savepoint = Some(effects.len()),
            Change::Undo => effects.truncate(savepoint.take().unwrap_or(effects.len())),
            Change::Keep => savepoint = None,
        }
    }
    effects
}

/// A key for messages.
fn name(key: &[u8]) -> String {
    let text: String = key.escape_ascii().to_string().chars().take(40).collect();
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{clock_value, journal_key};

    fn put(key: &str, seed: u64) -> Change {
        Change::Put { key: key.into(), seed, len: 30 }
    }

    /// The rows of a state: journal, data, clock.
    fn rows(tags: &[u32], data: &[(&str, u64)]) -> Vec<Row> {
        let mut rows: Vec<Row> = (1..)
            .zip(tags)
            .map(|(serial, tag)| Row::new(&journal_key(serial), tag.to_string().as_bytes()))
            .collect();
        rows.extend(data.iter().map(|&(key, seed)| Row::new(key.as_bytes(), &value(seed, 30))));
        let tag = tags.last().copied().unwrap_or(0);
        rows.push(Row::new(CLOCK, &clock_value(tags.len() as u32, tag)));
        rows
    }

    /// Tags 1 to 4: a := 1; b := 2; a := 3; all between `` and `c` deleted, c := 4.
    fn history() -> History {
        let mut history = History::default();
        let clear = Change::DeleteRange(b"A".to_vec(), b"c".to_vec());
        for changes in
            [vec![put("a", 1)], vec![put("b", 2)], vec![put("a", 3)], vec![clear, put("c", 4)]]
        {
            history.pending("somebody", &changes);
        }
        history
    }

    #[test]
    fn every_state_of_a_history_is_right_and_what_is_late_may_be_pending() {
        let mut history = history();
        history.committed(1, 1).unwrap();
        assert_eq!(history.read(&rows(&[], &[]), 0), Ok(0));
        assert_eq!(history.read(&rows(&[1], &[("a", 1)]), 1), Ok(1));
        assert_eq!(history.read(&rows(&[1, 3], &[("a", 3)]), 1), Ok(2));
        assert_eq!(history.read(&rows(&[1, 3, 2], &[("a", 3), ("b", 2)]), 2), Ok(3));
        assert_eq!(history.read(&rows(&[1, 3, 2, 4], &[("c", 4)]), 3), Ok(4));
        // An old state, held since before.
        assert_eq!(history.read(&rows(&[1, 3], &[("a", 3)]), 1), Ok(2));
    }

    #[test]
    fn what_cannot_have_happened_is_noticed() {
        let cases: [(&str, Vec<Row>, u32); 9] = [
            ("older than", rows(&[1], &[("a", 1)]), 2),
            ("is missing", rows(&[1, 2], &[("a", 1)]), 2),
            ("should not exist", rows(&[1, 2], &[("a", 1), ("b", 2), ("x", 1)]), 2),
            ("should have", rows(&[1, 2], &[("a", 3), ("b", 2)]), 2),
            ("was tag 2 before", rows(&[1, 3], &[("a", 3)]), 2),
            ("marked Committed(1)", rows(&[1, 2, 1], &[("a", 1), ("b", 2)]), 2),
            ("nobody wrote", rows(&[1, 2, 9], &[("a", 1), ("b", 2)]), 2),
            ("marked Refused", rows(&[1, 2, 3], &[("a", 3), ("b", 2)]), 2),
            ("lacks [1]", rows(&[1, 2], &[("a", 1), ("b", 2)])[1..].to_vec(), 2),
        ];
        for (words, rows, since) in cases {
            let mut history = history();
            history.committed(1, 1).unwrap();
            history.committed(2, 2).unwrap();
            history.refused(3);
            let problem = history.read(&rows, since).unwrap_err();
            assert!(problem.contains(words), "`{words}`: {problem}");
        }
    }

    #[test]
    fn single_values_are_judged_by_all_states_since() {
        for (seed, right) in [(Some(1), false), (Some(3), true), (None, true), (Some(4), false)] {
            let mut history = history();
            history.committed(1, 1).unwrap();
            history.committed(2, 3).unwrap();
            let row = seed.map(|seed| Row::new(b"a", &value(seed, 30)));
            history.glance("somebody", b"a", row.as_ref(), 2);
            history.committed(3, 4).unwrap();
            assert_eq!(history.judge_glances().is_ok(), right, "{seed:?}");
        }
    }

    #[test]
    fn rolled_back_savepoints_leave_nothing() {
        let mut history = History::default();
        let changes = [
            put("a", 1),
            Change::Savepoint,
            put("b", 2),
            Change::Undo,
            Change::Savepoint,
            put("c", 3),
            Change::Keep,
        ];
        history.pending("somebody", &changes);
        assert_eq!(history.read(&rows(&[1], &[("a", 1), ("c", 3)]), 0), Ok(1));
    }
}
