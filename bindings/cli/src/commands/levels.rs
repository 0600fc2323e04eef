//! `siltstone levels`: the shape of a database, drawn as text.

use crate::codecs;
use crate::drawing::{self, LevelView, Picture, SegmentView};
use crate::failure::Result;
use crate::keys;
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};
use siltstone::{LevelInfo, SegmentInfo, Stats, Structure};
use std::path::PathBuf;

/// Draw the tree, the levels, unfinished merges and free space
#[derive(Debug, Args)]
pub(crate) struct Levels {
    /// The database
    file: PathBuf,
    /// Characters per line
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(80..=400))]
    width: u16,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

impl Levels {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        let (stats, structure) = (database.stats()?, database.structure()?);
        if session.global.json {
            return Ok(session.out.json(&document(&stats, &structure, session.global.hex))?);
        }
        let picture = picture(&self.file.display().to_string(), &stats, &structure);
        let style = drawing::Style {
            width: usize::from(self.width),
            ascii: self.ascii,
            hex_keys: session.global.hex,
        };
        Ok(session.out.line(drawing::draw(&picture, style).trim_end())?)
    }
}

fn picture(name: &str, stats: &Stats, structure: &Structure) -> Picture {
    Picture {
        name: name.to_owned(),
        page_size: stats.page_size,
        block_size: stats.block_size,
        codec: codecs::describe(stats.compression_id),
        live_tree_bytes: stats.live_tree_bytes,
        old_tree_bytes: stats.old_tree_bytes,
        log_bytes: stats.log_bytes,
        file_bytes: stats.file_bytes,
        levels: views(&structure.levels, stats.page_size, stats.compression_id),
        block_count: stats.block_count,
        free_blocks: structure.free.iter().map(|free| free.block).collect(),
        redirects: structure.redirects.iter().map(|r| (r.from, r.to)).collect(),
    }
}

/// Levels as they are drawn.
pub(super) fn views(levels: &[LevelInfo], page_size: u32, compression_id: u32) -> Vec<LevelView> {
    let unit = match codecs::is_compressed(compression_id) {
        true => 1,
        false => u64::from(page_size),
    };
    let segment = |segment: &SegmentInfo| SegmentView {
        bytes: segment.size.saturating_mul(unit),
        first: segment.first,
        last: segment.last,
        has_tree: segment.root != 0,
    };
    let level = |level: &LevelInfo| LevelView {
        age: level.age,
        freelist_only: level.freelist_only,
        segment: segment(&level.segment),
        merging: level.merging.iter().map(segment).collect(),
        split_key: level.split_key.clone(),
    };
    levels.iter().map(level).collect()
}

/// A level in JSON.
pub(super) fn level_document(level: &LevelInfo, as_hex: bool) -> Value {
    let segment = |segment: &SegmentInfo| {
        json!({
            "first": segment.first, "last": segment.last,
            "root": segment.root, "size": segment.size,
        })
    };
    let key = |key: &Vec<u8>| if as_hex { keys::hex(key) } else { keys::escaped(key) };
    json!({
        "age": level.age,
        "freelist_only": level.freelist_only,
        "segment": segment(&level.segment),
        "merging": level.merging.iter().map(segment).collect::<Vec<_>>(),
        "split_key": level.split_key.as_ref().map(key),
    })
}

fn document(stats: &Stats, structure: &Structure, as_hex: bool) -> Value {
    let levels = structure.levels.iter().map(|level| level_document(level, as_hex));
    let free = structure.free.iter().map(|free| json!({"block": free.block, "since": free.since}));
    let redirects = structure.redirects.iter().map(|r| json!({ "from": r.from, "to": r.to }));
    let regions = structure.log_regions.iter().map(|(from, to)| json!({ "from": from, "to": to }));
    json!({
        "page_size": stats.page_size,
        "block_size": stats.block_size,
        "compression_id": stats.compression_id,
        "live_tree_bytes": stats.live_tree_bytes,
        "old_tree_bytes": stats.old_tree_bytes,
        "log_bytes": stats.log_bytes,
        "file_bytes": stats.file_bytes,
        "blocks": stats.block_count,
        "levels": levels.collect::<Vec<_>>(),
        "free": free.collect::<Vec<_>>(),
        "redirects": redirects.collect::<Vec<_>>(),
        "append_points": structure.append_points,
        "log_regions": regions.collect::<Vec<_>>(),
    })
}
