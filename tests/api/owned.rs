//! Transactions that nothing borrows, and entries read in batches.

use super::open;
use siltstone::{Batch, Database, Seek};
use siltstone_memory::MemoryWorld;

fn names(outcomes: &[siltstone::Result<()>]) -> Vec<&'static str> {
    outcomes.iter().map(|outcome| outcome.as_ref().map_or_else(|e| e.name(), |()| "ok")).collect()
}

fn keys(database: &Database) -> Vec<Vec<u8>> {
    database.iter().unwrap().map(|entry| entry.unwrap().0).collect()
}

#[test]
fn an_owned_transaction_does_what_a_borrowed_one_does() {
    let database = open(&MemoryWorld::new());
    database.insert("old", "1").unwrap();
    let transaction = database.begin().unwrap().into_owned();
    transaction.insert("a", "1").unwrap();
    transaction.remove("old").unwrap();
    let mut batch = Batch::new();
    batch.insert("b", "2").insert("c", "3").remove_range("c".."d");
    transaction.apply(&batch).unwrap();
    transaction.insert("d", "4").unwrap();
    transaction.remove_range("d"..="e").unwrap();
    assert_eq!(transaction.get("b").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(!transaction.contains_key("c").unwrap() && database.contains_key("old").unwrap());
    assert!(transaction.is_open());
    transaction.commit().unwrap();
    assert!(!transaction.is_open());
    assert_eq!(keys(&database), [b"a", b"b"]);
}

#[test]
fn what_outlives_its_transaction_says_so() {
    let database = open(&MemoryWorld::new());
    database.insert("a", "1").unwrap();
    for end in 0..3 {
        let transaction = database.begin().unwrap().into_owned();
        let mut cursor = transaction.cursor().unwrap();
        assert!(cursor.first().unwrap() && cursor.check_open().is_ok());
        let mut savepoint = transaction.savepoint().unwrap();
        transaction.insert("b", "2").unwrap();
        match end {
            0 => transaction.commit().unwrap(),
            1 => transaction.rollback().unwrap(),
            _ => drop(transaction),
        }
        assert!(!cursor.is_valid() && cursor.key().is_none());
        let outcomes = [
            cursor.check_open(),
            cursor.first().map(drop),
            cursor.next().map(drop),
            cursor.value().map(drop),
            cursor.seek("a", Seek::AtLeast).map(drop),
            cursor.read_batch(1, 1).map(drop),
            savepoint.restore(),
            savepoint.rollback(),
            savepoint.release(),
        ];
        assert_eq!(names(&outcomes), ["Misuse"; 9]);
        let error = cursor.first().unwrap_err();
        assert!(error.path().is_some() && error.to_string().contains("has ended"), "{error}");
        // The role is free again, whoever is left.
        database.insert("c", "3").unwrap();
    }
    assert_eq!(keys(&database), [b"a", b"b", b"c"]);
    let transaction = database.begin().unwrap().into_owned();
    transaction.commit().unwrap();
    let outcomes = [
        transaction.commit(),
        transaction.rollback(),
        transaction.insert("x", ""),
        transaction.get("x").map(drop),
        transaction.cursor().map(drop),
        transaction.savepoint().map(drop),
    ];
    assert_eq!(names(&outcomes), ["Misuse"; 6]);
}

#[test]
fn owned_savepoints_nest_and_end_in_any_order() {
    let database = open(&MemoryWorld::new());
    let transaction = database.begin().unwrap().into_owned();
    let mut outer = transaction.savepoint().unwrap();
    transaction.insert("a", "").unwrap();
    let mut inner = transaction.savepoint().unwrap();
    transaction.insert("b", "").unwrap();
    inner.restore().unwrap();
    assert!(!transaction.contains_key("b").unwrap());
    transaction.insert("c", "").unwrap();
    outer.release().unwrap();
    // The inner one went with the outer one: dropping it undoes nothing.
    assert_eq!(names(&[inner.rollback(), outer.rollback()]), ["Misuse"; 2]);
    drop(inner);
    assert!(transaction.contains_key("c").unwrap());
    let dropped = transaction.savepoint().unwrap();
    transaction.insert("d", "").unwrap();
    drop(dropped);
    assert!(!transaction.contains_key("d").unwrap());
    transaction.commit().unwrap();
    drop(outer);
    assert_eq!(keys(&database), [b"a", b"c"]);
}

#[test]
fn batches_of_entries_keep_to_their_limits() {
    let database = open(&MemoryWorld::new());
    for i in 0..10u8 {
        database.insert([b'k', b'0' + i], vec![i; 8]).unwrap();
    }
    let mut cursor = database.cursor().unwrap();
    assert!(cursor.read_batch(5, 100).unwrap().is_empty(), "it stands nowhere");
    assert_eq!(cursor.read_batch(0, 100).unwrap_err().name(), "Misuse");
    cursor.first().unwrap();
    let first: Vec<_> = cursor.read_batch(3, usize::MAX).unwrap();
    assert_eq!(first.len(), 3);
    assert_eq!(first[0], (b"k0".to_vec(), vec![0; 8]));
    assert_eq!(cursor.key(), Some(&b"k3"[..]));
    assert_eq!(cursor.read_batch(100, 29).unwrap().len(), 2, "entries of ten bytes");
    assert_eq!(cursor.read_batch(100, 30).unwrap().len(), 3);
    assert_eq!(cursor.read_batch(100, 0).unwrap().len(), 1, "always one");
    assert_eq!(cursor.read_batch(100, 100).unwrap().len(), 1);
    assert!(cursor.read_batch(100, 100).unwrap().is_empty() && !cursor.is_valid());
    cursor.last().unwrap();
    let back = cursor.read_batch_back(4, 1000).unwrap();
    assert_eq!(back.first().unwrap().0, b"k9");
    assert_eq!(back.last().unwrap().0, b"k6");
    assert_eq!(cursor.key(), Some(&b"k5"[..]));
}

#[test]
fn batches_skip_what_the_transaction_removes_under_the_cursor() {
    let database = open(&MemoryWorld::new());
    for key in ["a", "b", "c"] {
        database.insert(key, key).unwrap();
    }
    let transaction = database.begin().unwrap().into_owned();
    let mut cursor = transaction.cursor().unwrap();
    cursor.first().unwrap();
    transaction.remove("a").unwrap();
    assert!(cursor.is_valid() && cursor.value().unwrap().is_none());
    let batch = cursor.read_batch(10, 1000).unwrap();
    assert_eq!(batch.len(), 2);
    assert_eq!(batch[0].0, b"b");
}
