//! Rules on the text of files: no platform in the engine, short files, self-contained.

use super::{SourceFile, code_lines};

/// Longest source file.
const MOST_LINES: usize = 600;

/// The only files of the engine that may name a platform.
const PLATFORM_FILES: [&str; 2] = ["lib.rs", "default_env.rs"];

/// Names of the world, which the engine must ask its environment for.
const PLATFORM_NAMES: [&str; 17] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::os",
    "std::env",
    "std::io::stdin",
    "Instant::now",
    "SystemTime",
    "std::time::Instant",
    "thread::sleep",
    "siltstone_native",
    "siltstone_wasi",
    "wasm_bindgen",
    "js_sys",
    "libc::",
    "nix::",
    "windows_sys",
];

/// Words that make a `cfg` depend on the platform.
const PLATFORM_CONFIGURATION: [&str; 6] =
    ["unix", "windows", "target_os", "target_family", "target_arch", "target_env"];

/// What may follow `#[cfg(test)]`, where the tests of a module need threads.
const WHERE_THREADS_ARE: &str = "#[cfg(not(target_family = \"wasm\"))]";

/// Tests of the engine may use files and processes: they are no part of it.
fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || path.contains("test_")
        || path.ends_with("_tests.rs")
        || path.ends_with("/tests.rs")
}

/// Wrong places, as sentences.
pub(super) fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        if file.path.ends_with(".rs") {
            let lines = file.text.lines().count();
            if lines > MOST_LINES {
                violations.push(format!("{}: {lines} lines, at most {MOST_LINES}", file.path));
            }
        }
        let platform_free = |path: &&str| !PLATFORM_FILES.contains(path) && !is_test(path);
        if let Some(path) = file.in_engine().filter(platform_free) {
            for (line, name) in platforms(&file.text) {
                violations.push(format!("src/{path}:{line}: the engine must not name {name}"));
            }
        }
        for (at, line) in file.text.lines().enumerate() {
            // Spelled apart, or this file would find itself.
            if line.contains(concat!("../", "shared")) || line.contains(concat!("/work/", "shared"))
            {
                violations.push(format!("{}:{}: refers outside the repository", file.path, at + 1));
            }
        }
    }
    violations
}

fn platforms(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut before = "";
    for (number, line) in code_lines(text) {
        found.extend(
            PLATFORM_NAMES.iter().filter(|n| line.contains(**n)).map(|n| (number, (*n).to_owned())),
        );
        if let Some((_, group)) = line.split_once("std::{") {
            let parts = group.split([',', '}', ':']).map(str::trim);
            let worlds = ["fs", "net", "process", "os", "env"];
            found.extend(
                parts.filter(|p| worlds.contains(p)).map(|p| (number, format!("std::{p}"))),
            );
        }
        // `open` without a world exists where the default world does, tests with threads where there
        // are threads.
        let configuration = line.find("cfg").and_then(|at| line.get(at..));
        let is_for_tests = before == "#[cfg(test)]" && line == WHERE_THREADS_ARE;
        before = line;
        let is_allowed = |c: &&str| c.contains("\"default-env\"") || is_for_tests;
        if let Some(configuration) = configuration.filter(|c| !is_allowed(c)) {
            let words = configuration.split(|c: char| !c.is_alphanumeric() && c != '_');
            let named = words.filter(|word| PLATFORM_CONFIGURATION.contains(word));
            found.extend(named.map(|word| (number, format!("cfg({word})"))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_found() {
        for line in [
            "use std::fs::File;",
            "use std::{fs, io};",
            "let now = Instant::now();",
            "#[cfg(unix)]",
            "#[cfg(all(test, target_os = \"linux\"))]",
            "if cfg!(windows) {}",
            "fn f() {}\n#[cfg(not(target_family = \"wasm\"))]",
        ] {
            assert_eq!(platforms(line).len(), 1, "{line}");
        }
        for line in [
            "use std::time::Duration;",
            "#[cfg(test)]",
            "// std::fs is not for us",
            "#[cfg(all(feature = \"default-env\", unix))]",
            "#[cfg(test)]\n#[cfg(not(target_family = \"wasm\"))]",
            "use std::{fmt, io};",
        ] {
            assert!(platforms(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn long_files_and_outside_references_are_found() {
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
        let files = [
            file("src/long.rs", "\n".repeat(MOST_LINES + 1)),
            file("docs/a.md", format!("see {}/spec", concat!("../", "shared"))),
        ];
        assert_eq!(violations(&files).len(), 2);
        assert!(violations(&[file("src/short.rs", "\n".repeat(MOST_LINES))]).is_empty());
    }
}
