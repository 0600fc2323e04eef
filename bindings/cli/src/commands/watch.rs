//! `siltstone watch`: who uses a database and what they do, again and again.

use super::levels;
use crate::codecs;
use crate::drawing::{Picture, Style};
use crate::failure::Result;
use crate::presence;
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};
use siltstone::env::LockMode;
use siltstone::{Activity, MemoryActivity, Presence};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Show who uses a database and what they do, live, without disturbing them
///
/// Takes no lock and writes nothing: programs that use the database do not notice.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The database
    file: PathBuf,
    /// Time between two looks, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..))]
    interval: u64,
    /// Look once and end
    #[arg(long)]
    once: bool,
    /// Characters per line
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(80..=400))]
    width: u16,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Moves to the corner of a terminal and clears what is below.
const REPAINT: &str = "\x1b[H\x1b[J";

impl Watch {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let repaint = !self.once && !session.global.json && session.out.is_terminal();
        loop {
            let activity = siltstone::observe(&self.file)?;
            let shown = match session.global.json {
                true => document(&activity, session.global.hex).to_string(),
                false => self.drawn(&activity),
            };
            if repaint {
                write!(session.out, "{REPAINT}")?;
            }
            session.out.line(&shown)?;
            session.out.flush()?;
            if self.once {
                return Ok(());
            }
            pause(Duration::from_millis(self.interval));
        }
    }

    fn drawn(&self, activity: &Activity) -> String {
        let style = Style { width: usize::from(self.width), ascii: self.ascii, hex_keys: false };
        let name = self.file.display().to_string();
        presence::draw(&name, activity, &picture(activity), style).trim_end().to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "paces a picture for people")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn used_log(memory: &MemoryActivity) -> u64 {
    memory.log_regions.iter().map(|(start, end)| end.saturating_sub(*start)).sum()
}

fn picture(activity: &Activity) -> Picture {
    let memory = activity.memory.as_ref();
    Picture {
        codec: codecs::describe(activity.compression_id),
        live_tree_bytes: memory.map_or(0, |memory| memory.live_tree_bytes),
        old_tree_bytes: memory.map_or(0, |memory| memory.old_tree_bytes),
        log_bytes: memory.map_or(activity.log_file_bytes, used_log),
        levels: levels::views(&activity.levels, activity.page_size, activity.compression_id),
        ..Picture::default()
    }
}

fn mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Unlock => "free",
        LockMode::Shared => "shared",
        LockMode::Exclusive => "exclusive",
    }
}

fn document(activity: &Activity, as_hex: bool) -> Value {
    let presence = match activity.presence {
        Presence::Exclusive => "exclusive",
        Presence::Clients => "clients",
        Presence::Readers => "readers",
        _ => "nobody",
    };
    let lock = |entry: &siltstone::LockActivity| {
        json!({
            "number": entry.lock.number(), "byte": entry.lock.byte_offset(),
            "name": entry.lock.name(), "held": mode(entry.held),
        })
    };
    let levels = activity.levels.iter().map(|level| levels::level_document(level, as_hex));
    json!({
        "presence": presence,
        "clients": activity.clients(),
        "locks": activity.locks.iter().map(lock).collect::<Vec<_>>(),
        "memory": activity.memory.as_ref().map(memory_document),
        "snapshot_id": activity.snapshot_id,
        "checkpoint_id": activity.checkpoint_id,
        "bytes_since_checkpoint": activity.bytes_since_checkpoint,
        "levels": levels.collect::<Vec<_>>(),
        "page_size": activity.page_size,
        "block_size": activity.block_size,
        "blocks": activity.block_count,
        "compression_id": activity.compression_id,
        "file_bytes": activity.file_bytes,
        "log_file_bytes": activity.log_file_bytes,
    })
}

fn memory_document(memory: &MemoryActivity) -> Value {
    let slot = |slot: &siltstone::SlotActivity| {
        json!({
            "number": slot.number, "snapshot_id": slot.snapshot_id,
            "chunk_id": slot.chunk_id, "locked": slot.locked,
        })
    };
    let regions = memory.log_regions.iter().map(|(from, to)| json!({ "from": from, "to": to }));
    json!({
        "writing": memory.writing,
        "transaction": memory.transaction,
        "live_tree_bytes": memory.live_tree_bytes,
        "old_tree_bytes": memory.old_tree_bytes,
        "memory_bytes": memory.memory_bytes,
        "log_regions": regions.collect::<Vec<_>>(),
        "user_version": memory.user_version,
        "slots": memory.slots.iter().map(slot).collect::<Vec<_>>(),
    })
}
