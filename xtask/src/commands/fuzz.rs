//! `cargo xtask fuzz [TARGET] [ARGUMENTS..]`: cargo-fuzz on the package in tests/fuzz.

use crate::tools::{Outcome, answers, program, root, run as run_program};

pub(super) fn run(arguments: &[String]) -> Outcome {
    if !answers(program("cargo").args(["+nightly", "fuzz", "--version"])) {
        return Err("cargo-fuzz or the nightly toolchain is missing: `rustup toolchain install \
                    nightly && cargo install cargo-fuzz --locked`"
            .to_owned());
    }
    // The proxy chooses the toolchain by `+nightly`; the pinned one must not leak in.
    let mut fuzz = program("cargo");
    fuzz.env_remove("RUSTUP_TOOLCHAIN").current_dir(root().join("tests/fuzz"));
    match arguments.split_first() {
        None => run_program(fuzz.args(["+nightly", "fuzz", "list"])),
        Some((target, rest)) => {
            fuzz.args(["+nightly", "fuzz", "run", "--fuzz-dir", ".", target]).args(rest);
            run_program(&mut fuzz)
        }
    }
}
