//! `cargo xtask wasi`: the engine, the command and the components inside runtimes of WASI.
//!
//! Preview 1 runs under node:wasi, preview 2 under wasmtime, which PyPI has as a package: it is put
//! into target/wasi-python. Components run under wasmtime, and under node by what npm has, in
//! target/wasi-node. What is not there is named in one line and the step skipped.

use crate::tools::{Outcome, answers, cargo, output, program, root, run as run_program, target};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const TARGETS: [(&str, &str); 2] = [("wasm32-wasip1", "p1"), ("wasm32-wasip2", "p2")];
/// The components: the feature that makes each, and its name.
const COMPONENTS: [(&str, &str); 3] = [
    ("kv", "siltstone-kv.wasm"),
    ("keyvalue-draft", "siltstone-keyvalue-draft.wasm"),
    ("keyvalue-draft2", "siltstone-keyvalue-draft2.wasm"),
];
/// Deaths of guests in CI, and by command.
const ROUNDS: (&str, &str) = ("300", "20000");

/// `cargo xtask wasi [components | rounds [COUNT]]`.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(places) = prepare()? else { return Ok(()) };
    match *words.as_slice() {
        [] => everything(&places),
        ["components"] => components(&places, &build_judges()?),
        ["rounds"] => rounds(&places.python, ROUNDS.1),
        ["rounds", count] => rounds(&places.python, count),
        _ => Err("usage: cargo xtask wasi [components | rounds [COUNT]]".into()),
    }
}

/// As a step of `test`: what is missing, or the verdict.
pub(super) fn step() -> Result<Option<String>, String> {
    match prepare_or_missing()? {
        Ok(places) => everything(&places).map(|()| None),
        Err(missing) => Ok(Some(missing)),
    }
}

/// Where the runtimes are.
struct Places {
    /// The Python that has wasmtime.
    python: PathBuf,
    /// The folder of the packages of node.
    node: PathBuf,
}

fn prepare() -> Result<Option<Places>, String> {
    match prepare_or_missing()? {
        Ok(places) => Ok(Some(places)),
        Err(missing) => {
            println!("skipped: {missing}");
            Ok(None)
        }
    }
}

/// Targets, node and its packages, wasmtime: where they are, or what is missing.
fn prepare_or_missing() -> Result<Result<Places, String>, String> {
    for (name, _) in TARGETS {
        let installed = output(program("rustup").args(["target", "list", "--installed"]));
        let there = installed.is_ok_and(|list| list.lines().any(|line| line == name));
        if !there && run_program(program("rustup").args(["target", "add", name])).is_err() {
            return Ok(Err(format!("target {name} cannot be added by rustup")));
        }
    }
    if !answers(program("node").args(["--no-warnings", "-e", "require('node:wasi')"])) {
        return Ok(Err("node with node:wasi (20 or later) is not installed".into()));
    }
    let place = target().join("wasi-python");
    let python = place.join("bin/python");
    let has_wasmtime = || answers(program(&python).args(["-c", "import wasmtime"]));
    if !has_wasmtime() {
        let made = run_program(program("python3").args(["-m", "venv"]).arg(&place));
        let mut install = program(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["-r", "tests/wasi/requirements.txt"]);
        if made.is_err() || run_program(&mut install).is_err() || !has_wasmtime() {
            return Ok(Err("wasmtime cannot be installed from PyPI into a venv".into()));
        }
    }
    let node = target().join("wasi-node");
    if !install_packages(&node)? {
        return Ok(Err("the packages of tests/wasi/node cannot be installed by npm".into()));
    }
    Ok(Ok(Places { python, node }))
}

/// Installs what tests/wasi/node names, unless it is there; tells whether that was possible.
fn install_packages(place: &Path) -> Result<bool, String> {
    let lock = "package-lock.json";
    let given = root().join("tests/wasi/node");
    let same = |name: &str| {
        let read = |folder: &Path| fs::read(folder.join(name)).ok();
        read(place).is_some_and(|there| Some(there) == read(&given))
    };
    // The mark npm leaves when it has come to an end.
    if same(lock) && place.join("node_modules/.package-lock.json").exists() {
        return Ok(true);
    }
    fs::create_dir_all(place).map_err(|error| error.to_string())?;
    for name in ["package.json", lock] {
        copy(&given.join(name), &place.join(name))?;
    }
    let mut install = program("npm");
    install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(place);
    Ok(run_program(&mut install).is_ok())
}

fn everything(places: &Places) -> Outcome {
    let python = &places.python;
    for (name, _) in TARGETS {
        let mut tests = cargo();
        tests.args(["test", "--target", name, "-p", "siltstone", "-p", "siltstone-wasi"]);
        run_program(tests.args(["-p", "siltstone-wasi-guest", "--lib", "--tests"]))?;
    }
    let folder = build()?;
    let mut other = cargo();
    // Preview 1 under the other runtime: what depends on it is the world.
    other.args(["test", "--target", "wasm32-wasip1", "-p", "siltstone-wasi"]);
    let runner = root().join("tests/wasi/run_wasmtime.py");
    run_program(other.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner))?;
    run_program(
        program("node")
            .args(["--no-warnings", "tests/wasi/hostcalls.mjs"])
            .arg(folder.join("p1.wasm")),
    )?;
    run_program(program(python).arg("tests/wasi/faults.py").arg(&folder))?;
    components(places, &folder)?;
    rounds_in(python, ROUNDS.0, &folder)
}

/// The components, from Python and from node.
fn components(places: &Places, folder: &Path) -> Outcome {
    build_components("debug", &[], &[], folder)?;
    for test in ["tests/wasi/component.py", "tests/wasi/keyvalue.py"] {
        run_program(program(&places.python).arg("-B").arg(test).arg(folder))?;
    }
    let mut node = program("node");
    run_program(
        node.args(["--no-warnings", "tests/wasi/component.mjs"]).args([folder, &places.node]),
    )
}

/// Builds each component by itself, with these flags of cargo and of rustc, into `folder`.
pub(super) fn build_components(
    profile: &str,
    cargo_flags: &[&str],
    rust_flags: &[String],
    folder: &Path,
) -> Result<Vec<PathBuf>, String> {
    let mut made = Vec::new();
    for (feature, name) in COMPONENTS {
        let [_, (target_name, _)] = TARGETS;
        let mut build = cargo();
        build.args(["build", "-p", "siltstone-component", "--target", target_name]);
        build.args(["--no-default-features", "--features", feature]).args(cargo_flags);
        if !rust_flags.is_empty() {
            build.env("CARGO_ENCODED_RUSTFLAGS", rust_flags.join("\x1f"));
        }
        run_program(&mut build)?;
        let built = target().join(target_name).join(profile).join("siltstone_component.wasm");
        copy(&built, &folder.join(name))?;
        made.push(folder.join(name));
    }
    Ok(made)
}

fn rounds(python: &Path, count: &str) -> Outcome {
    rounds_in(python, count, &build()?)
}

fn rounds_in(python: &Path, count: &str, folder: &Path) -> Outcome {
    run_program(program(python).args(["tests/wasi/rounds.py", count]).arg(folder))
}

/// What the command and the guest are built by.
const PACKAGES: [&str; 5] = ["build", "-p", "siltstone-cli", "-p", "siltstone-wasi-guest"];

/// Builds the command and the guest for both previews and natively, and puts them side by side.
fn build() -> Result<PathBuf, String> {
    let folder = build_judges()?;
    for (name, preview) in TARGETS {
        run_program(cargo().args(PACKAGES).args(["--target", name]))?;
        let built = target().join(name).join("debug");
        copy(&built.join("siltstone.wasm"), &folder.join(format!("siltstone-{preview}.wasm")))?;
        copy(&built.join("siltstone-wasi-guest.wasm"), &folder.join(format!("{preview}.wasm")))?;
    }
    Ok(folder)
}

/// Builds them natively, to judge what guests leave behind.
fn build_judges() -> Result<PathBuf, String> {
    let folder = target().join("wasi");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    run_program(cargo().args(PACKAGES))?;
    let built = target().join("debug");
    copy(&built.join("siltstone"), &folder.join("siltstone"))?;
    copy(&built.join("siltstone-wasi-guest"), &folder.join("judge"))?;
    Ok(folder)
}

pub(super) fn copy(from: &Path, to: &Path) -> Outcome {
    let done = fs::copy(from, to);
    done.map(drop).map_err(|error| format!("copying {}: {error}", from.display()))
}

/// `cargo xtask bench wasi [--rounds N] [--rows N]`: engines natively and inside, by turns.
pub(super) fn bench(arguments: &[String]) -> Outcome {
    let Some(places) = prepare()? else { return Ok(()) };
    let folder = target().join("wasi/bench");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let build = ["build", "--release", "-p", "siltstone-wasi-bench"];
    run_program(cargo().args(build))?;
    copy(&target().join("release/siltstone-wasi-bench"), &folder.join("native"))?;
    for (name, preview) in TARGETS {
        run_program(cargo().args(build).args(["--target", name]))?;
        let built = target().join(name).join("release/siltstone-wasi-bench.wasm");
        copy(&built, &folder.join(format!("{preview}.wasm")))?;
    }
    let mut compare = program(places.python);
    run_program(compare.arg("tests/bench/wasi/compare.py").arg(&folder).args(arguments))
}
