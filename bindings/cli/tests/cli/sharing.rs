//! Several commands on one file: two terminals, watch, hold-lock, --exclusive.
#![cfg(unix)]

use crate::run::{Scratch, unchanged};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that has the database open until it is let go: an import that waits for more input.
struct User {
    child: Child,
    input: Option<ChildStdin>,
}

impl User {
    fn new(scratch: &Scratch, options: &[&str]) -> Self {
        let arguments = [&["import", "a.lsm", "-", "--batch", "1"], options].concat();
        let mut command = scratch.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let mut user = User { child, input };
        // Far more than a buffer holds: once written, the first of them are committed.
        let line =
            |number| format!("{{\"key\":\"i{number:05}\",\"value\":\"{}\"}}\n", "v".repeat(500));
        let lines: String = (0..1000).map(line).collect();
        user.input.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
        user
    }

    /// It has read everything and ends.
    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(target: &str, name: &str) {
    assert!(Command::new("kill").args([name, "--", target]).status().unwrap().success());
}

fn locks_held(watched: &serde_json::Value) -> Vec<(u64, String)> {
    let locks = watched["locks"].as_array().unwrap().iter();
    let held = locks.filter(|lock| lock["held"] != "free");
    held.map(|lock| (lock["number"].as_u64().unwrap(), lock["held"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn two_terminals_write_one_file_together() {
    let scratch = Scratch::with_entries(3);
    let user = User::new(&scratch, &[]);
    scratch.ok(&["put", "a.lsm", "mine", "1"]);
    assert_eq!(scratch.ok(&["get", "a.lsm", "mine"]), "1");
    assert_eq!(scratch.ok(&["get", "a.lsm", "i00000"]).len(), 500);
    scratch.ok(&["delete", "a.lsm", "k000"]);
    scratch.ok(&["flush", "a.lsm"]);
    user.end();
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--count"]).trim(), "1003");
    assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
    assert!(!scratch.path("a.lsm-shm").exists() && !scratch.path("a.lsm-log").exists());
}

#[test]
fn exclusive_locks_the_others_out() {
    let scratch = Scratch::with_entries(3);
    let user = User::new(&scratch, &["--exclusive"]);
    assert_eq!(scratch.json(&["watch", "a.lsm", "--once"])["presence"], "exclusive");
    assert!(scratch.ok(&["watch", "a.lsm", "--once"]).contains("for itself"));
    for arguments in [&["put", "a.lsm", "a", "b"][..], &["get", "a.lsm", "k000"]] {
        let begun = Instant::now();
        scratch.fails(&[arguments, &["--wait", "300ms"]].concat(), 5, &["busy", "a.lsm"]);
        assert!(begun.elapsed() >= Duration::from_millis(300), "it did not wait");
    }
    user.end();
    let user = User::new(&scratch, &[]);
    let late = ["put", "a.lsm", "a", "b", "--exclusive", "--wait", "0"];
    scratch.fails(&late, 5, &["busy", "another process"]);
    user.end();
    scratch.ok(&late);
    assert_eq!(scratch.json(&["info", "a.lsm", "--config"])["sharing"], "shared");
}

#[test]
fn watching_shows_who_is_there_and_disturbs_nobody() {
    let scratch = Scratch::with_entries(3);
    let nobody = scratch.json(&["watch", "a.lsm", "--once"]);
    assert_eq!(nobody["presence"], "nobody");
    assert!(nobody["memory"].is_null() && locks_held(&nobody).is_empty());
    let text = scratch.ok(&["watch", "a.lsm", "--once", "--ascii"]);
    assert!(text.contains("nobody is connected") && text.contains("level 1"), "{text}");

    let one = User::new(&scratch, &[]);
    let two = User::new(&scratch, &[]);
    let mut watched = serde_json::Value::Null;
    eventually("two clients at rest", || {
        watched = scratch.json(&["watch", "a.lsm", "--once"]);
        let clients = watched["clients"] == 2 && watched["memory"]["writing"] == false;
        clients && locks_held(&watched).iter().all(|(number, _)| [2, 14, 15].contains(number))
    });
    assert_eq!(watched["presence"], "clients");
    let held = ["2 shared", "14 exclusive", "15 exclusive"];
    let all: Vec<_> = locks_held(&watched).iter().map(|(n, how)| format!("{n} {how}")).collect();
    assert_eq!(all, held);
    assert_eq!(watched["memory"]["slots"].as_array().unwrap().len(), 6);
    assert!(watched["memory"]["transaction"].as_u64().unwrap() > 0);
    let text = unchanged(&scratch.path("a.lsm-shm"), || {
        unchanged(&scratch.path("a.lsm"), || scratch.ok(&["watch", "a.lsm", "--once", "--ascii"]))
    });
    assert!(text.is_ascii(), "{text}");
    for part in ["shared by 2 read-write clients", "XX--------------", "reader slot 5", "live tree"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    one.end();
    two.end();
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--count"]).trim(), "1003");
}

#[test]
fn watching_goes_on_until_it_is_stopped() {
    let scratch = Scratch::with_entries(3);
    let mut command = scratch.command(&["watch", "a.lsm", "--interval", "10", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(3);
    for line in lines {
        let look: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(look["presence"], "nobody");
    }
    // Its reader has gone: that ends it as well.
    assert!(child.wait().unwrap().success());
    scratch.fails(&["watch", "no.lsm", "--once"], 10, &["no.lsm"]);
    scratch.fails_usage(&["watch", "a.lsm", "--interval", "0"]);
}

/// `hold-lock a.lsm -- sh -c SCRIPT`, in a process group of its own, as a shell starts it.
fn holding(scratch: &Scratch, script: &str) -> Child {
    let mut command = scratch.command(&["hold-lock", "a.lsm", "--", "sh", "-c", script]);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until the script has said that it runs.
fn await_word(child: &mut Child, word: &str) {
    let mut said = vec![0; word.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(said, word.as_bytes());
}

fn file_count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_held_lock_keeps_everybody_out() {
    let scratch = Scratch::with_entries(3);
    let files = file_count(&scratch.path(""));
    let mut child = holding(&scratch, "printf ready; read line; exit 3");
    await_word(&mut child, "ready");
    assert_eq!(file_count(&scratch.path("")), files, "nothing is opened or recovered");
    let held = locks_held(&scratch.json(&["watch", "a.lsm", "--once"]));
    assert_eq!(held, [(2, "exclusive".to_owned()), (14, "exclusive".to_owned())]);
    for arguments in [&["put", "a.lsm", "a", "b"][..], &["get", "a.lsm", "k000"]] {
        scratch.fails(&[arguments, &["--wait", "0"]].concat(), 5, &["busy"]);
    }
    let second = ["hold-lock", "a.lsm", "--wait", "0", "--", "touch", "ran"];
    scratch.fails(&second, 5, &["busy", "another process"]);
    assert!(!scratch.path("ran").exists());
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    scratch.ok(&second);
    assert!(scratch.path("ran").exists());
    let user = User::new(&scratch, &[]);
    scratch.fails(&second, 5, &["busy"]);
    user.end();
}

#[test]
fn hold_lock_ends_as_its_program_does() {
    let scratch = Scratch::with_entries(3);
    let status = |script: &str| {
        let mut child = holding(&scratch, script);
        child.wait().unwrap().code()
    };
    assert_eq!(status("exit 0"), Some(0));
    assert_eq!(status("exit 77"), Some(77));
    assert_eq!(status("kill -KILL $$"), Some(128 + 9));
    scratch.fails(&["hold-lock", "a.lsm", "--", "no-such-program"], 127, &["no-such-program"]);
    scratch.fails(&["hold-lock", "no.lsm", "--", "true"], 10, &["no.lsm"]);
    scratch.fails_usage(&["hold-lock", "a.lsm"]);
    assert!(!scratch.path("no.lsm").exists());
    scratch.ok(&["put", "a.lsm", "a", "b", "--wait", "0"]);
}

#[test]
fn signals_reach_the_program_and_the_lock_lasts_as_long_as_it() {
    let scratch = Scratch::with_entries(3);
    let script = "trap 'exit 7' INT TERM; printf ready; while :; do sleep 0.05; done";
    for (to_all, name) in [(true, "-INT"), (false, "-TERM")] {
        let mut child = holding(&scratch, script);
        await_word(&mut child, "ready");
        // Ctrl-C of a terminal reaches the whole group; `kill` the command alone.
        let target = if to_all { format!("-{}", child.id()) } else { child.id().to_string() };
        signal(&target, name);
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
    }
    // A program that does not care: the lock stays with it.
    let mut child = holding(&scratch, "trap '' INT; printf ready; read line");
    await_word(&mut child, "ready");
    signal(&format!("-{}", child.id()), "-INT");
    scratch.fails(&["put", "a.lsm", "a", "b", "--wait", "50ms"], 5, &["busy"]);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_owner_file_keeps_everybody_off_until_it_is_broken() {
    let scratch = Scratch::with_entries(10);
    let owner = scratch.path("a.lsm-lock");
    // As an instance in a sandbox leaves it whose clock stood still in 1970.
    let mut record = b"SLTLOCK1".to_vec();
    record.extend_from_slice(&[7; 8]);
    record.extend_from_slice(&[0; 16]);
    for bytes in [&record[..], b"", b"garbage"] {
        fs::write(&owner, bytes).unwrap();
        for arguments in [
            vec!["get", "a.lsm", "k001"],
            vec!["put", "a.lsm", "a", "b"],
            vec!["check", "a.lsm", "--exclusive"],
            vec!["hold-lock", "a.lsm", "--", "true"],
        ] {
            let arguments = [&["--wait", "0"], &arguments[..]].concat();
            let words = ["error[Busy]", "a.lsm", "owner file", "siltstone unlock"];
            unchanged(&owner, || scratch.fails(&arguments, 5, &words));
        }
        let presence = scratch.json(&["watch", "--once", "a.lsm"])["presence"].clone();
        assert_eq!(presence, "exclusive");
        assert_eq!(scratch.ok(&["unlock", "a.lsm"]), "owner file removed\n");
        assert_eq!(scratch.json(&["unlock", "a.lsm"])["removed"], false);
        assert_eq!(scratch.ok(&["get", "a.lsm", "k001"]), "v001");
    }
    // The age of the last sign of life is told.
    fs::write(&owner, record).unwrap();
    scratch.fails(&["get", "a.lsm", "k001", "--wait", "0"], 5, &["days ago"]);
}
