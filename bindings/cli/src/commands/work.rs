//! `siltstone work`: merges, as far as it is told to.

use crate::failure::Result;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use siltstone::WorkLimit;
use std::path::PathBuf;

/// Merge segments where it is worth while
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// The database
    file: PathBuf,
    /// Write at most so much; without, until nothing is left to do
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse_bytes)]
    bytes: Option<u64>,
    /// How many segments make a merge worth while; 1 = everything into one [default: --automerge]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    segments: Option<u32>,
}

impl Work {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_write(&self.file)?;
        let report = database.work(WorkLimit { bytes: self.bytes, segments: self.segments })?;
        database.close()?;
        if session.global.json {
            session.out.json(&json!({
                "bytes_written": report.bytes_written, "finished": report.finished,
            }))?;
        } else {
            let rest = if report.finished { "nothing is left to do" } else { "more is left to do" };
            session.out.line(format!("wrote {}; {rest}", sizes::bytes(report.bytes_written)))?;
        }
        Ok(())
    }
}
