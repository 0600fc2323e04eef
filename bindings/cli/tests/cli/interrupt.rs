//! Ctrl-C and kill during an import.
#![cfg(unix)]

use crate::run::Scratch;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// An import that waits for more input, with these lines already given.
fn importing(scratch: &Scratch, lines: std::ops::Range<u32>) -> Child {
    let mut command = scratch.command(&["import", "a.lsm", "-", "--batch", "10"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    give(&mut child, lines);
    child
}

fn give(child: &mut Child, lines: std::ops::Range<u32>) {
    let text: String = lines
        .map(|number| format!("{{\"key\":\"{number:09}\",\"value\":\"{}\"}}\n", "v".repeat(100)))
        .collect();
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn count(scratch: &Scratch) -> u32 {
    scratch.ok(&["scan", "a.lsm", "--count"]).trim().parse().unwrap()
}

#[test]
fn ctrl_c_keeps_whole_batches_and_says_so() {
    let scratch = Scratch::new();
    // Far more than pipe and buffers hold: the import has begun when this returns.
    let mut child = importing(&scratch, 0..20_000);
    signal(&child, "-INT");
    // It looks at the flag when the next entry comes; then nobody reads any more.
    let more = b"{\"key\":\"x\",\"value\":\"y\"}\n".repeat(50_000);
    let _ = child.stdin.take().unwrap().write_all(&more);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("interrupted") && message.contains("--skip"), "{message}");
    let kept = count(&scratch);
    assert_eq!(kept % 10, 0, "{message}");
    assert!(kept >= 10, "{message}");
    // Closed cleanly: no log is left to recover.
    assert!(!scratch.path("a.lsm-log").exists());
    assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
}

#[test]
fn a_killed_import_leaves_whole_transactions() {
    let scratch = Scratch::new();
    let mut child = importing(&scratch, 0..20_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = count(&scratch);
    assert_eq!(kept % 10, 0);
    // Pipe and buffer hold about 3,000 of the lines; the rest was imported and survives.
    assert!(kept >= 10_000, "{kept}");
    let keys = scratch.ok(&["scan", "a.lsm", "--keys-only"]);
    assert!(keys.lines().enumerate().all(|(at, key)| key == format!("{at:09}")));
    assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
    // Writing goes on.
    scratch.ok(&["put", "a.lsm", "new", "entry"]);
    assert_eq!(count(&scratch), kept + 1);
}
