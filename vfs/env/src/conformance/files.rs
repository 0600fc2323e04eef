//! Reading, writing, sizes.

use super::{World, contents, open, open_elsewhere, path, process, rule};
use crate::{Access, EnvError};
use std::io::IoSlice;

/// A new file has no bytes.
pub fn a_new_file_is_empty(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    assert_eq!(file.size(), Ok(0), "rule broken: a new file has size 0");
    assert_eq!(
        file.known_size(),
        Ok(Some(0)),
        "rule broken: known_size is size where there is any"
    );
}

/// What was written is read, at any alignment.
pub fn writes_are_read_back(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    let mut model = Vec::new();
    for (offset, length, fill) in
        [(0, 10, 1), (5, 5000, 2), (4096, 4096, 3), (4095, 2, 4), (8000, 70_000, 5), (3, 1, 6)]
    {
        let bytes: Vec<u8> = (0..length).map(|i: usize| (i as u8).wrapping_mul(fill)).collect();
        rule("write_at succeeds", file.write_at(offset as u64, &bytes));
        model.resize(model.len().max(offset + length), 0);
        model[offset..offset + length].copy_from_slice(&bytes);
        assert_eq!(contents(&*file), model, "rule broken: reads give what writes wrote");
    }
}

/// A read over the end zeroes the rest and says how much there was.
pub fn reads_past_the_end_are_zero_filled(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    for (offset, held, expected) in [(0, 3, *b"abc\0\0"), (2, 1, *b"c\0\0\0\0"), (3, 0, [0; 5])] {
        let mut buffer = [0xEE; 5];
        let read = rule("read_at succeeds past the end", file.read_at(offset, &mut buffer));
        assert_eq!(read, held, "rule broken: read_at counts the bytes the file held");
        assert_eq!(buffer, expected, "rule broken: read_at zeroes what lies past the end");
    }
    let mut buffer = [0xEE; 5];
    let read = rule("read_at succeeds far past the end", file.read_at(1 << 40, &mut buffer));
    assert_eq!((read, buffer), (0, [0; 5]), "rule broken: far past the end there are zeros");
    assert_eq!(file.size(), Ok(3), "rule broken: reading does not change the size");
}

/// Bytes never written read as zero.
pub fn holes_read_as_zero(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at beyond the end succeeds", file.write_at(10_000, b"x"));
    let bytes = contents(&*file);
    assert_eq!(bytes.len(), 10_001, "rule broken: a write beyond the end extends the file");
    assert!(bytes[..10_000].iter().all(|&byte| byte == 0), "rule broken: holes read as zero");
}

/// Empty reads and writes are harmless, also beyond the end.
pub fn empty_transfers_do_nothing(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("an empty write succeeds", file.write_at(100, b""));
    rule("an empty vectored write succeeds", file.write_vectored_at(100, &[]));
    assert_eq!(file.read_at(5, &mut []), Ok(0), "rule broken: an empty read gives 0");
    assert_eq!(file.size(), Ok(0), "rule broken: an empty write does not extend the file");
}

/// Two handles of one process see each other's writes at once.
pub fn writes_are_visible_through_other_handles(world: &dyn World) {
    let env = process(world);
    let (one, two) = (open(&*env, world, "file"), open(&*env, world, "file"));
    let reader = rule(
        "a file opens read-only beside other handles",
        env.open(&path(&*env, world, "file"), Access::ReadOnly),
    );
    rule("write_at succeeds", one.write_at(0, b"first"));
    rule("write_at succeeds", two.write_at(5, b"second"));
    for file in [&one, &two, &reader] {
        assert_eq!(
            contents(&**file),
            b"firstsecond",
            "rule broken: handles see each other's writes at once, without sync"
        );
    }
    rule("truncate succeeds", two.truncate(3));
    assert_eq!(contents(&*one), b"fir", "rule broken: handles see each other's truncation");
}

/// Other processes see writes at once.
pub fn writes_are_visible_to_other_processes(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    let Some((_other_env, other)) = open_elsewhere(world, "file") else { return };
    rule("write_at succeeds", file.write_at(0, b"hello"));
    assert_eq!(contents(&*other), b"hello", "rule broken: other processes see writes at once");
}

/// Slices follow each other without gaps.
pub fn vectored_writes_are_contiguous(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    let slices = [b"ab".as_slice(), b"", b"cde", b"f"].map(IoSlice::new);
    rule("write_vectored_at succeeds", file.write_vectored_at(2, &slices));
    assert_eq!(
        contents(&*file),
        b"\0\0abcdef",
        "rule broken: write_vectored_at writes its slices one after the other"
    );
}

/// Any number of slices is written, beyond what the operating system takes in one call.
pub fn many_slices_are_written_whole(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    let pieces: Vec<[u8; 3]> = (0..3000u32).map(|i| [i as u8, (i >> 8) as u8, 7]).collect();
    let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    rule("write_vectored_at succeeds with 3000 slices", file.write_vectored_at(1, &slices));
    assert_eq!(
        contents(&*file)[1..],
        *pieces.concat(),
        "rule broken: write_vectored_at writes every slice"
    );
}

/// Truncation shortens.
pub fn truncate_cuts(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, &[9; 10_000]));
    rule("truncate succeeds", file.truncate(5000));
    assert_eq!(contents(&*file), [9; 5000], "rule broken: truncate cuts to the given size");
    rule("truncate to nothing succeeds", file.truncate(0));
    assert_eq!(file.size(), Ok(0), "rule broken: truncate cuts to nothing");
}

/// Truncation to a larger size is no growth.
pub fn truncate_never_grows(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    for size in [3, 4, 100_000] {
        rule("truncate beyond the end succeeds", file.truncate(size));
        assert_eq!(file.size(), Ok(3), "rule broken: truncate never grows a file");
    }
}

/// Cut bytes do not come back.
pub fn growth_after_truncate_reads_as_zero(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, &[9; 10_000]));
    rule("truncate succeeds", file.truncate(100));
    rule("write_at succeeds", file.write_at(9000, b"x"));
    let bytes = contents(&*file);
    assert!(
        bytes[100..9000].iter().all(|&byte| byte == 0),
        "rule broken: bytes cut off by truncate read as zero when the file grows again"
    );
}

/// Reserving space leaves the bytes alone.
pub fn allocation_changes_no_byte(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    rule("allocate succeeds", file.allocate(100_000));
    let bytes = contents(&*file);
    assert!(
        bytes.len() == 3 || bytes.len() == 100_000,
        "rule broken: allocate reserves up to size"
    );
    assert_eq!(bytes[..3], *b"abc", "rule broken: allocate changes no byte");
    assert!(bytes[3..].iter().all(|&byte| byte == 0), "rule broken: allocated bytes are zero");
    rule("allocate below the size succeeds", file.allocate(1));
    let mut head = [0; 3];
    rule("read_at succeeds", file.read_at(0, &mut head));
    assert_eq!(head, *b"abc", "rule broken: allocate never cuts");
}

/// Sync has no visible effect.
pub fn sync_succeeds_and_changes_nothing(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("sync of an empty file succeeds", file.sync());
    rule("write_at succeeds", file.write_at(0, b"abc"));
    rule("sync succeeds", file.sync());
    rule("a second sync succeeds", file.sync());
    assert_eq!(contents(&*file), b"abc", "rule broken: sync changes nothing");
}

/// A handle opened read-only changes nothing.
pub fn a_read_only_handle_refuses_writes(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    let reader =
        rule("a file opens read-only", env.open(&path(&*env, world, "file"), Access::ReadOnly));
    assert_eq!(
        reader.write_at(0, b"x"),
        Err(EnvError::ReadOnly),
        "rule broken: writing through a read-only handle is ReadOnly"
    );
    assert_eq!(
        reader.truncate(0),
        Err(EnvError::ReadOnly),
        "rule broken: truncating through a read-only handle is ReadOnly"
    );
    assert_eq!(contents(&*file), b"abc", "rule broken: a read-only handle changes nothing");
}

/// Offsets no file can have are errors, not panics or wrapping.
pub fn absurd_offsets_fail_cleanly(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    for offset in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 63] {
        assert!(
            file.write_at(offset, b"xyz").is_err(),
            "rule broken: writing at offset {offset} fails"
        );
        if let Ok(held) = file.read_at(offset, &mut [1; 3]) {
            assert_eq!(held, 0, "rule broken: there is nothing at offset {offset}");
        }
    }
    assert_eq!(file.size(), Ok(0), "rule broken: a failed write far out leaves the size");
}

/// Sectors are 512 bytes or a larger power of two.
pub fn sector_size_is_a_power_of_two(world: &dyn World) {
    let env = process(world);
    let size = open(&*env, world, "file").sector_size();
    assert!(
        size >= 512 && size.is_power_of_two(),
        "rule broken: sector_size is a power of two of at least 512, got {size}"
    );
}

/// Closing all handles loses nothing.
pub fn contents_survive_closing(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    rule("write_at succeeds", file.write_at(4090, b"hello world"));
    drop(file);
    let file = open(&*env, world, "file");
    assert_eq!(contents(&*file)[4090..], *b"hello world", "rule broken: contents survive closing");
}

/// A handle needs its environment object no longer.
pub fn handles_outlive_the_environment(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "file");
    drop(env);
    rule("a handle works after its environment is dropped", file.write_at(0, b"x"));
    assert_eq!(file.size(), Ok(1), "rule broken: a handle outlives its environment");
}

/// Where threads exist, transfers of several threads through one handle do not disturb each other.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub fn positions_of_threads_do_not_mix(world: &dyn World) {
    const PIECE: usize = 512;
    let env = process(world);
    if !env.capabilities().threads {
        return;
    }
    let file = open(&*env, world, "file");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                for round in 0..50 {
                    let offset = ((round * 4 + usize::from(thread)) * PIECE) as u64;
                    rule("write_at succeeds in threads", file.write_at(offset, &[thread; PIECE]));
                    let mut back = [0xFF; PIECE];
                    rule("read_at succeeds in threads", file.read_at(offset, &mut back));
                    assert_eq!(back, [thread; PIECE], "rule broken: positions are per call");
                }
            });
        }
    });
    for (index, piece) in contents(&*file).chunks(PIECE).enumerate() {
        assert!(
            piece.iter().all(|&byte| usize::from(byte) == index % 4),
            "rule broken: every thread's write arrives at its own offset"
        );
    }
}

/// There are no threads here.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub fn positions_of_threads_do_not_mix(_world: &dyn World) {}
