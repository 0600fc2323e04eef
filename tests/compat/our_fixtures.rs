//! Siltstone on the databases C wrote: exact reading by every way there is, nothing changed by
//! reading, and files that are still sound after writing and merging.

use siltstone::{Cursor, Database, Options, Seek};
use siltstone_peer::ZRLE;
use siltstone_tests::fixtures::{self, Fixture};
use siltstone_tests::model::{self, Model, View};
use siltstone_tests::siltstone_subject::{codec_of, seek};
use siltstone_tests::{Row, python};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;

fn options(name: &str) -> Options {
    let options = Options::new();
    if name.starts_with("compressed") { options.codec(codec_of(ZRLE)) } else { options }
}

fn files(fixture: &Fixture) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(fixture.directory.path()).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn entry(cursor: &mut Cursor<'_>) -> Option<Row> {
    cursor.entry().unwrap().map(|(key, value)| (key.to_vec(), value.to_vec()))
}

/// Scans both ways, and seeks every key and its neighbours in every mode.
fn reads_exactly(name: &str, database: &Database, expected: &[Row]) {
    let view: View = expected.iter().cloned().collect();
    let rows: Vec<Row> = database.iter().unwrap().collect::<Result<_, _>>().unwrap();
    assert!(rows == expected, "{name}, forward");
    let mut rows: Vec<Row> = database.iter().unwrap().rev().collect::<Result<_, _>>().unwrap();
    rows.reverse();
    assert!(rows == expected, "{name}, backward");
    let mut cursor = database.cursor().unwrap();
    for (key, value) in expected {
        assert_eq!(database.get(key).unwrap().as_ref(), Some(value), "{name}");
        let after = [key.as_slice(), &[0]].concat();
        let before = match key.split_last() {
            Some((0, rest)) => rest.to_vec(),
            Some((&last, rest)) => [rest, &[last - 1, 0xFF]].concat(),
            None => Vec::new(),
        };
        for target in [key, &after, &before] {
            for mode in [model::Seek::Exact, model::Seek::AtLeast, model::Seek::AtMost] {
                let expected = view.seek(mode, target);
                let found = cursor.seek(target, seek(mode)).unwrap();
                assert_eq!(found, expected.is_some(), "{name}");
                let key = target.escape_ascii();
                assert!(entry(&mut cursor) == expected, "{name}, {mode:?} {key}");
            }
        }
        cursor.seek(key, Seek::AtLeast).unwrap();
        cursor.next().unwrap();
        assert!(entry(&mut cursor) == view.next(key), "{name}, next");
        cursor.seek(key, Seek::AtMost).unwrap();
        cursor.previous().unwrap();
        assert!(entry(&mut cursor) == view.previous(key), "{name}, previous");
    }
}

#[test]
fn reading_is_exact_and_changes_nothing() {
    for name in fixtures::NAMES {
        let fixture = fixtures::copy(name);
        let before = files(&fixture);
        let database = options(name).read_only(true).open(&fixture.path).unwrap();
        reads_exactly(name, &database, &fixture.expected);
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{name}: {:?}", report.problems);
        database.close().unwrap();
        assert!(files(&fixture) == before, "{name}: reading changed the files");
    }
}

#[test]
fn written_to_merged_and_closed_they_stay_sound() {
    for name in fixtures::NAMES {
        let fixture = fixtures::copy(name);
        let database = options(name).open(&fixture.path).unwrap();
        reads_exactly(name, &database, &fixture.expected);
        let mut model = Model::with(fixture.expected.clone());
        let keys: Vec<Vec<u8>> = fixture.expected.iter().map(|(key, _)| key.clone()).collect();
        for (index, key) in keys.iter().enumerate().step_by(3) {
            if index % 2 == 0 {
                database.remove(key).unwrap();
                model.delete(key);
            } else {
                let value = vec![b'n'; index % 700];
                database.insert(key, &value).unwrap();
                model.insert(key, &value);
            }
        }
        for new in 0..200 {
            let key = format!("new{new:04}").into_bytes();
            database.insert(&key, &key).unwrap();
            model.insert(&key, &key);
        }
        if let [first, .., last] = &keys[keys.len() / 4..keys.len() / 2] {
            database.remove_range::<&Vec<u8>>(first..last).unwrap();
            model.delete_range(Bound::Included(first), Bound::Excluded(last));
        }
        let mut expected = model.view().rows();
        reads_exactly(name, &database, &expected);
        database.close().unwrap();
        assert!(!fixtures::log_of(&fixture.path).exists(), "{name}");
        python::check(&fixture.path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(python::scan(&fixture.path).unwrap() == expected, "{name}, independent reader");

        let database = options(name).open(&fixture.path).unwrap();
        reads_exactly(name, &database, &expected);
        database.compact().unwrap();
        assert!(database.structure().unwrap().levels.len() <= 1, "{name}");
        reads_exactly(name, &database, &expected);
        let report = database.check().unwrap();
        assert!(report.is_sound(), "{name}: {:?}", report.problems);
        database.insert("after", "compaction").unwrap();
        database.close().unwrap();
        expected.push((b"after".to_vec(), b"compaction".to_vec()));
        expected.sort();
        python::check(&fixture.path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(python::scan(&fixture.path).unwrap() == expected, "{name}, independent reader");
    }
}
