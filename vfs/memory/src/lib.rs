//! In-memory world.
//!
//! A [`MemoryWorld`] is a machine without an operating system: files, byte locks, shared memory, a
//! simulated clock and seeded randomness. Each [`MemoryWorld::process`] is an environment of its
//! own; several of them share one live database just as real processes do, all within one test.
//!
//! ```
//! use siltstone_env::{Access, Env};
//! use siltstone_memory::MemoryWorld;
//!
//! let world = MemoryWorld::new();
//! let process = world.process();
//! let path = process.canonical_path(b"app.lsm")?;
//! let file = process.open(&path, Access::ReadWriteCreate)?;
//! file.write_at(0, b"hello")?;
//! process.kill(); // locks vanish, files stay
//! assert_eq!(world.read_file("app.lsm"), Some(b"hello".to_vec()));
//! # Ok::<(), siltstone_env::EnvError>(())
//! ```
#![forbid(unsafe_code)]

mod clock;
mod content;
mod environment;
mod file;
mod locks;
mod memory;
mod random;
mod shared;
mod trace;
mod world;

pub use environment::MemoryEnv;
pub use locks::HeldLock;
pub use trace::Event;
pub use world::{MemoryWorld, Settings};
