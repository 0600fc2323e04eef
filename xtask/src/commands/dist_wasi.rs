//! `cargo xtask dist-wasi`: what is given away for WASI, in target/dist/wasi: the command for both
//! previews, the components, and their interfaces.
//!
//! Optimized for size, and without a name of a folder of the machine that built them: rustc is told
//! not to write any, and those of the standard library, which comes compiled, are made relative.

use super::wasi::{TARGETS, build_components, copy};
use crate::tools::{Outcome, cargo, root, run as run_program, target};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a program that nobody should notice it exceeds.
const LARGEST: u64 = 2 << 20;
/// How names of sources begin in the standard library, which comes compiled, and what is put in their
/// place: as long, so that nothing moves.
const STANDARD_LIBRARY: [(&[u8], &[u8]); 2] =
    [(b"/rustc/", b"rustc//"), (b"/rust/deps/", b"rust/deps//")];
/// Folders under which sources are on usual machines.
const FOLDERS: [&str; 10] = [
    "/rustc/", "/home/", "/root/", "/Users/", "/build/", "/builds/", "/github/", "/runner/",
    "/.cargo/", "C:\\",
];

pub(super) fn run(_arguments: &[String]) -> Outcome {
    let folder = target().join("dist/wasi");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("wit")).map_err(|error| error.to_string())?;
    let flags = [
        format!("--remap-path-prefix={}=cargo", cargo_home().display()),
        format!("--remap-path-prefix={}=siltstone", root().display()),
    ];
    let mut made = Vec::new();
    for (name, preview) in TARGETS {
        let mut build = cargo();
        build.args(["build", "--profile", "wasi", "-p", "siltstone-cli", "--target", name]);
        run_program(build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))?;
        let place = folder.join(format!("siltstone-{preview}.wasm"));
        copy(&target().join(name).join("wasi/siltstone.wasm"), &place)?;
        made.push(place);
    }
    made.extend(build_components("wasi", &["--profile", "wasi"], &flags, &folder)?);
    for program in &made {
        finish(program)?;
    }
    let interfaces = root().join("bindings/wasi/wit");
    for entry in fs::read_dir(interfaces).map_err(|error| error.to_string())? {
        let from = entry.map_err(|error| error.to_string())?.path();
        let Some(name) = from.file_name() else { continue };
        copy(&from, &folder.join("wit").join(name))?;
    }
    Ok(())
}

/// Makes names of the standard library relative, refuses any other absolute one, prints the size.
fn finish(made: &Path) -> Outcome {
    let failed = |error| format!("{}: {error}", made.display());
    let mut bytes = fs::read(made).map_err(failed)?;
    make_relative(&mut bytes);
    if let Some(name) = absolute_name(&bytes, &[&root(), &cargo_home()]) {
        return Err(format!("{} names {name}", made.display()));
    }
    fs::write(made, &bytes).map_err(failed)?;
    let size = bytes.len() as u64;
    println!("{}: {size} bytes", made.display());
    if size > LARGEST {
        return Err(format!("{}: more than {LARGEST} bytes", made.display()));
    }
    Ok(())
}

fn make_relative(bytes: &mut [u8]) {
    for at in 0..bytes.len() {
        for (absolute, relative) in STANDARD_LIBRARY {
            if let Some(name) = bytes.get_mut(at..at + absolute.len())
                && name == absolute
            {
                name.copy_from_slice(relative);
            }
        }
    }
}

/// An absolute name of a folder or source: one of `own`, one of the usual folders, or anything from
/// `/` on that ends in `.rs`.
fn absolute_name(bytes: &[u8], own: &[&Path]) -> Option<String> {
    let own = own.iter().map(|folder| folder.as_os_str().as_encoded_bytes());
    let mut known = own.chain(FOLDERS.iter().map(|name| name.as_bytes()));
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    if let Some(name) = known.find(|name| has(name)) {
        return Some(String::from_utf8_lossy(name).into_owned());
    }
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(byte);
    bytes.split(|byte| !in_name(byte)).map(String::from_utf8_lossy).find_map(|run| {
        // Texts stand side by side: a name may begin where another one ends.
        let begins = run.starts_with('/') || run.contains(".rs/");
        (begins && run.contains(".rs")).then(|| run.into_owned())
    })
}

fn cargo_home() -> PathBuf {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    given.unwrap_or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_names_are_found() {
        let own = Path::new("/somewhere/else");
        for text in [
            "x/rustc/0123/library/core/src/fmt.rs",
            "text/home/me",
            "a/somewhere/else/b",
            "C:\\src",
            "\0/any/where/lib.rs",
            "src/a.rs/any/where/lib.rs",
            "\x01/lib.rs",
        ] {
            assert!(absolute_name(text.as_bytes(), &[own]).is_some(), "{text}");
        }
        for text in ["cargo/registry/src/lib.rs", "src/a.rssrc/b.rs", "/data/app.lsm", "a/b.rs: c"]
        {
            assert_eq!(absolute_name(text.as_bytes(), &[own]), None, "{text}");
        }
    }

    #[test]
    fn names_of_the_standard_library_become_relative() {
        let mut bytes = b"a/rustc/01/library/x.rs\0/rust/deps/y-1.0/lib.rs/rustc".to_vec();
        make_relative(&mut bytes);
        assert_eq!(bytes, b"arustc//01/library/x.rs\0rust/deps//y-1.0/lib.rs/rustc");
    }
}
