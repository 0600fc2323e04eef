//! The atomic operations of the header chunk, named in one place: tests/loom compiles `header.rs`
//! with others.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicU32, Ordering, fence};
