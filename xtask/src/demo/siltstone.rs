//! The `siltstone` command, called the way people call it, its answers parsed.

use super::data::Entries;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command in the demo's folder.
pub(super) struct Siltstone {
    /// The program.
    pub(super) binary: PathBuf,
    /// Where it works.
    pub(super) folder: PathBuf,
}

impl Siltstone {
    /// The command, not started yet; prints what one would type.
    pub(super) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let shown: Vec<String> =
            arguments.iter().map(|word| quoted(&word.as_ref().to_string_lossy())).collect();
        println!("$ siltstone {}", shown.join(" "));
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs it to the end, whatever that is.
    pub(super) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Output, String> {
        let output = self.command(arguments).output();
        output.map_err(|error| format!("{}: {error}", self.binary.display()))
    }

    /// What it prints; failing is an error.
    pub(super) fn answer<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String, String> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("siltstone ended with {}: {}", output.status, message.trim()));
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    /// What it answers with `--json`.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let text = self.answer(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&text).map_err(|error| format!("no JSON ({error}): {text}"))
    }

    /// Scans with these options and compares every entry.
    pub(super) fn expect<'a>(
        &self,
        file: &str,
        options: &[&str],
        expected: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
    ) -> Result<u64, String> {
        let arguments = [&["scan", file, "--format", "hex"], options].concat();
        let text = self.answer(&arguments)?;
        let mut lines = text.lines();
        let mut count = 0;
        for (key, value) in expected {
            let wanted = format!("{}\t{}", hex(key), hex(value));
            match lines.next() {
                Some(line) if line == wanted => count += 1,
                other => {
                    let key = String::from_utf8_lossy(key);
                    let found = other.unwrap_or("the end");
                    return Err(format!("entry {count} should be {key}, but the scan has {found}"));
                }
            }
        }
        match lines.next() {
            None => Ok(count),
            Some(line) => Err(format!("after {count} entries the scan should end, but has {line}")),
        }
    }
}

/// Entries whose keys begin so.
pub(super) fn with_prefix<'a>(
    entries: &'a Entries,
    prefix: &'a str,
) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    let mut after = prefix.as_bytes().to_vec();
    // Prefixes are ASCII here: the last byte can be counted up.
    if let Some(last) = after.last_mut() {
        *last += 1;
    }
    entries.range(prefix.as_bytes().to_vec()..after)
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=@:".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Bytes of a file; 0 if it is missing.
pub(super) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}
