//! `cargo xtask dist-c`: the C library as it is handed out, in `dist/c`, and a tarball of it.
//!
//! ```text
//! dist/c/lib/liblsm.so.1, liblsm.so -> liblsm.so.1, liblsm.a, pkgconfig/lsm.pc
//! dist/c/include/lsm.h, siltstone.h
//! dist/c/install.sh                      copies the above: ./install.sh PREFIX
//! dist/siltstone-c-VERSION-TARGET.tar.gz the same, under a folder of that name
//! ```

use crate::tools::{Outcome, cargo, output, program, root, run as run_program};
use std::fs;
use std::path::{Path, PathBuf};

/// Where everything goes.
pub(crate) fn folder() -> PathBuf {
    root().join("dist/c")
}

/// What `pkg-config` reads. The prefix is where the file is, so that the folder can be moved.
const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
libdir=${prefix}/lib
includedir=${prefix}/include

Name: lsm
Description: Embedded ordered transactional key-value store, the interface of lsm1
URL: https://github.com/siltstone-db/siltstone
Version: @VERSION@
Libs: -L${libdir} -llsm
Libs.private: -lpthread -ldl -lm
Cflags: -I${includedir}
";

const INSTALL: &str = r#"#!/bin/sh
# Installs the library below a folder: ./install.sh PREFIX (/usr/local if none is given).
set -eu
prefix="${1:-/usr/local}"
cd "$(dirname "$0")"
mkdir -p "$prefix/lib/pkgconfig" "$prefix/include" "$prefix/share/doc/siltstone-c"
cp lib/liblsm.so.1 "$prefix/lib/liblsm.so.1.new"
mv "$prefix/lib/liblsm.so.1.new" "$prefix/lib/liblsm.so.1" # running programs keep the old one
ln -sf liblsm.so.1 "$prefix/lib/liblsm.so"
cp lib/liblsm.a "$prefix/lib/"
cp lib/pkgconfig/lsm.pc "$prefix/lib/pkgconfig/"
cp include/lsm.h include/siltstone.h "$prefix/include/"
cp README.md LICENSE-* "$prefix/share/doc/siltstone-c/"
echo "liblsm is in $prefix: cc program.c \$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs lsm)"
"#;

pub(super) fn run(_arguments: &[String]) -> Outcome {
    let tarball = make()?;
    println!("{} and {}", folder().display(), tarball.display());
    Ok(())
}

/// Makes it all; gives the tarball.
pub(crate) fn make() -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "-p",
        "siltstone-c",
        "--message-format=json-render-diagnostics",
    ]);
    println!("$ cargo build --release -p siltstone-c");
    let messages = output(&mut build)?;
    let built = |name: &str| {
        let end = format!("/{name}");
        let file = messages.split('"').find(|text| text.ends_with(&end));
        file.map(PathBuf::from).ok_or_else(|| format!("cargo built no {name}"))
    };
    let (shared, archive) = (built("liblsm.so")?, built("liblsm.a")?);
    let folder = folder();
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("lib/pkgconfig")).map_err(told)?;
    fs::create_dir_all(folder.join("include")).map_err(told)?;
    let copy = |from: PathBuf, to: &str| fs::copy(from, folder.join(to)).map(drop).map_err(told);
    copy(shared, "lib/liblsm.so.1")?;
    copy(archive, "lib/liblsm.a")?;
    for file in ["liblsm.so.1", "liblsm.a"] {
        run_program(program("strip").arg("--strip-debug").arg(folder.join("lib").join(file)))?;
    }
    link("liblsm.so.1", &folder.join("lib/liblsm.so")).map_err(told)?;
    for header in ["lsm.h", "siltstone.h"] {
        copy(root().join("bindings/c/include").join(header), &format!("include/{header}"))?;
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(root().join(licence), licence)?;
    }
    copy(root().join("docs/c-library.md"), "README.md")?;
    let version = env!("CARGO_PKG_VERSION");
    let description = PKG_CONFIG.replace("@VERSION@", version);
    fs::write(folder.join("lib/pkgconfig/lsm.pc"), description).map_err(told)?;
    fs::write(folder.join("install.sh"), INSTALL).map_err(told)?;
    make_executable(&folder.join("install.sh")).map_err(told)?;
    pack(&folder, version)
}

fn pack(folder: &Path, version: &str) -> Result<PathBuf, String> {
    let compiler = output(program("rustc").arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("host");
    let name = format!("siltstone-c-{version}-{host}");
    let tarball = root().join("dist").join(format!("{name}.tar.gz"));
    let mut tar = program("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-czf"]).arg(&tarball);
    tar.arg(format!("--transform=s,^\\.,{name},S")).arg("-C").arg(folder).arg(".");
    run_program(&mut tar)?;
    Ok(tarball)
}

#[cfg(unix)]
fn link(to: &str, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn link(_to: &str, _at: &Path) -> std::io::Result<()> {
    Err(std::io::Error::other("the C library is built on unix"))
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> std::io::Result<()> {
    Ok(())
}
