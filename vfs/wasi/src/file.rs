//! An open file: loops over partial transfers, and ownership in place of locks.

use crate::environment::{Guard, Instance};
use crate::host::{Descriptor, Kind, Place, Stat, uninterrupted};
use crate::owner::{self, Ownership};
use siltstone_env::{EnvError, File, FileId, LockId, LockMode, Result};
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes written by one call: hosts copy what they are given.
const LONGEST_WRITE: usize = 1 << 20;
/// Slices shorter than this are gathered, because a call costs more than a copy.
const GATHERED: usize = 64 << 10;

/// A descriptor of the host.
#[derive(Debug)]
pub(crate) struct WasiFile {
    instance: Arc<Instance>,
    place: Place,
    descriptor: Box<dyn Descriptor>,
    writable: bool,
    id: Option<FileId>,
    /// What DMS2 is here.
    ownership: Mutex<Option<Ownership>>,
}

/// Device and number, where the host tells both.
pub(crate) fn id(stat: Stat) -> Option<FileId> {
    let (device, number) = stat.identity?;
    Some(FileId([device.to_le_bytes(), number.to_le_bytes()].concat()))
}

impl WasiFile {
    pub(crate) fn new(
        instance: Arc<Instance>,
        place: Place,
        descriptor: Box<dyn Descriptor>,
        writable: bool,
    ) -> Result<Self> {
        let stat = uninterrupted(|| descriptor.stat())?;
        if stat.kind != Kind::File {
            return Err(EnvError::NotAFile);
        }
        let ownership = Mutex::default();
        Ok(WasiFile { instance, place, descriptor, writable, id: id(stat), ownership })
    }

    fn may_write(&self) -> Result<()> {
        if self.writable { Ok(()) } else { Err(EnvError::ReadOnly) }
    }

    fn ownership(&self) -> MutexGuard<'_, Option<Ownership>> {
        self.ownership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another handle or instance has the owner file.
    fn is_owned_elsewhere(&self) -> Result<bool> {
        if self.ownership().is_some() {
            return Ok(false);
        }
        let place = owner::place_of(&self.place);
        match uninterrupted(|| self.instance.host.stat(&place)) {
            Ok(_) => Ok(true),
            Err(refusal) => match refusal.into() {
                EnvError::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }

    fn own(&self, mode: LockMode) -> Result<()> {
        if mode == LockMode::Unlock {
            *self.ownership() = None;
        } else if self.writable {
            let mut ownership = self.ownership();
            if ownership.is_none() {
                *ownership = Some(Ownership::take(&self.instance, &self.place)?);
            }
        } else if mode == LockMode::Exclusive {
            return Err(EnvError::ReadOnly);
        } else if self.is_owned_elsewhere()? {
            return Err(EnvError::Busy);
        }
        Ok(())
    }
}

/// Refuses transfers that end beyond what hosts can express.
fn within_reach(offset: u64, length: usize) -> Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(EnvError::Full),
    }
}

impl File for WasiFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        if within_reach(offset, buffer.len()).is_ok() {
            while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match uninterrupted(|| self.descriptor.read(offset + done as u64, rest))? {
                    0 => break,
                    count => done += count,
                }
            }
        }
        if let Some(rest) = buffer.get_mut(done..) {
            rest.fill(0);
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.may_write()?;
        within_reach(offset, bytes.len())?;
        let mut at = offset;
        for piece in bytes.chunks(LONGEST_WRITE) {
            let mut rest = piece;
            while !rest.is_empty() {
                let count = uninterrupted(|| self.descriptor.write(at, rest))?;
                // A host that writes nothing will not write more the next time.
                rest = rest.get(count..).filter(|_| count > 0).ok_or(EnvError::Full)?;
                at += count as u64;
            }
        }
        Ok(())
    }

    fn write_vectored_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
        self.may_write()?;
        within_reach(offset, slices.iter().map(|slice| slice.len()).sum())?;
        let mut gathered: Vec<u8> = Vec::new();
        let mut at = offset;
        for slice in slices {
            if !gathered.is_empty() && gathered.len() + slice.len() > GATHERED {
                self.write_at(at, &gathered)?;
                at += gathered.len() as u64;
                gathered.clear();
            }
            if slice.len() >= GATHERED {
                self.write_at(at, slice)?;
                at += slice.len() as u64;
            } else {
                gathered.extend_from_slice(slice);
            }
        }
        self.write_at(at, &gathered)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.may_write()?;
        if size < self.size()? {
            uninterrupted(|| self.descriptor.set_size(size))?;
        }
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        Ok(uninterrupted(|| self.descriptor.stat())?.size)
    }

    fn sync(&self) -> Result<()> {
        // Before anything that is only safe for an owner is called durable.
        if let Some(ownership) = &*self.ownership() {
            ownership.renew()?;
        }
        Ok(uninterrupted(|| self.descriptor.sync())?)
    }

    fn id(&self) -> Result<Option<FileId>> {
        Ok(self.id.clone())
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        if lock == LockId::DMS2 && self.instance.guard == Guard::OwnerFile {
            self.own(mode)?;
        }
        Ok(())
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        let last = first.number().saturating_add(count);
        let asked = (first.number()..last).contains(&LockId::DMS2.number());
        if !asked || mode == LockMode::Unlock || self.instance.guard == Guard::Host {
            return Ok(true);
        }
        Ok(!self.is_owned_elsewhere()?)
    }
}
