//! `siltstone info`: sizes and counters; with `--config` the options in force.

use crate::codecs;
use crate::failure::Result;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::{Value, json};
use siltstone::Stats;
use std::path::PathBuf;

/// Print sizes and counters
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// The database
    file: PathBuf,
    /// Print the options in force instead
    #[arg(long)]
    config: bool,
}

/// A line: name in JSON, name for people, value in JSON, value for people.
type Row = (&'static str, &'static str, Value, String);

fn number(name: &'static str, label: &'static str, value: u64) -> Row {
    (name, label, json!(value), sizes::count(value))
}

fn size(name: &'static str, label: &'static str, value: u64) -> Row {
    (name, label, json!(value), sizes::bytes(value))
}

impl Info {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        let stats = database.stats()?;
        let rows = if self.config { configuration(session, &stats) } else { rows(&stats) };
        if session.global.json {
            let object = rows.into_iter().map(|(name, _, value, _)| (name.to_owned(), value));
            return Ok(session.out.json(&Value::Object(object.collect()))?);
        }
        for (_, label, _, text) in rows {
            session.out.line(format!("{label:<28} {text}"))?;
        }
        Ok(())
    }
}

fn rows(stats: &Stats) -> Vec<Row> {
    let codec = codecs::describe(stats.compression_id);
    let free = u64::from(stats.free_blocks);
    let recovery = &stats.recovery;
    let signed = |name, label, value: i64| (name, label, json!(value), value.to_string());
    vec![
        size("file_bytes", "database file", stats.file_bytes),
        size("log_bytes", "log to recover", stats.log_bytes),
        size("page_size", "page size", u64::from(stats.page_size)),
        size("block_size", "block size", u64::from(stats.block_size)),
        ("compression_id", "codec", json!(stats.compression_id), codec),
        number("levels", "levels", stats.level_count as u64),
        number("segments", "segments", stats.segment_count as u64),
        number("blocks", "blocks", u64::from(stats.block_count)),
        number("free_blocks", "free blocks", free),
        size("free_bytes", "free space", free * u64::from(stats.block_size)),
        size("live_tree_bytes", "live in-memory tree", stats.live_tree_bytes),
        size("old_tree_bytes", "old in-memory tree", stats.old_tree_bytes),
        size("memory_bytes", "memory of the trees", stats.memory_bytes),
        size("cache_bytes", "page cache", stats.cache_bytes),
        signed("snapshot_id", "snapshot", stats.snapshot_id),
        signed("checkpoint_id", "checkpoint", stats.checkpoint_id),
        size("bytes_since_checkpoint", "written since checkpoint", stats.bytes_since_checkpoint),
        number("pages_read", "pages read", stats.pages_read),
        number("pages_written", "pages written", stats.pages_written),
        number("user_version", "user version", u64::from(stats.user_version)),
        number("recovered_transactions", "recovered transactions", recovery.transactions),
        size("recovered_bytes", "recovered log", recovery.log_bytes),
        size("log_bytes_after_end", "log behind the recovered end", recovery.bytes_after_end),
    ]
}

fn configuration(session: &Session, stats: &Stats) -> Vec<Row> {
    let global = &session.global;
    let milliseconds = global.wait.as_millis();
    let timeout = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    let durability = global.durability.name();
    let sharing = if global.exclusive { "exclusive" } else { "shared" };
    vec![
        size("page_size", "page size", u64::from(stats.page_size)),
        size("block_size", "block size", u64::from(stats.block_size)),
        (
            "compression_id",
            "codec",
            json!(stats.compression_id),
            codecs::describe(stats.compression_id),
        ),
        ("durability", "durability", json!(durability), durability.to_owned()),
        ("sharing", "sharing", json!(sharing), sharing.to_owned()),
        ("busy_timeout_ms", "busy timeout", json!(timeout), format!("{timeout} ms")),
        size("autoflush", "autoflush", global.autoflush),
        size("autocheckpoint", "autocheckpoint", global.autocheckpoint),
        number("automerge", "automerge", u64::from(global.automerge)),
        size("cache_size", "cap of the page cache", global.cache_size),
        size("memory_limit", "cap of the in-memory trees", global.memory_limit),
    ]
}
