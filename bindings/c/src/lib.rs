//! `liblsm`: the 34 functions of lsm1's `lsm.h` over the Siltstone engine, and those of `siltstone.h`.
//!
//! One file per section of the header. Nothing here decides anything about databases: that is the
//! engine's, in `siltstone::connection`. What is done here is what C needs: raw pointers are
//! checked and turned into references (`handle`), errors into result codes (`codes`), panics into
//! `LSM_ERROR` (`guard`), a caller's `lsm_env` into an environment of the engine (`environment`),
//! its compression hooks into a codec (`compression`).

#![allow(improper_ctypes, improper_ctypes_definitions, reason = "lsm_db is opaque to C")]

pub mod callbacks;
mod codes;
pub mod compression;
mod config;
pub mod cursor;
pub mod environment;
pub mod extras;
mod guard;
pub mod handle;
mod info;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod variadic;
pub mod work;
pub mod write;
