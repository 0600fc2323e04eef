//! The shape of a database as text: memory, log, levels with unfinished merges, blocks.
//!
//! Bars are proportional to sizes within one picture: the largest segment fills the line. What is
//! drawn comes in plain structs, so that pictures are tested without a database.

use crate::keys;
use crate::sizes;
use std::fmt::Write;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Name of the file.
    pub(crate) name: String,
    /// Bytes of a page.
    pub(crate) page_size: u32,
    /// Bytes of a block.
    pub(crate) block_size: u32,
    /// The codec in words.
    pub(crate) codec: String,
    /// Bytes of the live tree.
    pub(crate) live_tree_bytes: u64,
    /// Bytes of the old tree.
    pub(crate) old_tree_bytes: u64,
    /// Bytes of log recovery would read.
    pub(crate) log_bytes: u64,
    /// Bytes of the file.
    pub(crate) file_bytes: u64,
    /// Levels, newest first.
    pub(crate) levels: Vec<LevelView>,
    /// Blocks ever allocated.
    pub(crate) block_count: u32,
    /// Numbers of free blocks, from 1.
    pub(crate) free_blocks: Vec<u32>,
    /// Moved blocks: from, to.
    pub(crate) redirects: Vec<(u32, u32)>,
}

/// A level.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelView {
    /// How often its content was merged.
    pub(crate) age: u16,
    /// Holds free-list records only.
    pub(crate) freelist_only: bool,
    /// The segment, or the finished part of a merge.
    pub(crate) segment: SegmentView,
    /// Inputs of an unfinished merge.
    pub(crate) merging: Vec<SegmentView>,
    /// First key not merged yet.
    pub(crate) split_key: Option<Vec<u8>>,
}

/// A segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SegmentView {
    /// Its size.
    pub(crate) bytes: u64,
    /// First page.
    pub(crate) first: u64,
    /// Last page.
    pub(crate) last: u64,
    /// Whether it has a b-tree of its own.
    pub(crate) has_tree: bool,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Characters per line.
    pub(crate) width: usize,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// Keys in hexadecimal.
    pub(crate) hex_keys: bool,
}

/// Characters in front of a bar and behind it.
const LABEL: usize = 18;
const SIZE: usize = 12;
const DETAIL: usize = 26;

/// Draws it.
pub(crate) fn draw(picture: &Picture, style: Style) -> String {
    let mut drawing = Drawing::new(picture, style);
    drawing.header(picture);
    drawing.sizes(picture);
    drawing.blocks(picture);
    drawing.text
}

/// Draws memory, log and levels alone.
pub(crate) fn draw_sizes(picture: &Picture, style: Style) -> String {
    let mut drawing = Drawing::new(picture, style);
    drawing.sizes(picture);
    drawing.text
}

struct Drawing {
    text: String,
    style: Style,
    largest: u64,
    room: usize,
}

impl Drawing {
    fn new(picture: &Picture, style: Style) -> Self {
        let segments = picture.levels.iter().flat_map(|level| {
            let merging = level.merging.iter().map(|segment| segment.bytes);
            std::iter::once(level.segment.bytes).chain(merging)
        });
        let memory = [picture.live_tree_bytes, picture.old_tree_bytes, picture.log_bytes];
        let largest = segments.chain(memory).max().unwrap_or(0);
        let room = style.width.saturating_sub(LABEL + SIZE + DETAIL + 4).max(8);
        Drawing { text: String::new(), style, largest, room }
    }

    fn sizes(&mut self, picture: &Picture) {
        self.memory(picture);
        for (at, level) in picture.levels.iter().enumerate() {
            self.level(at + 1, level);
        }
    }

    fn pick(&self, pretty: &'static str, ascii: &'static str) -> &'static str {
        if self.style.ascii { ascii } else { pretty }
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    /// A label, a bar, its size and what else there is to say.
    fn bar(&mut self, label: &str, bytes: u64, fill: char, detail: &str) {
        let bar = bar(bytes, self.largest, self.room, fill, self.style.ascii);
        let (left, right) = (self.pick("▕", "|"), self.pick("▏", "|"));
        let size = if bytes == 0 { "empty".to_owned() } else { sizes::bytes(bytes) };
        self.line(&format!("{label:<LABEL$}{left}{bar}{right}{size:>SIZE$}  {detail}"));
    }

    fn header(&mut self, picture: &Picture) {
        let line = format!(
            "{}: {}, {} pages in {} blocks, codec {}",
            picture.name,
            sizes::bytes(picture.file_bytes),
            sizes::bytes(u64::from(picture.page_size)),
            sizes::bytes(u64::from(picture.block_size)),
            picture.codec
        );
        self.line(&line);
        self.line("");
    }

    fn memory(&mut self, picture: &Picture) {
        let fill = if self.style.ascii { '=' } else { '▓' };
        self.bar("live tree", picture.live_tree_bytes, fill, "in memory");
        if picture.old_tree_bytes > 0 {
            self.bar("old tree", picture.old_tree_bytes, fill, "in memory, being flushed");
        }
        let detail = if picture.log_bytes > 0 { "replayed by recovery" } else { "" };
        self.bar("log", picture.log_bytes, fill, detail);
        let rule = self.pick("─", "-").repeat(self.style.width);
        self.line(&rule);
        if picture.levels.is_empty() {
            self.line("no levels yet: nothing was flushed");
        }
    }

    fn level(&mut self, number: usize, level: &LevelView) {
        let fill = if self.style.ascii { '#' } else { '█' };
        let label = format!("level {number}  age {}", level.age);
        let mut detail = pages(&level.segment);
        if level.freelist_only {
            detail = "free list".to_owned();
        }
        if !level.merging.is_empty() {
            detail = "merged so far".to_owned();
        }
        self.bar(&label, level.segment.bytes, fill, &detail);
        let waiting = if self.style.ascii { '.' } else { '░' };
        for (at, input) in level.merging.iter().enumerate() {
            let last = at + 1 == level.merging.len();
            let branch = match last {
                true => self.pick("  └─ input", "  `- input"),
                false => self.pick("  ├─ input", "  |- input"),
            };
            let label = format!("{branch} {}", at + 1);
            let tree = if input.has_tree { "" } else { ", no b-tree" };
            self.bar(&label, input.bytes, waiting, &format!("{}{tree}", pages(input)));
        }
        if let Some(key) = &level.split_key {
            let width = self.style.width.saturating_sub(LABEL + 16).max(8);
            let key = keys::shown(key, self.style.hex_keys, width);
            self.line(&format!("{:LABEL$}goes on at key {key}", ""));
        }
    }

    /// The map of blocks: each character stands for one or several.
    fn blocks(&mut self, picture: &Picture) {
        let rule = self.pick("─", "-").repeat(self.style.width);
        self.line(&rule);
        let total = picture.block_count;
        let free = picture.free_blocks.len() as u64;
        let used = u64::from(total).saturating_sub(free);
        let free_bytes = sizes::bytes(free * u64::from(picture.block_size));
        self.line(&format!("blocks: {used} used, {free} free ({free_bytes})"));
        let most = (self.style.width * 4) as u32;
        let per = total.div_ceil(most.max(1)).max(1);
        let [used_mark, part_mark, free_mark] = match self.style.ascii {
            true => ['#', '+', '.'],
            false => ['█', '▒', '·'],
        };
        let mut map = String::new();
        for start in (1..=total).step_by(per as usize) {
            let end = total.min(start.saturating_add(per - 1));
            let here = picture.free_blocks.iter().filter(|b| (start..=end).contains(*b)).count();
            map.push(match here {
                0 => used_mark,
                free if free as u32 > end - start => free_mark,
                _ => part_mark,
            });
        }
        let map: Vec<char> = map.chars().collect();
        for row in map.chunks(self.style.width.max(1)) {
            self.line(&row.iter().collect::<String>());
        }
        if per > 1 {
            self.line(&format!("each character is {per} blocks"));
        }
        if !picture.redirects.is_empty() {
            let arrow = self.pick("→", "->");
            let moved = picture.redirects.iter().map(|(from, to)| format!("{from}{arrow}{to}"));
            let moved = moved.collect::<Vec<_>>().join(", ");
            self.line(&format!("moved blocks: {moved}"));
        }
    }
}

fn pages(segment: &SegmentView) -> String {
    if segment.bytes == 0 { String::new() } else { format!("{}..{}", segment.first, segment.last) }
}

/// A bar of `room` characters: full at `largest`, never invisible unless empty.
fn bar(bytes: u64, largest: u64, room: usize, fill: char, ascii: bool) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = bytes as f64 / largest.max(1) as f64;
    let eighths = ((share * room as f64 * 8.0).round() as usize).min(room * 8);
    let eighths = if bytes > 0 { eighths.max(1) } else { 0 };
    let (mut full, part) = (eighths / 8, eighths % 8);
    // Only the solid fill has characters for parts of a cell.
    let smooth = fill == '█' && !ascii;
    if !smooth && (part >= 4 || (full == 0 && part > 0)) {
        full += 1;
    }
    let mut text: String = std::iter::repeat_n(fill, full).collect();
    if smooth && part > 0 {
        text.extend(EIGHTHS.get(part));
    }
    let used = text.chars().count();
    text.extend(std::iter::repeat_n(' ', room.saturating_sub(used)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { width: 100, ascii: true, hex_keys: false };

    fn segment(bytes: u64, first: u64, last: u64) -> SegmentView {
        SegmentView { bytes, first, last, has_tree: true }
    }

    fn busy() -> Picture {
        Picture {
            name: "cities.lsm".to_owned(),
            page_size: 4096,
            block_size: 1 << 20,
            codec: "none".to_owned(),
            live_tree_bytes: 300 << 10,
            log_bytes: 64 << 10,
            file_bytes: 12 << 20,
            levels: vec![
                LevelView { segment: segment(1 << 20, 513, 768), ..LevelView::default() },
                LevelView {
                    age: 1,
                    segment: segment(2 << 20, 769, 1280),
                    merging: vec![segment(1 << 20, 1281, 1536), segment(4 << 20, 1537, 2560)],
                    split_key: Some(b"city/\x00".to_vec()),
                    ..LevelView::default()
                },
            ],
            block_count: 12,
            free_blocks: vec![3, 4, 12],
            redirects: vec![(9, 2)],
            ..Picture::default()
        }
    }

    #[test]
    fn a_busy_database_shows_everything() {
        let text = draw(&busy(), STYLE);
        let expected = "\
cities.lsm: 12.0 MiB, 4.0 KiB pages in 1.0 MiB blocks, codec none

live tree         |===                                     |   300.0 KiB  in memory
log               |=                                       |    64.0 KiB  replayed by recovery
----------------------------------------------------------------------------------------------------
level 1  age 0    |##########                              |     1.0 MiB  513..768
level 2  age 1    |####################                    |     2.0 MiB  merged so far
  |- input 1      |..........                              |     1.0 MiB  1281..1536
  `- input 2      |........................................|     4.0 MiB  1537..2560
                  goes on at key city/\\x00
----------------------------------------------------------------------------------------------------
blocks: 9 used, 3 free (3.0 MiB)
##..#######.
moved blocks: 9->2
";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_fit_the_width() {
        for ascii in [true, false] {
            for width in [80, 100, 200] {
                let style = Style { width, ascii, hex_keys: false };
                for line in draw(&busy(), style).lines().skip(1) {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn an_empty_database_is_drawn_too() {
        let text = draw(&Picture { name: "e".to_owned(), ..Picture::default() }, STYLE);
        assert!(text.contains("no levels yet"), "{text}");
        assert!(text.contains("blocks: 0 used, 0 free"), "{text}");
    }

    #[test]
    fn many_blocks_share_characters() {
        let picture = Picture {
            block_count: 100_000,
            free_blocks: (50_001..=100_000).collect(),
            ..Picture::default()
        };
        let text = draw(&picture, STYLE);
        assert!(text.contains("each character is 250 blocks"), "{text}");
        let map: String =
            text.lines().filter(|l| !l.contains(' ') && l.starts_with(['#', '.'])).collect();
        assert_eq!(map.matches('#').count(), 200);
        assert_eq!(map.matches('.').count(), 200);
    }

    #[test]
    fn bars_are_proportional_and_never_hide_something() {
        assert_eq!(bar(0, 100, 10, '█', false), " ".repeat(10));
        assert_eq!(bar(100, 100, 10, '█', false), "█".repeat(10));
        assert_eq!(bar(50, 100, 10, '█', false), format!("{}{}", "█".repeat(5), " ".repeat(5)));
        assert_eq!(bar(1, u64::MAX, 10, '█', false), format!("▏{}", " ".repeat(9)));
        assert_eq!(bar(1, u64::MAX, 4, '#', true), "#   ");
        assert_eq!(bar(7, 0, 4, '#', true), "####");
    }
}
