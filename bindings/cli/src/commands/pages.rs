//! `siltstone pages`: which pages segments have, or what one page holds.

use crate::failure::Result;
use crate::keys;
use crate::session::Session;
use clap::Args;
use serde_json::json;
use siltstone::{CellInfo, Database, PageInfo, SegmentInfo};
use std::io::Write;
use std::path::PathBuf;

/// List the pages of segments, or decode one page
#[derive(Debug, Args)]
pub(crate) struct Pages {
    /// The database
    file: PathBuf,
    /// Decode this page; --hex adds a dump of its bytes
    page: Option<u64>,
    /// Only the segment that starts at this page
    #[arg(long, value_name = "PAGE", conflicts_with = "page")]
    segment: Option<u64>,
}

impl Pages {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        match (self.page, self.segment) {
            (Some(page), _) => print_page(session, &database.page(page)?),
            (None, Some(first)) => print_segment(session, &database, first, None),
            (None, None) => {
                for (at, level) in database.structure()?.levels.iter().enumerate() {
                    let output = Some(&level.segment).filter(|segment| segment.size > 0);
                    for segment in output.into_iter().chain(&level.merging) {
                        let title = title(at + 1, segment);
                        print_segment(session, &database, segment.first, Some(title))?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn title(level: usize, segment: &SegmentInfo) -> String {
    format!("level {level}: pages {} to {}, root {}", segment.first, segment.last, segment.root)
}

fn print_segment(
    session: &mut Session,
    database: &Database,
    first: u64,
    title: Option<String>,
) -> Result<()> {
    let pages = database.segment_pages(first)?;
    if session.global.json {
        return Ok(session.out.json(&json!({ "first": first, "pages": pages }))?);
    }
    if let Some(title) = title {
        session.out.line(title)?;
    }
    // Runs of neighbours on one line: 17-64.
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => runs.push((page, page)),
        }
    }
    for (first, last) in runs {
        session.out.line(if first == last {
            format!("  {first}")
        } else {
            format!("  {first}-{last} ({})", last - first + 1)
        })?;
    }
    Ok(())
}

fn print_page(session: &mut Session, page: &PageInfo) -> Result<()> {
    let as_hex = session.global.hex;
    if session.global.json {
        let cells = page.cells.iter().map(|cell| {
            json!({
                "offset": cell.offset, "flags": cell.flags, "pointer": cell.pointer,
                "key_hex": keys::hex(&cell.key),
                "value_hex": cell.value.as_deref().map(keys::hex),
            })
        });
        let mut document = json!({
            "page": page.id, "flags": page.flags, "pointer": page.pointer,
            "size": page.bytes.len(), "cells": cells.collect::<Vec<_>>(),
        });
        if let Some(object) = document.as_object_mut().filter(|_| as_hex) {
            object.insert("bytes_hex".to_owned(), keys::hex(&page.bytes).into());
        }
        return Ok(session.out.json(&document)?);
    }
    let flags = [(1, "b-tree"), (2, "skip next"), (4, "skip this")];
    let names = flags.iter().filter(|(bit, _)| page.flags & bit != 0).map(|(_, name)| *name);
    let names: Vec<&str> = names.collect();
    let names = if names.is_empty() { "sorted run".to_owned() } else { names.join(", ") };
    session.out.line(format!(
        "page {}: {names}, {} bytes, {} cells, pointer {}",
        page.id,
        page.bytes.len(),
        page.cells.len(),
        page.pointer
    ))?;
    for cell in &page.cells {
        session.out.line(format!(
            "  {:>5}  {:<34} {:>10}  {}{}",
            cell.offset,
            describe(cell),
            cell.pointer,
            keys::shown(&cell.key, as_hex, 48),
            cell.value.as_ref().map_or(String::new(), |value| format!("  ({} bytes)", value.len()))
        ))?;
    }
    if as_hex {
        session.out.write_all(keys::hex_dump(&page.bytes).as_bytes())?;
    }
    Ok(())
}

fn describe(cell: &CellInfo) -> String {
    let names = [
        (0x20, "system"),
        (0x10, "separator"),
        (8, "insert"),
        (4, "point delete"),
        (2, "end delete"),
        (1, "start delete"),
    ];
    let names = names.iter().filter(|(bit, _)| cell.flags & bit != 0).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join(" + ")
}
