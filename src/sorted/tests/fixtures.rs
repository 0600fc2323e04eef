//! Files written by C lsm1 read exactly, in every way there is.

use super::support::{Pairs, WAYS, expected, fixtures, model, open};
use crate::sorted::ReadView;
use crate::sorted::cursor::{MergedCursor, Seek};
use crate::sorted::get::get;
use std::collections::BTreeSet;

fn forward(view: &ReadView, mut cursor: MergedCursor) -> Pairs {
    let mut out = Vec::new();
    cursor.first(view).unwrap();
    while cursor.is_valid() {
        let key = cursor.key().to_vec();
        out.push((key, cursor.value(view).unwrap().to_vec()));
        cursor.next(view).unwrap();
    }
    out
}

fn backward(view: &ReadView, mut cursor: MergedCursor) -> Pairs {
    let mut out = Vec::new();
    cursor.last(view).unwrap();
    while cursor.is_valid() {
        let key = cursor.key().to_vec();
        out.push((key, cursor.value(view).unwrap().to_vec()));
        cursor.previous(view).unwrap();
    }
    out.reverse();
    out
}

fn assert_same(found: &Pairs, wanted: &Pairs, what: &str) {
    let differ = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
    assert_eq!(differ, None, "{what}: first difference");
    assert_eq!(found.len(), wanted.len(), "{what}: number of rows");
}

#[test]
fn scans_return_exactly_what_is_expected() {
    for (name, bytes) in fixtures() {
        for way in WAYS {
            let view = open(&bytes, way).unwrap();
            let (wanted, _) = model(&view, false);
            if !name.contains("log") {
                assert_same(&wanted, &expected(&name), &format!("{name}, the model"));
            }
            let what = format!("{name}, {way:?}");
            assert_same(&forward(&view, MergedCursor::new(&view)), &wanted, &what);
            assert_same(&backward(&view, MergedCursor::new(&view)), &wanted, &what);
            let (wanted, _) = model(&view, true);
            let cursor = || MergedCursor::over_system_keys(&view);
            assert_same(&forward(&view, cursor()), &wanted, &what);
            assert_same(&backward(&view, cursor()), &wanted, &what);
        }
    }
}

/// The keys themselves and keys just beside them.
fn probes(keys: &BTreeSet<Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let mut out = BTreeSet::from([Vec::new(), vec![0xFF; 9]]);
    for key in keys {
        out.insert(key.clone());
        out.insert([key.as_slice(), &[0]].concat());
        out.insert([key.as_slice(), &[0xFF]].concat());
        if let Some((&last, head)) = key.split_last() {
            out.insert(head.to_vec());
            for step in [last.wrapping_sub(1), last.wrapping_add(1)] {
                out.insert([head, &[step]].concat());
            }
        }
    }
    out
}

#[test]
fn seeks_and_lookups_agree_with_the_model_everywhere() {
    for (name, bytes) in fixtures() {
        let view = open(&bytes, WAYS[0]).unwrap();
        let (rows, keys) = model(&view, false);
        let mut cursor = MergedCursor::new(&view);
        for key in probes(&keys) {
            let at = rows.partition_point(|row| row.0 < key);
            let hit = rows.get(at).filter(|row| row.0 == key);
            let what = format!("{name}: {:?}", String::from_utf8_lossy(&key));
            assert_eq!(get(&view, &key).unwrap().as_ref(), hit.map(|row| &row.1), "{what} get");
            let check = |cursor: &mut MergedCursor, wanted: Option<&(Vec<u8>, Vec<u8>)>, how| {
                assert_eq!(cursor.is_valid(), wanted.is_some(), "{what} {how}");
                if let Some((key, value)) = wanted {
                    assert_eq!(cursor.key(), key, "{what} {how}");
                    assert_eq!(cursor.value(&view).unwrap(), value, "{what} {how}");
                }
            };
            cursor.seek(&view, &key, Seek::Exact).unwrap();
            check(&mut cursor, hit, "exact");
            cursor.seek(&view, &key, Seek::AtLeast).unwrap();
            check(&mut cursor, rows.get(at), "at least");
            cursor.next(&view).unwrap();
            check(&mut cursor, rows.get(at + 1), "at least, next");
            if cursor.is_valid() {
                cursor.previous(&view).unwrap();
                check(&mut cursor, rows.get(at), "at least, next, previous");
                cursor.previous(&view).unwrap();
                check(&mut cursor, at.checked_sub(1).map(|at| &rows[at]), "back twice");
            }
            let below = if hit.is_some() { Some(at) } else { at.checked_sub(1) };
            cursor.seek(&view, &key, Seek::AtMost).unwrap();
            check(&mut cursor, below.map(|at| &rows[at]), "at most");
            cursor.previous(&view).unwrap();
            let before = below.and_then(|at| at.checked_sub(1));
            check(&mut cursor, before.map(|at| &rows[at]), "at most, previous");
            if let Some(before) = before {
                cursor.next(&view).unwrap();
                check(&mut cursor, Some(&rows[before + 1]), "at most, previous, next");
            }
        }
    }
}
