//! Decoding and validating a checkpoint blob: every rule that needs no page.
//!
//! Rules: docs/format.md, "Meta pages and the checkpoint" and "Validation".

use super::{
    COMPRESSION_NONE, CellPosition, Checkpoint, FreeEntry, Level, LogPointer, MAX_FREE_ENTRIES,
    MAX_REDIRECTS, MAX_SEGMENTS, MAX_WORDS, MIN_WORDS, Merge, Redirect, Segment, broken,
};
use crate::error::Result;
use crate::format::geometry::{Geometry, PageId};

pub(super) struct Decoder<'a> {
    words: &'a [u32],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(words: &'a [u32]) -> Result<Self> {
        let len = words.get(2).copied().unwrap_or(0) as usize;
        if !(MIN_WORDS..=MAX_WORDS).contains(&len) {
            return Err(broken(format!("word count {len} is not within 25..1016")));
        }
        let words = words.get(..len - 2).ok_or_else(|| broken("blob is cut short"))?;
        Ok(Decoder { words, at: 0 })
    }

    fn word(&mut self) -> Result<u32> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word.ok_or_else(|| broken("a record runs past the end of the blob"))
    }

    fn long(&mut self) -> Result<i64> {
        let high = self.word()?;
        Ok(i64::from(high) << 32 | i64::from(self.word()?))
    }

    fn id(&mut self) -> Result<u64> {
        let value = self.long()?;
        u64::try_from(value).map_err(|_| broken(format!("negative page id {value}")))
    }

    pub(super) fn checkpoint(mut self) -> Result<Checkpoint> {
        let id = self.long()?;
        let _len = self.word()?;
        let compression = self.word()?;
        let block_count = self.word()?;
        let block_size = self.word()?;
        let level_count = self.word()? as usize;
        let page_size = self.word()?;
        let pages_written = self.word()?;
        let log = LogPointer { pointer: self.long()?, checksum: [self.word()?, self.word()?] };
        let mut append_points = [0; 4];
        for point in &mut append_points {
            *point = self.id()?;
        }
        if id <= 0 {
            return Err(broken(format!("id {id} is not positive")));
        }
        if block_count > i32::MAX as u32 {
            return Err(broken(format!("block count {block_count} is beyond 2^31-1")));
        }
        if log.pointer < 0 {
            return Err(broken("negative log pointer"));
        }
        let geometry = Geometry::new(page_size, block_size, compression > COMPRESSION_NONE)?;
        let rules = Rules { geometry, block_count };
        if level_count > MAX_SEGMENTS + 1 {
            return Err(broken(format!("{level_count} levels, at most 41 are possible")));
        }
        for &point in &append_points {
            rules.append_point(point)?;
        }
        let mut levels = Vec::with_capacity(level_count);
        for index in 0..level_count {
            levels.push(self.level(&rules, index + 1 < level_count)?);
        }
        let redirects = self.redirects(block_count, !levels.is_empty())?;
        let free = self.free(block_count)?;
        if self.at != self.words.len() {
            return Err(broken(format!("{} unread words", self.words.len() - self.at)));
        }
        let checkpoint = Checkpoint {
            id,
            compression,
            block_count,
            block_size,
            page_size,
            pages_written,
            log,
            append_points,
            levels,
            redirects,
            free,
        };
        let segments = checkpoint.segment_count();
        if segments > MAX_SEGMENTS + 1 {
            return Err(broken(format!("{segments} segments, at most 41 are possible")));
        }
        Ok(checkpoint)
    }

    fn segment(&mut self) -> Result<Segment> {
        Ok(Segment { first: self.id()?, last: self.id()?, root: self.id()?, size: self.id()? })
    }

    fn level(&mut self, rules: &Rules, has_next: bool) -> Result<Level> {
        let header = self.word()?;
        let flags = header >> 16;
        if flags > 1 {
            return Err(broken(format!("unknown level flags {flags:#06x}")));
        }
        let right_count = self.word()? as usize;
        if right_count == 1 || right_count > MAX_SEGMENTS + 1 {
            return Err(broken(format!(
                "{right_count} inputs of a merge; 0 or 2..41 are possible"
            )));
        }
        let left = self.segment()?;
        rules.segment(&left)?;
        let mut right = Vec::with_capacity(right_count);
        for _ in 0..right_count {
            let segment = self.segment()?;
            rules.segment(&segment)?;
            right.push(segment);
        }
        let merge =
            if right_count == 0 { None } else { Some(self.merge(rules, right_count, has_next)?) };
        Ok(Level {
            age: (header & 0xFFFF) as u16,
            freelist_only: flags & 1 != 0,
            left,
            right,
            merge,
        })
    }

    fn merge(&mut self, rules: &Rules, right_count: usize, has_next: bool) -> Result<Merge> {
        let input_count = self.word()? as usize;
        if input_count != right_count && !(input_count == right_count + 1 && has_next) {
            return Err(broken(format!("{input_count} merge inputs for {right_count} segments")));
        }
        let skip = self.word()?;
        if skip > 3 {
            return Err(broken(format!("{skip} pages to skip, at most 3 are possible")));
        }
        let mut inputs = Vec::with_capacity(input_count);
        for index in 0..input_count {
            let position = self.position()?;
            rules.position(&position, index >= right_count)?;
            inputs.push(position);
        }
        let split = self.position()?;
        if split.page == 0 {
            return Err(broken("a merge without split key"));
        }
        if !rules.geometry.contains(split.page, rules.block_count) {
            return Err(broken(format!("split key on page {} outside the file", split.page)));
        }
        Ok(Merge { inputs, skip, split, current_pointer: self.long()? as u64 })
    }

    fn position(&mut self) -> Result<CellPosition> {
        Ok(CellPosition { page: self.id()?, cell: self.word()? })
    }

    fn redirects(&mut self, block_count: u32, has_level: bool) -> Result<Vec<Redirect>> {
        let count = self.word()? as usize;
        if count > MAX_REDIRECTS {
            return Err(broken(format!("{count} redirects, at most 16 are possible")));
        }
        if count > 0 && !has_level {
            return Err(broken("redirects without a level"));
        }
        let mut out: Vec<Redirect> = Vec::with_capacity(count);
        for _ in 0..count {
            let redirect = Redirect { from: self.word()?, to: self.word()? };
            let ascending = out.last().is_none_or(|last| last.from < redirect.from);
            let known = 2..=block_count;
            if !ascending
                || !known.contains(&redirect.from)
                || !known.contains(&redirect.to)
                || redirect.to >= redirect.from
            {
                return Err(broken(format!(
                    "redirect of block {} to {}",
                    redirect.from, redirect.to
                )));
            }
            out.push(redirect);
        }
        Ok(out)
    }

    fn free(&mut self, block_count: u32) -> Result<Vec<FreeEntry>> {
        let count = self.word()? as usize;
        if count > MAX_FREE_ENTRIES {
            return Err(broken(format!("{count} free entries, at most 24 are possible")));
        }
        let mut out: Vec<FreeEntry> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = FreeEntry { block: self.word()?, id: self.long()? };
            let ascending = out.last().is_none_or(|last| last.block < entry.block);
            if !ascending || !(1..=block_count).contains(&entry.block) || entry.id < -1 {
                return Err(broken(format!("free entry of block {}", entry.block)));
            }
            out.push(entry);
        }
        Ok(out)
    }
}

/// What page ids of a checkpoint must satisfy.
struct Rules {
    geometry: Geometry,
    block_count: u32,
}

impl Rules {
    fn segment(&self, segment: &Segment) -> Result<()> {
        let inside = |id| self.geometry.contains(id, self.block_count);
        if !inside(segment.first) || !inside(segment.last) {
            return Err(broken(format!(
                "segment {}..{} lies outside the file",
                segment.first, segment.last
            )));
        }
        if segment.root != 0 && !inside(segment.root) {
            return Err(broken(format!("b-tree root {} lies outside the file", segment.root)));
        }
        if segment.size == 0 {
            return Err(broken(format!("segment at {} has size 0", segment.first)));
        }
        Ok(())
    }

    fn append_point(&self, point: PageId) -> Result<()> {
        let geometry = &self.geometry;
        // A compressed append point may be the first byte behind the last usable one.
        let inside = geometry.contains(point, self.block_count)
            || (geometry.compressed()
                && geometry.contains(point.wrapping_sub(1), self.block_count));
        if point != 0 && !inside {
            return Err(broken(format!("append point {point} lies outside the file")));
        }
        Ok(())
    }

    fn position(&self, position: &CellPosition, btree: bool) -> Result<()> {
        if position.page == 0 {
            return Ok(());
        }
        if !self.geometry.contains(position.page, self.block_count) {
            return Err(broken(format!("merge input on page {} outside the file", position.page)));
        }
        let cell = position.cell;
        let legal = if btree {
            (1..=32).contains(&(cell & 0xFF)) && cell >> 8 < 1 << 15
        } else {
            cell < 1 << 15
        };
        if !legal {
            return Err(broken(format!("merge input at cell {cell} of page {}", position.page)));
        }
        Ok(())
    }
}
