//! `siltstone delete-range`: deletes everything between two bounds, in one transaction.

use crate::failure::{Failure, Result};
use crate::ranges::RangeArguments;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Delete all keys of a range
#[derive(Debug, Args)]
pub(crate) struct DeleteRange {
    /// The database
    file: PathBuf,
    #[command(flatten)]
    range: RangeArguments,
    /// Delete everything
    #[arg(long, conflicts_with_all = ["from", "after", "to", "through", "prefix"])]
    all: bool,
    /// Count the deleted entries first
    #[arg(long)]
    count: bool,
}

impl DeleteRange {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        if self.range.is_everything() && !self.all {
            return Err(Failure::Usage(
                "no bounds: give --from, --after, --to, --through or --prefix, or --all".into(),
            ));
        }
        let range = self.range.range(session.global.hex)?;
        let database = session.open_to_write(&self.file)?;
        let deleted = match range {
            None => Some(0),
            Some(range) => database.write(|transaction| {
                let counted = if self.count {
                    let mut number: u64 = 0;
                    for entry in transaction.range(range.clone())? {
                        entry?;
                        number += 1;
                    }
                    Some(number)
                } else {
                    None
                };
                transaction.remove_range(range)?;
                Ok(counted)
            })?,
        };
        database.close()?;
        match deleted.filter(|_| self.count) {
            Some(number) if session.global.json => {
                session.out.json(&json!({ "deleted": number }))?
            }
            Some(number) => session.out.line(format!("deleted {}", sizes::entries(number)))?,
            None => {}
        }
        Ok(())
    }
}
