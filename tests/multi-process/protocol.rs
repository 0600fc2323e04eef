//! What driver and processes say to each other: one request a line, answered by rows and one last
//! line. Keys are hexadecimal; values never travel: a request names the seed they are made from, an
//! answer length and digest, and the bytes only of short ones.
//!
//! | line of an answer | meaning |
//! |---|---|
//! | `+ KEY LENGTH DIGEST [BYTES]` | a row |
//! | `ok TEXT` | done |
//! | `busy TEXT` | somebody else has what was needed, and kept it for the time allowed |
//! | `err CODE TEXT` | failed |
//! | `waiting TEXT` | stands still until the next line, which says how to go on |
//!
//! A line that begins with `@N` is for, or from, thread N of the process, which begins with its first
//! request and uses the database that the process has open.

use std::path::PathBuf;
use std::time::Duration;

/// The longest value that travels.
const SHORT: usize = 24;

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put {
        key: Vec<u8>,
        seed: u64,
        len: usize,
    },
    Delete(Vec<u8>),
    /// The keys strictly between.
    DeleteRange(Vec<u8>, Vec<u8>),
    Savepoint,
    /// Back to the savepoint, which ends.
    Undo,
    /// The savepoint ends, what was done since stays.
    Keep,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    Rollback,
    /// Stands still before the commit until told `go`.
    Wait,
}

/// How a database is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) page_size: u32,
    pub(crate) block_size: u32,
    pub(crate) autoflush: u32,
    pub(crate) autocheckpoint: u32,
    pub(crate) automerge: u32,
    pub(crate) max_freelist: u32,
    pub(crate) safety: u8,
    pub(crate) map: bool,
    pub(crate) autowork: bool,
    pub(crate) read_only: bool,
    pub(crate) use_log: bool,
    /// Threads: 0 none, 1 merge, 2 checkpoint, 3 both. Siltstone only.
    pub(crate) background: u8,
    pub(crate) busy: Duration,
    /// Seed of random delays before calls of the world; 0 = none.
    pub(crate) delays: u64,
}

impl Opening {
    /// The defaults of both engines, except a busy timeout of five seconds.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Opening {
            path: path.into(),
            page_size: 4096,
            block_size: 1 << 20,
            autoflush: 1 << 20,
            autocheckpoint: 2 << 20,
            automerge: 4,
            max_freelist: 24,
            safety: 1,
            map: true,
            autowork: true,
            read_only: false,
            use_log: true,
            background: 0,
            busy: Duration::from_secs(5),
            delays: 0,
        }
    }
}

/// Which lock call to stand still after: the so manieth (from 0) that succeeds, of those that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopAt {
    /// Number of the lock, or 0 for any.
    pub(crate) lock: u8,
    /// 1 shared, 2 exclusive, 0 release, or 9 for any.
    pub(crate) mode: u8,
    pub(crate) skip: u32,
}

/// What a process is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Open(Opening),
    Transact {
        tag: u32,
        wait: Duration,
        ending: Ending,
        changes: Vec<Change>,
    },
    Get(Vec<u8>),
    /// All rows; whether backward.
    Scan(bool),
    /// Keeps the present state for later looks.
    Hold(u32),
    Look(u32, bool),
    Release(u32),
    Work(u32),
    Checkpoint,
    Flush,
    Compact,
    /// Answers the problems found, one in a line of text.
    Check,
    Close,
    /// The thread ends.
    Leave,
    /// Stands still right after taking a lock.
    StopAt(StopAt),
    /// Answers the lock calls that have succeeded so far, as `LOCK:MODE`.
    LockCalls,
}

/// A row as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) len: usize,
    pub(crate) digest: u64,
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Row {
    pub(crate) fn new(key: &[u8], value: &[u8]) -> Self {
        Row {
            key: key.to_vec(),
            len: value.len(),
            digest: digest(value),
            bytes: (value.len() <= SHORT).then(|| value.to_vec()),
        }
    }

    pub(crate) fn to_line(&self) -> String {
        let bytes = self.bytes.as_deref().map(hex).unwrap_or_default();
        format!("+ {} {} {:x} {bytes}", hex(&self.key), self.len, self.digest)
    }

    pub(crate) fn from_words(words: &str) -> Option<Self> {
        let mut words = words.split_whitespace();
        Some(Row {
            key: unhex(words.next()?)?,
            len: words.next()?.parse().ok()?,
            digest: u64::from_str_radix(words.next()?, 16).ok()?,
            bytes: words.next().and_then(unhex),
        })
    }
}

/// `line` as thread `thread` of a process hears or says it.
pub(crate) fn addressed(thread: Option<u32>, line: &str) -> String {
    thread.map_or_else(|| line.to_owned(), |number| format!("@{number} {line}"))
}

/// The inverse: the thread, if the line names one, and the rest.
pub(crate) fn addressee(line: &str) -> (Option<u32>, &str) {
    let named = line.strip_prefix('@').and_then(|rest| rest.split_once(' '));
    match named.and_then(|(number, rest)| Some((number.parse().ok()?, rest))) {
        Some((number, rest)) => (Some(number), rest),
        None => (None, line),
    }
}

/// FNV-1a.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The value made from a seed.
pub(crate) fn value(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".into();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(word: &str) -> Option<Vec<u8>> {
    if word == "-" {
        return Some(Vec::new());
    }
    let (pairs, []) = word.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl Change {
    fn to_words(&self) -> String {
        match self {
            Change::Put { key, seed, len } => format!("put {} {seed} {len}", hex(key)),
            Change::Delete(key) => format!("delete {}", hex(key)),
            Change::DeleteRange(low, high) => format!("range {} {}", hex(low), hex(high)),
            Change::Savepoint => "savepoint".into(),
            Change::Undo => "undo".into(),
            Change::Keep => "keep".into(),
        }
    }
}

impl Request {
    /// The line, without its end.
    pub(crate) fn to_line(&self) -> String {
        match self {
            Request::Open(o) => format!(
                "open {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
                hex(o.path.as_os_str().as_encoded_bytes()),
                o.page_size,
                o.block_size,
                o.autoflush,
                o.autocheckpoint,
                o.automerge,
                o.max_freelist,
                o.safety,
                u8::from(o.map),
                u8::from(o.autowork),
                u8::from(o.read_only),
                u8::from(o.use_log),
                o.background,
                o.busy.as_millis(),
                o.delays,
            ),
            Request::Transact { tag, wait, ending, changes } => {
                let ending = match ending {
                    Ending::Commit => "commit",
                    Ending::Rollback => "rollback",
                    Ending::Wait => "wait",
                };
                let changes: Vec<String> = changes.iter().map(Change::to_words).collect();
                format!("transact {tag} {} {ending} {}", wait.as_millis(), changes.join(" "))
            }
            Request::Get(key) => format!("get {}", hex(key)),
            Request::Scan(backward) => format!("scan {}", u8::from(*backward)),
            Request::Hold(slot) => format!("hold {slot}"),
            Request::Look(slot, backward) => format!("look {slot} {}", u8::from(*backward)),
            Request::Release(slot) => format!("release {slot}"),
            Request::Work(kb) => format!("work {kb}"),
            Request::Checkpoint => "checkpoint".into(),
            Request::Flush => "flush".into(),
            Request::Compact => "compact".into(),
            Request::Check => "check".into(),
            Request::Close => "close".into(),
            Request::Leave => "leave".into(),
            Request::StopAt(at) => format!("stop {} {} {}", at.lock, at.mode, at.skip),
            Request::LockCalls => "lockcalls".into(),
        }
    }

    /// Reads a line; `None` if it is no request.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = Words(line.split_whitespace());
        Some(match words.text()? {
            "open" => Request::Open(Opening {
                path: String::from_utf8(words.bytes()?).ok()?.into(),
                page_size: words.number()?,
                block_size: words.number()?,
                autoflush: words.number()?,
                autocheckpoint: words.number()?,
                automerge: words.number()?,
                max_freelist: words.number()?,
                safety: words.number()?,
                map: words.flag()?,
                autowork: words.flag()?,
                read_only: words.flag()?,
                use_log: words.flag()?,
                background: words.number()?,
                busy: Duration::from_millis(words.number()?),
                delays: words.number()?,
            }),
            "transact" => {
                let (tag, wait) = (words.number()?, Duration::from_millis(words.number()?));
                let ending = match words.text()? {
                    "commit" => Ending::Commit,
                    "rollback" => Ending::Rollback,
                    "wait" => Ending::Wait,
                    _ => return None,
                };
                Request::Transact { tag, wait, ending, changes: words.changes()? }
            }
            "get" => Request::Get(words.bytes()?),
            "scan" => Request::Scan(words.flag()?),
            "hold" => Request::Hold(words.number()?),
            "look" => Request::Look(words.number()?, words.flag()?),
            "release" => Request::Release(words.number()?),
            "work" => Request::Work(words.number()?),
            "checkpoint" => Request::Checkpoint,
            "flush" => Request::Flush,
            "compact" => Request::Compact,
            "check" => Request::Check,
            "close" => Request::Close,
            "leave" => Request::Leave,
            "stop" => Request::StopAt(StopAt {
                lock: words.number()?,
                mode: words.number()?,
                skip: words.number()?,
            }),
            "lockcalls" => Request::LockCalls,
            _ => return None,
        })
    }
}

struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn text(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        self.number::<u8>().map(|number| number != 0)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        unhex(self.text()?)
    }

    fn changes(&mut self) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        while let Some(word) = self.text() {
            changes.push(match word {
                "put" => {
                    Change::Put { key: self.bytes()?, seed: self.number()?, len: self.number()? }
                }
                "delete" => Change::Delete(self.bytes()?),
                "range" => Change::DeleteRange(self.bytes()?, self.bytes()?),
                "savepoint" => Change::Savepoint,
                "undo" => Change::Undo,
                "keep" => Change::Keep,
                _ => return None,
            });
        }
        Some(changes)
    }
}

#[test]
fn requests_survive_the_line() {
    let changes = vec![
        Change::Put { key: b"k".to_vec(), seed: u64::MAX, len: 70_000 },
        Change::Savepoint,
        Change::Delete(vec![]),
        Change::DeleteRange(b"a".to_vec(), b"\xff".to_vec()),
        Change::Undo,
        Change::Keep,
    ];
    let wait = Duration::from_millis(250);
    for request in [
        Request::Open(Opening { read_only: true, delays: 7, ..Opening::new("/a b/c.lsm") }),
        Request::Transact { tag: 3, wait, ending: Ending::Wait, changes },
        Request::Look(2, true),
        Request::StopAt(StopAt { lock: 4, mode: 2, skip: 1 }),
        Request::LockCalls,
        Request::Leave,
    ] {
        assert_eq!(Request::from_line(&request.to_line()), Some(request));
    }
    for thread in [None, Some(12)] {
        assert_eq!(addressee(&addressed(thread, "scan 1")), (thread, "scan 1"));
    }
    for len in [0, SHORT, SHORT + 1] {
        let row = Row::new(b"key", &value(5, len));
        let line = row.to_line();
        assert_eq!(Row::from_words(line.strip_prefix("+ ").unwrap()), Some(row));
    }
}
