//! Hostile bytes: damaged files never panic, hang or take much memory, and what can be recognised
//! as damage is.
//!
//! By default the two smallest fixtures with data are damaged at every byte and others at samples;
//! `SILTSTONE_HOSTILE=all` damages every byte of every fixture, `SILTSTONE_HOSTILE=mid-merge,live-log`
//! of these.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and watch the clock"
)]

mod checkpoints;
mod checksummed;
mod every_byte;
mod image;
mod logs;
mod pages;
mod runner;
mod sound;

use siltstone_tests::allocator::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether everything is to be damaged.
fn all() -> bool {
    chosen().is_some_and(|value| value == "all")
}

/// `all`, or the fixtures to be damaged at every byte.
fn chosen() -> Option<String> {
    std::env::var("SILTSTONE_HOSTILE").ok()
}
