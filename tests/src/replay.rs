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
        self.last.iter().try_for_each(|operation| writeln!(f, "    {operation:?}"))
    }
}

/// Runs a history. Returns the content at the end.
///
/// # Errors
/// The first difference, with all that is needed to reproduce it.
pub fn run<S: Subject>(history: &History, subject: &mut S) -> Result<View, Divergence> {
    let diverged = |index: usize, what: String| Divergence {
        history: format!("{} seed {} {:?}", history.profile, history.seed, history.settings),
        index,
        what,
        last: history.operations[index.saturating_sub(12)..]
            .iter()
            .take(13.min(index + 1))
            .cloned()
            .collect(),
    };
    let mut model = Model::default();
    let mut cursors: HashMap<usize, Cursor> = HashMap::new();
    subject.create(&history.settings).map_err(|error| diverged(0, format!("create: {error:?}")))?;
    for (index, operation) in history.operations.iter().enumerate() {
        let depth = model.depth();
        operation.apply(&mut model);
        let expected = expect(operation, &model.view(), &mut cursors);
        match subject.apply(operation, depth) {
            Ok(seen) if seen == expected => {}
            Ok(seen) => return Err(diverged(index, difference(&seen, &expected))),
            Err(error) => return Err(diverged(index, format!("refused: {error:?}"))),
        }
    }
    let end = history.operations.len().saturating_sub(1);
    subject.close().map_err(|error| diverged(end, format!("close: {error:?}")))?;
    Ok(model.view())
}

fn expect(operation: &Operation, view: &View, cursors: &mut HashMap<usize, Cursor>) -> Seen {
    let mut cursor = |slot: &usize| cursors.get(slot).cloned().unwrap_or_default();
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
