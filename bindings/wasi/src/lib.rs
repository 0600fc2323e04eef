//! Siltstone as a component: what other components, and hosts in any language, can import.
//!
//! * `kv`: the interface of its own, `siltstone:kv/store`, with everything the engine can do inside;
//! * `keyvalue`: adapters for `wasi:keyvalue`, in the two drafts that are in use.
//!
//! A feature each; the components that are given away have one of them. The interfaces are specified
//! in `wit`, what stands behind the calls of `wasi:keyvalue` in docs/wasi.md of the repository.
//! Everything is translation: of types, errors and ownership. Elsewhere than on WASI this crate can be
//! checked, but exports nothing.
#![deny(unsafe_code)]
#![cfg_attr(
    not(target_os = "wasi"),
    allow(dead_code, unused_imports, unused_macros, reason = "nothing is exported elsewhere")
)]

#[cfg(any(feature = "keyvalue-draft", feature = "keyvalue-draft2"))]
mod keyvalue;
#[cfg(feature = "kv")]
mod kv;
