//! What a power cut does to bytes, sizes and names that were not yet durable.
//!
//! The model, per file: what the last sync covered is safe. Every sector touched since then ends up
//! in some version it went through, or half way between two, or as noise, independently of other
//! sectors, so writes may be lost and reordered at will. The size follows a moment of its own among
//! the unsynced size changes: metadata has its own journal. Names follow theirs.

use crate::content::Content;
use crate::random::Random;
use siltstone_env::Result;
use std::sync::Arc;

/// What becomes of sectors written but not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sectors {
    /// All as after the last sync.
    Lost,
    /// All as last written.
    Kept,
    /// Each independently old, new or any version in between.
    Mixed,
    /// As `Mixed`, or torn: the first bytes of one version, the rest of the version before.
    Torn,
    /// As `Mixed`, or random bytes throughout.
    Noise,
    /// Any of the above for each sector.
    Anything,
    /// Writes up to a random moment survive, across all files; later ones are lost.
    InOrder,
    /// Writes after a random moment survive, across all files; earlier ones are lost.
    Reversed,
}

/// What becomes of unsynced size changes or names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Survival {
    /// All are undone.
    Lost,
    /// All are kept.
    Kept,
    /// Each file or name ends at a random one of the states it went through.
    Random,
}

/// What a power cut does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damage {
    /// Bytes of a sector, at least 1: usually 512 or 4096.
    pub sector_size: u32,
    /// Written bytes.
    pub sectors: Sectors,
    /// Sizes of files. Data beyond a lost size is lost; a kept size without data reads as zeros.
    pub sizes: Survival,
    /// Creation and removal of names since the last directory sync.
    pub names: Survival,
}

impl Damage {
    /// Nothing that was not synced survives.
    pub const LOSE_UNSYNCED: Damage = Damage {
        sector_size: 512,
        sectors: Sectors::Lost,
        sizes: Survival::Lost,
        names: Survival::Lost,
    };

    /// Everything survives, as if only the processes had died.
    pub const KEEP_EVERYTHING: Damage = Damage {
        sector_size: 512,
        sectors: Sectors::Kept,
        sizes: Survival::Kept,
        names: Survival::Kept,
    };

    /// Random sizes and names, and sectors as given.
    #[must_use]
    pub const fn random(sectors: Sectors, sector_size: u32) -> Self {
        Damage { sector_size, sectors, sizes: Survival::Random, names: Survival::Random }
    }
}

/// An unsynced change of one file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    Truncate { size: u64 },
}

/// A change and its place in the order of all changes of the world.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) moment: u64,
    pub(crate) change: Change,
}

/// A choice made once per power cut: the moment `InOrder` and `Reversed` turn on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn(pub(crate) u64);

/// Applies everything, as a sync does.
pub(crate) fn apply_all(content: &mut Content, pending: &[Pending]) -> Result<()> {
    for entry in pending {
        match &entry.change {
            Change::Write { offset, bytes } => content.write(*offset, bytes)?,
            Change::Truncate { size } if *size < content.size() => content.resize(*size),
            Change::Truncate { .. } => {}
        }
    }
    Ok(())
}

/// How many of a file's pending changes its surviving size has seen, and that size.
fn surviving_size(
    durable: u64,
    pending: &[Pending],
    survival: Survival,
    random: &mut Random,
) -> (usize, u64) {
    let mut states = vec![(0, durable)];
    let mut size = durable;
    for (index, entry) in pending.iter().enumerate() {
        let next = match &entry.change {
            Change::Write { bytes, .. } if bytes.is_empty() => size,
            Change::Write { offset, bytes } => size.max(offset + bytes.len() as u64),
            Change::Truncate { size: cut } => size.min(*cut),
        };
        if next != size {
            size = next;
            states.push((index + 1, size));
        }
    }
    let chosen = match survival {
        Survival::Lost => 0,
        Survival::Kept => states.len() - 1,
        Survival::Random => random.below(states.len() as u64) as usize,
    };
    states.get(chosen).copied().unwrap_or((0, durable))
}

/// The file as found after the cut.
pub(crate) fn image(
    durable: &Content,
    pending: &[Pending],
    damage: &Damage,
    turn: Turn,
    random: &mut Random,
) -> Result<Content> {
    let mut content = durable.clone();
    if pending.is_empty() || (damage.sectors, damage.sizes) == (Sectors::Lost, Survival::Lost) {
        return Ok(content);
    }
    if (damage.sectors, damage.sizes) == (Sectors::Kept, Survival::Kept) {
        apply_all(&mut content, pending)?;
        return Ok(content);
    }
    let (seen, size) = surviving_size(durable.size(), pending, damage.sizes, random);
    // A surviving cut took its bytes for good, wherever the sectors end up.
    let cuts: Vec<(usize, u64)> = pending
        .iter()
        .enumerate()
        .take(seen)
        .filter_map(|(index, entry)| match entry.change {
            Change::Truncate { size } => Some((index, size)),
            Change::Write { .. } => None,
        })
        .collect();
    if let Some(&lowest) = cuts.iter().map(|(_, size)| size).min()
        && lowest < content.size()
    {
        content.resize(lowest);
    }
    let sector_size = u64::from(damage.sector_size.max(1));
    let mut touched: Vec<(u64, usize)> = Vec::new();
    for (index, entry) in pending.iter().enumerate() {
        if let Change::Write { offset, bytes } = &entry.change
            && !bytes.is_empty()
        {
            let last = (offset + bytes.len() as u64 - 1) / sector_size;
            touched.extend((offset / sector_size..=last).map(|sector| (sector, index)));
        }
    }
    touched.sort_unstable();
    let mut sector = Sector { start: 0, bytes: vec![0; sector_size as usize], pending, cuts };
    for group in touched.chunk_by(|one, other| one.0 == other.0) {
        let Some((number, _)) = group.first() else { continue };
        sector.start = number * sector_size;
        if sector.start >= size {
            break;
        }
        content.read(sector.start, &mut sector.bytes);
        let writes: Vec<usize> = group.iter().map(|(_, index)| *index).collect();
        sector.settle(&writes, damage.sectors, turn, random);
        content.write(sector.start, &sector.bytes)?;
    }
    content.resize(size);
    Ok(content)
}

/// A sector under reconstruction.
struct Sector<'a> {
    start: u64,
    bytes: Vec<u8>,
    pending: &'a [Pending],
    cuts: Vec<(usize, u64)>,
}

impl Sector<'_> {
    /// Brings the sector from its durable version to the one found after the cut.
    fn settle(&mut self, writes: &[usize], sectors: Sectors, turn: Turn, random: &mut Random) {
        let count = writes.len() as u64;
        let draw_version = |random: &mut Random| match random.below(5) {
            0 | 1 => 0,
            2 | 3 => count,
            _ => random.below(count + 1),
        };
        let kind = match (sectors, random.below(3)) {
            (Sectors::Torn | Sectors::Noise, 0 | 1) => Sectors::Mixed,
            (Sectors::Anything, 0) => Sectors::Torn,
            (Sectors::Anything, 1) => Sectors::Noise,
            (Sectors::Anything, _) => Sectors::Mixed,
            (sectors, _) => sectors,
        };
        let moment =
            |index: &usize| self.pending.get(*index).map_or(0, |entry: &Pending| entry.moment);
        match kind {
            Sectors::Lost => self.replay(&[]),
            Sectors::Kept => self.replay(writes),
            Sectors::Noise => random.fill(&mut self.bytes),
            Sectors::InOrder => {
                let kept: Vec<usize> =
                    writes.iter().copied().filter(|index| moment(index) <= turn.0).collect();
                self.replay(&kept);
            }
            Sectors::Reversed => {
                let kept: Vec<usize> =
                    writes.iter().copied().filter(|index| moment(index) > turn.0).collect();
                self.replay(&kept);
            }
            Sectors::Torn => {
                let durable = self.bytes.clone();
                let version = random.below(count) as usize;
                self.replay(writes.get(..=version).unwrap_or(writes));
                let newer = std::mem::replace(&mut self.bytes, durable);
                self.replay(writes.get(..version).unwrap_or_default());
                let torn = random.below(self.bytes.len() as u64) as usize;
                for (byte, new) in self.bytes.iter_mut().zip(newer).take(torn) {
                    *byte = new;
                }
            }
            Sectors::Mixed | Sectors::Anything => {
                let version = draw_version(random) as usize;
                self.replay(writes.get(..version).unwrap_or(writes));
            }
        }
    }

    /// Applies the given writes and all surviving cuts in their order.
    fn replay(&mut self, writes: &[usize]) {
        let mut cuts = std::mem::take(&mut self.cuts);
        let mut waiting = cuts.iter().copied().peekable();
        for &index in writes {
            while let Some((_, size)) = waiting.next_if(|(cut, _)| *cut < index) {
                self.cut(size);
            }
            self.write(index);
        }
        for (_, size) in waiting {
            self.cut(size);
        }
        std::mem::swap(&mut self.cuts, &mut cuts);
    }

    fn cut(&mut self, size: u64) {
        let keep = size.saturating_sub(self.start).min(self.bytes.len() as u64) as usize;
        if let Some(tail) = self.bytes.get_mut(keep..) {
            tail.fill(0);
        }
    }

    fn write(&mut self, index: usize) {
        let Some(Pending { change: Change::Write { offset, bytes }, .. }) = self.pending.get(index)
        else {
            return;
        };
        let (skip, at) = if *offset < self.start {
            ((self.start - offset) as usize, 0)
        } else {
            (0, (offset - self.start) as usize)
        };
        let source = bytes.get(skip..).unwrap_or_default();
        let target = self.bytes.get_mut(at..).unwrap_or_default();
        let length = source.len().min(target.len());
        if let (Some(target), Some(source)) = (target.get_mut(..length), source.get(..length)) {
            target.copy_from_slice(source);
        }
    }
}
