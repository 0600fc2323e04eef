//! `siltstone export`: all entries of one snapshot, to a file or stdout.

use crate::failure::{Failure, Result};
use crate::formats::{self, Format};
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Write all entries to a file or stdout
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The database
    file: PathBuf,
    /// The output, which must not exist; stdout if missing or `-`
    output: Option<PathBuf>,
    /// Form of the output [default: by the output's ending, else ndjson]
    #[arg(short, long, value_enum)]
    format: Option<Format>,
    /// CSV and TSV: no row with the names of the columns
    #[arg(long)]
    no_header: bool,
    /// Replace the output if it exists
    #[arg(long, requires = "output")]
    overwrite: bool,
}

impl Export {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let path = self.output.as_deref().filter(|path| *path != Path::new("-"));
        let format = self.format.or_else(|| Format::of_path(path?)).unwrap_or(Format::Ndjson);
        let database = session.open_to_read(&self.file)?;
        let entries = database.iter()?;
        let Some(path) = path else {
            let output: Box<dyn Write + '_> = Box::new(&mut session.out);
            let failed = |error| Failure::file("writing to stdout", error);
            write_all(format, output, !self.no_header, entries, |_| true, failed)?;
            return Ok(());
        };
        let failed = |error| Failure::file(format!("writing {}", path.display()), error);
        let mut how = File::options();
        how.write(true).create_new(!self.overwrite).create(true).truncate(self.overwrite);
        let file = how.open(path).map_err(failed)?;
        session.catch_interrupt()?;
        let flag = session.interrupt_flag();
        let bar = progress::over_bytes(None, "exporting");
        let go_on = |bytes| {
            bar.inc(bytes);
            !flag.load(std::sync::atomic::Ordering::Relaxed)
        };
        let output: Box<dyn Write> = Box::new(BufWriter::with_capacity(256 << 10, &file));
        let result = write_all(format, output, !self.no_header, entries, go_on, failed);
        bar.finish_and_clear();
        match result {
            Ok(number) => {
                file.sync_all().map_err(failed)?;
                session.verbose(format!("exported {}", sizes::entries(number)));
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

fn write_all(
    format: Format,
    output: Box<dyn Write + '_>,
    header: bool,
    entries: impl Iterator<Item = siltstone::Result<(Vec<u8>, Vec<u8>)>>,
    go_on: impl Fn(u64) -> bool,
    failed: impl Fn(std::io::Error) -> Failure,
) -> Result<u64> {
    let mut writer = formats::write(format, output, header).map_err(&failed)?;
    let mut number: u64 = 0;
    for entry in entries {
        let (key, value) = entry?;
        writer.write(&key, &value).map_err(&failed)?;
        number += 1;
        if !go_on((key.len() + value.len()) as u64) {
            let number = sizes::entries(number);
            return Err(Failure::Interrupted(format!(
                "interrupted after {number}; the output is incomplete: delete it"
            )));
        }
    }
    writer.finish().map_err(&failed)?;
    Ok(number)
}
