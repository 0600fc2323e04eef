//! Pages that break a rule: reading through them gives `Corrupt`, and the check names a problem.

use crate::image::{Image, options, read, scan, scan_backward};
use siltstone::codec::Checksum;
use siltstone_memory::MemoryWorld;
use std::sync::Arc;

const PAGE: usize = 1024;
const BLOCK: usize = 65536;

/// Two blocks of one segment with a b-tree, long keys and values among others.
fn plain() -> Image {
    let world = MemoryWorld::new();
    let options = options().page_size(PAGE as u32).block_size(BLOCK as u32).autowork(false);
    let database = options.open_with_env(world.process(), "db").unwrap();
    database
        .write(|transaction| {
            for number in 0..400 {
                transaction.insert(format!("key{number:04}"), [b'v'; 200])?;
            }
            transaction.insert([b'l'; 3000], [b'w'; 5000])?;
            transaction.insert("m", "last")
        })
        .unwrap();
    database.close().unwrap();
    let bytes = world.read_file("db").unwrap();
    let keys = [b"key0000".to_vec(), b"key0200".to_vec(), vec![b'l'; 3000], b"m".to_vec()];
    Image { name: "plain".to_owned(), database: bytes, log: None, keys: keys.into() }
}

/// Usable bytes of page `id`.
fn usable(id: u64) -> std::ops::Range<usize> {
    let (start, end) = ((id as usize - 1) * PAGE, id as usize * PAGE);
    match id as usize % (BLOCK / PAGE) {
        0 => start..end - 4,
        1 => start + 4..end,
        _ if id == 9 => start + 4..end,
        _ => start..end,
    }
}

/// A page in the middle of the segment on which several records begin.
const MIDDLE: u64 = 20;

/// Changes bytes of a page, counted from its usable start, or from its usable end if negative.
fn patch(image: &mut Image, page: u64, at: isize, bytes: &[u8]) {
    let usable = usable(page);
    let base = if at < 0 { usable.end } else { usable.start };
    let start = base.checked_add_signed(at).unwrap();
    image.database[start..start + bytes.len()].copy_from_slice(bytes);
}

/// Offset of cell `index` on a page.
fn offset(image: &Image, page: u64, index: usize) -> isize {
    let at = usable(page).end - 14 - 2 * index;
    u16::from_be_bytes([image.database[at], image.database[at + 1]]) as isize
}

fn root(image: &Image) -> u64 {
    image.checkpoint().levels[0].left.root
}

/// A change by the offset of a cell on page `MIDDLE`.
fn cell(image: &mut Image, index: usize, at: isize, bytes: &[u8]) {
    let offset = offset(image, MIDDLE, index);
    patch(image, MIDDLE, offset + at, bytes);
}

type Rule = (&'static str, fn(&mut Image));

/// Rules a full scan meets.
const SCANNED: &[Rule] = &[
    ("more cells than fit", |i| patch(i, MIDDLE, -2, &[0x7F, 0xFF])),
    ("cell count with the top bit", |i| patch(i, MIDDLE, -2, &[0x80, 0])),
    ("unknown page flags", |i| patch(i, MIDDLE, -4, &[0, 8])),
    ("cell offset behind the content", |i| patch(i, MIDDLE, -14, &[3, 0xFF])),
    ("cell offsets that do not ascend", |i| patch(i, MIDDLE, -16, &[0, 0])),
    ("type 0", |i| cell(i, 0, 0, &[0x40])),
    ("unknown type bit", |i| cell(i, 0, 0, &[0x88])),
    ("insert and delete at once", |i| cell(i, 0, 0, &[0x0C])),
    ("separator with a value", |i| cell(i, 0, 0, &[0x18])),
    ("system record of a wrong size", |i| cell(i, 0, 0, &[0x28])),
    ("key longer than its cell", |i| cell(i, 0, 2, &[240])),
    ("key of 2^64-1 bytes", |i| cell(i, 0, 2, &[0xFF; 9])),
    ("value of 2^31 bytes", |i| cell(i, 0, 3, &[0xFB, 0x80, 0, 0, 0])),
    ("keys that do not ascend on a page", |i| cell(i, 1, 5, b"zzz")),
    ("keys that do not ascend over pages", |i| cell(i, 0, 5, b"aaa")),
    ("no next block", |i| i.database[BLOCK - 4..BLOCK].fill(0)),
    ("next block outside", |i| i.database[BLOCK - 4..BLOCK].fill(0x7F)),
    ("next block is the block itself", |i| {
        i.database[BLOCK - 4..BLOCK].copy_from_slice(&1u32.to_be_bytes());
    }),
];

/// Rules only a search or the check meets.
const SEARCHED: &[Rule] = &[
    ("root is a data page", |i| {
        let root = root(i);
        patch(i, root, -4, &[0, 0]);
    }),
    ("b-tree cell of unknown type", |i| {
        let root = root(i);
        let at = offset(i, root, 0);
        patch(i, root, at, &[0x50]);
    }),
    ("b-tree page is its own child", |i| {
        let root = root(i);
        patch(i, root, -12, &root.to_be_bytes());
    }),
    ("b-tree child outside", |i| {
        let root = root(i);
        patch(i, root, -12, &(1u64 << 40).to_be_bytes());
    }),
    ("b-tree key off its page", |i| {
        let root = root(i);
        let at = offset(i, root, 0);
        patch(i, root, at + 2, &[248, 255]);
    }),
];

#[test]
fn broken_pages_are_corrupt() {
    let base = plain();
    assert!(!read(&base), "the undamaged database is sound");
    for (rule, change) in SCANNED {
        let mut image = base.clone();
        change(&mut image);
        let database = image.open_to_read().unwrap();
        let error = scan(&database).expect_err(rule);
        assert_eq!(error.name(), "Corrupt", "{rule}: {error}");
        let report = database.check().unwrap();
        assert!(!report.is_sound(), "{rule}");
    }
}

#[test]
fn broken_b_trees_are_corrupt() {
    let base = plain();
    for (rule, change) in SEARCHED {
        let mut image = base.clone();
        change(&mut image);
        let database = image.open_to_read().unwrap();
        let failed = image.keys.iter().any(|key| match database.get(key) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.name(), "Corrupt", "{rule}: {error}");
                true
            }
        });
        assert!(failed, "{rule}");
        assert!(!database.check().unwrap().is_sound(), "{rule}");
    }
}

#[test]
fn a_file_shorter_than_its_segments_is_corrupt() {
    let mut image = plain();
    image.database.truncate(BLOCK + 2 * PAGE + 100);
    let database = image.open_to_read().unwrap();
    assert_eq!(scan(&database).unwrap_err().name(), "Corrupt");
    assert!(!database.check().unwrap().is_sound());
}

#[test]
fn a_block_used_and_free_at_once_is_found_and_not_written_over() {
    let mut image = plain();
    let mut checkpoint = image.checkpoint();
    checkpoint.free = vec![siltstone::format::checkpoint::FreeEntry { block: 2, id: 1 }];
    image.set_words(checkpoint.encode().unwrap());
    let database = image.open_to_read().unwrap();
    let problems = database.check().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("both used and free")), "{problems:?}");
    assert_flush_is_refused(&image);
}

/// Flushing fails as corrupt and changes no page.
fn assert_flush_is_refused(image: &Image) {
    let world = image.world();
    let database = options().open_with_env(world.process(), "db").unwrap();
    database.insert("a", "b").unwrap();
    assert_eq!(database.flush().unwrap_err().name(), "Corrupt");
    drop(database);
    assert!(world.read_file("db").unwrap()[8192..] == image.database[8192..]);
}

#[test]
fn a_block_count_far_beyond_the_file_is_not_written_to() {
    let mut image = plain();
    let mut checkpoint = image.checkpoint();
    checkpoint.block_count = 1 << 20;
    image.set_words(checkpoint.encode().unwrap());
    assert_flush_is_refused(&image);
}

#[test]
fn an_unaccounted_block_is_found() {
    let mut image = plain();
    let mut checkpoint = image.checkpoint();
    checkpoint.block_count += 3;
    image.set_words(checkpoint.encode().unwrap());
    let problems = image.open_to_read().unwrap().check().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("unaccounted")), "{problems:?}");
}

/// Records of compressed files: the first page's record of a checksummed database.
#[test]
fn broken_records_are_corrupt() {
    let world = MemoryWorld::new();
    let options = options().page_size(PAGE as u32).block_size(BLOCK as u32);
    let database = options.codec(Arc::new(Checksum)).open_with_env(world.process(), "db").unwrap();
    for number in 0..100 {
        database.insert(format!("key{number:04}"), [b'v'; 100]).unwrap();
    }
    database.close().unwrap();
    let base = Image {
        name: "records".to_owned(),
        database: world.read_file("db").unwrap(),
        log: None,
        keys: vec![b"key0000".to_vec()].into(),
    };
    assert!(!read(&base));
    let record = PAGE + 4;
    let rules: &[(&str, usize, &[u8])] = &[
        ("sizes that differ", 8196 + 3 + record + 2, &[0x81]),
        ("a page id that names padding", 8196 + 1, &[0x08]),
        ("an impossible size", 8196, &[0xFF, 0xFF, 0xFF]),
        ("a size without top bits", 8196, &[0x10]),
        ("a damaged page", 8196 + 100, &[0xAA]),
        ("a damaged checksum", 8196 + 3 + PAGE, &[0x55, 0xAA]),
    ];
    for (rule, at, bytes) in rules {
        let mut image = base.clone();
        image.database[*at..at + bytes.len()].copy_from_slice(bytes);
        let database = image.open_to_read().unwrap();
        for answer in [scan(&database), scan_backward(&database)] {
            assert_eq!(answer.expect_err(rule).name(), "Corrupt", "{rule}");
        }
        assert!(!database.check().unwrap().is_sound(), "{rule}");
    }
}
