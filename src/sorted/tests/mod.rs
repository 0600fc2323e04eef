//! Proofs of the reading side: every fixture written by C lsm1 against its expected content and
//! against a model that applies the visibility rule to raw cells, seeks of all kinds, both
//! directions, with and without maps, and damaged bytes.

mod build;
mod fixtures;
mod hostile;
mod merging;
mod support;
mod trees;
