//! Which crate may depend on which: bindings -> engine -> environment traits <- worlds.

use crate::tools::{cargo, output, root};
use serde_json::Value;
use std::path::Path;

/// Folder of a crate, and the folders of the crates it may use. `+` allows it in tests only.
/// A folder that ends in `/` stands for all crates below it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("vfs/env", &[]),
    ("vfs/", &["vfs/env"]),
    // The default world of the target, behind the feature `default-env`.
    ("", &["vfs/env", "vfs/native", "vfs/wasi", "+vfs/memory"]),
    ("bindings/cli", &[""]),
    ("bindings/", &["", "vfs/"]),
    ("tests/peer", &[]),
    ("tests", &["", "vfs/", "tests/", "bindings/"]),
    ("tests/", &["", "vfs/", "tests/", "bindings/"]),
    ("xtask", &[]),
];

/// Wrong edges, as sentences.
pub(super) fn violations() -> Result<Vec<String>, String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let root = root().canonicalize().map_err(|error| error.to_string())?;
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().and_then(|folder| below(folder, &root));
        let Some(folder) = folder else {
            violations.push(format!("{name}: its manifest is outside the repository"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let for_tests = dependency["kind"] == "dev";
            let used = below(Path::new(path), &root);
            let used_name = dependency["name"].as_str().unwrap_or_default();
            if !used.is_some_and(|used| is_allowed(&folder, &used, for_tests)) {
                violations.push(format!("{name} must not depend on {used_name}"));
            }
        }
    }
    Ok(violations)
}

fn below(folder: &Path, root: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    Some(folder.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/"))
}

/// The most precise row of the table decides.
fn is_allowed(folder: &str, used: &str, for_tests: bool) -> bool {
    let is = |pattern: &str, folder: &str| match pattern.strip_suffix('/') {
        Some(above) => folder.starts_with(&format!("{above}/")),
        None => pattern == folder,
    };
    let row = ALLOWED.iter().find(|(pattern, _)| is(pattern, folder));
    row.is_some_and(|(_, uses)| {
        uses.iter().any(|pattern| match pattern.strip_prefix('+') {
            Some(pattern) => for_tests && is(pattern, used),
            None => is(pattern, used),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn edges_point_one_way() {
        assert!(is_allowed("", "vfs/env", false));
        assert!(is_allowed("", "vfs/memory", true));
        assert!(!is_allowed("", "vfs/memory", false));
        assert!(is_allowed("vfs/native", "vfs/env", false));
        assert!(!is_allowed("vfs/native", "", false));
        assert!(!is_allowed("vfs/env", "vfs/memory", true));
        assert!(is_allowed("bindings/cli", "", false));
        assert!(!is_allowed("bindings/cli", "vfs/native", false));
        assert!(is_allowed("bindings/wasm", "vfs/opfs", false));
        assert!(is_allowed("tests", "tests/peer", false));
        assert!(!is_allowed("somewhere", "", false));
    }
}
