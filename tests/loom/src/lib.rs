//! The engine's own protocol code under loom.
//!
//! `src/shm/header.rs`, `src/shared/slots.rs` and `src/shared/load.rs` are compiled here with loom's
//! atomics, a header chunk of a few words and file locks that loom knows. What they need of the
//! engine besides is stood in for by the modules of this package, which hold no protocol. A model is
//! run in every order, and then again with fences or locks left out, in which loom must find a
//! fault: otherwise it would prove nothing.
#![cfg(test)]
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "compiles files of the engine of which it uses a part"
)]

mod env;
mod error;
mod format;
mod sabotage;
mod shared;
mod shm;
mod tree;
