//! How the programs of the benchmark end.

use anyhow::Result;
use std::process::ExitCode;

/// Exit status: 0 done, 1 below the gate, 2 for an error or a wrong answer of an engine.
pub(crate) fn exit_code(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
