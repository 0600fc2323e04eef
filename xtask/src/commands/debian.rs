//! Source packages of Debian, fetched by apt without touching the system's settings.

use crate::tools::{Outcome, program};
use std::fs;
use std::path::Path;

/// Puts files of a source package below a folder, unless they are there already. The error is a
/// reason in one line.
pub(super) fn source_files(folder: &Path, package: &str, files: &[&str]) -> Outcome {
    if files.iter().all(|file| folder.join(file).exists()) {
        return Ok(());
    }
    let lists = sources()?;
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    for folder in ["apt/lists/partial", "apt/cache/archives/partial"].map(|it| folder.join(it)) {
        fs::create_dir_all(folder).map_err(told)?;
    }
    let parts = folder.join("apt/sources.list.d");
    fs::create_dir_all(&parts).map_err(told)?;
    for (name, text) in &lists {
        fs::write(parts.join(name), text).map_err(told)?;
    }
    let apt = |arguments: &[&str]| {
        let mut apt = program("apt-get");
        apt.arg("-q").args(["-o", "Dir::Etc::sourcelist=/dev/null"]);
        for (option, place) in [
            ("Dir::Etc::sourceparts", "apt/sources.list.d"),
            ("Dir::State::Lists", "apt/lists"),
            ("Dir::Cache", "apt/cache"),
        ] {
            apt.arg("-o").arg(format!("{option}={}", folder.join(place).display()));
        }
        apt.args(["-o", "APT::Sandbox::User=root"]).args(arguments).current_dir(folder);
        apt.status().is_ok_and(|status| status.success())
    };
    if !apt(&["update"]) || !apt(&["source", "--download-only", package]) {
        return Err(format!("apt-get cannot fetch the sources of {package} here"));
    }
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let is_source = path.to_string_lossy().contains(".orig.tar.");
        let mut tar = program("tar");
        tar.arg("-xf").arg(&path).args(["--wildcards", "--strip-components=1"]);
        tar.args(files.iter().map(|file| format!("*/{file}"))).current_dir(folder);
        if is_source && tar.status().is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    Err(format!("the sources of {package} have no {}", files.join(", ")))
}

/// The system's own package sources, with sources instead of binaries: file names and texts.
fn sources() -> Result<Vec<(String, String)>, String> {
    let mut lists = Vec::new();
    let mut files = vec![Path::new("/etc/apt/sources.list").to_path_buf()];
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    files.extend(parts.flatten().map(|entry| entry.path()));
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of_the_system = |text: &str| text.contains("debian") || text.contains("ubuntu");
        let text = if name.ends_with(".sources") {
            let stanzas = text.split("\n\n").filter(|stanza| of_the_system(stanza));
            stanzas
                .map(|stanza| stanza.replace("Types: deb\n", "Types: deb-src\n") + "\n\n")
                .collect::<String>()
        } else {
            let lines = text.lines().filter(|line| of_the_system(line));
            lines
                .filter_map(|line| Some(format!("deb-src {}\n", line.strip_prefix("deb ")?)))
                .collect()
        };
        if !text.trim().is_empty() {
            lists.push((name, text));
        }
    }
    if lists.is_empty() { Err("apt has no package sources here".into()) } else { Ok(lists) }
}
