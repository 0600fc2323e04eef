//! Runs tests/tools/lsmdump.py, a reader that shares no code with us or with C.

use crate::{Row, fixtures};
use std::path::Path;
use std::process::Command;

/// Structural check of a database file; the tool's output if it finds fault.
///
/// # Errors
/// What the tool said.
pub fn check(path: &Path) -> Result<(), String> {
    dump(path, &["--check"]).map(drop)
}

/// The visible entries, log included, as that reader sees them.
///
/// # Errors
/// What the tool said.
pub fn scan(path: &Path) -> Result<Vec<Row>, String> {
    dump(path, &["--scan"]).map(|text| fixtures::rows(&text))
}

/// The visible entries of the file alone, without its log.
///
/// # Errors
/// What the tool said.
pub fn scan_without_log(path: &Path) -> Result<Vec<Row>, String> {
    dump(path, &["--scan", "--no-log"]).map(|text| fixtures::rows(&text))
}

fn dump(path: &Path, options: &[&str]) -> Result<String, String> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/lsmdump.py");
    let output = Command::new("python3")
        .arg("-B")
        .arg(tool)
        .arg(path)
        .args(options)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("lsmdump {options:?}: {}\n{text}{complaint}", output.status))
}
