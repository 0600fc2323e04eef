//! Damage in words: told one by one up to a number, then counted. Damage never ends the work of
//! whoever collects it; other errors do.

use crate::error::{Error, ErrorKind, Result};

/// Problems that are told one by one.
const MOST_TOLD: usize = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    told: Vec<String>,
    untold: u64,
}

impl Problems {
    /// Adds one, unless it is the last one again.
    pub(crate) fn add(&mut self, what: String) {
        if self.told.last() == Some(&what) {
            return;
        }
        if self.told.len() < MOST_TOLD {
            self.told.push(what);
        } else {
            self.untold += 1;
        }
    }

    /// Adds what a damaged place says.
    pub(crate) fn add_damage(&mut self, error: &Error) {
        self.add(match error.kind() {
            // Without the advice an error carries.
            ErrorKind::Corrupt { place, rule } => format!("{place}: {rule}"),
            _ => error.to_string(),
        });
    }

    /// Notes damage and goes on with `None`; passes other errors on.
    pub(crate) fn noted<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_damage(&error) => {
                self.add_damage(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("and {} more problems", self.untold));
        }
        self.told
    }
}

/// Whether an error tells of damage rather than of a failing world.
fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt { .. } | ErrorKind::NotADatabase(_) | ErrorKind::Codec(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn many_problems_are_counted_and_repeated_ones_told_once() {
        let mut problems = Problems::default();
        for number in 0..MOST_TOLD + 7 {
            problems.add(format!("problem {number}"));
            problems.add(format!("problem {number}"));
        }
        let told = problems.finish();
        assert_eq!(told.len(), MOST_TOLD + 1);
        assert_eq!(told[1], "problem 1");
        assert_eq!(told[MOST_TOLD], "and 14 more problems");
    }

    #[test]
    fn only_damage_is_noted() {
        let mut problems = Problems::default();
        assert_eq!(problems.noted(Ok(3)).unwrap(), Some(3));
        let damage = Error::corrupt(Place::Log(9), "a rule");
        assert_eq!(problems.noted::<()>(Err(damage)).unwrap(), None);
        assert!(problems.noted::<()>(Err(Error::misuse("no damage"))).is_err());
        let told = problems.finish();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("a rule"), "{told:?}");
    }
}
