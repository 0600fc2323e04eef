//! import and export: round trips of awkward bytes, batches, going on after bad input.

use crate::run::Scratch;
use std::fs;

/// Hexadecimal entries that no text form may stumble over.
const AWKWARD: [(&str, &str); 7] = [
    ("", "76616c7565"),
    ("00", ""),
    ("5c78", "5c783030"),
    ("610a62", "2c222c0d0a"),
    ("6b6579", "76616c7565"),
    ("c3bc", "efbbbf"),
    ("ff00fe", "09205c20"),
];

fn awkward() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(&["create", "a.lsm"]);
    for (key, value) in AWKWARD {
        scratch.ok(&["put", "a.lsm", key, value, "--hex", "--hex-value"]);
    }
    scratch
}

#[test]
fn every_form_goes_out_and_in() {
    let scratch = awkward();
    let expected: String = AWKWARD.iter().map(|(k, v)| format!("{k}\t{v}\n")).collect();
    for ending in ["ndjson", "csv", "tsv", "raw"] {
        let (file, copy) = (format!("out.{ending}"), format!("{ending}.lsm"));
        scratch.ok(&["export", "a.lsm", &file]);
        let answer = scratch.json(&["import", &copy, &file]);
        assert_eq!(answer["entries"], AWKWARD.len());
        assert_eq!(scratch.ok(&["scan", &copy, "--format", "hex"]), expected, "{ending}");
        // By pipe and explicit form, the same.
        let piped = scratch.run(&["export", "a.lsm", "--format", ending]);
        assert_eq!(piped.out, fs::read(scratch.path(&file)).unwrap());
        let again = format!("{ending}-2.lsm");
        let ended =
            scratch.run_with_input(&["import", &again, "-", "--format", ending], &piped.out);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""));
        assert_eq!(scratch.ok(&["scan", &again, "--format", "hex"]), expected, "{ending}");
    }
}

#[test]
fn columns_are_chosen_by_name() {
    let scratch = Scratch::new();
    fs::write(scratch.path("c.csv"), "city,country,inhabitants\n\"Bern, Stadt\",CH,134000\n")
        .unwrap();
    scratch.ok(&[
        "import",
        "a.lsm",
        "c.csv",
        "--key-column",
        "city",
        "--value-column",
        "inhabitants",
    ]);
    assert_eq!(scratch.ok(&["scan", "a.lsm"]), "Bern, Stadt\t134000\n");
    scratch.fails(&["import", "a.lsm", "c.csv"], 2, &["c.csv", "no column `key`", "--key-column"]);
}

#[test]
fn batches_are_transactions() {
    let scratch = Scratch::with_entries(100);
    scratch.ok(&["export", "a.lsm", "e.ndjson"]);
    let answer = scratch.json(&["import", "b.lsm", "e.ndjson", "--batch", "30"]);
    assert_eq!((answer["entries"].as_u64(), answer["transactions"].as_u64()), (Some(100), Some(4)));
    let answer = scratch.json(&["import", "c.lsm", "e.ndjson", "--skip", "90"]);
    assert_eq!(answer["entries"], 10);
    assert_eq!(scratch.ok(&["scan", "c.lsm", "-k", "-n", "1"]), "k090\n");
    let answer = scratch.json(&["import", "c.lsm", "e.ndjson", "--skip", "200"]);
    assert_eq!((answer["entries"].as_u64(), answer["transactions"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn bad_input_keeps_what_was_good_and_says_how_to_go_on() {
    let scratch = Scratch::new();
    let good: String =
        (0..25).map(|n| format!("{{\"key\":\"k{n:02}\",\"value\":{n}}}\n")).collect();
    fs::write(scratch.path("e.ndjson"), format!("{good}oops\n{{\"key\":\"z\",\"value\":1}}\n"))
        .unwrap();
    let import = ["import", "a.lsm", "e.ndjson", "--batch", "10"];
    scratch.fails(&import, 2, &["e.ndjson", "line 26", "25 entries imported", "--skip 25"]);
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--count"]), "25\n");
    // Repaired, the rest goes in.
    fs::write(scratch.path("e.ndjson"), format!("{good}{{\"key\":\"z\",\"value\":1}}\n")).unwrap();
    scratch.ok(&["import", "a.lsm", "e.ndjson", "--skip", "25"]);
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--count"]), "26\n");
}

#[test]
fn a_cut_raw_dump_is_refused() {
    let scratch = Scratch::with_entries(10);
    scratch.ok(&["export", "a.lsm", "whole.raw"]);
    let whole = fs::read(scratch.path("whole.raw")).unwrap();
    fs::write(scratch.path("cut.raw"), &whole[..whole.len() - 5]).unwrap();
    scratch.fails(&["import", "b.lsm", "cut.raw"], 2, &["cut.raw", "cut off"]);
}

#[test]
fn export_overwrites_only_when_asked() {
    let scratch = Scratch::with_entries(1);
    fs::write(scratch.path("mine.csv"), "precious").unwrap();
    scratch.fails(&["export", "a.lsm", "mine.csv"], 10, &["mine.csv"]);
    assert_eq!(fs::read(scratch.path("mine.csv")).unwrap(), b"precious");
    scratch.ok(&["export", "a.lsm", "mine.csv", "--overwrite"]);
    assert_eq!(fs::read_to_string(scratch.path("mine.csv")).unwrap(), "key,value\nk000,v000\n");
}

#[test]
fn missing_input_is_named() {
    let scratch = Scratch::new();
    scratch.fails(&["import", "a.lsm", "nowhere.csv"], 10, &["nowhere.csv"]);
    assert!(!scratch.path("a.lsm").exists(), "a database was made for nothing");
}
