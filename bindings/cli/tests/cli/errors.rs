//! Exit status and message of what people get wrong.

use crate::run::{Scratch, unchanged};
use std::fs;

#[test]
fn a_missing_database_is_not_made_by_accident() {
    let scratch = Scratch::new();
    for arguments in [
        vec!["get", "no.lsm", "a"],
        vec!["scan", "no.lsm"],
        vec!["put", "no.lsm", "a", "b"],
        vec!["delete", "no.lsm", "a"],
        vec!["check", "no.lsm"],
        vec!["compact", "no.lsm"],
    ] {
        let ended = scratch.run(&arguments);
        assert!([10, 14].contains(&ended.status), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("no.lsm"), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    let scratch = Scratch::new();
    let ended = scratch.run(&["create", "no/where.lsm"]);
    assert!([10, 14].contains(&ended.status), "{}", ended.err);
    assert!(ended.err.contains("no/where.lsm"), "{}", ended.err);
}

#[test]
fn a_text_file_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path("notes.txt");
    fs::write(&path, "Dear diary, today I opened a text file as a database.\n".repeat(200))
        .unwrap();
    for arguments in [
        vec!["scan", "notes.txt"],
        vec!["put", "notes.txt", "a", "b"],
        vec!["create", "notes.txt"],
        vec!["import", "notes.txt", "-"],
    ] {
        let ended = unchanged(&path, || scratch.run(&arguments));
        assert!([11, 14].contains(&ended.status), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("notes.txt"), "{}", ended.err);
    }
    // Short ones too.
    fs::write(scratch.path("short.txt"), "hi").unwrap();
    scratch.fails(&["scan", "short.txt"], 11, &["short.txt", "not a database"]);
}

#[test]
fn a_database_of_another_page_size_just_opens() {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm", "--page-size", "512", "--block-size", "64K"]);
    scratch.ok(&["put", "a.lsm", "a", "b"]);
    fs::write(scratch.path("e.csv"), "key,value\nc,d\n").unwrap();
    scratch.ok(&["import", "a.lsm", "e.csv", "--page-size", "4K"]);
    assert_eq!(scratch.json(&["info", "a.lsm"])["page_size"], 512);
    assert_eq!(scratch.ok(&["scan", "a.lsm", "-k"]), "a\nc\n");
}

#[test]
fn illegal_options_are_named() {
    let scratch = Scratch::with_entries(1);
    scratch.fails(&["put", "a.lsm", "a", "b", "--automerge", "1"], 21, &["automerge", "2"]);
    scratch.fails(&["scan", "a.lsm", "--cache-size", "1"], 21, &["cache_size"]);
    scratch.fails_usage(&["scan", "a.lsm", "--durability", "much"]);
    scratch.fails_usage(&["frobnicate", "a.lsm"]);
    scratch.fails_usage(&["get", "a.lsm"]);
    scratch.fails_usage(&["scan", "a.lsm", "--autoflush", "lots"]);
}

#[test]
#[cfg(unix)]
fn reading_needs_no_permission_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::with_entries(100);
    let folder = scratch.path("");
    let file = scratch.path("a.lsm");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write anything: then only reading is proved.
    let is_root = fs::write(scratch.path("probe"), "").is_ok();
    let reads = unchanged(&file, || {
        let get = scratch.run(&["get", "a.lsm", "k001"]);
        let others = [
            vec!["scan", "a.lsm"],
            vec!["info", "a.lsm"],
            vec!["levels", "a.lsm"],
            vec!["pages", "a.lsm"],
            vec!["log", "a.lsm"],
            vec!["check", "a.lsm"],
            vec!["export", "a.lsm"],
        ];
        let others = others.map(|arguments| scratch.run(&arguments));
        (get, others)
    });
    let write = (!is_root).then(|| scratch.run(&["put", "a.lsm", "a", "b"]));
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(reads.0.out, b"v001", "{}", reads.0.err);
    for ended in reads.1 {
        assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    }
    if let Some(write) = write {
        assert_eq!(write.status, 8, "{}", write.err);
        assert!(write.err.contains("a.lsm"), "{}", write.err);
    }
    let expected = 2 + usize::from(is_root);
    assert_eq!(names.len(), expected, "reading left files behind: {names:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_reported() {
    let scratch = Scratch::with_entries(2000);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = scratch.command(&["scan", "a.lsm"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("stdout"), "{message}");
}
