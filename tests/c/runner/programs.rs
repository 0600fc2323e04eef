//! The programs: built, and run in a fresh folder with a guard against hanging.

use crate::libraries::{Library, include, our_include, programs_folder, work_folder};
use std::env::var;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nobody waits for ever; this is far more than a program takes.
const HANGS: Duration = Duration::from_secs(900);

/// A source file in `tests/c`.
pub(crate) struct Program {
    source: String,
    name: String,
}

/// A program, built.
pub(crate) struct Built {
    path: PathBuf,
    name: String,
}

/// How it is linked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Shared,
    Static,
}

/// The C compiler.
pub(crate) fn cc() -> Command {
    Command::new(var("CC").unwrap_or_else(|_| "cc".into()))
}

/// More flags for the compiler.
pub(crate) fn flags() -> Vec<String> {
    let flags = var("SILTSTONE_C_FLAGS").unwrap_or_default();
    flags.split_whitespace().map(str::to_owned).collect()
}

/// What runs the programs.
fn runner() -> Vec<String> {
    let runner = var("SILTSTONE_C_RUNNER").unwrap_or_default();
    runner.split_whitespace().map(str::to_owned).collect()
}

/// Whether tools look over the shoulder of ours; C would not pass.
pub(crate) fn only_ours() -> bool {
    !flags().is_empty() || !runner().is_empty()
}

impl Program {
    pub(crate) fn new(source: &str) -> Self {
        Self::named(source, source)
    }

    /// Built under another name, so that tests at the same time do not meet.
    pub(crate) fn named(source: &str, name: &str) -> Self {
        Program { source: source.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn build(&self, kind: Kind, library: &Library) -> Built {
        let folder = programs_folder();
        let path = work_folder().join(format!("{}-{}-{kind:?}", self.name, library.name));
        let mut compile = cc();
        compile.args(["-g", "-Wall", "-Wextra", "-Werror"]).args(flags());
        compile.arg("-I").arg(include());
        compile.arg(folder.join(&self.source).with_extension("c")).arg(folder.join("support.c"));
        if self.source == "extensions" {
            compile.arg("-I").arg(our_include());
        }
        compile.arg("-o").arg(&path);
        match kind {
            Kind::Shared => compile.arg(library.folder.join("liblsm.so.1")).arg("-lpthread"),
            Kind::Static => {
                compile.arg(library.folder.join("liblsm.a")).args(["-lpthread", "-ldl", "-lm"])
            }
        };
        run_to_the_end(&mut compile);
        Built { path, name: format!("{}-{kind:?}", self.name) }
    }
}

impl Built {
    /// Runs all its tests on a library.
    pub(crate) fn run(&self, library: &Library, variables: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        let (mut run, words) = match runner().split_first() {
            None => (Command::new(&self.path), Vec::new()),
            Some((program, words)) => (Command::new(program), words.to_vec()),
        };
        if run.get_program() != self.path.as_os_str() {
            run.args(words).arg(&self.path);
        }
        run.arg(folder.path()).env("LD_LIBRARY_PATH", &library.folder);
        run.env_remove("LSM_LIBRARY").env_remove("SIBLING_LIBRARY_PATH");
        run.envs(variables.iter().copied());
        println!("{} on {} {variables:?}", self.name, library.name);
        run_to_the_end(&mut run);
    }
}

/// Runs a command, which must succeed; gives what it printed.
pub(crate) fn run_to_the_end(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    // Into a file: pipes would have to be emptied while waiting, also those of grandchildren.
    let mut printed = tempfile::tempfile().unwrap();
    let errors = printed.try_clone().unwrap();
    let json = shown.contains("--message-format=json") || shown.contains("\"metadata\"");
    let errors = if json { Stdio::inherit() } else { errors.into() };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(printed.try_clone().unwrap())
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut text = Vec::new();
    std::io::Seek::rewind(&mut printed).unwrap();
    std::io::Read::read_to_end(&mut printed, &mut text).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    match status {
        Some(status) if status.success() => text,
        Some(status) => panic!("{shown}: {status}\n{text}"),
        None => panic!("{shown}: hangs\n{text}"),
    }
}
