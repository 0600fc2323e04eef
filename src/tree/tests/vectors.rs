//! Objects exactly as C lsm1 writes them.

use super::World;
use crate::format::tree_header::LogRegion;
use crate::shm::HeaderCopy;
use std::sync::atomic::Ordering::Relaxed;

fn bytes(world: &World, pointer: u32, len: usize) -> Vec<u8> {
    let rest = world.shm.rest(pointer).unwrap();
    rest.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).take(len).collect()
}

fn entry(key: &[u8], value: Option<&[u8]>, flags: u8) -> Vec<u8> {
    let mut all = (key.len() as i32).to_le_bytes().to_vec();
    all.extend(value.map_or(-1, |value| value.len() as i32).to_le_bytes());
    all.extend([flags, 0, 0, 0]);
    all.extend(key);
    all.extend(value.unwrap_or_default());
    all
}

fn node(keys: [u32; 3], children: [u32; 4]) -> Vec<u8> {
    let words = keys.into_iter().chain(children).chain([0; 3]);
    words.flat_map(u32::to_le_bytes).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn every_object_of_the_captured_workload_is_the_same() {
    let mut world = World::new();
    world.begin();
    world.insert(b"k1", b"v1").unwrap();
    world.commit();
    world.begin();
    world.insert(b"k2", b"v2").unwrap();
    world.delete(b"k1").unwrap();
    world.delete_range(b"a", b"c").unwrap();
    world.header.log.checksum = [0x300d_2002, 0x5713_2486];
    world.header.log.regions[2] = LogRegion { start: 0, end: 41 };
    world.commit();

    let header = world.header;
    assert_eq!((header.live.node, header.live.height), (33096, 2));
    assert_eq!((header.live.bytes, header.live.transaction), (352, 3));
    assert_eq!(header.write_offset, 33136);
    assert_eq!((header.used_chunk_id, header.next_chunk_id), (1, 2));
    assert_eq!((header.first_chunk, header.chunk_count), (1, 2));
    let words = header.encode();
    assert_eq!(words[36..], [0x4242_7ac7, 0xb9f6_55d1]);

    assert_eq!(bytes(&world, 32776, 16), entry(b"k1", Some(b"v1"), 0x48));
    assert_eq!(bytes(&world, 32792, 40), node([0, 32776, 0], [0; 4]));
    assert_eq!(bytes(&world, 32832, 16), entry(b"k2", Some(b"v2"), 0x48));
    assert_eq!(bytes(&world, 32848, 40), node([32776, 32832, 0], [0; 4]));
    assert_eq!(bytes(&world, 32888, 14), entry(b"k1", None, 0x44));
    assert_eq!(bytes(&world, 32904, 40), node([32888, 32832, 0], [0; 4]));
    assert_eq!(bytes(&world, 32944, 13), entry(b"a", None, 0x41));
    assert_eq!(bytes(&world, 32960, 40), node([32944, 32888, 32832], [0; 4]));
    assert_eq!(bytes(&world, 33000, 13), entry(b"c", None, 0x42));
    assert_eq!(bytes(&world, 33016, 40), node([0, 32944, 33000], [0; 4]));
    assert_eq!(bytes(&world, 33056, 40), node([0, 32832, 0], [0; 4]));
    assert_eq!(bytes(&world, 33096, 40), node([0, 32888, 0], [0, 33016, 33056, 0]));
    assert_eq!(world.shm.chunk_header(1).unwrap(), (1, 0));
    let loaded = world.shm.load_tree_header().unwrap();
    assert_eq!(loaded, (header, HeaderCopy::First));
}

#[test]
fn an_entry_ending_exactly_at_a_chunk_end_is_not_flagged_and_reads_back() {
    for short in 0..if cfg!(miri) { 2 } else { 8u32 } {
        let mut world = World::new();
        world.begin();
        let len = 32768 - 8 - 12 - 1 - short;
        let value: Vec<u8> = (0..len).map(|i| i as u8).collect();
        world.insert(b"k", &value).unwrap();
        let flags = world.shm.words::<3>(32776).unwrap()[2].load(Relaxed).to_ne_bytes()[0];
        assert_eq!(flags, if short == 0 { 0x08 } else { 0x48 }, "{short}");
        world.insert(b"l", b"next chunk").unwrap();
        world.commit();
        assert_eq!(world.get(b"k").as_ref(), Some(&value));
        assert_eq!(world.get(b"l").as_deref(), Some(b"next chunk".as_slice()));
        assert_eq!(world.header.chunk_count, 3);
    }
}

#[test]
fn a_key_that_starts_in_the_next_chunk_reads_back() {
    // The header of the second entry ends exactly where the chunk does.
    let mut world = World::new();
    world.begin();
    let first = 32768 - 8 - 12 - 1 - 40 - 12;
    world.insert(b"a", &vec![7; first]).unwrap();
    assert_eq!(world.header.write_offset, 65536 - 12);
    world.insert(b"bcd", b"value").unwrap();
    assert_eq!(world.shm.words::<1>(65536 - 12).unwrap()[0].load(Relaxed), 3);
    assert_eq!(world.shm.words::<1>(65544).unwrap()[0].load(Relaxed).to_ne_bytes(), *b"bcdv");
    world.commit();
    assert_eq!(world.get(b"bcd").as_deref(), Some(b"value".as_slice()));
    assert_eq!(world.get(b"bcc"), None);
    assert_eq!(world.get(b"bcdd"), None);
}

#[test]
fn a_value_that_a_range_bound_copies_over_a_chunk_end_stays_whole() {
    let mut world = World::new();
    let value: Vec<u8> = (0..20_000u32).map(|i| (i * 7 % 251) as u8).collect();
    world.begin();
    world.insert(b"a", &value).unwrap();
    world.commit();
    world.begin();
    world.delete_range(b"a", b"b").unwrap();
    world.commit();
    assert_eq!(world.get(b"a"), Some(value.clone()));

    // Even if a C peer has flagged the copy as lying in one chunk.
    let path_entry = {
        let mut path = crate::tree::path::Path::default();
        path.seek(&world.shm, &world.header.live, b"a").unwrap();
        path.entry()
    };
    let flags = &world.shm.words::<3>(path_entry).unwrap()[2];
    assert_eq!(flags.load(Relaxed).to_ne_bytes()[0], 0x09);
    flags.store(u32::from_ne_bytes([0x49, 0, 0, 0]), Relaxed);
    assert_eq!(world.get(b"a"), Some(value));
}
