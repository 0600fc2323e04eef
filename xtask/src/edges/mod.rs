//! The layout is the architecture; this refuses what would blur it.
//!
//! [`crates`]: which crate may depend on which. [`rooms`]: which module of the engine may import
//! which. [`sources`]: the engine names no platform, files stay short, and nothing refers to
//! material outside the repository.

mod crates;
mod rooms;
mod sources;

use crate::tools::{Outcome, root};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs every check and prints every violation.
pub(crate) fn run() -> Outcome {
    let mut violations = crates::violations()?;
    let files = files(&root())?;
    violations.extend(rooms::violations(&files));
    violations.extend(sources::violations(&files));
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("{} files, no wrong edge", files.len());
            Ok(())
        }
        number => Err(format!("{number} violations")),
    }
}

/// A text file of the repository.
pub(crate) struct SourceFile {
    /// Its path below the root, with `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

impl SourceFile {
    /// Its path below `src/`, if it is part of the engine.
    pub(crate) fn in_engine(&self) -> Option<&str> {
        self.path.strip_prefix("src/").filter(|path| path.ends_with(".rs"))
    }
}

/// Every text file that is not built, fetched or version control's own.
fn files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let failed = |error| format!("reading {}: {error}", root.join(&folder).display());
        for entry in fs::read_dir(root.join(&folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let path = folder.join(&name);
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                let skipped = ["target", ".git", "node_modules", "fixtures", "corpus"];
                if !skipped.iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                }
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(root.join(&path))
            {
                let path = path.to_string_lossy().replace('\\', "/");
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Lines of code: number from 1 and text, without comments.
///
/// Comments only run to the end of a line here; the house has no block comments.
pub(crate) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, without_comment(line)))
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match character {
            '"' if before != '\\' && before != '\'' => quoted = !quoted,
            '/' if before == '/' && !quoted => return line.get(..at - 1).unwrap_or(line),
            _ => {}
        }
        before = character;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_cut_and_strings_are_not() {
        assert_eq!(without_comment("a(); // b"), "a(); ");
        assert_eq!(without_comment("/// all"), "");
        assert_eq!(without_comment("let a = \"http://b\"; // c"), "let a = \"http://b\"; ");
    }
}
