//! `siltstone delete`: deletes keys in one transaction and says which were not there.

use crate::failure::{Failure, Result};
use crate::keys;
use crate::session::Session;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Delete keys
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The database
    file: PathBuf,
    /// The keys
    #[arg(required = true)]
    keys: Vec<OsString>,
    /// A key that is not there is no failure
    #[arg(long)]
    ignore_missing: bool,
}

impl Delete {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let as_hex = session.global.hex;
        let given = self.keys.iter().map(|key| keys::argument(key, as_hex));
        let given = given.collect::<Result<Vec<Vec<u8>>>>()?;
        let database = session.open_to_write(&self.file)?;
        let missing = database.write(|transaction| {
            let mut missing = Vec::new();
            for key in &given {
                if transaction.contains_key(key)? {
                    transaction.remove(key)?;
                } else {
                    missing.push(keys::shown(key, as_hex, 60));
                }
            }
            Ok(missing)
        })?;
        database.close()?;
        if missing.is_empty() || self.ignore_missing {
            return Ok(());
        }
        Err(Failure::NotFound(format!(
            "{}: no key `{}`; {} deleted",
            self.file.display(),
            missing.join("`, `"),
            given.len() - missing.len()
        )))
    }
}
