//! `siltstone scan`: entries in key order, forward or backward.

use crate::failure::Result;
use crate::formats::{LineForm, LineStyle};
use crate::ranges::RangeArguments;
use crate::session::Session;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Print entries in key order
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The database
    file: PathBuf,
    #[command(flatten)]
    range: RangeArguments,
    /// From the last key to the first
    #[arg(short, long)]
    reverse: bool,
    /// At most so many entries
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
    /// Keys without values
    #[arg(short, long)]
    keys_only: bool,
    /// How entries are printed [default: text]
    #[arg(short, long, value_enum)]
    format: Option<LineForm>,
    /// Print only how many entries there are
    #[arg(long, conflicts_with = "keys_only")]
    count: bool,
}

impl Scan {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let range = self.range.range(session.global.hex)?;
        let database = session.open_to_read(&self.file)?;
        let default = if session.global.json { LineForm::Json } else { LineForm::Text };
        let form = self.format.unwrap_or(default);
        let style = LineStyle { form, hex_keys: session.global.hex };
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut number: u64 = 0;
        let mut line = Vec::new();
        if let Some(header) = style.header(self.keys_only).filter(|_| !self.count) {
            session.out.line(header)?;
        }
        let mut entries = range.map(|range| database.range(range)).transpose()?;
        while left > 0
            && let Some(entries) = &mut entries
            && let Some(entry) = if self.reverse { entries.next_back() } else { entries.next() }
        {
            let (key, value) = entry?;
            left -= 1;
            number += 1;
            if !self.count {
                line.clear();
                style.push(&mut line, &key, (!self.keys_only).then_some(&value));
                session.out.write_all(&line)?;
            }
        }
        match (self.count, session.global.json) {
            (false, _) => {}
            (true, true) => session.out.json(&serde_json::json!({ "entries": number }))?,
            (true, false) => session.out.line(number.to_string())?,
        }
        Ok(())
    }
}
