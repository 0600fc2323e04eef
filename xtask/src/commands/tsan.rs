//! `cargo xtask tsan [FILTER..]`: the tests with several threads under ThreadSanitizer (nightly).
//!
//! The standard library is built with it, too. It knows no fences; nothing here needs it to, since
//! whatever fences order is atomic itself.

use crate::tools::{Outcome, output, program, run as run_program, target};

/// Unit tests of the engine that start threads.
const ROOMS: [&str; 3] = ["threads", "shared::", "shm::"];
/// Tests of the whole engine that do.
const WHOLE: [&[&str]; 2] = [
    &["--test", "api", "--", "background", "group_commit"],
    &["--test", "sharing", "--", "busy_writers"],
];

pub(super) fn run(arguments: &[String]) -> Outcome {
    let host = host()?;
    let rooms: Vec<&str> = match arguments {
        [] => ROOMS.to_vec(),
        chosen => chosen.iter().map(String::as_str).collect(),
    };
    let engine = ["-p", "siltstone", "--lib", "--no-default-features", "--"];
    test(&host, &[&engine, rooms.as_slice()].concat())?;
    if arguments.is_empty() {
        for tests in WHOLE {
            test(&host, &[&["-p", "siltstone-tests"], tests].concat())?;
        }
    }
    Ok(())
}

fn test(host: &str, arguments: &[&str]) -> Outcome {
    let mut tests = program("rustup");
    tests.args(["run", "nightly", "cargo", "test", "-Zbuild-std", "--target", host]);
    tests.args(arguments);
    tests.env("RUSTFLAGS", "-Zsanitizer=thread").env("CARGO_TARGET_DIR", target().join("tsan"));
    tests.env_remove("CARGO").env("TSAN_OPTIONS", "halt_on_error=1");
    run_program(&mut tests).map_err(|problem| {
        format!("{problem} (needs `rustup toolchain install nightly -c rust-src`)")
    })
}

/// The target of this machine: what is sanitized must be named.
fn host() -> Result<String, String> {
    let version = output(program("rustup").args(["run", "nightly", "rustc", "-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}
