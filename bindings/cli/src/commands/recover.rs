//! `siltstone recover`: saves what is readable of a damaged database into a new file.

use crate::arguments::NewFile;
use crate::failure::Result;
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Save what is readable of a damaged database into a new one
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The damaged database; it is only read
    file: PathBuf,
    /// The database to make
    new_file: PathBuf,
    #[command(flatten)]
    shape: NewFile,
}

impl Recover {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let mut options = session.options()?.create_new(true);
        if let Some(bytes) = self.shape.page_size {
            options = options.page_size(bytes);
        }
        if let Some(bytes) = self.shape.block_size {
            options = options.block_size(bytes);
        }
        let kept = format!("{} is incomplete: delete it", self.new_file.display());
        let report = progress::run(session, "recovering", &kept, |progress| {
            siltstone::recover(&self.file, &self.new_file, &options, progress)
        })?;
        if session.global.json {
            session.out.json(&json!({
                "entries": report.entries, "pages_read": report.pages_read,
                "pages_damaged": report.pages_damaged, "problems": report.problems,
            }))?;
            return Ok(());
        }
        for problem in &report.problems {
            session.out.line(format!("damage: {problem}"))?;
        }
        session.out.line(format!(
            "{}: saved {} from {} pages; {} pages were damaged",
            self.new_file.display(),
            sizes::entries(report.entries),
            sizes::count(report.pages_read),
            sizes::count(report.pages_damaged)
        ))?;
        Ok(())
    }
}
