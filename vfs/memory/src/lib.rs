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
//!
//! For proofs of what happens when things go wrong:
//!
//! * [`MemoryWorld::record`] and [`MemoryWorld::power_cut`]: what is on disk when power fails, and
//!   [`Trace`]: the same for every moment of a run, without running it again;
//! * [`MemoryEnv::kill`] and [`MemoryWorld::crash_after`]: processes that end anywhere;
//! * [`FaultEnv`], [`CountEnv`], [`StepEnv`]: wrappers around any environment that make calls
//!   fail, count them, or run something else first.
#![forbid(unsafe_code)]
#![cfg_attr(
    all(target_family = "wasm", not(target_feature = "atomics")),
    allow(clippy::arc_with_non_send_sync, reason = "the traits ask for Arc on every target")
)]

mod clock;
mod content;
mod count;
mod damage;
mod disk;
mod environment;
mod fault;
mod file;
mod hook;
mod locks;
mod memory;
mod random;
mod shared;
mod step;
mod trace;
mod world;

pub use count::{Count, CountEnv, Counters};
pub use damage::{Damage, Sectors, Survival};
pub use environment::MemoryEnv;
pub use fault::{Effect, Fault, FaultEnv, FaultPlan};
pub use hook::{Call, Hook, HookedEnv, Method, Verdict};
pub use locks::HeldLock;
pub use step::{StepEnv, Steps};
pub use trace::{Event, Replay, Trace};
pub use world::{MemoryWorld, Settings};
