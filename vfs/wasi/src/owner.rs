//! Owning a database: the file `<database>-lock`, made exclusively and removed at the end.
//!
//! Format and meaning are `siltstone_env::OwnerRecord`'s. The file is not synced: after a power cut
//! there is no owner left for it to speak of.

use crate::environment::Instance;
use crate::host::{Descriptor, How, Place, Refusal, uninterrupted};
use siltstone_env::{EnvError, Owner, OwnerRecord, Result};
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A database that this instance has for itself.
#[derive(Debug)]
pub(crate) struct Ownership {
    instance: Arc<Instance>,
    place: Place,
    token: u64,
    file: Box<dyn Descriptor>,
}

/// Nanoseconds since 1970, as far as the host knows.
#[allow(clippy::disallowed_methods, reason = "this is what a world's clock is made of")]
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The owner file of the database at `place`.
pub(crate) fn place_of(database: &Place) -> Place {
    database.with_suffix(OwnerRecord::SUFFIX)
}

fn write_all(file: &dyn Descriptor, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = uninterrupted(|| file.write(at, rest))?;
        rest = rest.get(count..).filter(|_| count > 0).ok_or(EnvError::Full)?;
        at += count as u64;
    }
    Ok(())
}

/// The file's bytes, one more than a record has at most.
fn read_record(file: &dyn Descriptor) -> Result<Vec<u8>> {
    let mut bytes = vec![0; OwnerRecord::BYTES + 1];
    let mut held = 0;
    while let Some(rest) = bytes.get_mut(held..).filter(|rest| !rest.is_empty()) {
        let count = uninterrupted(|| file.read(held as u64, rest))?;
        if count == 0 {
            break;
        }
        held += count;
    }
    bytes.truncate(held);
    Ok(bytes)
}

/// The bytes of the owner file at `place`; `None` if there is none, nothing if it is no file.
fn look(instance: &Instance, place: &Place) -> Result<Option<Vec<u8>>> {
    match uninterrupted(|| instance.host.open(place, How::Read)) {
        Ok(file) => Ok(Some(read_record(&*file).unwrap_or_default())),
        Err(Refusal::NotFound) => Ok(None),
        Err(Refusal::NotAFile | Refusal::NotPermitted) => Ok(Some(Vec::new())),
        Err(refusal) => Err(refusal.into()),
    }
}

fn token_of(bytes: &[u8]) -> Option<u64> {
    OwnerRecord::decode(bytes).map(|record| record.token)
}

/// Who else owns the database at `database`.
pub(crate) fn find(instance: &Instance, database: &Place) -> Result<Option<Owner>> {
    let Some(bytes) = look(instance, &place_of(database))? else { return Ok(None) };
    let own = token_of(&bytes).is_some_and(|token| instance.has_token(token));
    Ok((!own).then(|| Owner::read(&bytes, wall_clock())))
}

/// Removes the owner file that somebody else left; tells whether there was one.
pub(crate) fn break_up(instance: &Instance, database: &Place) -> Result<bool> {
    let place = place_of(database);
    let Some(bytes) = look(instance, &place)? else { return Ok(false) };
    if token_of(&bytes).is_some_and(|token| instance.has_token(token)) {
        return Err(EnvError::Busy);
    }
    match uninterrupted(|| instance.host.unlink(&place)) {
        Ok(()) => Ok(true),
        Err(Refusal::NotFound) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

impl Ownership {
    /// Makes the owner file; `Busy` if there is one.
    pub(crate) fn take(instance: &Arc<Instance>, database: &Place) -> Result<Self> {
        let place = place_of(database);
        let mut token = [0; 8];
        uninterrupted(|| instance.host.random(&mut token))?;
        let token = u64::from_le_bytes(token);
        let file = uninterrupted(|| instance.host.open(&place, How::CreateNew))?;
        let now = wall_clock();
        let record = OwnerRecord { token, created: now, active: now };
        if let Err(error) = write_all(&*file, 0, &record.encode()) {
            drop(file);
            // What was made a moment ago and says nothing helps nobody.
            let _ = instance.host.unlink(&place);
            return Err(error);
        }
        instance.tokens().push(token);
        Ok(Ownership { instance: Arc::clone(instance), place, token, file })
    }

    /// Makes sure that the owner file is still this one's, and gives a sign of life.
    pub(crate) fn renew(&self) -> Result<()> {
        let bytes = look(&self.instance, &self.place)?;
        if bytes.as_deref().and_then(token_of) != Some(self.token) {
            return Err(EnvError::Displaced);
        }
        write_all(&*self.file, OwnerRecord::ACTIVE_OFFSET, &wall_clock().to_le_bytes())
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.instance.tokens().retain(|token| *token != self.token);
        // Never somebody else's. Nobody is left to be told of a failure.
        let bytes = look(&self.instance, &self.place).ok().flatten();
        if bytes.as_deref().and_then(token_of) == Some(self.token) {
            let _ = uninterrupted(|| self.instance.host.unlink(&self.place));
        }
    }
}

impl Instance {
    fn has_token(&self, token: u64) -> bool {
        self.tokens().contains(&token)
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
