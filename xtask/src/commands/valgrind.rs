//! `cargo xtask valgrind [FILTER..]`: the programs of `tests/c` under valgrind: what is read before
//! it is written, besides what AddressSanitizer finds.

use crate::tools::{Outcome, answers, cargo, program, run as run_program};

/// A leak is an error, too; children are watched like their parents.
const VALGRIND: &str = "valgrind -q --error-exitcode=99 --leak-check=full \
                        --errors-for-leak-kinds=definite --trace-children=yes";

pub(super) fn run(arguments: &[String]) -> Outcome {
    if !answers(program("valgrind").arg("--version")) {
        return Err("valgrind is missing: apt-get install valgrind".to_owned());
    }
    let mut tests = cargo();
    tests.args(["test", "-p", "siltstone-c-tests", "--no-fail-fast", "--"]).args(arguments);
    run_program(tests.env("SILTSTONE_C_RUNNER", VALGRIND).env("LSM_SEEDS", "1"))
}
