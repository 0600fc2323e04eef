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
mod defects_api;
mod defects_flush;
mod defects_format;
mod defects_log;
mod defects_merge;
mod defects_pointers;
mod defects_seek;
mod defects_tree;
mod fixtures;
mod info_texts;
mod locks;
mod our_fixtures;
mod scene;
