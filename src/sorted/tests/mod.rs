//! Proofs of the reading side: every fixture written by C lsm1 against its expected content and
//! against a model that applies the visibility rule to raw cells, seeks of all kinds, both
//! directions, with and without maps, and damaged bytes. Proofs of the writing side: random
//! histories of the worker, judged by our own reader and by an independent one.

mod build;
mod fixtures;
// The independent reader is another program, which sandboxes cannot run.
#[cfg(not(target_family = "wasm"))]
mod histories;
mod hostile;
mod merging;
#[cfg(not(target_family = "wasm"))]
mod store;
mod support;
mod trees;
#[cfg(not(target_family = "wasm"))]
mod worker;
