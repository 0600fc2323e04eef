//! Single traits of the worker: what C lsm1 gets wrong, damaged files, refused merges.

use super::store::{Random, Store};
use super::support::fixtures;
use crate::env::File;
use crate::format::checkpoint::LogPointer;

fn put(store: &mut Store, keys: impl IntoIterator<Item = String>) {
    let rows: Vec<_> = keys.into_iter().map(|key| (key, Some("value".to_owned()))).collect();
    store.flush_rows(&rows).unwrap();
}

fn remove(store: &mut Store, keys: impl IntoIterator<Item = String>) {
    let rows: Vec<_> = keys.into_iter().map(|key| (key, None)).collect();
    store.flush_rows(&rows).unwrap();
}

fn key(number: u32) -> String {
    format!("k{number:04}")
}

/// A merge whose output begins on one page below a level with pointers into its inputs.
#[test]
fn an_output_of_one_page_below_pointers_has_a_btree() {
    let mut store = Store::new("one-page", 512, false);
    store.config.automerge = 2;
    put(&mut store, (0..400).map(key));
    put(&mut store, [key(1)]);
    store.with_worker(|worker| worker.work(2, u64::MAX)).unwrap();
    remove(&mut store, (2..400).map(key));
    put(&mut store, [key(0)]);
    put(&mut store, [key(500), key(501)]);
    store.with_worker(|worker| worker.work(2, u64::MAX)).unwrap();
    let [_, shrunk] = store.now.levels.as_slice() else { panic!("{:?}", store.now.levels) };
    assert_ne!(shrunk.left.root, 0);
    store.verify("after the merge");
    store.judge_now("after the merge");
}

/// A half-done merge of two inputs under a full set of new levels: C lsm1 never returns.
#[test]
fn a_small_unfinished_merge_does_not_stop_flushes() {
    let (name, bytes) = fixtures().into_iter().find(|(name, _)| name.contains("stuck")).unwrap();
    let mut store = Store::of_file(&name, &bytes);
    store.config.automerge = 4;
    assert!(store.with_worker(|worker| Ok(worker.is_full())).unwrap());
    put(&mut store, [key(1)]);
    assert!(store.with_worker(|worker| Ok(!worker.is_full())).unwrap());
    store.judge_now(&name);
}

/// Forty segments of different ages: nothing fits lsm1's rules, two are merged all the same.
#[test]
fn the_limit_of_segments_is_never_exceeded() {
    let mut store = Store::new("limit", 512, false);
    store.config.automerge = 100;
    for number in 0..60 {
        put(&mut store, [key(number)]);
        assert!(store.now.segment_count() <= 40, "{number}");
    }
    store.verify("sixty flushes");
}

/// A worker that meets keys out of order frees nothing and changes nothing.
#[test]
fn disorder_stops_a_merge() {
    let mut store = Store::new("disorder", 512, false);
    put(&mut store, (0..90).map(key));
    put(&mut store, (0..90).map(key));
    let content = store.file.content();
    let at = content.windows(5).rposition(|window| window == key(57).as_bytes()).unwrap();
    store.file.write_at(at as u64, key(11).as_bytes()).unwrap();
    store.forget_pages();
    let before = store.now.clone();
    let error = store.with_worker(|worker| worker.work(2, u64::MAX)).unwrap_err();
    assert!(error.is_corrupt() && error.to_string().contains("ascend"), "{error}");
    assert_eq!(store.now, before);
}

/// Any byte may be wrong: merging ends, with an error or without, and asks for no great memory.
#[test]
fn damaged_files_do_not_hang_the_worker() {
    for (name, bytes) in fixtures() {
        if bytes.len() < 9000 {
            continue;
        }
        let mut random = Random(0xBAD + bytes.len() as u64);
        let mut store = Store::of_file(&format!("hostile-{name}"), &bytes);
        let good = store.now.clone();
        let mut refused = 0;
        for _ in 0..40 {
            store.file.truncate(0).unwrap();
            store.file.write_at(0, &bytes).unwrap();
            for _ in 0..1 + random.below(8) {
                let at = 8192 + random.below(bytes.len() as u64 - 8192);
                store.file.write_at(at, &[random.below(256) as u8]).unwrap();
            }
            store.now = good.clone();
            store.forget_pages();
            for merge_count in [2, 1] {
                let outcome = store.with_worker(|worker| worker.work(merge_count, 200));
                refused += u32::from(outcome.is_err());
            }
        }
        assert!(refused < 80, "{name}: not everything can be refused");
    }
}

/// The log pointer changes with a flush and with nothing else.
#[test]
fn only_a_flush_moves_the_log_pointer() {
    let mut store = Store::new("log-pointer", 512, false);
    let log = LogPointer { pointer: 1235, checksum: [7, 8] };
    store.with_worker(|worker| worker.flush(Vec::new(), log)).unwrap();
    assert_eq!(store.now.log, log);
    assert!(store.now.levels.is_empty(), "nothing to write, no level");
}
