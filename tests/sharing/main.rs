//! Several simulated processes on one database, in one thread: whatever they do in whatever order,
//! every one of them must see what a sorted map shows; killed ones take nothing committed along.
//!
//! More histories: `SILTSTONE_HISTORIES=100000 cargo test --release -p siltstone-tests --test sharing`;
//! one again: `SILTSTONE_SEED=n`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests fail the test, and a test exports nothing"
)]

mod damage;
mod histories;
mod regressions;
mod scene;
mod society;
mod stage;
mod steps;
mod stores;
