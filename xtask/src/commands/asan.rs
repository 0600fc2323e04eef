//! `cargo xtask asan [FILTER..]`: the programs of `tests/c` and our library under AddressSanitizer
//! (nightly): reads and writes out of bounds, use after free, leaks.

use crate::tools::{Outcome, cargo, output, program, run as run_program, target};
use std::fs;
use std::path::PathBuf;

pub(super) fn run(arguments: &[String]) -> Outcome {
    let library = library()?;
    let mut tests = cargo();
    tests.args(["test", "-p", "siltstone-c-tests", "--no-fail-fast", "--"]).args(arguments);
    tests.env("SILTSTONE_C_LIBRARY", library).env("SILTSTONE_C_FLAGS", "-fsanitize=address");
    tests.env("LSM_SEEDS", "2");
    run_program(tests.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1"))
}

/// Our library with the sanitizer in all of it; a folder with its two forms.
fn library() -> Result<PathBuf, String> {
    let version = output(program("rustup").args(["run", "nightly", "rustc", "-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc names no host")?;
    let builds = target().join("asan");
    let mut build = program("rustup");
    build.args(["run", "nightly", "cargo", "build", "-p", "siltstone-c", "--target", host]);
    build.env("RUSTFLAGS", "-Zsanitizer=address").env("CFLAGS", "-fsanitize=address");
    build.env("CARGO_TARGET_DIR", &builds).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    run_program(&mut build)?;
    let folder = builds.join("library");
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(told)?;
    let built = builds.join(host).join("debug");
    fs::copy(built.join("liblsm.so"), folder.join("liblsm.so.1")).map_err(told)?;
    fs::copy(built.join("liblsm.a"), folder.join("liblsm.a")).map_err(told)?;
    Ok(folder)
}
