//! Ranges of keys on the command line: `--from --after --to --through --prefix`.

use crate::failure::Result;
use crate::keys;
use clap::Args;
use std::ffi::OsString;
use std::ops::Bound;

/// Bounds of a range, every kind of them.
#[derive(Debug, Args)]
pub(crate) struct RangeArguments {
    /// First key, inclusive
    #[arg(long, value_name = "KEY", conflicts_with = "after")]
    pub(crate) from: Option<OsString>,
    /// Lower bound, exclusive
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<OsString>,
    /// Upper bound, exclusive
    #[arg(long, value_name = "KEY", visible_alias = "before", conflicts_with = "through")]
    pub(crate) to: Option<OsString>,
    /// Last key, inclusive
    #[arg(long, value_name = "KEY")]
    pub(crate) through: Option<OsString>,
    /// Only keys that begin so
    #[arg(long, value_name = "BYTES")]
    pub(crate) prefix: Option<OsString>,
}

/// A pair of bounds, as `range` takes them.
pub(crate) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl RangeArguments {
    /// Whether nothing is bounded.
    pub(crate) fn is_everything(&self) -> bool {
        let RangeArguments { from, after, to, through, prefix } = self;
        [from, after, to, through, prefix].iter().all(|bound| bound.is_none())
    }

    /// The bounds; `None` if nothing can lie between them.
    pub(crate) fn range(&self, as_hex: bool) -> Result<Option<Range>> {
        let key = |text: &Option<OsString>| {
            text.as_ref().map(|text| keys::argument(text, as_hex)).transpose()
        };
        let low = match (key(&self.from)?, key(&self.after)?) {
            (Some(from), _) => Bound::Included(from),
            (None, Some(after)) => Bound::Excluded(after),
            (None, None) => Bound::Unbounded,
        };
        let high = match (key(&self.to)?, key(&self.through)?) {
            (Some(to), _) => Bound::Excluded(to),
            (None, Some(through)) => Bound::Included(through),
            (None, None) => Bound::Unbounded,
        };
        Ok(narrow((low, high), key(&self.prefix)?))
    }
}

/// The part of `range` whose keys begin with `prefix`; `None` if it is empty.
fn narrow((low, high): Range, prefix: Option<Vec<u8>>) -> Option<Range> {
    let prefix = prefix.unwrap_or_default();
    let low = match low {
        Bound::Included(key) | Bound::Excluded(key) if key < prefix => {
            Bound::Included(prefix.clone())
        }
        Bound::Unbounded => Bound::Included(prefix.clone()),
        bound => bound,
    };
    let high = match (high, after_prefix(prefix)) {
        (Bound::Unbounded, Some(end)) => Bound::Excluded(end),
        (Bound::Included(key) | Bound::Excluded(key), Some(end)) if key >= end => {
            Bound::Excluded(end)
        }
        (bound, _) => bound,
    };
    let holds_something = match (&low, &high) {
        (Bound::Included(low), Bound::Included(high)) => low <= high,
        (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) => low < high,
        _ => true,
    };
    holds_something.then_some((low, high))
}

/// The smallest key above all that begin with `prefix`.
fn after_prefix(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Excluded, Included, Unbounded};

    fn key(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn a_prefix_narrows_both_bounds() {
        let everything = || (Unbounded, Unbounded);
        assert_eq!(
            narrow(everything(), Some(key("b"))),
            Some((Included(key("b")), Excluded(key("c"))))
        );
        assert_eq!(narrow(everything(), None), Some((Included(key("")), Unbounded)));
        assert_eq!(
            narrow(everything(), Some(vec![7, 255, 255])),
            Some((Included(vec![7, 255, 255]), Excluded(vec![8])))
        );
        assert_eq!(narrow(everything(), Some(vec![255])), Some((Included(vec![255]), Unbounded)));
        assert_eq!(
            narrow((Excluded(key("b5")), Included(key("z"))), Some(key("b"))),
            Some((Excluded(key("b5")), Excluded(key("c"))))
        );
        assert_eq!(
            narrow((Included(key("a")), Included(key("b3"))), Some(key("b"))),
            Some((Included(key("b")), Included(key("b3"))))
        );
    }

    #[test]
    fn bounds_that_hold_nothing_are_seen() {
        assert_eq!(narrow((Included(key("b")), Excluded(key("b"))), None), None);
        assert_eq!(narrow((Included(key("c")), Included(key("b"))), None), None);
        assert_eq!(narrow((Excluded(key("b")), Included(key("b"))), None), None);
        assert_eq!(narrow((Included(key("x")), Unbounded), Some(key("b"))), None);
        assert!(narrow((Included(key("b")), Included(key("b"))), None).is_some());
    }
}
