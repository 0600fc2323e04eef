//! `siltstone put`: writes one key, its value from the command line, a file or stdin.

use crate::failure::{Failure, Result};
use crate::keys;
use crate::session::Session;
use clap::Args;
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

/// Write a key
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The database
    file: PathBuf,
    /// The key
    key: OsString,
    /// The value; without it, stdin to its end
    value: Option<OsString>,
    /// Take the value from this file
    #[arg(long, value_name = "PATH", conflicts_with = "value")]
    value_file: Option<PathBuf>,
    /// The value argument is hexadecimal
    #[arg(long, requires = "value")]
    hex_value: bool,
}

impl Put {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let key = keys::argument(&self.key, session.global.hex)?;
        let value = self.value()?;
        let database = session.open_to_write(&self.file)?;
        database.insert(&key, &value)?;
        database.close()?;
        Ok(())
    }

    fn value(&self) -> Result<Vec<u8>> {
        if let Some(path) = &self.value_file {
            let failed = |error| Failure::file(format!("reading {}", path.display()), error);
            return std::fs::read(path).map_err(failed);
        }
        match &self.value {
            Some(value) if self.hex_value => {
                keys::unhex(value.as_encoded_bytes()).ok_or_else(|| {
                    Failure::Usage("the value is not hexadecimal: give pairs of digits".into())
                })
            }
            Some(value) => Ok(value.as_encoded_bytes().to_vec()),
            None => {
                let mut value = Vec::new();
                let failed = |error| Failure::file("reading the value from stdin", error);
                std::io::stdin().lock().read_to_end(&mut value).map_err(failed)?;
                Ok(value)
            }
        }
    }
}
