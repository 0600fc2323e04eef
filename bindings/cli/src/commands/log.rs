//! `siltstone log`: the records recovery would read.

use crate::failure::Result;
use crate::keys;
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};
use siltstone::LogRecordInfo;
use std::path::PathBuf;

/// List the records of the log
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The database
    file: PathBuf,
}

impl Log {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        for (offset, record) in database.log_records()? {
            if session.global.json {
                session.out.json(&document(offset, &record))?;
            } else {
                let text = describe(&record, session.global.hex);
                session.out.line(format!("{offset:>10}  {text}"))?;
            }
        }
        Ok(())
    }
}

fn describe(record: &LogRecordInfo, as_hex: bool) -> String {
    let key = |key: &[u8]| keys::shown(key, as_hex, 48);
    match record {
        LogRecordInfo::Insert { key: name, value } => {
            format!("insert        {}  ({} bytes)", key(name), value.len())
        }
        LogRecordInfo::Delete { key: name } => format!("delete        {}", key(name)),
        LogRecordInfo::DeleteRange { low, high } => {
            format!("delete range  {} .. {}  (exclusive)", key(low), key(high))
        }
        LogRecordInfo::Commit => "commit".to_owned(),
        LogRecordInfo::Padding { bytes } => format!("padding       {bytes} bytes"),
        LogRecordInfo::Jump { target } => format!("jump          to {target}"),
        other => format!("{other:?}"),
    }
}

fn document(offset: u64, record: &LogRecordInfo) -> Value {
    match record {
        LogRecordInfo::Insert { key, value } => json!({
            "offset": offset, "type": "insert",
            "key_hex": keys::hex(key), "value_hex": keys::hex(value),
        }),
        LogRecordInfo::Delete { key } => {
            json!({ "offset": offset, "type": "delete", "key_hex": keys::hex(key) })
        }
        LogRecordInfo::DeleteRange { low, high } => json!({
            "offset": offset, "type": "delete-range",
            "low_hex": keys::hex(low), "high_hex": keys::hex(high),
        }),
        LogRecordInfo::Commit => json!({ "offset": offset, "type": "commit" }),
        LogRecordInfo::Padding { bytes } => {
            json!({ "offset": offset, "type": "padding", "bytes": bytes })
        }
        LogRecordInfo::Jump { target } => {
            json!({ "offset": offset, "type": "jump", "target": target })
        }
        other => json!({ "offset": offset, "type": format!("{other:?}") }),
    }
}
