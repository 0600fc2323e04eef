//! The durable side of a world: what a power cut leaves.
//!
//! Built from events alone, so that a recorded run can be replayed and cut at any point. Invariant:
//! durable contents plus pending changes, applied in order, are what readers saw (but for pages a
//! failed sync lost).

use crate::content::Content;
use crate::damage::{Change, Damage, Pending, Survival, Turn, apply_all, image};
use crate::random::Random;
use crate::shared::{Directory, Node};
use crate::trace::Event;
use siltstone_env::{FilePath, Result};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
struct DiskFile {
    durable: Content,
    pending: Vec<Pending>,
}

/// Files and names, durable and not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<u64, DiskFile>,
    names: BTreeMap<FilePath, u64>,
    /// Unsynced creations (with the file's number) and removals, oldest first.
    pending_names: Vec<(FilePath, Option<u64>)>,
    moment: u64,
}

/// The directory part of a path.
fn directory_of(path: &FilePath) -> &[u8] {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    bytes.get(..end).unwrap_or_default()
}

impl Disk {
    /// Everything in the directory counts as durable.
    pub(crate) fn new(directory: &Directory) -> Self {
        let mut disk = Disk::default();
        for (path, node) in &directory.files {
            disk.names.insert(path.clone(), node.number);
            let file = DiskFile { durable: node.image(), pending: Vec::new() };
            disk.files.insert(node.number, file);
        }
        disk
    }

    /// Follows one event.
    pub(crate) fn apply(&mut self, event: &Event) -> Result<()> {
        self.moment += 1;
        let moment = self.moment;
        let mut change = |file: &u64, change: Change| {
            // A file without a name is nobody's after the cut, but may get here all the same.
            self.files.entry(*file).or_default().pending.push(Pending { moment, change });
        };
        match event {
            Event::Create { path, file } => {
                self.files.insert(*file, DiskFile::default());
                self.pending_names.push((path.clone(), Some(*file)));
            }
            Event::Remove { path } => self.pending_names.push((path.clone(), None)),
            Event::Write { file, offset, bytes } => {
                change(file, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Event::Truncate { file, size } => change(file, Change::Truncate { size: *size }),
            Event::Sync { file } => {
                if let Some(file) = self.files.get_mut(file) {
                    apply_all(&mut file.durable, &std::mem::take(&mut file.pending))?;
                }
            }
            Event::PagesLost { file } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.pending.clear();
                }
            }
            Event::SyncDirectory { path } => {
                let directory = directory_of(path);
                let (synced, waiting) = std::mem::take(&mut self.pending_names)
                    .into_iter()
                    .partition(|(name, _)| directory_of(name) == directory);
                self.pending_names = waiting;
                rename(&mut self.names, synced);
            }
            Event::Mark(_) => {}
        }
        Ok(())
    }

    /// The directory found after a power cut.
    pub(crate) fn cut(&self, damage: &Damage, seed: u64) -> Result<Directory> {
        let mut random = Random::new(seed ^ 0x5157_5E55_0000_0001);
        let mut directory = Directory::default();
        let oldest = self.files.values().filter_map(|file| file.pending.first());
        let oldest = oldest.map(|pending| pending.moment).min().unwrap_or(self.moment);
        // From just before the oldest pending change to just after the newest.
        let turn = Turn(oldest.saturating_sub(1) + random.below(self.moment + 2 - oldest));
        for (path, number) in self.surviving_names(damage.names, &mut random) {
            let Some(file) = self.files.get(&number) else { continue };
            let content = image(&file.durable, &file.pending, damage, turn, &mut random)?;
            directory.files.insert(path, Node::new(number, content));
        }
        Ok(directory)
    }

    fn surviving_names(&self, survival: Survival, random: &mut Random) -> BTreeMap<FilePath, u64> {
        let mut names = self.names.clone();
        match survival {
            Survival::Lost => {}
            Survival::Kept => rename(&mut names, self.pending_names.clone()),
            Survival::Random => {
                let mut changes: BTreeMap<&FilePath, Vec<Option<u64>>> = BTreeMap::new();
                for (path, file) in &self.pending_names {
                    changes.entry(path).or_default().push(*file);
                }
                for (path, states) in changes {
                    let kept = random.below(states.len() as u64 + 1) as usize;
                    let survivor = states.into_iter().take(kept).map(|file| (path.clone(), file));
                    rename(&mut names, survivor.collect());
                }
            }
        }
        names
    }
}

fn rename(names: &mut BTreeMap<FilePath, u64>, changes: Vec<(FilePath, Option<u64>)>) {
    for (path, file) in changes {
        match file {
            Some(file) => names.insert(path, file),
            None => names.remove(&path),
        };
    }
}
