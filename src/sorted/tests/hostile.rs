//! Damaged bytes: an error or other content, never a panic, an endless loop or much memory.

use super::support::{WAYS, fixtures, model, open};
use crate::error::Result;
use crate::pager::PagerOptions;
use crate::sorted::ReadView;
use crate::sorted::cursor::{MergedCursor, Seek};
use crate::sorted::get::get;
use std::sync::Arc;

/// Scans both ways and seeks; no more rows can come than the file could hold cells.
fn use_all(view: &ReadView, limit: usize) -> Result<()> {
    let mut cursor = MergedCursor::new(view);
    let mut rows = 0;
    cursor.first(view)?;
    while cursor.is_valid() {
        cursor.value(view)?;
        cursor.next(view)?;
        rows += 1;
        assert!(rows <= limit, "endless forward scan");
    }
    cursor.last(view)?;
    while cursor.is_valid() {
        cursor.previous(view)?;
        rows += 1;
        assert!(rows <= 2 * limit, "endless backward scan");
    }
    for key in [&b"k0100"[..], b"", b"m"] {
        get(view, key)?;
        cursor.seek(view, key, Seek::AtMost)?;
    }
    Ok(())
}

fn try_all(bytes: Vec<u8>, way: PagerOptions) -> Result<()> {
    let limit = bytes.len();
    use_all(&open(&Arc::new(bytes), way)?, limit)
}

/// Bytes that a reader looks at, so that changing others is not tried.
fn used_part(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0)
}

/// Every byte of every fixture is `cargo xtask hostile`'s.
#[test]
fn a_sample_of_single_byte_changes_is_survived() {
    for (name, bytes) in fixtures() {
        if !["range-deletes", "mid-merge", "compressed-zrle"].contains(&name.as_str()) {
            continue;
        }
        let mut noticed = 0;
        for at in (8192..used_part(&bytes)).step_by(211) {
            for change in [0x01, 0x80, 0xFF] {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= change;
                noticed += usize::from(try_all(damaged, WAYS[at & 1]).is_err());
            }
        }
        assert!(noticed > 0, "{name}: no damage was noticed at all");
    }
}

#[test]
fn every_changed_integer_of_a_checkpoint_is_survived() {
    for (name, bytes) in fixtures() {
        if !["mid-merge", "redirects", "compressed-zrle"].contains(&name.as_str()) {
            continue;
        }
        let view = open(&bytes, WAYS[0]).unwrap();
        let words = view.snapshot.checkpoint.encode().unwrap();
        for at in 0..words.len() - 2 {
            for value in [0, 1, 2, 17, 0xFFFF, 0x7FFF_FFFF, u32::MAX, words[at] ^ 1, words[at] + 1]
            {
                let mut changed = words.clone();
                changed[at] = value;
                let sum = crate::format::checkpoint::checksum(&changed);
                let count = changed.len();
                changed[count - 2..].copy_from_slice(&sum);
                let mut damaged = bytes.to_vec();
                let stored: Vec<u8> = changed.iter().flat_map(|word| word.to_be_bytes()).collect();
                damaged[..stored.len()].copy_from_slice(&stored);
                damaged[4096..4096 + 12].fill(0);
                let _ = try_all(damaged, WAYS[at & 1]);
            }
        }
    }
}

#[test]
fn cut_files_are_noticed() {
    for (name, bytes) in fixtures() {
        let view = open(&bytes, WAYS[0]).unwrap();
        if model(&view, false).0.len() < 100 || name.contains("stale") {
            continue;
        }
        for way in WAYS {
            let error = try_all(bytes[..9000].to_vec(), way).unwrap_err();
            assert!(error.is_corrupt(), "{name}: {error}");
        }
    }
}
