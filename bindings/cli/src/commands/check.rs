//! `siltstone check`: verifies every page, every record and the accounting of blocks.

use crate::failure::{Failure, Result};
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Verify everything; exit status 1 if damage is found
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The database
    file: PathBuf,
}

impl Check {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        let report = progress::run(session, "checking", "nothing was changed", |progress| {
            database.check_with(progress)
        })?;
        if session.global.json {
            session.out.json(&json!({
                "sound": report.is_sound(), "problems": report.problems,
                "pages": report.pages, "records": report.records, "entries": report.entries,
            }))?;
        } else {
            for problem in &report.problems {
                session.out.line(format!("damage: {problem}"))?;
            }
            let verdict = match report.problems.len() {
                0 => "sound".to_owned(),
                number => {
                    format!("{number} problems; save what is readable with `siltstone recover`")
                }
            };
            session.out.line(format!(
                "{}: {verdict}: {} pages, {} records, {}",
                self.file.display(),
                sizes::count(report.pages),
                sizes::count(report.records),
                sizes::entries(report.entries)
            ))?;
        }
        session.finish()?;
        if report.is_sound() { Ok(()) } else { Err(Failure::Damaged) }
    }
}
