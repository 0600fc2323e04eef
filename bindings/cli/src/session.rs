//! What every command has: global options, stdout, the Ctrl-C flag, and the ways to open a file.

use crate::arguments::{Global, NewFile};
use crate::failure::Result;
use crate::output::{self, Output};
use crate::sizes;
use siltstone::{Database, Options, Sharing, WorkEvent};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The surroundings of a command.
#[derive(Debug)]
pub(crate) struct Session {
    /// Options every command takes.
    pub(crate) global: Global,
    /// Stdout.
    pub(crate) out: Output,
    interrupted: Arc<AtomicBool>,
}

impl Session {
    /// Surroundings with these options.
    pub(crate) fn new(global: Global) -> Result<Self> {
        Ok(Session { global, out: Output::new(), interrupted: Arc::default() })
    }

    /// From now on the first Ctrl-C sets a flag, so that the command ends between transactions;
    /// a second one ends the process at once. Sandboxes know no Ctrl-C.
    pub(crate) fn catch_interrupt(&self) -> Result<()> {
        #[cfg(not(target_os = "wasi"))]
        {
            use signal_hook::consts::SIGINT;
            let failed =
                |error| crate::failure::Failure::file("installing the Ctrl-C handler", error);
            let flag = &self.interrupted;
            signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(flag))
                .map_err(failed)?;
            signal_hook::flag::register(SIGINT, Arc::clone(flag)).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The flag itself, for closures that run while the session is borrowed.
    pub(crate) fn interrupt_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Says something about progress when asked to be verbose.
    pub(crate) fn verbose(&self, message: impl AsRef<str>) {
        if self.global.verbose {
            output::complain(message.as_ref());
        }
    }

    /// The options of the command line.
    pub(crate) fn options(&self) -> Result<Options> {
        let global = &self.global;
        let mut options = Options::new()
            .durability(global.durability.into())
            .busy_timeout(global.wait)
            .autoflush(global.autoflush)
            .autocheckpoint(global.autocheckpoint)
            .automerge(global.automerge)
            .cache_size(usize::try_from(global.cache_size).unwrap_or(usize::MAX))
            .memory_limit(global.memory_limit);
        if global.exclusive {
            options = options.sharing(Sharing::Exclusive);
        }
        if let Some(codec) = global.codec.map(|codec| codec.codec()).transpose()?.flatten() {
            options = options.codec(codec);
        }
        if global.verbose {
            options = options.on_work(Arc::new(|event: &WorkEvent| {
                output::complain(&format!(
                    "{:?}: wrote {}, levels now {}",
                    event.kind,
                    sizes::bytes(event.bytes),
                    event.levels
                ));
            }));
        }
        Ok(options)
    }

    /// Opens for reading; needs no permission to write.
    pub(crate) fn open_to_read(&self, file: &Path) -> Result<Database> {
        let database = self.options()?.read_only(true).open(file)?;
        self.tell_recovery(&database);
        Ok(database)
    }

    /// Opens an existing database for writing.
    pub(crate) fn open_to_write(&self, file: &Path) -> Result<Database> {
        let database = self.options()?.create(false).open(file)?;
        self.tell_recovery(&database);
        Ok(database)
    }

    /// Opens for writing; makes the database if it is missing, and insists on that if `new`.
    pub(crate) fn open_or_create(
        &self,
        file: &Path,
        shape: &NewFile,
        new: bool,
    ) -> Result<Database> {
        let mut options = self.options()?.create(true).create_new(new);
        if let Some(bytes) = shape.page_size {
            options = options.page_size(bytes);
        }
        if let Some(bytes) = shape.block_size {
            options = options.block_size(bytes);
        }
        Ok(options.open(file)?)
    }

    fn tell_recovery(&self, database: &Database) {
        if !self.global.verbose {
            return;
        }
        if let Ok(stats) = database.stats() {
            output::complain(&format!(
                "recovered {} transactions ({}) from the log",
                stats.recovery.transactions,
                sizes::bytes(stats.recovery.log_bytes)
            ));
        }
    }

    /// Everything printed reaches its reader, or the command failed.
    pub(crate) fn finish(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
