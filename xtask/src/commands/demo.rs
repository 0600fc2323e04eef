//! `cargo xtask demo`: see [`crate::demo`].

use crate::tools::Outcome;

pub(super) fn run(_arguments: &[String]) -> Outcome {
    crate::demo::run()
}
