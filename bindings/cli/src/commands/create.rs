//! `siltstone create`: makes a new database; whatever is there already is left alone.

use crate::arguments::NewFile;
use crate::failure::Result;
use crate::session::Session;
use clap::Args;
use std::path::PathBuf;

/// Make a new, empty database
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The database to make
    file: PathBuf,
    #[command(flatten)]
    shape: NewFile,
}

impl Create {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_or_create(&self.file, &self.shape, true)?;
        // Page size, block size and codec are in the first checkpoint.
        database.flush()?;
        database.checkpoint()?;
        database.close()?;
        session.verbose(format!("made {}", self.file.display()));
        Ok(())
    }
}
