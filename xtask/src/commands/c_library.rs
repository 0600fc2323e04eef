//! `cargo xtask c-library`: the C library as it is handed out, before its users: the programs of
//! `tests/c`, an installation, and two clients written by others - SQLite's virtual table for lsm1
//! and the Python package lsm-db. Their sources are fetched by the ordinary package managers and
//! never kept in the tree; where they cannot be fetched, one line says so.

use super::dist_c;
use crate::tools::{Outcome, cargo, output, program, root, run as run_program, target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn run(_arguments: &[String]) -> Outcome {
    for reason in check()? {
        println!("skipped: {reason}");
    }
    Ok(())
}

/// Does it all; what had to be left out, and why.
pub(super) fn check() -> Result<Vec<String>, String> {
    let tarball = dist_c::make()?;
    let libraries = dist_c::folder().join("lib");
    programs(&libraries)?;
    let mut skipped = Vec::new();
    skipped.extend(installation(&tarball)?);
    skipped.extend(virtual_table(&libraries)?);
    skipped.extend(python(&libraries)?);
    Ok(skipped)
}

/// `tests/c` on what is in the folder.
fn programs(libraries: &Path) -> Outcome {
    let mut tests = cargo();
    tests.args(["test", "-p", "siltstone-c-tests", "--no-fail-fast"]);
    run_program(tests.env("SILTSTONE_C_LIBRARY", libraries))
}

fn work_folder(name: &str) -> Result<PathBuf, String> {
    let folder = target().join("c-library").join(name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn clients() -> PathBuf {
    root().join("tests/c/clients")
}

/// The tarball, unpacked and installed by its one command; a program finds it through pkg-config.
fn installation(tarball: &Path) -> Result<Option<String>, String> {
    if !crate::tools::answers(program("pkg-config").arg("--version")) {
        return Ok(Some("installation: no pkg-config here".into()));
    }
    let folder = work_folder("installation")?;
    let prefix = folder.join("prefix");
    let _ = fs::remove_dir_all(&prefix);
    let unpacked = folder.join("unpacked");
    fs::create_dir_all(&unpacked).map_err(|error| error.to_string())?;
    run_program(
        program("tar").arg("-xzf").arg(tarball).args(["--strip-components=1", "-C"]).arg(&unpacked),
    )?;
    run_program(program("./install.sh").current_dir(&unpacked).arg(&prefix))?;
    let mut ask = program("pkg-config");
    ask.args(["--cflags", "--libs", "lsm"]);
    let flags = output(ask.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")))?;
    let mut compile = program("cc");
    compile.args(["tests/c/abi.c", "tests/c/support.c", "-o"]).arg(folder.join("abi"));
    run_program(compile.args(flags.split_whitespace()))?;
    run_in(&folder, program(folder.join("abi")).env("LD_LIBRARY_PATH", prefix.join("lib")))?;
    Ok(None)
}

/// Runs a test program with a fresh folder.
fn run_in(folder: &Path, command: &mut Command) -> Outcome {
    let fresh = folder.join("fresh");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(|error| error.to_string())?;
    run_program(command.arg(&fresh))
}

/// SQLite's virtual table for lsm1, loaded into the sqlite3 shell.
fn virtual_table(libraries: &Path) -> Result<Option<String>, String> {
    let skip = |reason: &str| Ok(Some(format!("lsm_vtab.c: {reason}")));
    if !Path::new("/usr/include/sqlite3ext.h").exists() {
        return skip("no sqlite3ext.h here: apt-get install libsqlite3-dev");
    }
    if !crate::tools::answers(program("sqlite3").arg("--version")) {
        return skip("no sqlite3 here: apt-get install sqlite3");
    }
    let folder = work_folder("virtual-table")?;
    let files = ["ext/lsm1/lsm_vtab.c", "ext/lsm1/lsm.h"];
    if let Err(reason) = super::debian::source_files(&folder, "sqlite3", &files) {
        return skip(&reason);
    }
    with_header_of_c(&folder, libraries)?;
    // Beside its own header it would include that.
    let source = folder.join("lsm_vtab.c");
    fs::copy(folder.join("ext/lsm1/lsm_vtab.c"), &source).map_err(|error| error.to_string())?;
    let mut compile = program("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-g", "-o"]).arg(folder.join("lsm.so"));
    compile.arg(source).arg("-I").arg(dist_c::folder().join("include"));
    run_program(compile.arg("-L").arg(libraries).arg("-llsm"))?;
    let fresh = folder.join("fresh");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(|error| error.to_string())?;
    let mut shell = program("sqlite3");
    shell.args(["-batch", "-bail", ":memory:", "-cmd"]).arg(".load ../lsm").current_dir(&fresh);
    shell.env("LD_LIBRARY_PATH", libraries);
    let script = fs::File::open(clients().join("vtab.sql")).map_err(|error| error.to_string())?;
    println!("$ sqlite3 :memory: < tests/c/clients/vtab.sql");
    let answers = output(shell.stdin(script))?;
    let expected = fs::read_to_string(clients().join("vtab.expected"));
    if answers != expected.map_err(|error| error.to_string())? {
        let found = folder.join("vtab.found");
        fs::write(&found, answers).map_err(|error| error.to_string())?;
        return Err(format!("diff tests/c/clients/vtab.expected {}", found.display()));
    }
    Ok(None)
}

/// What `tests/c/abi.c` says of our header is true of C's own.
fn with_header_of_c(folder: &Path, libraries: &Path) -> Outcome {
    let mut compile = program("cc");
    compile.args(["tests/c/abi.c", "tests/c/support.c", "-I"]).arg(folder.join("ext/lsm1"));
    compile.arg("-o").arg(folder.join("abi")).arg("-L").arg(libraries).arg("-llsm");
    run_program(&mut compile)?;
    run_in(folder, program(folder.join("abi")).env("LD_LIBRARY_PATH", libraries))
}

/// The Python package lsm-db, built on our library, with a script of ours and its own tests.
fn python(libraries: &Path) -> Result<Option<String>, String> {
    let skip = |reason: &str| Ok(Some(format!("lsm-db: {reason}")));
    let folder = work_folder("python")?;
    let python = folder.join("environment/bin/python");
    if !python.exists() {
        let mut make = program("python3");
        make.args(["-m", "venv", "--clear"]).arg(folder.join("environment"));
        if run_program(&mut make).is_err() {
            return skip("`python3 -m venv` does not work here");
        }
    }
    let pip = |arguments: &[&str]| {
        let mut pip = program(&python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "-q"]).args(arguments);
        pip.current_dir(&folder);
        pip
    };
    if run_program(&mut pip(&["install", "setuptools", "wheel", "cython"])).is_err() {
        return skip("pip cannot install setuptools, wheel and cython here");
    }
    let package = "lsm-db==0.7.3";
    let download = ["download", "--no-deps", "--no-build-isolation", "--no-binary", "lsm-db"];
    if run_program(pip(&download).arg(package)).is_err() {
        return skip("pip cannot fetch its sources here");
    }
    let sources = folder.join("sources");
    let _ = fs::remove_dir_all(&sources);
    fs::create_dir_all(&sources).map_err(|error| error.to_string())?;
    let mut unpack = program("tar");
    unpack.arg("-xzf").arg(folder.join("lsm_db-0.7.3.tar.gz"));
    run_program(unpack.args(["--strip-components=1", "-C"]).arg(&sources))?;
    // It compiles all of src/*.c into itself: ours is to be found by the linker instead.
    for entry in fs::read_dir(sources.join("src")).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        fs::remove_file(path).map_err(|error| error.to_string())?;
    }
    let header = dist_c::folder().join("include/lsm.h");
    fs::copy(header, sources.join("src/lsm.h")).map_err(|error| error.to_string())?;
    let flags = format!("-Wl,--no-as-needed -L{} -llsm", libraries.display());
    let mut build = pip(&["install", "--no-build-isolation", "--no-deps", "--force-reinstall"]);
    run_program(build.arg(&sources).env("LDFLAGS", flags))?;
    let fresh = work_folder("python/fresh")?;
    for script in [clients().join("lsm_db.py"), sources.join("tests.py")] {
        let mut run = program(&python);
        run.arg(script).current_dir(&fresh).env("LD_LIBRARY_PATH", libraries);
        run_program(&mut run)?;
    }
    Ok(None)
}
