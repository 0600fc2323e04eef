//! Real processes on one live database, Siltstone and C lsm1 mixed, driven over pipes: they write,
//! read, work, checkpoint, connect and leave at once, are killed and stopped at any moment, and
//! everything anybody reads must be a state of one history.
//!
//! | module | what |
//! |---|---|
//! | `rounds` | random rounds, by seed |
//! | `campaign`, `plan` | a database's rounds; what a seed decides |
//! | `actor`, `crowd` | the life of a process; several threads of it |
//! | `history` | what must have happened |
//! | `process` | the driver's side of a process: requests, kill, stop, watchdog |
//! | `server`, `store`, `siltstone_store`, `c_store`, `hooks` | the process's side |
//! | `protocol` | what they say to each other |
//! | `locks` | a process killed after each lock call |
//! | `stopped` | processes stopped for seconds |
//! | `defects` | what C gets wrong about sharing, done right |
//! | `scene` | a database and its history, step by step |
//!
//! # What C is not asked for
//!
//! C does what its listed defects do not break (docs/c-defects.md); a process of C that hangs in its
//! close is killed. Each exclusion, and where it takes effect:
//!
//! | defect | C is not asked | where |
//! |---|---|---|
//! | T0, 20.18 | for ranges whose bounds are keys, or were bounds before (in rounds with C nobody is) | `plan`: `bound` |
//! | T1, T12 | to repair with an old header or at a wrong number of chunks: told `BUSY` instead; everywhere else it repairs | `siltstone_peer::supervision` |
//! | T2, K-3 | to write or work with an open cursor | `actor`: `act`; `c_store`: `idle` |
//! | L8 | to read without a reader slot: the cursor is closed and opened again | `c_store`: `cursor` |
//! | L6, L16, 20.10, 20.11, K-11 | to be a read-only client | `plan`: `Role::ReadOnly` |
//! | L7, K-5 | for several handles in one process | `c_store` |
//! | K-1 | to scan forward | `c_store`: `rows` |
//! | 20.15, 20.16, 20.17 | to seek a neighbour | `c_store`: `get` |
//! | W1, W2 | to roll back, wholly or to a savepoint (C's dying does it) | `plan`: `deed`, `changes` |
//! | W3, W4, 20.1, 20.7 | to flush, other than in its last close | `plan`: `deed` |
//! | W5 | to close while a read-only client may be there: it is killed | `actor`: `close` |
//! | W6, W7 | to work without a log (nobody is) | `plan`: `World` |
//! | 20.2, 20.14 | to work with another merge count than automerge, which all share; nor over a compaction cut short | `c_store`: `work`; `plan`: `deed` |
//! | N2 | to use the database without a map | `plan`: `plan` |
//! | 20.2 | (it leaves pointers to what was merged away all the same: where C takes part, `check` may find those) | `plan`: `is_listed` |
//! | N3 | (a scan may miss rows once; it is asked again, and must be right then) | `actor`: `judge` |
//! | N4 | (a process may crash, seldom; to the others that is a kill) | `actor`: `grave` |
//! | N1 | to checkpoint after less than a page | `plan`: `World` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking; real processes live in real time"
)]

siltstone_peer::peer_test!();

mod actor;
mod c_store;
mod campaign;
mod crowd;
mod defects;
mod forked;
mod history;
mod hooks;
mod locks;
mod plan;
mod process;
mod protocol;
mod rounds;
mod scene;
mod server;
mod siltstone_store;
mod stopped;
mod store;
