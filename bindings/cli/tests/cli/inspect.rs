//! info, levels, pages, log, bench.

use crate::run::Scratch;
use std::io::Write;
use std::process::Stdio;

#[test]
fn info_in_words_and_in_json() {
    let scratch = Scratch::with_entries(100);
    let text = scratch.ok(&["info", "a.lsm"]);
    assert!(text.contains("page size") && text.contains("4.0 KiB"), "{text}");
    let json = scratch.json(&["info", "a.lsm"]);
    assert_eq!(
        (json["page_size"].as_u64(), json["compression_id"].as_u64()),
        (Some(4096), Some(1))
    );
    let length = std::fs::metadata(scratch.path("a.lsm")).unwrap().len();
    assert_eq!(json["file_bytes"], length);
    let config = scratch.json(&["info", "a.lsm", "--config", "--automerge", "7"]);
    assert_eq!(
        (config["automerge"].as_u64(), config["autoflush"].as_u64()),
        (Some(7), Some(1 << 20))
    );
}

#[test]
fn levels_are_drawn() {
    let scratch = Scratch::with_entries(1000);
    scratch.ok(&["put", "a.lsm", "one", "more"]);
    let text = scratch.ok(&["levels", "a.lsm", "--ascii"]);
    assert!(text.is_ascii() && text.contains("level 1") && text.contains("blocks: "), "{text}");
    let json = scratch.json(&["levels", "a.lsm"]);
    let levels = json["levels"].as_array().unwrap();
    assert!(!levels.is_empty());
    assert!(levels[0]["segment"]["size"].as_u64().unwrap() > 0);
}

#[test]
fn every_listed_page_can_be_decoded() {
    let scratch = Scratch::with_entries(1000);
    scratch.ok(&["compact", "a.lsm"]);
    let first =
        scratch.json(&["levels", "a.lsm"])["levels"][0]["segment"]["first"].as_u64().unwrap();
    let first = first.to_string();
    let pages = scratch.json(&["pages", "a.lsm", "--segment", &first]);
    let pages = pages["pages"].as_array().unwrap().clone();
    assert!(pages.len() > 4);
    let mut keys = 0;
    for page in &pages {
        let page = scratch.json(&["pages", "a.lsm", &page.to_string()]);
        // The first and last page of a block give 4 bytes to the block pointers.
        assert!([4092, 4096].contains(&page["size"].as_u64().unwrap()));
        let cells = page["cells"].as_array().unwrap();
        keys += cells.iter().filter(|cell| cell["flags"] == 8).count();
    }
    assert_eq!(keys, 1000);
    let text = scratch.ok(&["pages", "a.lsm", &first, "--hex"]);
    assert!(text.contains("insert") && text.contains("6b303030") && text.contains("00000ff0  "));
    assert!(scratch.ok(&["pages", "a.lsm"]).contains("level 1: pages"));
    let ended = scratch.run(&["pages", "a.lsm", "99999999"]);
    assert!([11, 21].contains(&ended.status), "{ended:?}");
}

#[test]
#[cfg(unix)]
fn the_log_of_a_killed_writer_is_listed_and_not_touched() {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm"]);
    let mut command =
        scratch.command(&["import", "a.lsm", "-", "--batch", "1", "--autoflush", "64M"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let value = "v".repeat(1000);
    let line = |number: u32| format!("{{\"key\":\"k{number:04}\",\"value\":\"{value}\"}}\n");
    let text: String = (0..2000).map(line).collect();
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let log = scratch.path("a.lsm-log");
    let text = crate::run::unchanged(&log, || scratch.ok(&["log", "a.lsm"]));
    assert!(text.contains("insert        k0000  (1000 bytes)"), "{text}");
    let commits = text.lines().filter(|line| line.ends_with("commit")).count();
    let visible = crate::run::unchanged(&log, || scratch.ok(&["scan", "a.lsm", "--count"]));
    assert_eq!(visible.trim(), commits.to_string());
    let json = scratch.ok(&["log", "a.lsm", "--json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert!(first["offset"].is_u64() && first["type"].is_string());
    assert!(scratch.json(&["info", "a.lsm"])["recovered_transactions"].as_u64() >= Some(1));
}

#[test]
fn bench_cleans_up() {
    let scratch = Scratch::new();
    let text = scratch.ok(&["bench", "scratch.lsm", "--entries", "2000"]);
    assert!(text.contains("random gets") && text.contains("scan backward"), "{text}");
    assert_eq!(std::fs::read_dir(scratch.path("")).unwrap().count(), 0);
    std::fs::write(scratch.path("mine"), "x").unwrap();
    scratch.fails(&["bench", "mine"], 2, &["mine", "exists"]);
    assert!(scratch.path("mine").exists());
}

#[test]
fn help_lists_every_command() {
    let scratch = Scratch::new();
    let help = scratch.ok(&["help"]);
    for command in
        "create get put delete delete-range scan import export info levels pages log check recover \
         compact checkpoint flush work backup user-version watch hold-lock bench"
            .split_whitespace()
    {
        assert!(help.contains(&format!("  {command} ")), "{command}");
        assert!(scratch.ok(&[command, "--help"]).contains("Usage: siltstone"), "{command}");
    }
}
