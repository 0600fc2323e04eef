//! A database as bytes, and what a user does with it.

use siltstone::codec::{Codec, CodecError, built_in};
use siltstone::format::checkpoint::{Checkpoint, checksum, verified_len};
use siltstone::{Database, ErrorKind, Options, Result, WorkLimit};
use siltstone_memory::MemoryWorld;
use siltstone_tests::{Row, fixtures};
use std::fs;
use std::sync::Arc;

/// The codec of the compressed fixture: 00 and a count stand for that many zero bytes.
#[derive(Debug)]
struct Zrle;

impl Codec for Zrle {
    fn id(&self) -> u32 {
        siltstone_peer::ZRLE
    }

    fn bound(&self, page_len: usize) -> usize {
        2 * page_len + 64
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> std::result::Result<(), CodecError> {
        let mut rest = page;
        while let Some(&byte) = rest.first() {
            let run = rest.iter().take(255).take_while(|&&other| other == 0).count().max(1);
            out.push(byte);
            if byte == 0 {
                out.push(run as u8);
            }
            rest = &rest[run..];
        }
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> std::result::Result<(), CodecError> {
        let wrong = || CodecError::new("not a page");
        let (mut at, mut bytes) = (0, record.iter());
        while let Some(&byte) = bytes.next() {
            let run = if byte == 0 { *bytes.next().ok_or_else(wrong)? as usize } else { 1 };
            page.get_mut(at..at + run)
                .filter(|part| !part.is_empty())
                .ok_or_else(wrong)?
                .fill(byte);
            at += run;
        }
        if at == page.len() { Ok(()) } else { Err(wrong()) }
    }
}

fn codec(id: u32) -> Option<Arc<dyn Codec>> {
    if id == siltstone_peer::ZRLE { Some(Arc::new(Zrle)) } else { built_in(id) }
}

/// Options with every codec.
pub(crate) fn options() -> Options {
    Options::new().codec_factory(Arc::new(codec))
}

/// Files of a database.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) database: Vec<u8>,
    pub(crate) log: Option<Vec<u8>>,
    /// Keys worth asking for.
    pub(crate) keys: Arc<[Vec<u8>]>,
}

impl Image {
    /// A fixture, and what it shows.
    pub(crate) fn fixture(name: &str) -> (Image, Vec<Row>) {
        let path = fixtures::directory().join(format!("{name}.lsm"));
        let expected = fixtures::expected(name);
        let step = (expected.len() / 4).max(1);
        let keys = expected.iter().step_by(step).map(|row| row.0.clone()).collect();
        let log = fs::read(fixtures::log_of(&path)).ok();
        let name = name.to_owned();
        (Image { name, database: fs::read(path).unwrap(), log, keys }, expected)
    }

    /// The files in a world of their own.
    pub(crate) fn world(&self) -> MemoryWorld {
        let world = MemoryWorld::new();
        world.write_file("db", &self.database).unwrap();
        if let Some(log) = &self.log {
            world.write_file("db-log", log).unwrap();
        }
        world
    }

    pub(crate) fn open_to_read(&self) -> Result<Database> {
        options().read_only(true).open_with_env(self.world().process(), "db")
    }

    /// The meta page with the newest checkpoint, and its words.
    pub(crate) fn newest(&self) -> (usize, Vec<u32>) {
        let words = |page: usize| -> Vec<u32> {
            let (chunks, _) = self.database[page * 4096..][..4064].as_chunks::<4>();
            chunks.iter().map(|word| u32::from_be_bytes(*word)).collect()
        };
        let valid = (0..2).filter_map(|page| {
            let words = words(page);
            let len = verified_len(&words)?;
            let id = Checkpoint::decode(&words[..len]).ok()?.id;
            Some((id, page, words[..len].to_vec()))
        });
        let (_, page, words) = valid.max().expect("a checkpoint");
        (page, words)
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::decode(&self.newest().1).unwrap()
    }

    /// Replaces the newest checkpoint by these words, their checksum repaired.
    pub(crate) fn set_words(&mut self, mut words: Vec<u32>) {
        let page = self.newest().0;
        let len = words.len();
        if words[2] as usize == len {
            let sum = checksum(&words);
            words[len - 2..].copy_from_slice(&sum);
        }
        for (at, word) in words.iter().enumerate() {
            self.database[page * 4096 + at * 4..][..4].copy_from_slice(&word.to_be_bytes());
        }
    }
}

/// Whether damage may be answered like this.
pub(crate) fn is_honest(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt { .. }
            | ErrorKind::NotADatabase(_)
            | ErrorKind::Codec(_)
            | ErrorKind::Mismatch { .. }
    )
}

/// Scans forward.
pub(crate) fn scan(database: &Database) -> Result<Vec<Row>> {
    database.iter()?.collect()
}

/// Scans backward; the rows are turned around.
pub(crate) fn scan_backward(database: &Database) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = database.iter()?.rev().collect::<Result<_>>()?;
    rows.reverse();
    Ok(rows)
}

/// Counts entries one way.
fn count(database: &Database, backward: bool) -> Result<usize> {
    let mut cursor = database.cursor()?;
    let mut more = if backward { cursor.last()? } else { cursor.first()? };
    let mut entries = 0;
    while more {
        entries += 1;
        cursor.value()?;
        more = if backward { cursor.previous()? } else { cursor.next()? };
    }
    Ok(entries)
}

/// Notes an honest refusal; anything else is a failure.
fn honest<T>(outcome: Result<T>, refused: &mut bool) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(is_honest(error.kind()), "{error}");
            *refused = true;
            None
        }
    }
}

/// Reads everything in every way. Returns whether damage was noticed.
pub(crate) fn read(image: &Image) -> bool {
    let mut noticed = false;
    let Some(database) = honest(image.open_to_read(), &mut noticed) else { return true };
    honest(count(&database, false), &mut noticed);
    honest(count(&database, true), &mut noticed);
    for key in image.keys.iter() {
        honest(database.get(key), &mut noticed);
    }
    let report = database.check().expect("damage is reported, not returned");
    noticed || !report.is_sound()
}

/// Writes, merges everything and closes, as long as it goes.
pub(crate) fn write(image: &Image) {
    let world = image.world();
    let mut noticed = false;
    let opened = options().open_with_env(world.process(), "db");
    let Some(database) = honest(opened, &mut noticed) else { return };
    let allowed = |outcome: Result<()>| {
        if let Err(error) = outcome {
            let after = matches!(error.kind(), ErrorKind::Poisoned(_) | ErrorKind::Full(_));
            assert!(after || is_honest(error.kind()), "{error}");
        }
    };
    allowed(database.insert("hostile", "value"));
    allowed(database.remove_range(&b"k"[..]..&b"k5"[..]));
    allowed(database.flush());
    allowed(database.work(WorkLimit::bytes(8 << 10)).map(drop));
    allowed(database.compact().map(drop));
    allowed(database.insert("hostile", "again"));
    database.check().expect("damage is reported, not returned");
    allowed(database.close());
}
