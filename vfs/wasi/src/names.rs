//! From a user's name to a preopened directory and a path below it.
//!
//! A canonical name is `/` and the components, whatever the preopened directory is called: `data/a`,
//! `/data/./a` and `//data/a` are one file. Hosts disagree on what they answer to names that lead
//! out, so these are refused here.

use crate::host::Place;
use siltstone_env::{EnvError, FilePath, Result};

/// The components of a name: none is empty, `.` or `..`.
fn components(name: &str) -> Result<Vec<&str>> {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(|part| if part == ".." { Err(EnvError::Outside) } else { Ok(part) }).collect()
}

/// The canonical form of `name`.
pub(crate) fn canonical(directories: &[String], name: &[u8]) -> Result<FilePath> {
    // The standard's paths are UTF-8, and hosts cut them at a NUL byte.
    let name = std::str::from_utf8(name).map_err(|_| EnvError::NotAFile)?;
    if name.is_empty() || name.contains('\0') || name.ends_with('/') || name.ends_with("/.") {
        return Err(EnvError::NotAFile);
    }
    let canonical = format!("/{}", components(name)?.join("/"));
    place(directories, &canonical)?;
    Ok(FilePath::from_bytes(canonical.as_bytes()))
}

/// Where the file with this canonical name is.
pub(crate) fn find(directories: &[String], path: &FilePath) -> Result<Place> {
    place(directories, std::str::from_utf8(path.as_bytes()).map_err(|_| EnvError::NotAFile)?)
}

/// The place below the preopened directory whose name is the longest beginning of `name`; the first
/// of equals.
fn place(directories: &[String], name: &str) -> Result<Place> {
    let wanted = components(name)?;
    let mut best: Option<(usize, usize)> = None;
    for (number, directory) in directories.iter().enumerate() {
        // A directory called `..` has no name that could be written down here.
        let Ok(above) = components(directory) else { continue };
        let longer = best.is_none_or(|(_, depth)| above.len() > depth);
        if longer && wanted.starts_with(&above) {
            best = Some((number, above.len()));
        }
    }
    let Some((directory, depth)) = best else {
        return Err(if directories.is_empty() { EnvError::NoDirectory } else { EnvError::Outside });
    };
    let below = wanted.get(depth..).unwrap_or_default();
    if below.is_empty() {
        return Err(EnvError::NotAFile);
    }
    Ok(Place { directory, path: below.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn found(directories: &[&str], name: &str) -> Result<(usize, String)> {
        let directories = strings(directories);
        let path = canonical(&directories, name.as_bytes())?;
        assert_eq!(canonical(&directories, path.as_bytes()).as_ref(), Ok(&path), "a fixed point");
        find(&directories, &path).map(|place| (place.directory, place.path))
    }

    #[test]
    fn the_longest_directory_wins() {
        let all = ["/", "/data", "/data/deep", "/data"];
        for (name, directory, path) in [
            ("a", 0, "a"),
            ("/a/b", 0, "a/b"),
            ("/data/a", 1, "a"),
            ("data//./a", 1, "a"),
            ("/data/deep/a", 2, "a"),
            ("/data/deeper/a", 1, "deeper/a"),
            ("/database", 0, "database"),
        ] {
            assert_eq!(found(&all, name), Ok((directory, path.to_owned())), "{name}");
        }
        assert_eq!(found(&[".", ".."], "./a"), Ok((0, "a".to_owned())));
    }

    #[test]
    fn what_leads_out_or_is_no_file_is_refused() {
        for (name, error) in [
            ("../a", EnvError::Outside),
            ("/data/../a", EnvError::Outside),
            ("/data/..", EnvError::Outside),
            ("/etc/passwd", EnvError::Outside),
            ("a", EnvError::Outside),
            ("", EnvError::NotAFile),
            ("/data", EnvError::NotAFile),
            ("/data/", EnvError::NotAFile),
            ("/data/a/.", EnvError::NotAFile),
            ("/data/a\0b", EnvError::NotAFile),
        ] {
            assert_eq!(found(&["/data"], name), Err(error), "{name:?}");
        }
        assert_eq!(found(&[], "/data/a"), Err(EnvError::NoDirectory));
        assert_eq!(canonical(&strings(&["/"]), b"\xff"), Err(EnvError::NotAFile));
    }
}
