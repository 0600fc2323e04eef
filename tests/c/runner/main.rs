//! The C library, from C: the programs of `tests/c`, each built once against C lsm1 and run on it,
//! then - the same binary - on our shared library, then linked with our static one.
//!
//! `SILTSTONE_C_LIBRARY` names a folder with `liblsm.so.1` and `liblsm.a` to test instead of what
//! `cargo build -p siltstone-c` makes, `SILTSTONE_C_INCLUDE` one with another `lsm.h`,
//! `SILTSTONE_C_FLAGS` are more flags for the compiler (sanitizers), `SILTSTONE_C_RUNNER` a command
//! that runs the programs (valgrind). With flags or a runner only our library is tested.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and watch the clock"
)]

mod libraries;
mod programs;

use libraries::{C, OURS, programs_folder};
use programs::{Kind, Program, cc, run_to_the_end};
use std::process::Command;

/// Runs a program on C lsm1 and on ours, shared and static.
fn everywhere(name: &str) {
    let program = Program::new(name);
    if programs::only_ours() {
        return program.build(Kind::Shared, &OURS).run(&OURS, &[]);
    }
    let built = program.build(Kind::Shared, &C);
    built.run(&C, &[("LSM_LIBRARY", "c")]);
    built.run(&OURS, &[]);
    program.build(Kind::Static, &OURS).run(&OURS, &[]);
}

macro_rules! programs {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { everywhere(stringify!($name)); })*
    };
}

programs!(
    abi,
    callbacks,
    compression,
    configuration,
    cursors,
    environment,
    handles,
    information,
    misuse,
    model,
    mutexes,
    own_world,
    processes,
    read_only,
    threads,
    transactions,
    work,
    writing,
);

/// What C lsm1 does not have.
#[test]
fn extensions() {
    let program = Program::new("extensions");
    for kind in [Kind::Shared, Kind::Static] {
        program.build(kind, &OURS).run(&OURS, &[]);
    }
}

/// Processes with C lsm1 and processes with ours on one database.
#[test]
fn processes_of_both_libraries() {
    if programs::only_ours() {
        return;
    }
    let built = Program::named("processes", "processes-of-both").build(Kind::Shared, &C);
    let sibling = |library: &libraries::Library| library.folder.to_str().unwrap().to_owned();
    built.run(&OURS, &[("SIBLING_LIBRARY_PATH", &sibling(&C))]);
    built.run(&C, &[("LSM_LIBRARY", "c"), ("SIBLING_LIBRARY_PATH", &sibling(&OURS))]);
}

/// Every program is in the list above.
#[test]
fn all_programs_are_run() {
    let this = include_str!("main.rs");
    for entry in std::fs::read_dir(programs_folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "c") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let listed = this.contains(&format!("    {name},\n"));
            assert!(listed || ["support", "extensions"].contains(&name), "{name} is not run");
        }
    }
}

/// The headers are C++ as well.
#[test]
fn header_in_c_plus_plus() {
    if Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: no C++ compiler (c++)");
        return;
    }
    let program = libraries::work_folder().join("header");
    let mut compile = Command::new("c++");
    compile.args(programs::flags());
    compile.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-DWITH_SILTSTONE", "-I"]);
    compile.arg(libraries::include()).arg(programs_folder().join("header.cpp"));
    compile.arg("-o").arg(&program).arg(OURS.folder.join("liblsm.so.1"));
    run_to_the_end(&mut compile);
    run_to_the_end(Command::new(&program).env("LD_LIBRARY_PATH", &OURS.folder));
}

/// What is exported is the 34 functions of `lsm.h` and those of `siltstone.h`, and nothing else.
#[test]
fn exported_symbols() {
    let found = run_to_the_end(
        Command::new("nm")
            .args(["-D", "--defined-only", "--format=posix"])
            .arg(OURS.folder.join("liblsm.so.1")),
    );
    let mut names: Vec<&str> =
        found.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    let expected = include_str!("../symbols.txt");
    assert_eq!(names, expected.lines().collect::<Vec<_>>());
    for header in ["lsm.h", "siltstone.h"] {
        let path = libraries::our_include().join(header);
        let text = std::fs::read_to_string(&path).unwrap();
        for name in expected.lines() {
            let ours = name.starts_with("siltstone_") == (header == "siltstone.h");
            assert!(!ours || text.contains(&format!("{name}(")), "{name} is not in {header}");
        }
    }
}

/// Programs find the library by the name they have always found it by.
#[test]
fn soname() {
    let library = OURS.folder.join("liblsm.so.1");
    let found = run_to_the_end(Command::new("objdump").arg("-p").arg(library));
    let name = found.lines().find_map(|line| line.trim().strip_prefix("SONAME"));
    assert_eq!(name.map(str::trim), Some("liblsm.so.1"));
}

/// No compiler has anything to say about our headers.
#[test]
fn headers_without_warnings() {
    for (standard, header) in [("-std=c99", "lsm.h"), ("-std=c11", "siltstone.h")] {
        let mut compile = cc();
        compile.args([
            standard,
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wstrict-prototypes",
            "-Werror",
        ]);
        compile.args(["-fsyntax-only", "-x", "c"]).arg(libraries::our_include().join(header));
        run_to_the_end(&mut compile);
    }
}
