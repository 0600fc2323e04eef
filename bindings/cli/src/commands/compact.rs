//! `siltstone compact`: one segment, no free space, the smallest file.

use crate::failure::Result;
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Merge everything into one segment and move it to the front of the file
#[derive(Debug, Args)]
pub(crate) struct Compact {
    /// The database
    file: PathBuf,
}

impl Compact {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let before = length(&self.file);
        let database = session.open_to_write(&self.file)?;
        let kept = "nothing is lost; compact again to finish";
        let report =
            progress::run(session, "compacting", kept, |progress| database.compact_with(progress))?;
        // The file is cut to its used size at close.
        database.close()?;
        let after = length(&self.file);
        if session.global.json {
            session.out.json(&json!({
                "bytes_written": report.bytes_written, "file_bytes_before": before,
                "file_bytes": after,
            }))?;
        } else {
            session.out.line(format!(
                "wrote {}; the file had {}, has {}",
                sizes::bytes(report.bytes_written),
                sizes::bytes(before),
                sizes::bytes(after)
            ))?;
        }
        Ok(())
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}
