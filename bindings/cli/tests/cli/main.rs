//! The `siltstone` command as people call it: arguments in, output, exit status and message out.
#![allow(missing_docs, unreachable_pub)] // a program of its own, not an interface
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // tests may fail
#![allow(clippy::disallowed_methods)] // measures waiting from outside

mod care;
mod errors;
mod import_export;
mod inspect;
mod interrupt;
mod ranges;
mod read_write;
mod run;
mod sharing;
