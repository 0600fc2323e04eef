//! Files that must not be closed yet, for the sake of locks that belong to the process.
//!
//! An environment's locks may be POSIX ones: closing any descriptor of a file then drops all the
//! process holds on it. As in C lsm1, a file that was ever locked is therefore parked instead of
//! closed while others with its path are open, and used again by whoever opens the path next.

use super::file::OpenFile;
use siltstone::env::FilePath;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files of one path.
#[derive(Default)]
struct Place {
    /// How many are in use.
    open: usize,
    /// Whether one of them was ever locked.
    locked: bool,
    /// Neither in use nor closed.
    parked: Vec<Arc<OpenFile>>,
    /// As `parked`, but the path leads elsewhere by now.
    removed: Vec<Arc<OpenFile>>,
}

/// The files of an environment, by path.
#[derive(Default)]
pub(super) struct Parking(Mutex<BTreeMap<FilePath, Place>>);

impl Parking {
    fn places(&self) -> MutexGuard<'_, BTreeMap<FilePath, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a file that was opened.
    pub(super) fn opened(&self, path: &FilePath) {
        self.places().entry(path.clone()).or_default().open += 1;
    }

    /// Notes that a file of this path carries locks from now on.
    pub(super) fn locked(&self, path: &FilePath) {
        if let Some(place) = self.places().get_mut(path) {
            place.locked = true;
        }
    }

    /// A parked file, if there is one for this kind of use; it counts as opened.
    pub(super) fn take(&self, path: &FilePath, writable: bool) -> Option<Arc<OpenFile>> {
        let mut places = self.places();
        let place = places.get_mut(path)?;
        let at = place.parked.iter().position(|file| file.is_writable() == writable)?;
        place.open += 1;
        Some(place.parked.swap_remove(at))
    }

    /// The path leads elsewhere from now on: what is parked is not used again.
    pub(super) fn forget(&self, path: &FilePath) {
        if let Some(place) = self.places().get_mut(path) {
            let parked = std::mem::take(&mut place.parked);
            place.removed.extend(parked);
        }
    }

    /// Takes back a file that is not used any more: closes it, and whatever waited for that.
    pub(super) fn put(&self, path: &FilePath, file: Arc<OpenFile>) {
        let mut places = self.places();
        let mut closing = None;
        if let Some(place) = places.get_mut(path) {
            place.open = place.open.saturating_sub(1);
            if place.open == 0 {
                closing = places.remove(path);
            } else if place.locked {
                return place.parked.push(file);
            }
        }
        // Closing calls the environment, which may open and close files itself.
        drop(places);
        drop((file, closing));
    }
}
