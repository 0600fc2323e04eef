//! What the fuzz targets share: repairing checksums, so that damage gets past them, and using a
//! database whose bytes may be anything.

pub mod c_api;
pub mod c_world;

use siltstone::format::checkpoint::{MAX_WORDS, checksum};
use siltstone::format::log_record::{CHECKSUM_LEN, Checksum, MAX_HEAD_LEN, RecordHead, RecordKind};
use siltstone::{Database, ErrorKind, Options, Result, WorkLimit};
use siltstone_memory::MemoryWorld;

/// Bytes of a meta page.
const META_PAGE: usize = 4096;

/// Makes the checksum of a checkpoint right, if its length is plausible.
pub fn repair_checkpoint(page: &mut [u8]) {
    let mut words: Vec<u32> = page
        .as_chunks::<4>()
        .0
        .iter()
        .take(MAX_WORDS)
        .map(|word| u32::from_be_bytes(*word))
        .collect();
    let Some(&len) = words.get(2) else { return };
    let len = len as usize;
    if !(5..=words.len()).contains(&len) {
        return;
    }
    words.truncate(len);
    for (slot, word) in page[(len - 2) * 4..len * 4].chunks_mut(4).zip(checksum(&words)) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
}

/// Makes the checksums of both meta pages right.
pub fn repair_database(bytes: &mut [u8]) {
    for page in bytes.chunks_mut(META_PAGE).take(2) {
        repair_checkpoint(page);
    }
}

/// Makes the checksums of a log that begins with `seeds` right, as far as its records go.
pub fn repair_log(log: &mut [u8], seeds: [u32; 2]) {
    let mut sum = Checksum::new(seeds);
    let mut stream = Vec::new();
    let mut at = 0;
    // Jumps may lead in circles.
    for _ in 0..log.len() {
        let mut head = [0; MAX_HEAD_LEN];
        let Some(rest) = log.get(at..) else { return };
        let held = rest.len().min(MAX_HEAD_LEN);
        head[..held].copy_from_slice(&rest[..held]);
        let Some(found) = RecordHead::decode(&head) else { return };
        let checked = if found.checksum.is_some() { CHECKSUM_LEN } else { 0 };
        let Some(bytes) = log.get(at..at + found.len) else { return };
        stream.extend_from_slice(bytes);
        at += found.len;
        if checked > 0 {
            sum.fold_padded(&stream);
            stream.clear();
            let Some(slot) = log.get_mut(at..at + CHECKSUM_LEN) else { return };
            slot.copy_from_slice(&sum.to_bytes());
            at += CHECKSUM_LEN;
        }
        if let RecordKind::Jump { target } = found.kind {
            let Ok(target) = usize::try_from(target) else { return };
            at = target;
            continue;
        }
        let end = usize::try_from(found.kind.payload()).ok().and_then(|len| at.checked_add(len));
        let Some((end, payload)) = end.and_then(|end| Some((end, log.get(at..end)?))) else {
            return;
        };
        stream.extend_from_slice(payload);
        at = end;
    }
}

/// Opens files with these contents.
pub fn open(database: &[u8], log: Option<&[u8]>, read_only: bool) -> Result<Database> {
    let world = MemoryWorld::new();
    world.write_file("db", database).expect("a small file");
    if let Some(log) = log {
        world.write_file("db-log", log).expect("a small file");
    }
    Options::new().read_only(read_only).open_with_env(world.process(), "db")
}

/// Demands that a failure is one that damage may cause.
pub fn honest<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            let allowed = matches!(
                error.kind(),
                ErrorKind::Corrupt { .. }
                    | ErrorKind::NotADatabase(_)
                    | ErrorKind::Codec(_)
                    | ErrorKind::Mismatch { .. }
                    | ErrorKind::Poisoned(_)
                    | ErrorKind::Full(_)
            );
            assert!(allowed, "{error}");
            None
        }
    }
}

/// Reads everything both ways, looks some keys up, and checks.
pub fn read(database: &Database) {
    let mut keys = Vec::new();
    for backward in [false, true] {
        let Some(mut cursor) = honest(database.cursor()) else { return };
        let mut more = honest(if backward { cursor.last() } else { cursor.first() });
        while more == Some(true) {
            if keys.len() < 8 {
                keys.extend(cursor.key().map(<[u8]>::to_vec));
            }
            honest(cursor.value());
            more = honest(if backward { cursor.previous() } else { cursor.next() });
        }
    }
    for key in keys {
        honest(database.get(&key));
    }
    database.check().expect("damage is reported, not returned");
}

/// Writes, merges and closes.
pub fn write(database: Database) {
    honest(database.insert("fuzz", "value"));
    honest(database.remove_range(&b"a"[..]..&b"k"[..]));
    honest(database.flush());
    honest(database.work(WorkLimit::bytes(16 << 10)));
    honest(database.compact());
    honest(database.close());
}
