//! `cargo xtask edges`: see [`crate::edges`].

use crate::tools::Outcome;

pub(super) fn run(_arguments: &[String]) -> Outcome {
    crate::edges::run()
}
