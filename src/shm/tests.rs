//! Tests of shared memory alone.

use super::bytes::store_bytes;
use super::*;
use crate::format::checkpoint::Checkpoint;
use crate::format::tree_header::{TreeHeader, TreeRoot};

#[cfg(not(target_family = "wasm"))]
#[test]
fn shared_memory_may_change_threads() {
    fn needs<T: Send + Sync + Clone>() {}
    needs::<Shm>();
}

#[test]
fn bytes_at_any_offset_and_length_read_back_and_touch_nothing_else() {
    let shm = Shm::heap().unwrap();
    shm.ensure(2).unwrap();
    for offset in 8..12usize {
        for len in 0..14usize {
            for word in shm.chunk(1).unwrap().iter().take(16) {
                word.store(0xEEEE_EEEE, Ordering::Relaxed);
            }
            let bytes: Vec<u8> = (1..=len as u8).collect();
            store_bytes(shm.chunk(1).unwrap(), offset, &bytes);
            let mut out = vec![0xAA];
            let position = Position::behind(32768, offset as u32);
            shm.copy_out(position, len as u64, &mut out).unwrap();
            assert_eq!(out[1..], bytes);
            let mut all = Vec::new();
            shm.copy_out(Position::behind(32768, 8), 40, &mut all).unwrap();
            assert_eq!(all.iter().filter(|byte| **byte == 0xEE).count(), 40 - len);
        }
    }
}

#[test]
fn objects_run_through_linked_chunks() {
    let shm = Shm::heap().unwrap();
    shm.ensure(4).unwrap();
    // 1 -> 3 -> 2
    shm.set_chunk_next(1, 3).unwrap();
    shm.set_chunk_next(3, 2).unwrap();
    let bytes: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8).collect();
    let first = 32768 - 100;
    store_bytes(shm.chunk(1).unwrap(), first, &bytes[..100]);
    store_bytes(shm.chunk(3).unwrap(), 8, &bytes[100..100 + 32760]);
    store_bytes(shm.chunk(2).unwrap(), 8, &bytes[100 + 32760..]);
    let start = Position::behind(32768, first as u32);
    let mut out = Vec::new();
    shm.copy_out(start, 40_000, &mut out).unwrap();
    assert!(out == bytes);
    // Miri takes seconds for each long copy: one per chunk there.
    let skips: &[u64] = if cfg!(miri) {
        &[101, 32_861, 40_000]
    } else {
        &[0, 99, 100, 101, 32_860, 32_861, 39_999, 40_000]
    };
    for &skip in skips {
        let mut position = start;
        shm.skip(&mut position, skip).unwrap();
        out.clear();
        shm.copy_out(position, 40_000 - skip, &mut out).unwrap();
        assert!(out == bytes[skip as usize..], "{skip}");
    }
    use std::cmp::Ordering::{Equal, Greater, Less};
    assert_eq!(shm.compare(start, 40_000, &bytes).unwrap(), Equal);
    assert_eq!(shm.compare(start, 39_999, &bytes).unwrap(), Less);
    assert_eq!(shm.compare(start, 40_000, &bytes[..150]).unwrap(), Greater);
    let places: &[usize] =
        if cfg!(miri) { &[99, 100, 32_860] } else { &[0, 99, 100, 32_859, 32_860, 39_999] };
    for &at in places {
        let mut other = bytes.clone();
        other[at] = other[at].wrapping_add(1);
        let wanted = bytes.cmp(&other);
        assert_eq!(shm.compare(start, 40_000, &other).unwrap(), wanted, "{at}");
    }
    // The last chunk leads nowhere; a length that no memory can hold is not even tried.
    assert!(shm.copy_out(start, 70_000, &mut out).is_err());
    assert!(shm.copy_out(start, u64::MAX, &mut out).is_err());
    // Round in circles.
    shm.set_chunk_next(2, 3).unwrap();
    assert!(shm.skip(&mut start.clone(), u64::from(u32::MAX)).is_err());
}

#[test]
fn comparing_words_is_comparing_bytes() {
    let samples: Vec<Vec<u8>> =
        ["", "a", "ab", "abc", "abcd", "abcde", "abd", "b", "abcdefgh", "abcdefgi"]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .chain([vec![0], vec![0, 0], vec![255; 4], vec![255; 5], vec![127, 255], vec![128]])
            .collect();
    let shm = Shm::heap().unwrap();
    shm.ensure(2).unwrap();
    for a in &samples {
        let words = shm.chunk(1).unwrap();
        for word in words.iter().take(16) {
            word.store(0x5A5A_5A5A, Ordering::Relaxed);
        }
        store_bytes(words, 8, a);
        for b in &samples {
            assert_eq!(compare_words(&words[2..], a.len(), b), a.cmp(b), "{a:?} {b:?}");
        }
    }
}

#[test]
fn pointers_outside_the_tree_are_refused() {
    let shm = Shm::heap().unwrap();
    shm.ensure(3).unwrap();
    for pointer in [0, 8, 32768, 32772, 32777, 32778, 98304 + 8, u32::MAX, u32::MAX - 3, 65532] {
        assert!(shm.words::<2>(pointer).is_err(), "{pointer}");
    }
    for pointer in [32776, 65528, 65536 + 8, 98304 - 8] {
        assert!(shm.words::<2>(pointer).is_ok(), "{pointer}");
    }
    assert!(shm.copy_in(98304, b"x").is_err());
    assert!(shm.copy_in(98303, b"xy").is_err());
    assert!(shm.chunk_header(0).is_err());
    assert!(shm.chunk_header(3).is_err());
    assert!(shm.ensure(MAX_CHUNKS + 1).is_err());
}

#[test]
fn clones_share_chunks_that_come_later() {
    let shm = Shm::heap().unwrap();
    let other = shm.clone();
    shm.ensure(if cfg!(miri) { 4 } else { 600 }).unwrap();
    let last = shm.chunk_count() - 1;
    shm.set_chunk_id(last, 42).unwrap();
    assert_eq!(other.chunk_header(last).unwrap().0, 42);
}

#[test]
fn a_reader_takes_whichever_header_is_whole() {
    let shm = Shm::heap().unwrap();
    let header = |node| TreeHeader {
        chunk_count: 2,
        live: TreeRoot { node, ..TreeRoot::default() },
        ..TreeHeader::default()
    };
    shm.set_writer_flag(true).unwrap();
    shm.publish_tree_header(&header(1)).unwrap();
    assert!(!shm.writer_flag().unwrap());
    let (first, which) = shm.load_tree_header().unwrap();
    assert_eq!((first, which), (header(1), HeaderCopy::First));
    assert!(shm.tree_header_unchanged(&first, which).unwrap());
    assert!(shm.shows(&first.encode(), 0).unwrap());

    let words = shm.chunk(0).unwrap();
    words[2050 + 4].store(9, Ordering::Relaxed);
    assert_eq!(shm.load_tree_header().unwrap(), (header(1), HeaderCopy::Second));
    assert!(!shm.shows(&first.encode(), 0).unwrap());
    shm.settle_tree_header().unwrap();
    assert!(shm.shows(&first.encode(), 0).unwrap());

    shm.publish_tree_header(&header(2)).unwrap();
    assert!(!shm.tree_header_unchanged(&first, which).unwrap());
    shm.clear_header().unwrap();
    assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn snapshots_are_kept_twice_and_settled() {
    let shm = Shm::heap().unwrap();
    let blob = |id| {
        let mut checkpoint = Checkpoint::empty(4096, 1 << 20);
        checkpoint.id = id;
        checkpoint.encode().unwrap()
    };
    shm.store_snapshot(&blob(0x1_0000_0002)).unwrap();
    assert_eq!(shm.load_snapshot().unwrap(), (blob(0x1_0000_0002), HeaderCopy::First));
    assert_eq!(shm.snapshot_id().unwrap(), 0x1_0000_0002);
    assert_eq!(shm.snapshot_id_in(HeaderCopy::Second).unwrap(), 0x1_0000_0002);

    // A worker that dies between the copies: the first, older one wins.
    let words = shm.chunk(0).unwrap();
    for (word, new) in words[1024..].iter().zip(blob(50)) {
        word.store(new, Ordering::Relaxed);
    }
    assert_eq!(shm.load_snapshot().unwrap().0, blob(0x1_0000_0002));
    shm.settle_snapshot().unwrap();
    assert_eq!(shm.snapshot_id_in(HeaderCopy::Second).unwrap(), 0x1_0000_0002);
    // Within the first copy: the second wins.
    words[3].fetch_xor(1, Ordering::Relaxed);
    assert_eq!(shm.load_snapshot().unwrap().1, HeaderCopy::Second);
    shm.settle_snapshot().unwrap();
    assert_eq!(shm.load_snapshot().unwrap().1, HeaderCopy::First);
    assert!(shm.store_snapshot(&[0; 1025]).is_err());
    // An absurd length is not followed.
    for at in [2, 1024 + 2] {
        words[at].store(u32::MAX, Ordering::Relaxed);
    }
    assert!(shm.settle_snapshot().is_err());
}

#[test]
fn reader_slots_and_the_meta_page_keep_their_places() {
    let shm = Shm::heap().unwrap();
    let slot = ReaderSlot { tree_id: 7, snapshot_id: 0x0102_0304_0506_0708 };
    shm.set_reader_slot(5, slot).unwrap();
    assert_eq!(shm.reader_slot(5).unwrap(), slot);
    assert_eq!(shm.reader_slot(4).unwrap(), ReaderSlot::default());
    assert!(shm.reader_slot(6).is_err());
    let words = shm.chunk(0).unwrap();
    let base = (8504 + 5 * 16) / 4;
    assert_eq!(words[base].load(Ordering::Relaxed), 7);
    assert_eq!(words[base + 1].load(Ordering::Relaxed), 0);
    let id = [base + 2, base + 3].map(|at| words[at].load(Ordering::Relaxed));
    assert_eq!(crate::format::tree_header::join_long(id), 0x0102_0304_0506_0708);
    shm.set_meta_page(2).unwrap();
    assert_eq!(shm.meta_page().unwrap(), 2);
    assert_eq!(words[8196 / 4].load(Ordering::Relaxed), 2);
    shm.set_writer_flag(true).unwrap();
    assert_eq!(words[8192 / 4].load(Ordering::Relaxed), 1);
}
