//! `cargo xtask miri [ROOM..]`: the tests of the rooms that hold or carry unsafe code, under Miri.
//!
//! The room with the unsafe code is held to both models of aliasing, those it carries to Tree
//! Borrows: Stacked Borrows looks at every word of a chunk of shared memory each time one is
//! borrowed, and so does Tree Borrows unless it takes what is interior mutable as a whole. Without
//! arguments also the native world, whose Miri platform keeps locks and maps in memory of its own,
//! against the contract of all worlds, and what the C library makes of a caller's environment and
//! compression hooks.

use crate::tools::{Outcome, program, run as run_program};
use std::process::Command;

/// Held to Stacked Borrows.
const UNSAFE_ROOMS: [&str; 1] = ["shm::"];
/// Held to Tree Borrows.
const ROOMS: [&str; 4] = ["shm::", "format::", "tree::", "shared::slots_tests::"];

const TREE_BORROWS: &str = "-Zmiri-tree-borrows -Zmiri-tree-borrows-no-precise-interior-mut";

pub(super) fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return test(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), TREE_BORROWS);
    }
    test(&UNSAFE_ROOMS, "")?;
    test(&ROOMS, TREE_BORROWS)?;
    let mut native = miri();
    // It uses real files in a temporary folder, and the clock.
    native.args(["-p", "siltstone-native", "--test", "conformance"]);
    run_with_advice(native.env("MIRIFLAGS", "-Zmiri-disable-isolation"))?;
    let mut c_library = miri();
    c_library.args(["-p", "siltstone-c", "--lib", "--", "environment::", "compression::"]);
    let flags = format!("-Zmiri-disable-isolation {TREE_BORROWS}");
    run_with_advice(c_library.env("MIRIFLAGS", flags))
}

fn test(rooms: &[&str], flags: &str) -> Outcome {
    let mut engine = miri();
    // The memory world has a clock of its own; proptest would write regressions to files.
    engine.args(["-p", "siltstone", "--lib", "--no-default-features", "--"]).args(rooms);
    engine.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true").env("PROPTEST_CASES", "8");
    run_with_advice(engine.env("MIRIFLAGS", flags))
}

fn miri() -> Command {
    let mut miri = program("rustup");
    miri.args(["run", "nightly", "cargo", "miri", "test"]);
    // The nightly one chooses itself; the pinned one must not leak in.
    miri.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    miri
}

fn run_with_advice(miri: &mut Command) -> Outcome {
    run_program(miri).map_err(|problem| {
        format!("{problem} (needs `rustup toolchain install nightly -c miri,rust-src`)")
    })
}
