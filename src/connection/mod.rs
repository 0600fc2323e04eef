//! A connection: one user of a database, with a state of its own that calls leave behind.
//!
//! This is what lsm.h calls a database handle, and what its C library is made of. Nothing here
//! borrows: a transaction may stay open between calls, with savepoints counted as *levels*, and
//! cursors stay where they are while the same connection writes, commits and rolls back. [`Database`](crate::Database)
//! is what Rust programs want; the two may have one file open at the same time.
//!
//! What a connection reads is fixed when its first cursor or transaction begins and changes by its
//! own writes only, until the last of them has ended. A write transaction can begin only from the
//! newest state, so a connection with an open cursor gets `Busy` once others have committed.
//!
//! Invariants: `view` is there only while cursors are open and no transaction is; with a transaction
//! the transaction has it. Whenever what is read changes, all cursors are told first, so that none
//! of them looks at pages or nodes that nothing protects any more.

mod cursor;
mod inspect;
mod transaction;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use crate::codec::Codec;
use crate::env::{Access, Env, EnvError};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::COMPRESSION_NONE;
use crate::options::Options;
use crate::shared::{Settings, Shared, View, WorkListener, WriterCore, log_failed_close};
use crate::work::WorkEvent;
use cursor::Cursors;
use std::fmt;
use std::sync::Arc;
use transaction::Levels;

pub use cursor::{ConnectionCursor, CursorId};
pub use inspect::TreeSizes;

/// One user of a database; see the [module](self).
///
/// ```
/// use siltstone::Seek;
/// use siltstone::connection::Connection;
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// let mut connection = Connection::new(world.process());
/// connection.open(b"app.lsm")?;
/// connection.insert(b"apple", b"red")?;
/// connection.begin(2)?; // a transaction with a savepoint
/// connection.insert(b"banana", b"yellow")?;
///
/// let cursor = connection.open_cursor()?;
/// connection.cursor(cursor)?.first()?;
/// connection.rollback(0)?;
/// assert_eq!(connection.cursor(cursor)?.key(), Some(&b"apple"[..]));
/// assert!(!connection.cursor(cursor)?.next()?);
/// connection.close_cursor(cursor)?;
/// connection.close()
/// # }
/// ```
pub struct Connection {
    env: Arc<dyn Env>,
    options: Options,
    settings: Settings,
    listener: Arc<WorkListener>,
    /// The name given to `open`.
    name: Option<Vec<u8>>,
    /// The open file; none while its codec is missing.
    shared: Option<Arc<Shared>>,
    /// The file needs another codec.
    mismatch: Option<Error>,
    /// What the object of the file had read before this connection came.
    pages_read_before: u64,
    cursors: Cursors,
    writer: Option<WriterCore>,
    levels: Levels,
    view: Option<Arc<View>>,
}

impl Connection {
    /// A connection that is not open yet, with default options but a busy timeout of zero: nothing
    /// waits unless told to.
    #[must_use]
    pub fn new(env: Arc<dyn Env>) -> Self {
        let mut options = Options::new().busy_timeout(std::time::Duration::ZERO);
        options.low_level = true;
        // The caller's codec or none: which ones are built in is not its concern.
        options.codec_factory = Some(Arc::new(|_| None));
        let listener = Arc::new(WorkListener::default());
        let settings = Settings { listener: Some(Arc::clone(&listener)), ..Settings::of(&options) };
        Connection {
            env,
            options,
            settings,
            listener,
            name: None,
            shared: None,
            mismatch: None,
            pages_read_before: 0,
            cursors: Cursors::default(),
            writer: None,
            levels: Levels::default(),
            view: None,
        }
    }

    /// Changes options. Those of work (autoflush, autowork, autocheckpoint, automerge, max_freelist)
    /// are in force at once, also for an open transaction; durability, the use of the log and the
    /// busy timeout from the next transaction or call on, the others from the next opening on. For
    /// the codec see [`set_codec`](Self::set_codec).
    ///
    /// # Errors
    /// `Misuse` for an illegal value; nothing is changed then.
    pub fn configure(&mut self, change: impl FnOnce(Options) -> Options) -> Result<()> {
        let mut options = change(self.options.clone());
        options.validate()?;
        options.codec = self.options.codec.take();
        self.options = options;
        let listener = Some(Arc::clone(&self.listener));
        self.settings = Settings { listener, ..Settings::of(&self.options) };
        if let Some(writer) = &mut self.writer {
            writer.set_settings(self.settings.clone());
        }
        Ok(())
    }

    /// Opens the database `name`, or creates it; to read only as well, if it is missing. That the
    /// file needs another codec than the connection has is an error only when it is used.
    ///
    /// # Errors
    /// `Misuse` if it is open already; those of [`Options::open_with_env`] but `Mismatch`. The
    /// connection can be opened again then.
    pub fn open(&mut self, name: &[u8]) -> Result<()> {
        if self.is_open() {
            return Err(Error::misuse("the connection is open already; make another one"));
        }
        self.name = Some(name.to_vec());
        let opened = match self.connect() {
            Err(error) if self.options.read_only && is_missing(&error) => {
                self.create_file(name).and_then(|()| self.connect())
            }
            opened => opened,
        };
        match opened {
            Err(error) if !is_mismatch(&error) => {
                self.name = None;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn create_file(&self, name: &[u8]) -> Result<()> {
        let operation = "creating the database file";
        let path = self.env.canonical_path(name).during(operation)?;
        let created = self.env.open(&path, Access::ReadWriteCreate).during(operation);
        created.map(|_| ()).map_err(|error| error.on(&path))
    }

    /// Finds or makes the object of the file.
    fn connect(&mut self) -> Result<()> {
        let name = self.name.as_deref().ok_or_else(not_open)?;
        self.mismatch = None;
        let opened = Shared::open(&self.env, name, &self.options);
        let checked = opened.and_then(|shared| {
            self.pages_read_before = shared.pager.pages_read();
            let (file, handle) = (shared.codec_id(), self.codec_id());
            let shared = self.shared.insert(shared);
            if file == handle {
                return Ok(());
            }
            // Another connection of this process has it open with its codec.
            Err(Error::new(ErrorKind::Mismatch { file, handle }).on(&shared.path))
        });
        if let Err(error) = &checked
            && is_mismatch(error)
        {
            self.mismatch = Some(error.clone());
        }
        checked
    }

    /// The open file, with the right codec; opened again if it was not there before.
    fn ready(&mut self) -> Result<&Arc<Shared>> {
        match (&self.shared, &self.mismatch) {
            (Some(_), None) => {}
            (Some(_), Some(error)) => return Err(error.clone()),
            (None, _) => self.connect()?,
        }
        self.shared.as_ref().ok_or_else(not_open)
    }

    /// As `ready`, for writing.
    fn writable(&mut self) -> Result<&Arc<Shared>> {
        if self.name.is_none() {
            return Err(not_open());
        }
        if self.options.read_only {
            let what = "the connection was opened read-only; open one for writing";
            return Err(Error::new(ErrorKind::ReadOnly(what.into())));
        }
        self.ready()
    }

    /// As `writable`, with neither cursors nor a transaction open.
    fn idle(&mut self) -> Result<&Arc<Shared>> {
        if self.in_use() {
            return Err(Error::misuse("close cursors and end the transaction first"));
        }
        self.writable()
    }

    /// Whether `open` has succeeded.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it was opened to read only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.options.read_only
    }

    /// Whether a cursor or a transaction is open.
    #[must_use]
    pub fn in_use(&self) -> bool {
        self.writer.is_some() || !self.cursors.is_empty()
    }

    /// Id of the connection's own codec, 1 for none.
    #[must_use]
    pub fn codec_id(&self) -> u32 {
        self.options.codec.as_ref().map_or(COMPRESSION_NONE, |codec| codec.id())
    }

    /// Replaces the codec, also of an open connection. One with the id of the present one is used
    /// from the next opening on.
    ///
    /// # Errors
    /// `Misuse` while a cursor or transaction is open; those of [`close`](Self::close), after which
    /// the new codec is in force.
    pub fn set_codec(&mut self, codec: Option<Arc<dyn Codec>>) -> Result<()> {
        if self.in_use() {
            return Err(Error::misuse("the codec cannot change while a cursor is open"));
        }
        let before = self.codec_id();
        self.options.codec = codec;
        if self.codec_id() == before {
            return Ok(());
        }
        self.mismatch = None;
        // The file is opened again, with the new one, when it is next used.
        self.shared.take().map_or(Ok(()), |shared| shared.leave())
    }

    /// The codec the file was written with, if the connection does not have it.
    ///
    /// # Errors
    /// Those of opening the file.
    pub fn missing_codec(&mut self) -> Result<Option<u32>> {
        match self.ready() {
            Ok(_) => Ok(None),
            Err(error) => match error.kind() {
                ErrorKind::Mismatch { file, .. } => Ok(Some(*file)),
                _ => Err(error),
            },
        }
    }

    /// Keeps the events of this connection's own work from now on; see
    /// [`take_work_events`](Self::take_work_events).
    pub fn keep_work_events(&mut self, on: bool) {
        self.listener.keep_events(on);
    }

    /// What calls on this connection have done since the last time, oldest first.
    pub fn take_work_events(&mut self) -> Vec<WorkEvent> {
        self.listener.take_events()
    }

    /// Ends the connection. The last one of all processes flushes, writes a checkpoint and removes
    /// the log. It can be opened again.
    ///
    /// # Errors
    /// `Misuse` while a cursor or transaction is open: the connection stays open. `Full`, `Io` of
    /// the last work on the file: the connection has ended, nothing committed is lost.
    pub fn close(&mut self) -> Result<()> {
        if self.in_use() {
            return Err(Error::misuse("close cursors and end the transaction first"));
        }
        self.name = None;
        self.mismatch = None;
        self.view = None;
        self.shared.take().map_or(Ok(()), |shared| shared.leave())
    }
}

fn not_open() -> Error {
    Error::misuse("the connection is not open; open it first")
}

fn is_mismatch(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Mismatch { .. })
}

fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io { source: EnvError::NotFound, .. })
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cursors.close_all();
        self.writer = None;
        if let Err(error) = self.close() {
            // Nobody is left to be told; the log keeps what was committed.
            log_failed_close(&error);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().map(String::from_utf8_lossy);
        f.debug_struct("Connection")
            .field("name", &name)
            .field("level", &self.level())
            .finish_non_exhaustive()
    }
}
