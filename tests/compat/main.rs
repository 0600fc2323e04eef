//! Siltstone and C lsm1 on the same files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

siltstone_peer::peer_test!();

mod alternating;
mod c_model;
mod fixtures;
mod locks;
mod our_fixtures;
