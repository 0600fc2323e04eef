//! Checkpoints that lie, their checksum right: every rule that can be checked without a page gives
//! `Corrupt`, and random damage does no harm.

use crate::image::{Image, read, write};
use crate::runner::run;
use siltstone::format::checkpoint::{
    CellPosition, Checkpoint, FreeEntry, Level, Merge, Redirect, Segment,
};
use siltstone_tests::rng::Rng;

type Change = (&'static str, fn(&mut Checkpoint));
type WordChange = (&'static str, fn(&mut Vec<u32>));

fn left(checkpoint: &mut Checkpoint) -> &mut Segment {
    &mut checkpoint.levels[0].left
}

fn merging(checkpoint: &mut Checkpoint) -> &mut Level {
    checkpoint.levels.iter_mut().find(|level| level.is_merging()).unwrap()
}

fn merge(checkpoint: &mut Checkpoint) -> &mut Merge {
    merging(checkpoint).merge.as_mut().unwrap()
}

fn redirect(checkpoint: &mut Checkpoint, pairs: &[(u32, u32)]) {
    checkpoint.block_count = checkpoint.block_count.max(20);
    checkpoint.redirects = pairs.iter().map(|&(from, to)| Redirect { from, to }).collect();
}

fn free(checkpoint: &mut Checkpoint, entries: &[(u32, i64)]) {
    checkpoint.free = entries.iter().map(|&(block, id)| FreeEntry { block, id }).collect();
}

/// Fixture range-deletes-mid-merge has pages of 512 bytes and blocks of 64 KiB.
const BROKEN_RULES: &[Change] = &[
    ("id 0", |c| c.id = 0),
    ("negative id", |c| c.id = i64::MIN),
    ("page size 0", |c| c.page_size = 0),
    ("page size below 256", |c| c.page_size = 128),
    ("page size above 65536", |c| c.page_size = 131_072),
    ("page size no power of two", |c| c.page_size = 513),
    ("block size 0", |c| c.block_size = 0),
    ("block size below 64 KiB", |c| c.block_size = 32768),
    ("block size above 64 MiB", |c| c.block_size = 128 << 20),
    ("block size no power of two", |c| c.block_size = 65537),
    ("fewer than four pages in a block", |c| c.page_size = 32768),
    ("block count beyond 2^31-1", |c| c.block_count = 1 << 31),
    ("negative log pointer", |c| c.log.pointer = -2),
    ("append point on a meta page", |c| c.append_points[0] = 1),
    ("append point outside", |c| c.append_points[3] = 1 << 40),
    ("negative append point", |c| c.append_points[3] = u64::MAX),
    ("no first page", |c| left(c).first = 0),
    ("first page is a meta page", |c| left(c).first = 16),
    ("first page outside", |c| left(c).first = 1 << 40),
    ("no last page", |c| left(c).last = 0),
    ("last page outside", |c| left(c).last = 1 << 33),
    ("negative last page", |c| left(c).last = 1 << 63),
    ("root on a meta page", |c| left(c).root = 2),
    ("root outside", |c| left(c).root = 1 << 31),
    ("empty segment", |c| left(c).size = 0),
    ("first page of an input outside", |c| merging(c).right[0].first = 1 << 40),
    ("one input", |c| {
        let level = merging(c);
        level.right.truncate(1);
        level.merge.as_mut().unwrap().inputs.truncate(1);
    }),
    ("too many inputs", |c| {
        let level = merging(c);
        let segment = level.right[0];
        level.right = vec![segment; 42];
        level.merge.as_mut().unwrap().inputs = vec![CellPosition::default(); 42];
        c.free.clear();
    }),
    ("fewer positions than inputs", |c| {
        merge(c).inputs.pop();
    }),
    ("two positions more than inputs", |c| {
        merge(c).inputs.extend([CellPosition::default(); 2]);
    }),
    ("too many pages to skip", |c| merge(c).skip = 4),
    ("position on a meta page", |c| merge(c).inputs[0].page = 3),
    ("position outside", |c| merge(c).inputs[0].page = 1 << 40),
    ("position at an impossible cell", |c| {
        let page = merging(c).right[0].first;
        merge(c).inputs[0] = CellPosition { page, cell: 1 << 15 };
    }),
    ("no split key", |c| merge(c).split.page = 0),
    ("split key outside", |c| merge(c).split.page = 1 << 40),
    ("split key at no input", |c| {
        let page = merging(c).left.first;
        let merge = merge(c);
        merge.inputs.truncate(merge.inputs.len().max(2));
        merge.split.page = page;
    }),
    ("split key at a cell that does not exist", |c| merge(c).split.cell = 300),
    ("redirect of block 1", |c| redirect(c, &[(1, 1)])),
    ("redirect to block 1", |c| redirect(c, &[(3, 1)])),
    ("redirect forward", |c| redirect(c, &[(2, 3)])),
    ("redirect to itself", |c| redirect(c, &[(3, 3)])),
    ("redirect of a block outside", |c| redirect(c, &[(21, 2)])),
    ("redirects out of order", |c| redirect(c, &[(5, 2), (4, 3)])),
    ("one block redirected twice", |c| redirect(c, &[(5, 2), (5, 3)])),
    ("redirects without a level", |c| {
        redirect(c, &[(3, 2)]);
        c.levels.clear();
    }),
    ("too many redirects", |c| {
        let pairs: Vec<_> = (3..20).map(|from| (from, 2)).collect();
        redirect(c, &pairs);
    }),
    ("free block 0", |c| free(c, &[(0, 11)])),
    ("free block outside", |c| free(c, &[(c.block_count + 1, 11)])),
    ("free blocks out of order", |c| {
        c.block_count = 9;
        free(c, &[(8, 11), (7, 11)]);
    }),
    ("block free twice", |c| {
        c.block_count = 9;
        free(c, &[(8, 11), (8, 12)]);
    }),
    ("free since a negative id", |c| free(c, &[(1, -2)])),
    ("too many free blocks", |c| {
        c.block_count = 100;
        let entries: Vec<_> = (50..75).map(|block| (block, 11)).collect();
        free(c, &entries);
    }),
    ("too many segments", |c| {
        let segment = c.levels[0].left;
        c.free.clear();
        c.levels = vec![Level { left: segment, ..Level::default() }; 42];
    }),
];

const BROKEN_WORDS: &[WordChange] = &[
    ("a level record too many", |words| words[6] += 1),
    ("a level record too few", |words| words[6] -= 1),
    ("2^32-1 levels", |words| words[6] = u32::MAX),
    ("unknown level flags", |words| words[21] |= 2 << 16),
    ("2^32-1 inputs", |words| words[22] = u32::MAX),
    ("a word too many", |words| {
        words.push(0);
        words[2] += 1;
    }),
    ("a word too few", |words| {
        words.pop();
        words[2] -= 1;
    }),
    ("fewer words than the smallest checkpoint", |words| {
        words.truncate(24);
        words[2] = 24;
    }),
];

/// Opening for reading and for writing both fail as corrupt.
fn assert_corrupt(image: &Image, rule: &str) {
    for read_only in [true, false] {
        let options = crate::image::options().read_only(read_only);
        match options.open_with_env(image.world().process(), "db") {
            Ok(_) => panic!("{rule}: opened"),
            Err(error) => assert_eq!(error.code(), 11, "{rule}: {error}"),
        }
    }
    assert!(read(image), "{rule}");
}

#[test]
fn every_broken_rule_of_a_checkpoint_is_corrupt() {
    let (base, _) = Image::fixture("range-deletes-mid-merge");
    for (rule, change) in BROKEN_RULES {
        let mut checkpoint = base.checkpoint();
        change(&mut checkpoint);
        let mut image = base.clone();
        image.set_words(checkpoint.encode().unwrap_or_else(|error| panic!("{rule}: {error}")));
        assert_corrupt(&image, rule);
    }
    for (rule, change) in BROKEN_WORDS {
        let mut words = base.newest().1;
        change(&mut words);
        let mut image = base.clone();
        image.set_words(words);
        assert_corrupt(&image, rule);
    }
}

/// One to four words changed, the checksum repaired.
fn damaged(base: &Image, seed: usize) -> Option<Image> {
    let mut rng = Rng::new(seed as u64);
    let (_, mut words) = base.newest();
    let before = words.clone();
    let len = words.len();
    for _ in 0..rng.between(1, 4) {
        let at = rng.below(len - 2);
        words[at] = match rng.below(6) {
            0 => words[at] ^ 1 << rng.below(32),
            1 => 0,
            2 => u32::MAX,
            3 => rng.below(300) as u32,
            4 => words[rng.below(len - 2)],
            _ => words[at].wrapping_add(rng.below(5) as u32).wrapping_sub(2),
        };
    }
    if words == before {
        return None;
    }
    let mut image = base.clone();
    image.set_words(words);
    Some(image)
}

const NAMES: [&str; 6] =
    ["range-deletes", "mid-merge", "compressed-zrle", "redirects", "blocks-64k", "freelist-in-lsm"];

#[test]
fn random_damage_with_repaired_checksums_is_harmless_to_read() {
    let count = if crate::all() { 50_000 } else { 2_000 };
    for name in NAMES {
        let (base, _) = Image::fixture(name);
        run(&format!("{name}, checkpoint changed"), count, |seed| damaged(&base, seed), read);
    }
}

#[test]
fn random_damage_with_repaired_checksums_is_harmless_to_write() {
    let count = if crate::all() { 10_000 } else { 300 };
    for name in NAMES {
        let (base, _) = Image::fixture(name);
        let what = format!("{name}, checkpoint changed, written to");
        run(
            &what,
            count,
            |seed| damaged(&base, seed + 1_000_000),
            |image| {
                write(image);
                true
            },
        );
    }
}

/// Random bytes of pages and block pointers, one to eight places at once.
#[test]
fn random_damage_of_pages_is_harmless() {
    let count = if crate::all() { 50_000 } else { 1_500 };
    for name in NAMES {
        let (base, _) = Image::fixture(name);
        let make = |seed: usize| {
            let mut rng = Rng::new(seed as u64 ^ 0xBAD);
            let mut image = base.clone();
            for _ in 0..rng.between(1, 8) {
                let at = rng.between(8192, image.database.len() - 1);
                let len = rng.between(1, 8).min(image.database.len() - at);
                let bytes = rng.bytes(len);
                image.database[at..at + len].copy_from_slice(&bytes);
            }
            Some(image)
        };
        run(&format!("{name}, pages changed"), count, make, read);
    }
}
