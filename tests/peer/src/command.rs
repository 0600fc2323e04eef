//! The peer protocol: one command a line, answered by rows (`+ key value`) and one line `ok TEXT` or
//! `err CODE`. Keys and values are hexadecimal; an empty one is `-`. Commands address a slot, so that
//! one process can hold several handles and cursors.

use crate::config::{CConfig, Setting};
use std::path::PathBuf;

/// Where a cursor stands: key and value, or nothing at the end.
pub type Position = Option<(Vec<u8>, Vec<u8>)>;

/// Seek modes of `lsm_csr_seek`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// The key itself.
    Eq,
    /// The smallest key not smaller.
    Ge,
    /// The greatest key not greater.
    Le,
    /// As `Le`, but may stop at a larger or deleted key.
    LeFast,
}

impl Seek {
    /// C's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Seek::Eq => 0,
            Seek::Ge => 1,
            Seek::Le => -1,
            Seek::LeFast => -2,
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        [Seek::Eq, Seek::Ge, Seek::Le, Seek::LeFast]
            .into_iter()
            .find(|seek| seek.number() == number)
    }
}

/// Kinds of `lsm_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Info {
    /// Pages written by this handle.
    PagesWritten,
    /// Pages read by this handle.
    PagesRead,
    /// Levels as a Tcl list.
    Structure,
    /// Six offsets of the log regions.
    Log,
    /// Page ranges of the segment that starts at the page.
    Array(i64),
    /// A page as text.
    Page(i64),
    /// A page as text with hexadecimal keys.
    PageHex(i64),
    /// Free blocks with snapshot ids.
    FreeList,
    /// Page numbers of the segment that starts at the page.
    ArrayPages(i64),
    /// KB since the last checkpoint.
    CheckpointSize,
    /// KB of the old and the live tree.
    TreeSize,
    /// Compression id of the file.
    Codec,
}

impl Info {
    fn to_words(self) -> String {
        match self {
            Info::PagesWritten => "1".into(),
            Info::PagesRead => "2".into(),
            Info::Structure => "3".into(),
            Info::Log => "4".into(),
            Info::Array(page) => format!("5 {page}"),
            Info::Page(page) => format!("6 {page}"),
            Info::PageHex(page) => format!("7 {page}"),
            Info::FreeList => "8".into(),
            Info::ArrayPages(page) => format!("9 {page}"),
            Info::CheckpointSize => "10".into(),
            Info::TreeSize => "11".into(),
            Info::Codec => "13".into(),
        }
    }

    fn from_words(kind: i32, page: Option<i64>) -> Option<Self> {
        Some(match kind {
            1 => Info::PagesWritten,
            2 => Info::PagesRead,
            3 => Info::Structure,
            4 => Info::Log,
            5 => Info::Array(page?),
            6 => Info::Page(page?),
            7 => Info::PageHex(page?),
            8 => Info::FreeList,
            9 => Info::ArrayPages(page?),
            10 => Info::CheckpointSize,
            11 => Info::TreeSize,
            13 => Info::Codec,
            _ => return None,
        })
    }
}

/// What C is asked to do. Unless stated, with the handle in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes another handle slot the one in use (0 at the start).
    Use(u32),
    /// Opens a database in the slot, which must be free.
    Open(PathBuf, CConfig),
    /// Closes it.
    Close,
    /// Changes or (-1) queries a setting; answers the value in force.
    Configure(Setting, i32),
    /// Installs a codec on the open handle.
    Codec(u32),
    /// Inserts or overwrites.
    Put(Vec<u8>, Vec<u8>),
    /// Deletes a key.
    Delete(Vec<u8>),
    /// Deletes the keys strictly between.
    DeleteRange(Vec<u8>, Vec<u8>),
    /// `lsm_begin`.
    Begin(i32),
    /// `lsm_commit`.
    Commit(i32),
    /// `lsm_rollback`.
    Rollback(i32),
    /// `lsm_flush`.
    Flush,
    /// `lsm_work` with merge count and KB; answers C's number.
    Work(i32, i32),
    /// `lsm_checkpoint`; answers C's number.
    Checkpoint,
    /// `lsm_get_user_version`.
    UserVersion,
    /// `lsm_set_user_version`.
    SetUserVersion(u32),
    /// `lsm_info`; answers its text.
    Info(Info),
    /// All rows in order.
    Scan,
    /// All rows in reverse order.
    ScanBackward,
    /// Seek with a cursor of its own; a row or none.
    Seek(Seek, Vec<u8>),
    /// Opens a cursor in a cursor slot.
    CursorOpen(u32),
    /// Closes the cursor of a slot.
    CursorClose(u32),
    /// First entry.
    CursorFirst(u32),
    /// Last entry.
    CursorLast(u32),
    /// Next entry.
    CursorNext(u32),
    /// Previous entry.
    CursorPrev(u32),
    /// Seek.
    CursorSeek(u32, Seek, Vec<u8>),
    /// Where it stands.
    CursorAt(u32),
    /// Ends the process without closing anything, as a crash would.
    Abort,
    /// Ends the process in order; handles are closed.
    Quit,
}

impl Command {
    /// The line, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        match self {
            Command::Use(slot) => format!("use {slot}"),
            Command::Open(path, config) => {
                format!("open {}{}", hex(path.as_os_str().as_encoded_bytes()), config.to_words())
            }
            Command::Close => "close".into(),
            Command::Configure(setting, value) => format!("config {} {value}", setting.number()),
            Command::Codec(id) => format!("codec {id}"),
            Command::Put(key, value) => format!("put {} {}", hex(key), hex(value)),
            Command::Delete(key) => format!("del {}", hex(key)),
            Command::DeleteRange(first, last) => format!("delrange {} {}", hex(first), hex(last)),
            Command::Begin(level) => format!("begin {level}"),
            Command::Commit(level) => format!("commit {level}"),
            Command::Rollback(level) => format!("rollback {level}"),
            Command::Flush => "flush".into(),
            Command::Work(merge, kb) => format!("work {merge} {kb}"),
            Command::Checkpoint => "checkpoint".into(),
            Command::UserVersion => "version".into(),
            Command::SetUserVersion(version) => format!("setversion {version}"),
            Command::Info(info) => format!("info {}", info.to_words()),
            Command::Scan => "scan".into(),
            Command::ScanBackward => "rscan".into(),
            Command::Seek(mode, key) => format!("seek {} {}", mode.number(), hex(key)),
            Command::CursorOpen(slot) => format!("csropen {slot}"),
            Command::CursorClose(slot) => format!("csrclose {slot}"),
            Command::CursorFirst(slot) => format!("csrfirst {slot}"),
            Command::CursorLast(slot) => format!("csrlast {slot}"),
            Command::CursorNext(slot) => format!("csrnext {slot}"),
            Command::CursorPrev(slot) => format!("csrprev {slot}"),
            Command::CursorSeek(slot, mode, key) => {
                format!("csrseek {slot} {} {}", mode.number(), hex(key))
            }
            Command::CursorAt(slot) => format!("csrat {slot}"),
            Command::Abort => "abort".into(),
            Command::Quit => "quit".into(),
        }
    }

    /// Reads a line; `None` if it is no command.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        if name == "open" {
            let path = String::from_utf8(unhex(words.next()?)?).ok()?;
            return Some(Command::Open(path.into(), CConfig::from_words(words)?));
        }
        let words: Vec<&str> = words.collect();
        let word = |index: usize| words.get(index).copied();
        let int = |index: usize| word(index)?.parse::<i32>().ok();
        let slot = |index: usize| word(index)?.parse::<u32>().ok();
        let data = |index: usize| unhex(word(index)?);
        let seek = |index: usize| Seek::from_number(int(index)?);
        Some(match name {
            "use" => Command::Use(slot(0)?),
            "close" => Command::Close,
            "config" => Command::Configure(Setting::from_number(int(0)?)?, int(1)?),
            "codec" => Command::Codec(slot(0)?),
            "put" => Command::Put(data(0)?, data(1)?),
            "del" => Command::Delete(data(0)?),
            "delrange" => Command::DeleteRange(data(0)?, data(1)?),
            "begin" => Command::Begin(int(0)?),
            "commit" => Command::Commit(int(0)?),
            "rollback" => Command::Rollback(int(0)?),
            "flush" => Command::Flush,
            "work" => Command::Work(int(0)?, int(1)?),
            "checkpoint" => Command::Checkpoint,
            "version" => Command::UserVersion,
            "setversion" => Command::SetUserVersion(slot(0)?),
            "info" => {
                Command::Info(Info::from_words(int(0)?, word(1).and_then(|w| w.parse().ok()))?)
            }
            "scan" => Command::Scan,
            "rscan" => Command::ScanBackward,
            "seek" => Command::Seek(seek(0)?, data(1)?),
            "csropen" => Command::CursorOpen(slot(0)?),
            "csrclose" => Command::CursorClose(slot(0)?),
            "csrfirst" => Command::CursorFirst(slot(0)?),
            "csrlast" => Command::CursorLast(slot(0)?),
            "csrnext" => Command::CursorNext(slot(0)?),
            "csrprev" => Command::CursorPrev(slot(0)?),
            "csrseek" => Command::CursorSeek(slot(0)?, seek(1)?, data(2)?),
            "csrat" => Command::CursorAt(slot(0)?),
            "abort" => Command::Abort,
            "quit" => Command::Quit,
            _ => return None,
        })
    }
}

/// What C answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Rows of a scan, or the entry a cursor stands on.
    pub rows: crate::Rows,
    /// Anything else, as text.
    pub text: String,
}

/// Bytes as a protocol word.
pub(crate) fn hex(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if data.is_empty() {
        return "-".into();
    }
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('?', |&byte| char::from(byte));
    data.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The inverse.
pub(crate) fn unhex(word: &str) -> Option<Vec<u8>> {
    if word == "-" {
        return Some(Vec::new());
    }
    let (pairs, []) = word.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_the_line() {
        let config = CConfig::new().sizes(512, 64).codec(crate::ZRLE);
        for command in [
            Command::Open("/tmp/with space.lsm".into(), config),
            Command::Put(vec![], vec![0, 255]),
            Command::DeleteRange(b"a".to_vec(), vec![]),
            Command::Rollback(-1),
            Command::Info(Info::Page(17)),
            Command::Info(Info::Structure),
            Command::Configure(Setting::Autoflush, -1),
            Command::CursorSeek(3, Seek::LeFast, b"k".to_vec()),
            Command::Abort,
        ] {
            assert_eq!(Command::from_line(&command.to_line()), Some(command));
        }
        for line in ["", "put", "put zz -", "seek 7 -", "open", "nonsense"] {
            assert_eq!(Command::from_line(line), None, "{line}");
        }
    }
}
