//! Files in memory, opening of databases, and the model.

use crate::codec::Codec;
use crate::env::{EnvError, File, FileMap, LockId, LockMode};
use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, verified_len};
use crate::format::key::KeyBuffer;
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::pager::{Pager, PagerOptions, Run};
use crate::shm::Shm;
use crate::sorted::ReadView;
use crate::sorted::segment_cursor::SegmentCursor;
use crate::sorted::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A file that never changes.
#[derive(Clone, Debug)]
pub(super) struct Bytes(pub(super) Arc<Vec<u8>>);

impl FileMap for Bytes {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl File for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> crate::env::Result<usize> {
        buffer.fill(0);
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let held = buffer.len().min(self.0.len() - from);
        buffer[..held].copy_from_slice(&self.0[from..from + held]);
        Ok(held)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> crate::env::Result<()> {
        Err(EnvError::ReadOnly)
    }

    fn truncate(&self, _: u64) -> crate::env::Result<()> {
        Err(EnvError::ReadOnly)
    }

    fn size(&self) -> crate::env::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn sync(&self) -> crate::env::Result<()> {
        Ok(())
    }

    fn lock(&self, _: LockId, _: LockMode) -> crate::env::Result<()> {
        Ok(())
    }

    fn test_lock(&self, _: LockId, _: u8, _: LockMode) -> crate::env::Result<bool> {
        Ok(true)
    }

    fn map(&self) -> crate::env::Result<Option<Arc<dyn FileMap>>> {
        Ok(Some(Arc::new(self.clone())))
    }
}

/// The codec of the compressed fixture: byte 0 and a count stand for so many zero bytes.
#[derive(Debug)]
pub(super) struct Zrle;

impl Codec for Zrle {
    fn id(&self) -> u32 {
        10101
    }

    fn bound(&self, page_len: usize) -> usize {
        2 * page_len + 64
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> crate::codec::Result<()> {
        let mut rest = page;
        while let Some((&byte, tail)) = rest.split_first() {
            let run = rest.iter().take(255).take_while(|&&byte| byte == 0).count();
            if run > 0 {
                out.extend([0, run as u8]);
                rest = &rest[run..];
            } else {
                out.push(byte);
                rest = tail;
            }
        }
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> crate::codec::Result<()> {
        let bad = || crate::codec::CodecError::new("bad run");
        let (mut at, mut bytes) = (0, record.iter());
        while let Some(&byte) = bytes.next() {
            let count = match byte {
                0 => usize::from(*bytes.next().filter(|&&count| count > 0).ok_or_else(bad)?),
                _ => 1,
            };
            page.get_mut(at..at + count).ok_or_else(bad)?.fill(byte);
            at += count;
        }
        if at == page.len() { Ok(()) } else { Err(bad()) }
    }
}

/// The newest valid checkpoint of a file.
pub(super) fn checkpoint(bytes: &[u8]) -> Result<Option<Checkpoint>> {
    let mut best: Option<Checkpoint> = None;
    for at in [0, 4096] {
        let page = bytes.get(at..(at + 4064).min(bytes.len())).unwrap_or_default();
        let words: Vec<u32> =
            page.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
        if verified_len(&words).is_some() {
            let found = Checkpoint::decode(&words)?;
            if best.as_ref().is_none_or(|best| best.id < found.id) {
                best = Some(found);
            }
        }
    }
    Ok(best)
}

/// Opens a database file for reading.
pub(super) fn open(bytes: &Arc<Vec<u8>>, options: PagerOptions) -> Result<ReadView> {
    let checkpoint = checkpoint(bytes)?.unwrap_or_else(|| Checkpoint::empty(4096, 1 << 20));
    let codec: Option<Arc<dyn Codec>> = (checkpoint.compression > 1).then(|| Arc::new(Zrle) as _);
    let file = Arc::new(Bytes(Arc::clone(bytes)));
    let pager = Arc::new(Pager::new(file, checkpoint.geometry()?, codec, options));
    let snapshot = Arc::new(Snapshot::new(checkpoint, &pager)?);
    let live = TreeRoot::default();
    Ok(ReadView { shm: Shm::heap()?, live, old: None, snapshot, pager })
}

/// With map, and with a cache of very few pages.
pub(super) const WAYS: [PagerOptions; 2] = [
    PagerOptions { cache_bytes: 2 << 20, map_bytes: u64::MAX },
    PagerOptions { cache_bytes: 1, map_bytes: 0 },
];

/// Name and content of each database among the fixtures, smallest first.
pub(super) fn fixtures() -> Vec<(String, Arc<Vec<u8>>)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/c-lsm1");
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lsm"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Arc::new(std::fs::read(path).unwrap()))
        })
        .collect();
    found.sort_by_key(|(name, bytes)| (bytes.len(), name.clone()));
    assert!(found.len() >= 16, "fixtures are missing");
    found
}

pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What a full scan of a fixture must return.
pub(super) fn expected(name: &str) -> Pairs {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/c-lsm1");
    let text = std::fs::read_to_string(format!("{directory}/{name}.expect.txt")).unwrap();
    let unhex = |text: &str| -> Vec<u8> {
        let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let pair = |line: &str| line.split_once('\t').map(|(key, value)| (unhex(key), unhex(value)));
    text.lines().filter_map(pair).collect()
}

struct Raw {
    key: KeyBuffer,
    flags: EntryFlags,
    value: Vec<u8>,
}

struct Sorted {
    entries: Vec<Raw>,
    split: Option<KeyBuffer>,
    is_left: bool,
}

impl Sorted {
    /// The value, or that the key is deleted, or nothing.
    fn verdict(&self, key: &KeyBuffer) -> Option<Option<Vec<u8>>> {
        if let Some(split) = &self.split
            && (key.as_ref() < split.as_ref()) != self.is_left
        {
            return None;
        }
        let at = self.entries.partition_point(|raw| raw.key.as_ref() < key.as_ref());
        match self.entries.get(at) {
            Some(raw) if raw.key == *key => {
                if raw.flags.contains(EntryFlags::INSERT) {
                    return Some(Some(raw.value.clone()));
                }
                return raw.flags.contains(EntryFlags::POINT_DELETE).then_some(None);
            }
            Some(raw) if raw.flags.contains(EntryFlags::END_DELETE) => return Some(None),
            _ => {}
        }
        let before = at.checked_sub(1).map(|at| self.entries[at].flags);
        before.is_some_and(|flags| flags.contains(EntryFlags::START_DELETE)).then_some(None)
    }
}

fn raw(view: &ReadView, run: &Arc<Run>) -> Result<Vec<Raw>> {
    let mut cursor = SegmentCursor::new(Arc::clone(run));
    let mut out = Vec::new();
    cursor.first(&view.pager)?;
    while cursor.is_valid() {
        let mut key = KeyBuffer::default();
        key.set(cursor.key());
        let flags = cursor.flags();
        let value = cursor.value(&view.pager)?.to_vec();
        if !flags.is_pure_separator() {
            out.push(Raw { key, flags, value });
        }
        cursor.next(&view.pager)?;
    }
    Ok(out)
}

/// What a view shows, by the visibility rule applied to every key of every segment; and all keys
/// that occur.
pub(super) fn model(view: &ReadView, system: bool) -> (Pairs, BTreeSet<Vec<u8>>) {
    let mut sources = Vec::new();
    for level in &view.snapshot.levels {
        let split = level.split.clone();
        let entries = raw(view, &level.left).unwrap();
        sources.push(Sorted { entries, split: split.clone(), is_left: true });
        for right in &level.rights {
            let entries = raw(view, &right.run).unwrap();
            sources.push(Sorted { entries, split: split.clone(), is_left: false });
        }
    }
    let entries = sources.iter().flat_map(|source| &source.entries);
    let keys: BTreeSet<Vec<u8>> =
        entries.filter(|raw| raw.key.system == system).map(|raw| raw.key.bytes.clone()).collect();
    let visible = keys.iter().filter_map(|bytes| {
        let key = KeyBuffer { system, bytes: bytes.clone() };
        let value = sources.iter().find_map(|source| source.verdict(&key))??;
        Some((bytes.clone(), value))
    });
    (visible.collect(), keys)
}
