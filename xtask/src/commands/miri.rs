//! `cargo xtask miri`: the tests of the rooms that hold or carry unsafe code, under Miri.

use crate::tools::{Outcome, program, run as run_program};

const ROOMS: [&str; 3] = ["shm::", "format::", "tree::"];

pub(super) fn run(arguments: &[String]) -> Outcome {
    let rooms: Vec<&str> = match arguments {
        [] => ROOMS.to_vec(),
        chosen => chosen.iter().map(String::as_str).collect(),
    };
    let mut miri = program("rustup");
    miri.args(["run", "nightly", "cargo", "miri", "test", "-p", "siltstone", "--lib"]);
    // The memory world has a clock of its own; proptest would write regressions to files.
    miri.args(["--no-default-features", "--"]).args(rooms);
    miri.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true").env("PROPTEST_CASES", "8");
    run_program(&mut miri).map_err(|problem| {
        format!("{problem} (needs `rustup toolchain install nightly -c miri,rust-src`)")
    })
}
