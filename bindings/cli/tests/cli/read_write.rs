//! create, put, get, delete, user-version.

use crate::run::Scratch;
use std::fs;

#[test]
fn a_value_comes_back_byte_for_byte() {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm"]);
    scratch.ok(&["put", "a.lsm", "greeting", "hello"]);
    assert_eq!(scratch.ok(&["get", "a.lsm", "greeting"]), "hello");
    scratch.ok(&["put", "a.lsm", "greeting", ""]);
    assert_eq!(scratch.ok(&["get", "a.lsm", "greeting"]), "");
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(scratch.run_with_input(&["put", "a.lsm", "bytes"], &bytes).status, 0);
    assert_eq!(scratch.run(&["get", "a.lsm", "bytes"]).out, bytes);
    fs::write(scratch.path("value"), &bytes).unwrap();
    scratch.ok(&["put", "a.lsm", "file", "--value-file", "value"]);
    assert_eq!(scratch.run(&["get", "a.lsm", "file"]).out, bytes);
}

#[test]
fn the_empty_key_is_a_key() {
    let scratch = Scratch::with_entries(3);
    scratch.fails(&["get", "a.lsm", ""], 1, &["no key"]);
    scratch.ok(&["put", "a.lsm", "", "nothing"]);
    assert_eq!(scratch.ok(&["get", "a.lsm", ""]), "nothing");
    assert!(scratch.ok(&["scan", "a.lsm"]).starts_with("\tnothing\nk000\t"));
    scratch.ok(&["delete", "a.lsm", ""]);
    scratch.fails(&["get", "a.lsm", ""], 1, &["no key"]);
}

#[test]
fn a_large_key_works() {
    let scratch = Scratch::with_entries(3);
    // As long as one argument may be on Linux, nearly.
    let key = "long ".repeat(25_000);
    scratch.ok(&["put", "a.lsm", &key, "v"]);
    assert_eq!(scratch.ok(&["get", "a.lsm", &key]), "v");
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--count"]), "4\n");
}

#[test]
fn hexadecimal_keys_and_values() {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm"]);
    scratch.ok(&["put", "a.lsm", "00fF", "7a00", "--hex", "--hex-value"]);
    assert_eq!(scratch.run(&["get", "a.lsm", "00ff", "--hex"]).out, b"z\0");
    assert_eq!(scratch.ok(&["get", "--hex", "a.lsm", "00FF", "--format", "hex"]), "7a00\n");
    assert_eq!(scratch.ok(&["get", "--hex", "a.lsm", "00FF", "--format", "text"]), "z\\x00\n");
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--format", "hex"]), "00ff\t7a00\n");
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--hex"]), "00ff\tz\\x00\n");
    assert_eq!(scratch.ok(&["scan", "a.lsm"]), "\\x00\\xff\tz\\x00\n");
    let json = scratch.json(&["get", "--hex", "a.lsm", "00ff"]);
    assert_eq!(json, serde_json::json!({ "key_hex": "00ff", "value": "z\0" }));
    scratch.fails(&["get", "a.lsm", "0", "--hex"], 2, &["not hexadecimal"]);
    scratch.fails(&["put", "a.lsm", "a", "xyz", "--hex-value"], 2, &["not hexadecimal"]);
}

#[test]
fn create_leaves_alone_what_is_there() {
    let scratch = Scratch::with_entries(2);
    let ended = scratch.run(&["create", "a.lsm"]);
    assert_ne!(ended.status, 0, "an existing database was replaced");
    assert_eq!(scratch.ok(&["get", "a.lsm", "k001"]), "v001");
}

#[test]
fn the_shape_of_a_new_database_is_kept() {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm", "--page-size", "1k", "--block-size", "64K"]);
    scratch.ok(&["put", "a.lsm", "a", "b"]);
    let info = scratch.json(&["info", "a.lsm"]);
    assert_eq!(
        (info["page_size"].as_u64(), info["block_size"].as_u64()),
        (Some(1024), Some(65536))
    );
    assert!(fs::metadata(scratch.path("a.lsm")).unwrap().len() <= 16384);
    scratch.fails(&["create", "b.lsm", "--page-size", "1000"], 21, &["page_size", "power of two"]);
    assert!(!scratch.path("b.lsm").exists());
}

#[test]
fn every_codec_keeps_the_data() {
    for (codec, id) in [("lz4", 10001), ("zlib", 10002), ("zstd", 10003), ("checksum", 10010)] {
        let scratch = Scratch::new();
        let name = format!("{codec}.lsm");
        scratch.ok(&["create", &name, "--codec", codec]);
        scratch.ok(&["put", &name, "key", "value"]);
        scratch.ok(&["flush", &name]);
        assert_eq!(scratch.ok(&["get", &name, "key"]), "value", "{codec}");
        assert_eq!(scratch.json(&["info", &name])["compression_id"], id);
        assert!(scratch.ok(&["check", &name]).contains("sound"));
    }
}

#[test]
fn delete_says_what_was_not_there() {
    let scratch = Scratch::with_entries(5);
    scratch.ok(&["delete", "a.lsm", "k001", "k003"]);
    assert_eq!(scratch.ok(&["scan", "a.lsm", "-k"]), "k000\nk002\nk004\n");
    scratch.fails(&["delete", "a.lsm", "k000", "k001"], 1, &["k001", "1 deleted"]);
    assert_eq!(scratch.ok(&["scan", "a.lsm", "-k"]), "k002\nk004\n");
    scratch.ok(&["delete", "a.lsm", "nothing", "--ignore-missing"]);
}

#[test]
fn user_version_is_a_number() {
    let scratch = Scratch::with_entries(1);
    assert_eq!(scratch.ok(&["user-version", "a.lsm"]), "0\n");
    scratch.ok(&["user-version", "a.lsm", "7"]);
    let version = scratch.json(&["user-version", "a.lsm"]);
    assert!(version["user_version"].is_u64());
    scratch.fails_usage(&["user-version", "a.lsm", "many"]);
}
