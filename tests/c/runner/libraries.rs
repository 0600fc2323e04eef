//! The two libraries: ours and C lsm1, each as a folder with `liblsm.so.1`, ours with `liblsm.a` too.

use crate::programs::{cc, run_to_the_end};
use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A library to link with and to run on.
pub(crate) struct Library {
    pub(crate) folder: PathBuf,
    pub(crate) name: &'static str,
}

/// Ours.
pub(crate) static OURS: LazyLock<Library> = LazyLock::new(|| {
    let folder = match var_os("SILTSTONE_C_LIBRARY") {
        Some(folder) => std::fs::canonicalize(folder).unwrap(),
        None => build_ours(),
    };
    Library { folder, name: "ours" }
});

/// C lsm1, from the sources that the peer is built of.
pub(crate) static C: LazyLock<Library> = LazyLock::new(|| Library { folder: build_c(), name: "c" });

/// Where the programs are.
pub(crate) fn programs_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where programs and libraries are built.
pub(crate) fn work_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-library");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Our headers.
pub(crate) fn our_include() -> PathBuf {
    programs_folder().join("../../bindings/c/include")
}

/// The headers that programs are compiled with.
pub(crate) fn include() -> PathBuf {
    var_os("SILTSTONE_C_INCLUDE").map_or_else(our_include, PathBuf::from)
}

fn cargo() -> Command {
    let mut cargo = Command::new(var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(programs_folder());
    cargo
}

/// A file named so among the quoted strings of JSON.
fn file_in(json: &str, fits: impl Fn(&str) -> bool) -> Option<PathBuf> {
    json.split('"').find(|text| fits(text)).map(PathBuf::from)
}

fn build_ours() -> PathBuf {
    let mut build = cargo();
    build.args(["build", "-p", "siltstone-c", "--message-format=json"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let json = run_to_the_end(&mut build);
    let folder = work_folder().join("ours");
    std::fs::create_dir_all(&folder).unwrap();
    for (built, name) in [("/liblsm.so", "liblsm.so.1"), ("/liblsm.a", "liblsm.a")] {
        let from = file_in(&json, |text| text.ends_with(built)).unwrap();
        replace(&from, &folder.join(name));
    }
    folder
}

/// Copies under another name first: somebody may be running on what is there.
fn replace(from: &Path, to: &Path) {
    let fresh = to.with_extension(format!("new-{}", std::process::id()));
    std::fs::copy(from, &fresh).unwrap();
    std::fs::rename(&fresh, to).unwrap();
}

fn build_c() -> PathBuf {
    let version = run_to_the_end(Command::new("rustc").arg("-vV").current_dir(programs_folder()));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--filter-platform", host]);
    let json = run_to_the_end(&mut metadata);
    let package = |text: &str| text.contains("/lsmlite-rs-") && text.ends_with("/Cargo.toml");
    let manifest = file_in(&json, package).unwrap();
    let sources = manifest.with_file_name("src").join("lsm1");
    let source = std::fs::read_dir(&sources).unwrap().map(|entry| entry.unwrap().path());
    let source = source.into_iter().find(|path| path.extension().is_some_and(|it| it == "c"));
    let folder = work_folder().join("c");
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join(format!("new-{}", std::process::id()));
    let mut compile = cc();
    compile.args(["-O1", "-g", "-w", "-fPIC", "-shared", "-DLSM_MUTEX_PTHREADS"]);
    compile.arg("-Wl,-soname,liblsm.so.1").arg(source.unwrap()).arg("-o").arg(&fresh);
    run_to_the_end(compile.arg("-lpthread"));
    std::fs::rename(fresh, folder.join("liblsm.so.1")).unwrap();
    folder
}
