//! `wasi:keyvalue`, which knows buckets, string keys and bytes: a bucket is a database.
//!
//! What both drafts have in common is in `bucket`; they differ in the types of cursors, numbers and
//! batches, and the second has compare-and-swap.

mod bucket;
#[cfg(feature = "keyvalue-draft")]
mod draft;
#[cfg(feature = "keyvalue-draft2")]
mod draft2;
