//! `siltstone get`: the value of a key, byte for byte.

use crate::failure::{Failure, Result};
use crate::formats::{LineForm, LineStyle};
use crate::keys;
use crate::session::Session;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// Print the value of a key
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The database
    file: PathBuf,
    /// The key
    key: OsString,
    /// How the value is printed
    #[arg(long, value_enum, default_value_t = ValueForm::Raw)]
    format: ValueForm,
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ValueForm {
    /// Its bytes, with a line end only on a terminal
    Raw,
    /// Escaped
    Text,
    /// In hexadecimal
    Hex,
}

impl Get {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let key = keys::argument(&self.key, session.global.hex)?;
        let database = session.open_to_read(&self.file)?;
        let Some(value) = database.get(&key)? else {
            return Err(Failure::NotFound(format!(
                "{}: no key `{}`",
                self.file.display(),
                keys::shown(&key, session.global.hex, 100)
            )));
        };
        if session.global.json {
            let style = LineStyle { form: LineForm::Json, hex_keys: session.global.hex };
            let mut line = Vec::new();
            style.push(&mut line, &key, Some(&value));
            return Ok(session.out.write_all(&line)?);
        }
        match self.format {
            ValueForm::Raw => {
                session.out.write_all(&value)?;
                if session.out.is_terminal() {
                    session.out.write_all(b"\n")?;
                }
            }
            ValueForm::Text => session.out.line(keys::escaped(&value))?,
            ValueForm::Hex => session.out.line(keys::hex(&value))?,
        }
        Ok(())
    }
}
