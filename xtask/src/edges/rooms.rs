//! Which room of the engine may import which: lower rooms never know higher ones.

use super::{SourceFile, code_lines};

/// The rooms, from the bottom up; rooms of one row may know each other.
const FLOORS: &[&[&str]] = &[
    // What everything speaks: the world's traits, errors, the codec trait.
    &["env", "error", "codec"],
    &["format"],
    &["shm"],
    // `freelist` hands out blocks to the pager and knows the format only.
    &["pager", "log", "tree", "freelist"],
    &["sorted", "level", "checkpoint"],
    // Plain data in signatures of `shared`; they import nothing above the format.
    &["stats", "activity", "work", "options"],
    &["shared"],
    &[
        "connection",
        "database",
        "transaction",
        "snapshot",
        "cursor",
        "check",
        "backup",
        "recover",
        "outside",
        "batch",
        "iterator",
        "default_env",
        "metrics",
        "trace",
    ],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Wrong imports, as sentences.
pub(super) fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let Some(path) = file.in_engine().filter(|path| *path != "lib.rs") else { continue };
        let room = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
        let Some(own) = floor(room) else {
            violations
                .push(format!("src/{path}: room `{room}` is not on the map (edges/rooms.rs)"));
            continue;
        };
        for (line, used) in imports(&file.text) {
            if floor(&used).is_some_and(|used| used > own) {
                violations.push(format!("src/{path}:{line}: `{room}` must not know `{used}`"));
            }
        }
    }
    violations
}

/// Rooms named behind `crate::`, with their lines; names that are no rooms are re-exports of the
/// top, which are above everything and found by the same table only if they are rooms.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<(usize, &str)> = code_lines(text).collect();
    for (index, (number, line)) in lines.iter().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = line.get(at + "crate::".len()..).unwrap_or_default();
            if !rest.starts_with('{') {
                found.push((*number, identifier(rest)));
                continue;
            }
            // A group may run over several lines.
            let following = lines.get(index + 1..).unwrap_or_default();
            let group: String =
                std::iter::once(rest).chain(following.iter().map(|(_, line)| *line)).collect();
            found.extend(group_heads(&group).into_iter().map(|name| (*number, name)));
        }
    }
    found
}

/// The first names in `{a::b, c::{d, e}}`: a, c.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut expects_head = false;
    for (at, character) in group.char_indices() {
        match character {
            '{' => {
                depth += 1;
                expects_head = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' if depth == 1 => expects_head = true,
            c if c.is_whitespace() => {}
            _ if expects_head => {
                heads.push(identifier(group.get(at..).unwrap_or_default()));
                expects_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn imports_are_found_in_every_form() {
        let text = "use crate::pager::Pager;\n// use crate::shared;\nuse crate::{\n    log::Log,\n    \
                    tree::{Tree, crate_x},\n};\nfn f() -> crate::sorted::X { $crate::cursor!() }\n";
        let names: Vec<String> = imports(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["pager", "log", "tree", "sorted"]);
    }

    #[test]
    fn upward_imports_are_refused() {
        let wrong = [
            file("src/format/page.rs", "use crate::pager::Pager;"),
            file("src/pager/mod.rs", "use crate::{error::Error, sorted::Run};"),
            file("src/shared.rs", "fn f(d: &crate::database::Database) {}"),
            file("src/unknown.rs", ""),
        ];
        assert_eq!(violations(&wrong).len(), wrong.len());
        let right = [
            file("src/pager/mod.rs", "use crate::format::page;\nuse crate::error::Error;"),
            file("src/database.rs", "use crate::shared::Shared;"),
            file("src/lib.rs", "pub use crate::database::Database;"),
            file("vfs/env/src/file.rs", "use crate::database::Database;"),
        ];
        assert!(violations(&right).is_empty());
    }
}
