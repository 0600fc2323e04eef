//! A bucket: what the calls of both drafts do to a database.

#[cfg(feature = "keyvalue-draft2")]
use siltstone::Seek;
use siltstone::{Batch, Database, Error, ErrorKind, Options, Result};

/// Most keys of a page, and most bytes of them, of which there is at least one.
const PAGE: (usize, usize) = (1000, 1 << 20);

/// What Siltstone puts beside a database, by what it adds to the name.
const COMPANIONS: [&str; 3] = ["-log", "-shm", "-lock"];

/// Why a call failed: the variant both drafts have.
pub(super) enum Failure {
    /// Not for this component.
    AccessDenied,
    /// Anything else, in words.
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::ReadOnly(_) => Failure::AccessDenied,
            _ => Failure::Other(format!("{}: {error}", error.name())),
        }
    }
}

/// An outcome of a call.
pub(super) type Answer<T> = core::result::Result<T, Failure>;

/// An open bucket.
#[derive(Clone)]
pub(super) struct Bucket(Database);

/// A page of keys.
pub(super) struct Page {
    /// The keys that are UTF-8.
    pub(super) keys: Vec<String>,
    /// Entries passed, others included.
    #[cfg_attr(
        not(feature = "keyvalue-draft"),
        allow(dead_code, reason = "a cursor of that draft")
    )]
    pub(super) passed: u64,
    /// Whether there are more.
    pub(super) more: bool,
}

/// The first directory the host has opened.
#[cfg(target_os = "wasi")]
fn first_directory() -> Option<String> {
    siltstone_wasi::WasiEnv::shared().directories().first().cloned()
}

#[cfg(not(target_os = "wasi"))]
fn first_directory() -> Option<String> {
    None
}

impl Bucket {
    /// Opens the bucket with this name, or makes it.
    pub(super) fn open(identifier: &str) -> Answer<Self> {
        let name = if identifier.is_empty() { "default" } else { identifier };
        let is_plain = name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
        if !is_plain || COMPANIONS.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(Failure::AccessDenied);
        }
        // Without a directory opening fails, and says so.
        let path = format!("{}/{name}", first_directory().unwrap_or_default());
        Ok(Bucket(Options::new().open(path)?))
    }

    pub(super) fn get(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Answer<()> {
        Ok(self.0.insert(key, value)?)
    }

    pub(super) fn delete(&self, key: &str) -> Answer<()> {
        Ok(self.0.remove(key)?)
    }

    pub(super) fn exists(&self, key: &str) -> Answer<bool> {
        Ok(self.0.contains_key(key)?)
    }

    /// The values of keys, of one state.
    pub(super) fn get_many(&self, keys: &[String]) -> Answer<Vec<Option<Vec<u8>>>> {
        let snapshot = self.0.snapshot()?;
        Ok(keys.iter().map(|key| snapshot.get(key)).collect::<Result<_>>()?)
    }

    pub(super) fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Answer<()> {
        let mut batch = Batch::new();
        for (key, value) in entries {
            batch.insert(key, value);
        }
        Ok(self.0.apply(&batch)?)
    }

    pub(super) fn delete_many(&self, keys: &[String]) -> Answer<()> {
        let mut batch = Batch::new();
        for key in keys {
            batch.remove(key);
        }
        Ok(self.0.apply(&batch)?)
    }

    /// The page of keys behind as many entries.
    #[cfg(feature = "keyvalue-draft")]
    pub(super) fn keys_behind(&self, entries: u64) -> Answer<Page> {
        let mut cursor = self.0.cursor()?;
        cursor.first()?;
        let mut passed = 0;
        while passed < entries && cursor.is_valid() {
            cursor.next()?;
            passed += 1;
        }
        page(cursor, passed)
    }

    /// The page of keys behind `key`.
    #[cfg(feature = "keyvalue-draft2")]
    pub(super) fn keys_after(&self, key: Option<&str>) -> Answer<Page> {
        let mut cursor = self.0.cursor()?;
        match key {
            None => cursor.first()?,
            Some(key) => cursor.seek(key, Seek::AtLeast)?,
        };
        if key.is_some_and(|key| cursor.key() == Some(key.as_bytes())) {
            cursor.next()?;
        }
        page(cursor, 0)
    }

    /// Replaces the number of a key by what `sum` makes of it: nothing if it would overflow.
    pub(super) fn change_number(
        &self,
        key: &str,
        sum: impl FnOnce([u8; 8]) -> Option<[u8; 8]>,
    ) -> Answer<[u8; 8]> {
        let transaction = self.0.begin()?;
        let number = match transaction.get(key)?.map(<[u8; 8]>::try_from) {
            None => [0; 8],
            Some(Ok(number)) => number,
            Some(Err(value)) => {
                let text = format!("the value has {} bytes; a number has 8", value.len());
                return Err(Failure::Other(text));
            }
        };
        let text = "the sum would overflow; the number is unchanged";
        let sum = sum(number).ok_or_else(|| Failure::Other(text.to_owned()))?;
        transaction.insert(key, sum)?;
        transaction.commit()?;
        Ok(sum)
    }

    /// Writes `value` if the key has the value `expected`; tells what it has otherwise.
    #[cfg(feature = "keyvalue-draft2")]
    pub(super) fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Answer<core::result::Result<(), Option<Vec<u8>>>> {
        let transaction = self.0.begin()?;
        let found = transaction.get(key)?;
        if found.as_deref() != expected {
            return Ok(Err(found));
        }
        transaction.insert(key, value)?;
        transaction.commit()?;
        Ok(Ok(()))
    }
}

/// The page that begins where the cursor stands.
fn page(mut cursor: siltstone::Cursor<'_>, mut passed: u64) -> Answer<Page> {
    let (mut keys, mut bytes) = (Vec::new(), 0usize);
    while let Some(key) = cursor.key() {
        if let Ok(key) = std::str::from_utf8(key) {
            bytes = bytes.saturating_add(key.len());
            if keys.len() == PAGE.0 || (bytes > PAGE.1 && !keys.is_empty()) {
                return Ok(Page { keys, passed, more: true });
            }
            keys.push(key.to_owned());
        }
        cursor.next()?;
        passed += 1;
    }
    Ok(Page { keys, passed, more: false })
}
