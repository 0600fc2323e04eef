//! check, recover, compact, checkpoint, flush, work, backup.

use crate::run::{Scratch, unchanged};
use std::fs;

fn scan(scratch: &Scratch, file: &str) -> String {
    scratch.ok(&["scan", file, "--format", "hex"])
}

#[test]
fn check_counts_and_changes_nothing() {
    let scratch = Scratch::with_entries(500);
    let json = unchanged(&scratch.path("a.lsm"), || scratch.json(&["check", "a.lsm"]));
    assert_eq!((json["sound"].as_bool(), json["entries"].as_u64()), (Some(true), Some(500)));
    assert!(json["pages"].as_u64() > Some(0));
}

/// Breaks a page in the middle of the only segment.
fn damaged() -> Scratch {
    let scratch = Scratch::with_entries(1000);
    scratch.ok(&["compact", "a.lsm"]);
    let first =
        scratch.json(&["levels", "a.lsm"])["levels"][0]["segment"]["first"].as_u64().unwrap();
    let mut bytes = fs::read(scratch.path("a.lsm")).unwrap();
    // Page numbers count from 1.
    let start = (usize::try_from(first).unwrap() + 1) * 4096;
    bytes[start..start + 4096].fill(0xff);
    fs::write(scratch.path("a.lsm"), bytes).unwrap();
    scratch
}

#[test]
fn damage_is_found_and_the_rest_is_saved() {
    let scratch = damaged();
    let ended = scratch.run(&["check", "a.lsm"]);
    assert_eq!((ended.status, ended.err.as_str()), (1, ""));
    let text = String::from_utf8(ended.out).unwrap();
    assert!(text.contains("damage: ") && text.contains("siltstone recover"), "{text}");
    let ended = scratch.run(&["scan", "a.lsm"]);
    assert_eq!(ended.status, 11, "{}", ended.err);
    assert!(ended.err.contains("page") && ended.err.contains("a.lsm"), "{}", ended.err);
    let json = unchanged(&scratch.path("a.lsm"), || scratch.json(&["recover", "a.lsm", "b.lsm"]));
    let saved = json["entries"].as_u64().unwrap();
    assert!(json["pages_damaged"].as_u64() >= Some(1));
    assert!((500..1000).contains(&saved), "{saved}");
    assert_eq!(scratch.json(&["check", "b.lsm"])["entries"], saved);
    // What is saved is true.
    for line in scratch.ok(&["scan", "b.lsm"]).lines() {
        let (key, value) = line.split_once('\t').unwrap();
        assert_eq!(key.replace('k', "v"), value);
    }
    assert_ne!(scratch.run(&["recover", "a.lsm", "b.lsm"]).status, 0, "it replaced a file");
}

#[test]
fn recover_of_a_sound_database_is_a_copy() {
    let scratch = Scratch::with_entries(300);
    scratch.ok(&["recover", "a.lsm", "b.lsm"]);
    assert_eq!(scan(&scratch, "a.lsm"), scan(&scratch, "b.lsm"));
}

#[test]
fn compact_leaves_one_segment_and_less_file() {
    let scratch = Scratch::with_entries(1000);
    scratch.ok(&["delete-range", "a.lsm", "--from", "k100"]);
    scratch.ok(&["put", "a.lsm", "zz", "last"]);
    let before = scan(&scratch, "a.lsm");
    scratch.ok(&["compact", "a.lsm"]);
    let levels = scratch.json(&["levels", "a.lsm"]);
    assert_eq!(levels["levels"].as_array().unwrap().len(), 1);
    assert_eq!(levels["levels"][0]["merging"].as_array().unwrap().len(), 0);
    assert_eq!(scan(&scratch, "a.lsm"), before);
    assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
}

#[test]
fn flush_work_and_checkpoint_keep_everything() {
    let scratch = Scratch::with_entries(500);
    let before = scan(&scratch, "a.lsm");
    scratch.ok(&["flush", "a.lsm"]);
    let report = scratch.json(&["work", "a.lsm", "--segments", "1", "--bytes", "64K"]);
    assert!(report["bytes_written"].is_u64() && report["finished"].is_boolean());
    assert!(scratch.json(&["checkpoint", "a.lsm"])["bytes_checkpointed"].is_u64());
    scratch.ok(&["work", "a.lsm"]);
    assert_eq!(scan(&scratch, "a.lsm"), before);
    assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
}

#[test]
fn a_backup_is_a_database() {
    let scratch = Scratch::with_entries(700);
    unchanged(&scratch.path("a.lsm"), || scratch.ok(&["backup", "a.lsm", "b.lsm"]));
    assert_eq!(scan(&scratch, "a.lsm"), scan(&scratch, "b.lsm"));
    assert!(scratch.ok(&["check", "b.lsm"]).contains("sound"));
    scratch.ok(&["put", "b.lsm", "only", "here"]);
    scratch.fails(&["get", "a.lsm", "only"], 1, &["no key"]);
    assert_ne!(scratch.run(&["backup", "a.lsm", "b.lsm"]).status, 0, "it replaced a file");
}
