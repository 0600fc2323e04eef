//! A C database and its cursors, as values that cannot be misused into undefined behaviour.

use crate::Rows;
use crate::command::{Info, Position, Seek};
use crate::config::{CConfig, Setting};
use crate::ffi::{CursorHandle, Handle};
use std::path::Path;
use std::rc::Rc;

type CResult<T> = Result<T, i32>;

/// An open database of C lsm1. Dropping it rolls back and closes.
pub struct CDatabase {
    handle: Rc<Handle>,
}

impl CDatabase {
    /// `lsm_new`, `lsm_config` for each setting, `lsm_open`.
    ///
    /// # Errors
    /// C's result code.
    pub fn open(path: impl AsRef<Path>, config: &CConfig) -> CResult<Self> {
        Self::open_in(false, path, config)
    }

    /// As [`open`](Self::open), with the environment of [`supervision`](crate::supervision).
    ///
    /// # Errors
    /// C's result code.
    pub fn open_supervised(path: impl AsRef<Path>, config: &CConfig) -> CResult<Self> {
        Self::open_in(true, path, config)
    }

    fn open_in(supervised: bool, path: impl AsRef<Path>, config: &CConfig) -> CResult<Self> {
        let handle = Handle::new(supervised)?;
        for &(setting, value) in &config.settings {
            handle.configure(setting.number(), value)?;
        }
        if let Some(id) = config.codec {
            handle.set_codec(id)?;
        }
        handle.open(path.as_ref())?;
        Ok(CDatabase { handle })
    }

    /// `lsm_config` on the open handle; -1 queries. Returns the value in force.
    ///
    /// # Errors
    /// C's result code.
    pub fn configure(&self, setting: Setting, value: i32) -> CResult<i32> {
        self.handle.configure(setting.number(), value)
    }

    /// `lsm_config(SET_COMPRESSION)` on the open handle.
    ///
    /// # Errors
    /// C's result code; `MISUSE` for an unknown id.
    pub fn set_codec(&self, id: u32) -> CResult<()> {
        self.handle.set_codec(id)
    }

    /// `lsm_insert`.
    ///
    /// # Errors
    /// C's result code.
    pub fn insert(&self, key: &[u8], value: &[u8]) -> CResult<()> {
        self.handle.insert(key, value)
    }

    /// `lsm_delete`.
    ///
    /// # Errors
    /// C's result code.
    pub fn delete(&self, key: &[u8]) -> CResult<()> {
        self.handle.delete(key)
    }

    /// `lsm_delete_range`: the keys strictly between.
    ///
    /// # Errors
    /// C's result code.
    pub fn delete_range(&self, first: &[u8], last: &[u8]) -> CResult<()> {
        self.handle.delete_range(first, last)
    }

    /// `lsm_begin`.
    ///
    /// # Errors
    /// C's result code.
    pub fn begin(&self, level: i32) -> CResult<()> {
        self.handle.begin(level)
    }

    /// `lsm_commit`.
    ///
    /// # Errors
    /// C's result code.
    pub fn commit(&self, level: i32) -> CResult<()> {
        self.handle.commit(level)
    }

    /// `lsm_rollback`.
    ///
    /// # Errors
    /// C's result code.
    pub fn rollback(&self, level: i32) -> CResult<()> {
        self.handle.rollback(level)
    }

    /// `lsm_flush`.
    ///
    /// # Errors
    /// C's result code.
    pub fn flush(&self) -> CResult<()> {
        self.handle.flush()
    }

    /// `lsm_work`; what C calls the KB written.
    ///
    /// # Errors
    /// C's result code.
    pub fn work(&self, merge: i32, kb: i32) -> CResult<i32> {
        self.handle.work(merge, kb)
    }

    /// `lsm_checkpoint`; what C calls the KB checkpointed.
    ///
    /// # Errors
    /// C's result code.
    pub fn checkpoint(&self) -> CResult<i32> {
        self.handle.checkpoint()
    }

    /// `lsm_get_user_version`.
    ///
    /// # Errors
    /// C's result code.
    pub fn user_version(&self) -> CResult<u32> {
        self.handle.user_version()
    }

    /// `lsm_set_user_version`.
    ///
    /// # Errors
    /// C's result code.
    pub fn set_user_version(&self, version: u32) -> CResult<()> {
        self.handle.set_user_version(version)
    }

    /// `lsm_csr_open`.
    ///
    /// # Errors
    /// C's result code.
    pub fn cursor(&self) -> CResult<CCursor> {
        Ok(CCursor { handle: CursorHandle::open(&self.handle)? })
    }

    /// The value of a key, through `LSM_SEEK_EQ`.
    ///
    /// # Errors
    /// C's result code.
    pub fn get(&self, key: &[u8]) -> CResult<Option<Vec<u8>>> {
        Ok(self.cursor()?.seek(key, Seek::Eq)?.map(|(_, value)| value))
    }

    /// All rows in order.
    ///
    /// # Errors
    /// C's result code.
    pub fn scan(&self) -> CResult<Rows> {
        let cursor = self.cursor()?;
        let first = cursor.first()?;
        std::iter::successors(first.map(Ok), |_| cursor.next().transpose()).collect()
    }

    /// All rows in reverse order.
    ///
    /// # Errors
    /// C's result code.
    pub fn scan_backward(&self) -> CResult<Rows> {
        let cursor = self.cursor()?;
        let last = cursor.last()?;
        std::iter::successors(last.map(Ok), |_| cursor.prev().transpose()).collect()
    }

    /// `lsm_info`.
    ///
    /// # Errors
    /// C's result code.
    pub fn info(&self, info: Info) -> CResult<String> {
        match info {
            Info::PagesWritten => self.handle.number(1).map(|number| number.to_string()),
            Info::PagesRead => self.handle.number(2).map(|number| number.to_string()),
            Info::Structure => self.handle.text(3),
            Info::Log => self.handle.text(4),
            Info::Array(page) => self.handle.page_text(5, page),
            Info::Page(page) => self.handle.page_text(6, page),
            Info::PageHex(page) => self.handle.page_text(7, page),
            Info::FreeList => self.handle.text(8),
            Info::ArrayPages(page) => self.handle.page_text(9, page),
            Info::CheckpointSize => self.handle.number(10).map(|number| number.to_string()),
            Info::TreeSize => self.handle.tree_sizes().map(|(old, live)| format!("{old} {live}")),
            Info::Codec => self.handle.number(13).map(|number| number.to_string()),
        }
    }

    /// `lsm_close`.
    ///
    /// # Errors
    /// C's result code: `MISUSE` with open cursors or transactions, and then the database stays open
    /// until its last cursor is dropped. C reports nothing about a failing final flush.
    pub fn close(self) -> CResult<()> {
        self.handle.close()
    }

    /// Closes without giving the database up if C refuses.
    pub(crate) fn try_close(&self) -> CResult<()> {
        self.handle.close()
    }

    /// Forgets the database as a crash would: nothing is flushed, the log stays. Its locks stay too
    /// as long as this process lives, so copy the files before looking at them.
    pub fn abandon(self) {
        std::mem::forget(self);
    }
}

/// A cursor of C lsm1. After a seek and each step it tells where it stands.
pub struct CCursor {
    handle: CursorHandle,
}

impl CCursor {
    /// `lsm_csr_first`.
    ///
    /// # Errors
    /// C's result code.
    pub fn first(&self) -> CResult<Position> {
        self.handle.first()?;
        self.position()
    }

    /// `lsm_csr_last`.
    ///
    /// # Errors
    /// C's result code.
    pub fn last(&self) -> CResult<Position> {
        self.handle.last()?;
        self.position()
    }

    /// `lsm_csr_next`.
    ///
    /// # Errors
    /// C's result code; `MISUSE` in the wrong direction.
    pub fn next(&self) -> CResult<Position> {
        self.handle.next()?;
        self.position()
    }

    /// `lsm_csr_prev`.
    ///
    /// # Errors
    /// C's result code; `MISUSE` in the wrong direction.
    pub fn prev(&self) -> CResult<Position> {
        self.handle.prev()?;
        self.position()
    }

    /// `lsm_csr_seek`.
    ///
    /// # Errors
    /// C's result code.
    pub fn seek(&self, key: &[u8], mode: Seek) -> CResult<Position> {
        self.handle.seek(key, mode.number())?;
        self.position()
    }

    /// The entry the cursor stands on.
    ///
    /// # Errors
    /// C's result code.
    pub fn position(&self) -> CResult<Position> {
        if !self.handle.valid() {
            return Ok(None);
        }
        Ok(Some((self.handle.key()?, self.handle.value()?)))
    }

    /// `lsm_csr_first` without a copy of the entry; whether there is one.
    ///
    /// # Errors
    /// C's result code.
    pub fn to_first(&self) -> CResult<bool> {
        self.handle.first()?;
        Ok(self.handle.valid())
    }

    /// `lsm_csr_seek` without a copy of the entry; whether there is one.
    ///
    /// # Errors
    /// C's result code.
    pub fn to_key(&self, key: &[u8], mode: Seek) -> CResult<bool> {
        self.handle.seek(key, mode.number())?;
        Ok(self.handle.valid())
    }

    /// `lsm_csr_next` without a copy of the entry; whether there is one.
    ///
    /// # Errors
    /// C's result code; `MISUSE` in the wrong direction.
    pub fn to_next(&self) -> CResult<bool> {
        self.handle.next()?;
        Ok(self.handle.valid())
    }

    /// [`digest`](crate::digest) of the entry.
    ///
    /// # Errors
    /// C's result code.
    pub fn digest(&self) -> CResult<u64> {
        self.handle.digest(None)
    }

    /// [`digest`](crate::digest) of this key and the value of the entry; the entry's key is not asked.
    ///
    /// # Errors
    /// C's result code.
    pub fn digest_value(&self, key: &[u8]) -> CResult<u64> {
        self.handle.digest(Some(key))
    }
}
