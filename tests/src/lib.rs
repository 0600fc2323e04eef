//! Shared pieces of the whole-system proofs.
//!
//! | module | what |
//! |---|---|
//! | `allocator` | counts memory, for targets that make it theirs |
//! | `variables`, `parallel` | numbers from the environment; many tests on several threads |
//! | `rng` | the only source of randomness: seeded, small, stable across versions |
//! | `fixtures` | databases C lsm1 wrote, with what they must show |
//! | `python` | the independent reader in tests/tools |
//! | `model` | what a database must answer: a sorted map with nested transactions |
//! | `profile` | what histories are made of, and which defects of C they avoid |
//! | `history` | random histories of operations, by seed |
//! | `replay` | a history run against the model and a subject, compared at each step |
//! | `c_subject` | C lsm1 as a subject |
//! | `siltstone_subject` | the engine as a subject, in memory or on native files |
//! | `counters` | which rare structures a run has really produced |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

pub mod allocator;
pub mod c_subject;
pub mod counters;
pub mod fixtures;
pub mod history;
pub mod model;
pub mod parallel;
pub mod profile;
pub mod python;
pub mod replay;
pub mod rng;
pub mod siltstone_subject;
pub mod variables;

/// Key and value.
pub type Row = (Vec<u8>, Vec<u8>);
