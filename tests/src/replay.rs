//! A history run against the model and a subject, compared at each step.

use crate::Row;
use crate::history::{History, Operation};
use crate::model::{Cursor, Model, Position, View};
use crate::profile::Settings;
use std::collections::HashMap;
use std::fmt;

/// What an operation showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It had nothing to show.
    Done,
    /// An entry, or the end.
    Entry(Position),
    /// Rows of a scan.
    Rows(Vec<Row>),
}

/// Something that carries out operations: an engine behind one of its interfaces.
pub trait Subject {
    /// Why it refused.
    type Error: fmt::Debug;

    /// Creates and opens the database.
    ///
    /// # Errors
    /// The subject's own; each is a divergence.
    fn create(&mut self, settings: &Settings) -> Result<(), Self::Error>;

    /// Carries out one operation. `depth` is the number of levels open before it.
    ///
    /// # Errors
    /// The subject's own; each is a divergence, because histories are legal.
    fn apply(&mut self, operation: &Operation, depth: usize) -> Result<Seen, Self::Error>;

    /// Closes the database.
    ///
    /// # Errors
    /// The subject's own; each is a divergence.
    fn close(&mut self) -> Result<(), Self::Error>;
}

/// Where subject and model part.
pub struct Divergence {
    history: String,
    index: usize,
    what: String,
    last: Vec<Operation>,
}

impl fmt::Debug for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.history)?;
        writeln!(f, "operation {}: {}", self.index, self.what)?;
        // The last operations in full, those before without reads, writes in a row as one line.
        let (before, last) = self.last.split_at(self.last.len().saturating_sub(12));
        let mut writes = 0;
        for operation in before.iter().skip(before.len().saturating_sub(250)) {
            if operation.is_write() {
                writes += 1;
            } else if operation.is_structural() {
                if writes > 0 {
                    writeln!(f, "    .. {writes} writes")?;
                }
                writes = 0;
                writeln!(f, "    {operation:?}")?;
            }
        }
        writeln!(f, "    .. {writes} writes")?;
        last.iter().try_for_each(|operation| writeln!(f, "    {operation:?}"))
    }
}

/// Runs a history. Returns the content at the end. With SILTSTONE_NARROW in the environment it scans
/// after every operation, which finds the first wrong one.
///
/// # Errors
/// The first difference, with all that is needed to reproduce it.
pub fn run<S: Subject>(history: &History, subject: &mut S) -> Result<View, Divergence> {
    let mut replay = Replay::new(history);
    subject.create(&history.settings).map_err(|error| replay.refused("create", &error))?;
    while let Some((operation, depth)) = replay.next() {
        replay.saw(subject.apply(operation, depth))?;
    }
    subject.close().map_err(|error| replay.refused("close", &error))?;
    Ok(replay.view())
}

/// A history on its way, with the model beside it: for subjects that fetch their operations
/// themselves, because a transaction of theirs lives on the stack.
pub struct Replay<'h> {
    history: &'h History,
    model: Model,
    cursors: HashMap<usize, Cursor>,
    /// Index of the next operation.
    next: usize,
    expected: Seen,
    narrow: bool,
    /// The scan after an operation is out.
    scanning: bool,
    /// Who carries out the operations, for messages.
    pub who: &'static str,
}

impl<'h> Replay<'h> {
    /// At its beginning.
    #[must_use]
    pub fn new(history: &'h History) -> Self {
        Replay {
            history,
            model: Model::default(),
            cursors: HashMap::new(),
            next: 0,
            expected: Seen::Done,
            narrow: std::env::var_os("SILTSTONE_NARROW").is_some(),
            scanning: true,
            who: "",
        }
    }

    /// The next operation and the number of levels open before it. What it shows must be told to
    /// [`saw`](Self::saw) before the next one.
    #[allow(clippy::should_implement_trait, reason = "lends nothing, but must alternate with saw")]
    pub fn next(&mut self) -> Option<(&'h Operation, usize)> {
        let depth = self.model.depth();
        if self.narrow && !self.scanning {
            self.scanning = true;
            self.expected = Seen::Rows(self.model.view().rows());
            return Some((&Operation::Scan, depth));
        }
        let operation = self.history.operations.get(self.next)?;
        self.next += 1;
        self.scanning = false;
        operation.apply(&mut self.model);
        self.expected = expect(operation, &self.model.view(), &mut self.cursors);
        Some((operation, depth))
    }

    /// Compares what the operation showed.
    ///
    /// # Errors
    /// If it is not what the model shows.
    pub fn saw<E: fmt::Debug>(&self, seen: Result<Seen, E>) -> Result<(), Divergence> {
        match seen {
            Ok(seen) if seen == self.expected => Ok(()),
            Ok(seen) if self.scanning && self.narrow => {
                Err(self.diverged(format!("scan after it: {}", difference(&seen, &self.expected))))
            }
            Ok(seen) => Err(self.diverged(difference(&seen, &self.expected))),
            Err(error) => Err(self.refused("refused", &error)),
        }
    }

    /// The divergence of a refusal.
    pub fn refused(&self, what: &str, error: &dyn fmt::Debug) -> Divergence {
        self.diverged(format!("{what}: {error:?}"))
    }

    /// A divergence at the operation that was fetched last.
    #[must_use]
    pub fn diverged(&self, what: String) -> Divergence {
        let History { profile, seed, settings, operations } = self.history;
        let index = self.next.saturating_sub(1);
        let what = if self.who.is_empty() { what } else { format!("{}: {what}", self.who) };
        Divergence {
            history: format!("{profile} seed {seed} {settings:?}"),
            index,
            what,
            last: operations[..self.next].to_vec(),
        }
    }

    /// Whether the history deletes ranges.
    #[must_use]
    pub fn has_ranges(&self) -> bool {
        self.history.operations.iter().any(|one| matches!(one, Operation::DeleteRange(..)))
    }

    /// What the writer sees now.
    #[must_use]
    pub fn view(&self) -> View {
        self.model.view()
    }

    /// What everybody else sees now.
    #[must_use]
    pub fn committed(&self) -> View {
        self.model.committed()
    }
}

fn expect(operation: &Operation, view: &View, cursors: &mut HashMap<usize, Cursor>) -> Seen {
    let cursor = |slot: &usize| cursors.get(slot).cloned().unwrap_or_default();
    let (slot, moved, position) = match operation {
        Operation::Get(key) => return Seen::Entry(view.seek(crate::model::Seek::Exact, key)),
        Operation::Seek(mode, key) => return Seen::Entry(view.seek(*mode, key)),
        Operation::Scan => return Seen::Rows(view.rows()),
        Operation::ScanBackward => return Seen::Rows(view.rows_backward()),
        Operation::CursorFirst(slot) => moved(slot, cursor(slot), |cursor| cursor.first(view)),
        Operation::CursorLast(slot) => moved(slot, cursor(slot), |cursor| cursor.last(view)),
        Operation::CursorSeek(slot, mode, key) => {
            moved(slot, cursor(slot), |cursor| cursor.seek(view, *mode, key))
        }
        Operation::CursorStep(slot) => moved(slot, cursor(slot), |cursor| {
            let forward = cursor.next(view);
            forward.or_else(|| cursor.previous(view)).unwrap_or_default()
        }),
        Operation::CursorOpen(slot) | Operation::CursorClose(slot) => {
            cursors.remove(slot);
            return Seen::Done;
        }
        _ => return Seen::Done,
    };
    cursors.insert(slot, moved);
    Seen::Entry(position)
}

fn moved(
    slot: &usize,
    mut cursor: Cursor,
    with: impl FnOnce(&mut Cursor) -> Position,
) -> (usize, Cursor, Position) {
    let position = with(&mut cursor);
    (*slot, cursor, position)
}

/// The first difference in words; whole scans would bury it.
fn difference(seen: &Seen, expected: &Seen) -> String {
    let name = |row: Option<&Row>| match row {
        None => "nothing".to_owned(),
        Some((key, value)) => {
            let key = &key[..key.len().min(40)];
            format!("{} ({} bytes)", key.escape_ascii(), value.len())
        }
    };
    match (seen, expected) {
        (Seen::Rows(seen), Seen::Rows(expected)) => {
            let at = seen.iter().zip(expected).take_while(|(seen, expected)| seen == expected);
            let at = at.count();
            format!(
                "row {at} of {}: {} instead of {} (of {})",
                seen.len(),
                name(seen.get(at)),
                name(expected.get(at)),
                expected.len()
            )
        }
        (Seen::Entry(seen), Seen::Entry(expected)) => {
            format!("{} instead of {}", name(seen.as_ref()), name(expected.as_ref()))
        }
        (seen, expected) => format!("{seen:?} instead of {expected:?}"),
    }
}
