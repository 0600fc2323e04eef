//! Calls of the environment that fail: each of them, once and for ever, in every way; how many
//! calls a commit may cost; and real disks that are full, real processes that are killed.
//!
//! `SILTSTONE_FAULTS` limits the calls of each scenario at which a fault strikes (`all`: each one);
//! `SILTSTONE_SEED` seeds the choice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../crash/content.rs"]
mod content;
mod counts;
mod durable_names;
#[cfg(unix)]
mod native;
mod scenarios;
mod sweep;
mod work_in_transactions;
