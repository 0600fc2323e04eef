//! `cargo xtask test`: everything CI runs, step after step, with a summary.
//!
//! A step that cannot run here (no network for a toolchain, say) is skipped with one line that
//! says why; a failing step does not stop the others, but the command.

use super::{c_library, deny, wasi};
use crate::tools::{Outcome, answers, cargo, output, program, root, run as run_program, target};
use std::time::Instant;

/// How a step ended, other than by failing.
enum Ended {
    Passed,
    Skipped(String),
}

type StepResult = Result<Ended, String>;

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> StepResult,
}

/// The oldest compiler promised; workspace.package.rust-version says the same.
const MSRV: &str = "1.90.0";

/// What is published, dependencies first.
const PUBLISHED: [&str; 6] = [
    "siltstone-env",
    "siltstone-memory",
    "siltstone-native",
    "siltstone-wasi",
    "siltstone",
    "siltstone-cli",
];

const FEATURES: [&str; 8] =
    ["", "default", "lz4", "zlib", "zstd", "checksum", "tracing", "metrics"];

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting", run: fmt },
    Step { name: "edges", about: "dependencies, platform names, lengths", run: edges },
    Step { name: "clippy", about: "lints, warnings denied", run: clippy },
    Step { name: "tests", about: "unit, system and documentation tests", run: tests },
    Step { name: "examples", about: "each example, which checks itself", run: examples },
    Step { name: "features", about: "each feature alone, none, all", run: features },
    Step {
        name: "wasm",
        about: "the engine for wasm32-unknown-unknown and wasm32-wasip1",
        run: wasm,
    },
    Step {
        name: "wasi",
        about: "engine, command and components inside runtimes of WASI",
        run: run_wasi,
    },
    Step { name: "cross", about: "the engine for macOS and Windows (check)", run: cross },
    Step { name: "msrv", about: "the oldest compiler promised", run: msrv },
    Step { name: "doc", about: "documentation, warnings denied", run: doc },
    Step { name: "package", about: "dry run of publishing", run: package },
    Step {
        name: "c-library",
        about: "the C library before its users: C programs, sqlite3, Python",
        run: run_c_library,
    },
    Step {
        name: "deny",
        about: "licences, bans, sources (where cargo-deny is installed)",
        run: run_deny,
    },
];

pub(super) fn run(arguments: &[String]) -> Outcome {
    let steps = chosen(arguments)?;
    let begun = Instant::now();
    let mut summary = Vec::new();
    let mut failed = 0;
    for step in steps {
        println!("\n==== {}: {} ====", step.name, step.about);
        let start = Instant::now();
        let result = (step.run)();
        let seconds = start.elapsed().as_secs_f64();
        let (verdict, detail) = match result {
            Ok(Ended::Passed) => ("passed", String::new()),
            Ok(Ended::Skipped(reason)) => ("skipped", reason),
            Err(problem) => {
                failed += 1;
                ("FAILED", problem)
            }
        };
        println!("{} {verdict} after {seconds:.1} s {detail}", step.name);
        summary.push(format!("  {:<9} {verdict:<8} {seconds:>7.1} s  {detail}", step.name));
    }
    println!("\n==== summary, {:.0} s ====", begun.elapsed().as_secs_f64());
    println!("{}", summary.join("\n"));
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} steps failed", summary.len())) }
}

/// The steps the arguments ask for.
fn chosen(arguments: &[String]) -> Result<Vec<&'static Step>, String> {
    let names = |names: &[String]| match names.iter().find(|n| STEPS.iter().all(|s| s.name != **n))
    {
        Some(unknown) => Err(format!("no step `{unknown}`: see --list")),
        None => Ok(names.to_vec()),
    };
    match arguments.split_first() {
        None => Ok(STEPS.iter().collect()),
        Some((flag, rest)) if flag == "--only" => {
            let wanted = names(rest)?;
            Ok(STEPS.iter().filter(|step| wanted.iter().any(|name| name == step.name)).collect())
        }
        Some((flag, rest)) if flag == "--skip" => {
            let unwanted = names(rest)?;
            Ok(STEPS.iter().filter(|step| unwanted.iter().all(|name| name != step.name)).collect())
        }
        Some((flag, _)) if flag == "--list" => {
            for step in STEPS {
                println!("  {:<9} {}", step.name, step.about);
            }
            Ok(Vec::new())
        }
        Some((other, _)) => Err(format!("unknown argument `{other}`")),
    }
}

fn cargo_with(arguments: &[&str]) -> Outcome {
    run_program(cargo().args(arguments))
}

fn passed(outcome: Outcome) -> StepResult {
    outcome.map(|()| Ended::Passed)
}

fn fmt() -> StepResult {
    passed(cargo_with(&["fmt", "--all", "--check"]))
}

fn edges() -> StepResult {
    passed(crate::edges::run())
}

fn clippy() -> StepResult {
    cargo_with(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    passed(cargo_with(&[
        "clippy",
        "-p",
        "siltstone",
        "-p",
        "siltstone-component",
        "--all-features",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn tests() -> StepResult {
    passed(cargo_with(&["test", "--no-fail-fast"]))
}

/// Runs every file in `examples`.
fn examples() -> StepResult {
    let folder = std::fs::read_dir(root().join("examples")).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for entry in folder {
        let path = entry.map_err(|error| error.to_string())?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    for name in names {
        cargo_with(&["run", "-p", "siltstone", "--example", &name])?;
    }
    Ok(Ended::Passed)
}

fn features() -> StepResult {
    for feature in FEATURES {
        cargo_with(&["check", "-p", "siltstone", "--no-default-features", "--features", feature])?;
    }
    passed(cargo_with(&["check", "-p", "siltstone", "--all-features"]))
}

/// Makes a target available; a reason to skip if it cannot be had.
fn add_target(name: &str) -> Result<(), String> {
    let installed = output(program("rustup").args(["target", "list", "--installed"]));
    if installed.is_ok_and(|list| list.lines().any(|line| line == name)) {
        return Ok(());
    }
    run_program(program("rustup").args(["target", "add", name]))
        .map_err(|_| format!("target {name} is not installed and `rustup target add` failed"))
}

fn for_targets(action: &str, targets: &[&str]) -> StepResult {
    let mut missing = Vec::new();
    for name in targets {
        match add_target(name) {
            Err(reason) => missing.push(reason),
            Ok(()) => cargo_with(&[action, "-p", "siltstone", "--target", name])?,
        }
    }
    if missing.is_empty() { Ok(Ended::Passed) } else { Ok(Ended::Skipped(missing.join("; "))) }
}

fn wasm() -> StepResult {
    for_targets("build", &["wasm32-unknown-unknown", "wasm32-wasip1"])
}

fn cross() -> StepResult {
    for_targets("check", &["x86_64-apple-darwin", "x86_64-pc-windows-gnu"])
}

fn msrv() -> StepResult {
    let there = || answers(program("rustup").args(["run", MSRV, "cargo", "--version"]));
    if !there() {
        let mut install = program("rustup");
        let _ = run_program(install.args(["toolchain", "install", MSRV, "--profile", "minimal"]));
    }
    if !there() {
        let lint = ["clippy", "--", "-D", "clippy::incompatible_msrv"];
        cargo_with(&lint)?;
        let reason =
            format!("toolchain {MSRV} cannot be installed; clippy::incompatible_msrv passed");
        return Ok(Ended::Skipped(reason));
    }
    // Without zstd, whose C library takes longer than everything else. The command line tool is
    // held to the same version by clippy::incompatible_msrv, which warns by default.
    let mut check = program("rustup");
    check.args(["run", MSRV, "cargo", "check", "--features"]);
    check
        .arg("siltstone/lz4,siltstone/zlib,siltstone/checksum,siltstone/tracing,siltstone/metrics");
    check.env("CARGO_TARGET_DIR", target().join("msrv")).env_remove("CARGO");
    for package in PUBLISHED.iter().filter(|package| **package != "siltstone-cli") {
        check.args(["-p", package]);
    }
    passed(run_program(&mut check))
}

fn doc() -> StepResult {
    let mut doc = cargo();
    doc.args(["doc", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings");
    for package in PUBLISHED.iter().filter(|package| **package != "siltstone-cli") {
        doc.args(["-p", package]);
    }
    passed(run_program(&mut doc))
}

fn package() -> StepResult {
    // Cargo keeps what it unpacks under the version and the place of the packing: in a folder
    // used before it would verify against the sources of an earlier run.
    let now = std::time::UNIX_EPOCH.elapsed().map_err(|error| error.to_string())?;
    let folder = target().join(format!("package-{}", now.as_nanos()));
    // All at once, so that each finds the ones it depends on before they are published.
    let mut publish = cargo();
    publish.args(["publish", "--dry-run", "--allow-dirty", "--target-dir"]).arg(&folder);
    for package in PUBLISHED {
        publish.args(["-p", package]);
    }
    let outcome = run_program(&mut publish);
    let _ = std::fs::remove_dir_all(&folder);
    passed(outcome)
}

fn run_c_library() -> StepResult {
    let skipped = c_library::check()?;
    if skipped.is_empty() { Ok(Ended::Passed) } else { Ok(Ended::Skipped(skipped.join("; "))) }
}

fn run_wasi() -> StepResult {
    Ok(wasi::step()?.map_or(Ended::Passed, Ended::Skipped))
}

fn run_deny() -> StepResult {
    match deny::installed() {
        Some(binary) => passed(deny::check(&binary)),
        None => Ok(Ended::Skipped("not installed: `cargo xtask deny` installs and runs it".into())),
    }
}
