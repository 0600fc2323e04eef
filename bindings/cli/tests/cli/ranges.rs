//! scan and delete-range: bounds of every kind, order, forms.

use crate::run::Scratch;

fn keys(scratch: &Scratch, options: &[&str]) -> Vec<String> {
    let text = scratch.ok(&[&["scan", "a.lsm", "--keys-only"], options].concat());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bounds() {
    let scratch = Scratch::with_entries(10);
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--from", "k007"], &["k007", "k008", "k009"]),
        (&["--after", "k007"], &["k008", "k009"]),
        (&["--to", "k002"], &["k000", "k001"]),
        (&["--before", "k002"], &["k000", "k001"]),
        (&["--through", "k002"], &["k000", "k001", "k002"]),
        (&["--from", "k003", "--to", "k005"], &["k003", "k004"]),
        (&["--after", "k003", "--through", "k005"], &["k004", "k005"]),
        (&["--from", "k0035", "--to", "k0036"], &[]),
        (&["--from", "k005", "--to", "k003"], &[]),
        (&["--prefix", "k00", "--limit", "2"], &["k000", "k001"]),
        (&["--prefix", "k00", "--limit", "2", "--reverse"], &["k009", "k008"]),
        (&["--prefix", "k00", "--from", "k008", "-r"], &["k009", "k008"]),
        (&["--prefix", "x"], &[]),
    ];
    for (options, expected) in cases {
        assert_eq!(keys(&scratch, options), expected, "{options:?}");
    }
    assert_eq!(keys(&scratch, &["--limit", "0"]).len(), 0);
    scratch.fails_usage(&["scan", "a.lsm", "--from", "a", "--after", "b"]);
}

#[test]
fn forms() {
    let scratch = Scratch::with_entries(2);
    scratch.ok(&["put", "a.lsm", "tab\there", "two\nlines"]);
    let scan = |form: &str| scratch.ok(&["scan", "a.lsm", "--format", form]);
    assert_eq!(scan("text"), "k000\tv000\nk001\tv001\ntab\\there\ttwo\\nlines\n");
    assert_eq!(scan("tsv"), format!("key\tvalue\n{}", scan("text")));
    assert_eq!(
        scan("json"),
        "{\"key\":\"k000\",\"value\":\"v000\"}\n{\"key\":\"k001\",\"value\":\"v001\"}\n\
         {\"key\":\"tab\\there\",\"value\":\"two\\nlines\"}\n"
    );
    assert_eq!(
        scan("hex"),
        "6b303030\t76303030\n6b303031\t76303031\n7461620968657265\t74776f0a6c696e6573\n"
    );
    assert_eq!(scratch.ok(&["scan", "a.lsm", "--json"]), scan("json"));
    assert_eq!(scratch.json(&["scan", "a.lsm", "--count"])["entries"], 3);
}

#[test]
fn ranges_are_deleted() {
    for (options, left) in [
        (vec!["--from", "k002", "--to", "k008"], vec!["k000", "k001", "k008", "k009"]),
        (vec!["--after", "k002", "--before", "k008"], vec!["k000", "k001", "k002", "k008", "k009"]),
        (vec!["--from", "k001", "--through", "k009"], vec!["k000"]),
        (vec!["--after", "k000"], vec!["k000"]),
        (vec!["--through", "k008"], vec!["k009"]),
        (vec!["--prefix", "k00"], vec![]),
        (vec!["--all"], vec![]),
    ] {
        let scratch = Scratch::with_entries(10);
        let arguments = [vec!["delete-range", "a.lsm"], options.clone()].concat();
        let answer = scratch.json(&[arguments, vec!["--count"]].concat());
        assert_eq!(answer["deleted"], 10 - left.len(), "{options:?}");
        assert_eq!(keys(&scratch, &[]), left, "{options:?}");
        assert!(scratch.ok(&["check", "a.lsm"]).contains("sound"));
    }
}

#[test]
fn everything_is_deleted_only_when_asked_for() {
    let scratch = Scratch::with_entries(3);
    scratch.fails(&["delete-range", "a.lsm"], 2, &["--all"]);
    assert_eq!(keys(&scratch, &[]).len(), 3);
    scratch.ok(&["delete-range", "a.lsm", "--from", "k002", "--to", "k001"]);
    assert_eq!(keys(&scratch, &[]).len(), 3);
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_ends_the_scan_quietly() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let scratch = Scratch::with_entries(1000);
    let value = "x".repeat(10_000);
    for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "l", "m"] {
        scratch.ok(&["put", "a.lsm", key, &value]);
    }
    let mut command = scratch.command(&["scan", "a.lsm"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("a\tx"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
