//! `cargo xtask wasi`: the engine and the command inside runtimes of WASI. `cargo xtask dist-wasi`:
//! the command as small programs, ready to be given away.
//!
//! Preview 1 runs under node:wasi, preview 2 under wasmtime, which PyPI has as a package: it is put
//! into target/wasi-python. What is not there is named in one line and the step skipped.

use crate::tools::{Outcome, answers, cargo, output, program, root, run as run_program, target};
use std::fs;
use std::path::{Path, PathBuf};

const TARGETS: [(&str, &str); 2] = [("wasm32-wasip1", "p1"), ("wasm32-wasip2", "p2")];
/// Deaths of guests in CI, and by command.
const ROUNDS: (&str, &str) = ("300", "20000");
/// Bytes of the command that nobody should notice it exceeds.
const LARGEST: u64 = 2 << 20;

/// `cargo xtask wasi [rounds [COUNT]]`.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(python) = prepare()? else { return Ok(()) };
    match *words.as_slice() {
        [] => everything(&python),
        ["rounds"] => rounds(&python, ROUNDS.1),
        ["rounds", count] => rounds(&python, count),
        _ => Err("usage: cargo xtask wasi [rounds [COUNT]]".into()),
    }
}

/// As a step of `test`: what is missing, or the verdict.
pub(super) fn step() -> Result<Option<String>, String> {
    match prepare_or_missing()? {
        Ok(python) => everything(&python).map(|()| None),
        Err(missing) => Ok(Some(missing)),
    }
}

fn prepare() -> Result<Option<PathBuf>, String> {
    match prepare_or_missing()? {
        Ok(python) => Ok(Some(python)),
        Err(missing) => {
            println!("skipped: {missing}");
            Ok(None)
        }
    }
}

/// Targets, node and wasmtime; the Python that has it, or what is missing.
fn prepare_or_missing() -> Result<Result<PathBuf, String>, String> {
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
    Ok(Ok(python))
}

fn everything(python: &Path) -> Outcome {
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
    rounds_in(python, ROUNDS.0, &folder)
}

fn rounds(python: &Path, count: &str) -> Outcome {
    rounds_in(python, count, &build()?)
}

fn rounds_in(python: &Path, count: &str, folder: &Path) -> Outcome {
    run_program(program(python).args(["tests/wasi/rounds.py", count]).arg(folder))
}

/// Builds the command and the guest for both previews and natively, and puts them side by side.
fn build() -> Result<PathBuf, String> {
    let folder = target().join("wasi");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let packages = ["build", "-p", "siltstone-cli", "-p", "siltstone-wasi-guest"];
    for (name, preview) in TARGETS {
        run_program(cargo().args(packages).args(["--target", name]))?;
        let built = target().join(name).join("debug");
        copy(&built.join("siltstone.wasm"), &folder.join(format!("siltstone-{preview}.wasm")))?;
        copy(&built.join("siltstone-wasi-guest.wasm"), &folder.join(format!("{preview}.wasm")))?;
    }
    run_program(cargo().args(packages))?;
    let built = target().join("debug");
    copy(&built.join("siltstone"), &folder.join("siltstone"))?;
    copy(&built.join("siltstone-wasi-guest"), &folder.join("judge"))?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let done = fs::copy(from, to);
    done.map(drop).map_err(|error| format!("copying {}: {error}", from.display()))
}

/// `cargo xtask bench wasi [--rounds N] [--rows N]`: engines natively and inside, by turns.
pub(super) fn bench(arguments: &[String]) -> Outcome {
    let Some(python) = prepare()? else { return Ok(()) };
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
    let mut compare = program(python);
    run_program(compare.arg("tests/bench/wasi/compare.py").arg(&folder).args(arguments))
}

/// `cargo xtask dist-wasi`: `siltstone-p1.wasm` and `siltstone-p2.wasm` in target/dist/wasi, optimized
/// for size, without the names of this machine's folders.
pub(super) fn dist(_arguments: &[String]) -> Outcome {
    let folder = target().join("dist/wasi");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let home = cargo_home();
    let root = root();
    let flags = [
        format!("--remap-path-prefix={}=cargo", home.display()),
        format!("--remap-path-prefix={}=siltstone", root.display()),
    ];
    for (name, preview) in TARGETS {
        let mut build = cargo();
        build.args(["build", "--profile", "wasi", "-p", "siltstone-cli", "--target", name]);
        run_program(build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))?;
        let made = folder.join(format!("siltstone-{preview}.wasm"));
        copy(&target().join(name).join("wasi/siltstone.wasm"), &made)?;
        inspect(&made, &[&root, &home])?;
    }
    Ok(())
}

/// Prints the size; refuses names of folders.
fn inspect(made: &Path, folders: &[&Path]) -> Outcome {
    let bytes = fs::read(made).map_err(|error| format!("{}: {error}", made.display()))?;
    for folder in folders {
        let name = folder.as_os_str().as_encoded_bytes();
        if bytes.windows(name.len()).any(|window| window == name) {
            return Err(format!("{} names {}", made.display(), folder.display()));
        }
    }
    let size = bytes.len() as u64;
    println!("{}: {size} bytes", made.display());
    if size > LARGEST {
        return Err(format!("{}: more than {LARGEST} bytes", made.display()));
    }
    Ok(())
}

fn cargo_home() -> PathBuf {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    given.unwrap_or_else(home)
}
