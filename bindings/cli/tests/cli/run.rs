//! A scratch folder and the command in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that is deleted in the end.
pub struct Scratch(tempfile::TempDir);

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Scratch {
    pub fn new() -> Self {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command in this folder, ready to start.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siltstone"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended {
            status: output.status.code().expect("ended by a signal"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // The command may end without reading everything.
        let _ = pipe.write_all(input);
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        Ended {
            status: output.status.code().expect("ended by a signal"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it prints; it must succeed without a complaint.
    pub fn ok<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let ended = self.run(arguments);
        let line: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "siltstone {}", line.join(" "));
        String::from_utf8(ended.out).unwrap()
    }

    /// The JSON it prints.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// It must end so, with a message of one line that holds all these words.
    pub fn fails<A: AsRef<OsStr>>(&self, arguments: &[A], status: i32, words: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.status, status, "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        for word in words {
            assert!(ended.err.contains(word), "no `{word}` in: {}", ended.err);
        }
    }

    /// Usage errors are clap's: several lines, status 2.
    pub fn fails_usage(&self, arguments: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 2, "{}", ended.err);
        assert!(ended.err.contains("--help") || ended.err.contains("Usage"), "{}", ended.err);
    }

    /// A new database `a.lsm` with keys `k000` to below `k{count}`, values `v000` ....
    pub fn with_entries(count: usize) -> Self {
        let scratch = Scratch::new();
        let mut input = String::new();
        for number in 0..count {
            input.push_str(&format!("k{number:03}\tv{number:03}\n"));
        }
        std::fs::write(scratch.path("input.tsv"), format!("key\tvalue\n{input}")).unwrap();
        scratch.ok(&["import", "a.lsm", "input.tsv"]);
        scratch
    }
}

/// Whether the file holds exactly these bytes afterwards as before.
pub fn unchanged<T>(path: &Path, during: impl FnOnce() -> T) -> T {
    let before = std::fs::read(path).unwrap();
    let result = during();
    assert_eq!(std::fs::read(path).unwrap(), before, "{} was changed", path.display());
    result
}
