//! The two meta pages: finding the newest checkpoint and writing the next one.
//!
//! The checkpoint goes alternately to meta page 1 and 2, so the newest good one is never
//! overwritten; a sync before makes the pages it names durable, a sync after the checkpoint itself.
//! Only the first 4066 bytes of a meta page are touched, lock bytes follow.
//! Format: docs/format.md, "Checkpoint" and "Which meta page".

use crate::env::File;
use crate::error::{Error, ErrorKind, IoContext, Place, Result};
use crate::format::checkpoint::{Checkpoint, verified_len};
use crate::format::geometry::{META_PAGE_BYTES, META_PAGE_USED};

/// What the meta pages hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetaPages {
    /// Nothing was ever written: the file is empty or zero as far as the meta pages reach.
    Empty,
    /// Bytes, but no checkpoint whose checksum holds. Either no database, or one whose very first
    /// checkpoint was torn: the caller knows whether there is a log.
    Unreadable,
    /// The newest checkpoint.
    Found {
        /// The meta page it stands in, 1 or 2.
        page: u32,
        /// The checkpoint.
        checkpoint: Box<Checkpoint>,
    },
}

/// One meta page.
struct MetaPage {
    words: Vec<u32>,
    blank: bool,
}

impl MetaPage {
    fn read(file: &dyn File, page: u32) -> Result<Self> {
        let mut bytes = vec![0; META_PAGE_USED];
        file.read_at(offset(page), &mut bytes).during("reading a meta page")?;
        let blank = bytes.iter().all(|&byte| byte == 0);
        let (words, _) = bytes.as_chunks::<4>();
        Ok(MetaPage { words: words.iter().map(|&word| u32::from_be_bytes(word)).collect(), blank })
    }

    fn id(&self) -> i64 {
        let word = |index| i64::from(self.words.get(index).copied().unwrap_or(0));
        word(0) << 32 | word(1)
    }

    fn verified(&self) -> Option<&[u32]> {
        self.words.get(..verified_len(&self.words)?)
    }
}

fn offset(page: u32) -> u64 {
    if page == 2 { META_PAGE_BYTES } else { 0 }
}

/// Finds the newest checkpoint.
///
/// # Errors
/// `Corrupt` when its checksum holds but it breaks a rule of the format: an older one would name
/// blocks that are used again.
pub(crate) fn read_newest(file: &dyn File) -> Result<MetaPages> {
    let pages = [MetaPage::read(file, 1)?, MetaPage::read(file, 2)?];
    let [first, second] = &pages;
    let order = if second.id() > first.id() {
        [(2, second), (1, first)]
    } else {
        [(1, first), (2, second)]
    };
    for (page, content) in order {
        if let Some(words) = content.verified() {
            let checkpoint = Checkpoint::decode(words).map_err(|error| in_page(page, error))?;
            return Ok(MetaPages::Found { page, checkpoint: Box::new(checkpoint) });
        }
    }
    Ok(if pages.iter().all(|page| page.blank) { MetaPages::Empty } else { MetaPages::Unreadable })
}

fn in_page(page: u32, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt { rule, .. } => Error::corrupt(Place::MetaPage(page), rule.clone()),
        _ => error,
    }
}

/// The checkpoint in one meta page; `None` if its checksum does not hold.
///
/// # Errors
/// `Corrupt` when the checksum holds but a rule of the format is broken.
pub(crate) fn read_page(file: &dyn File, page: u32) -> Result<Option<Checkpoint>> {
    let content = MetaPage::read(file, page)?;
    let words = content.verified();
    words.map(|words| Checkpoint::decode(words).map_err(|error| in_page(page, error))).transpose()
}

/// The bytes of both meta pages, to notice a change by.
pub(crate) fn read_raw(file: &dyn File) -> Result<Vec<u8>> {
    let mut bytes = vec![0; META_PAGE_BYTES as usize + META_PAGE_USED];
    file.read_at(0, &mut bytes).during("reading the meta pages")?;
    Ok(bytes)
}

/// Reads one meta page without trusting its checksum: whether it holds, and what the page says;
/// `None` for a blank page.
pub(crate) fn read_relaxed(
    file: &dyn File,
    page: u32,
) -> Result<(bool, Option<Result<Checkpoint>>)> {
    let content = MetaPage::read(file, page)?;
    if content.blank {
        return Ok((false, None));
    }
    let proven = content.verified();
    let words = proven.unwrap_or(&content.words);
    let found = Checkpoint::decode(words).map_err(|error| in_page(page, error));
    Ok((proven.is_some(), Some(found)))
}

/// The meta page to write when the newest checkpoint stands in `current` (0 = nowhere).
#[must_use]
pub(crate) fn page_after(current: u32) -> u32 {
    current % 2 + 1
}

/// Writes `checkpoint` to meta page `page`, synchronising before and after if `sync`.
///
/// # Errors
/// Those of the file. After a failed sync nothing is known about what is durable.
pub(crate) fn write(file: &dyn File, page: u32, checkpoint: &Checkpoint, sync: bool) -> Result<()> {
    let mut bytes = Vec::with_capacity(META_PAGE_USED);
    for word in checkpoint.encode()? {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.resize(META_PAGE_USED, 0);
    if sync {
        file.sync().during("syncing pages before a checkpoint")?;
    }
    file.write_at(offset(page), &bytes).during("writing a checkpoint")?;
    if sync {
        file.sync().during("syncing a checkpoint")?;
    }
    Ok(())
}

/// Pages that may still be written before an automatic checkpoint is due. `None` = never due.
#[must_use]
pub(crate) fn pages_until_due(
    written: u32,
    written_on_disk: u32,
    page_size: u32,
    limit_bytes: u64,
) -> Option<u64> {
    if limit_bytes == 0 {
        return None;
    }
    let limit = (limit_bytes / u64::from(page_size.max(1))).max(1);
    Some(limit.saturating_sub(u64::from(written.wrapping_sub(written_on_disk))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sorted::test_file::MemoryFile;

    fn checkpoint(id: i64) -> Checkpoint {
        Checkpoint { id, ..Checkpoint::empty(4096, 1 << 20) }
    }

    fn found(file: &MemoryFile) -> Option<(u32, i64)> {
        match read_newest(file).unwrap() {
            MetaPages::Found { page, checkpoint } => Some((page, checkpoint.id)),
            _ => None,
        }
    }

    #[test]
    fn checkpoints_alternate_and_a_torn_one_falls_back() {
        let file = MemoryFile::default();
        assert_eq!(read_newest(&file).unwrap(), MetaPages::Empty);
        let mut page = 0;
        for id in 11..15 {
            page = page_after(page);
            write(&file, page, &checkpoint(id), true).unwrap();
            assert_eq!(found(&file), Some((page, id)));
        }
        assert_eq!(page, 2);
        assert_eq!(file.syncs(), 8);
        file.write_at(4096 + 30, &[0xEE]).unwrap();
        assert_eq!(found(&file), Some((1, 13)));
        file.write_at(30, &[0xEE]).unwrap();
        assert_eq!(read_newest(&file).unwrap(), MetaPages::Unreadable);
    }

    #[test]
    fn equal_ids_go_to_page_one_and_the_tail_is_zero() {
        let file = MemoryFile::default();
        file.write_at(0, &[0xAA; 8192]).unwrap();
        write(&file, 1, &checkpoint(11), false).unwrap();
        write(&file, 2, &checkpoint(11), false).unwrap();
        assert_eq!(found(&file), Some((1, 11)));
        let mut tail = vec![0; 4096 - 100];
        file.read_at(100, &mut tail).unwrap();
        assert!(tail[..4066 - 100].iter().all(|&byte| byte == 0));
        assert!(tail[4066 - 100..].iter().all(|&byte| byte == 0xAA), "lock bytes are left alone");
    }

    #[test]
    fn a_valid_checksum_over_nonsense_is_corrupt() {
        let file = MemoryFile::default();
        write(&file, 1, &checkpoint(11), false).unwrap();
        write(&file, 2, &Checkpoint { page_size: 1000, ..checkpoint(12) }, false).unwrap();
        let error = read_newest(&file).unwrap_err();
        assert!(error.to_string().contains("meta page 2"), "{error}");
    }

    #[test]
    fn garbage_is_not_taken_for_an_empty_database() {
        let file = MemoryFile::default();
        file.write_at(0, b"SQLite format 3\0").unwrap();
        assert_eq!(read_newest(&file).unwrap(), MetaPages::Unreadable);
        let zeros = MemoryFile::default();
        zeros.write_at(0, &[0; 9000]).unwrap();
        assert_eq!(read_newest(&zeros).unwrap(), MetaPages::Empty);
    }

    #[test]
    fn pacing_counts_modulo_two_to_the_32() {
        assert_eq!(pages_until_due(10, 4, 4096, 0), None);
        assert_eq!(pages_until_due(10, 4, 4096, 40960), Some(4));
        assert_eq!(pages_until_due(3, u32::MAX, 4096, 40960), Some(6));
        assert_eq!(pages_until_due(30, 4, 4096, 40960), Some(0));
    }
}
