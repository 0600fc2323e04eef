//! `cargo xtask fuzz [TARGET] [ARGUMENTS..]`: cargo-fuzz on the package in tests/fuzz, begun from
//! the fixtures.

use crate::tools::{Outcome, answers, program, root, run as run_program};
use std::fs;
use std::path::Path;

/// Bytes of a meta page.
const META_PAGE: usize = 4096;
/// Pages taken from each fixture.
const PAGES: usize = 40;

pub(super) fn run(arguments: &[String]) -> Outcome {
    if arguments == ["--seeds"] {
        return seed();
    }
    if !answers(program("cargo").args(["+nightly", "fuzz", "--version"])) {
        return Err("cargo-fuzz or the nightly toolchain is missing: `rustup toolchain install \
                    nightly && cargo install cargo-fuzz --locked`"
            .to_owned());
    }
    // The proxy chooses the toolchain by `+nightly`; the pinned one must not leak in.
    let mut fuzz = program("cargo");
    fuzz.env_remove("RUSTUP_TOOLCHAIN").current_dir(root().join("tests/fuzz"));
    match arguments.split_first() {
        None => run_program(fuzz.args(["+nightly", "fuzz", "list", "--fuzz-dir", "."])),
        Some((target, rest)) => {
            seed()?;
            fuzz.args(["+nightly", "fuzz", "run", "--fuzz-dir", ".", target]).args(rest);
            run_program(&mut fuzz)
        }
    }
}

/// Histories to begin from, and the bytes of each: as many calls as the target looks at.
const HISTORIES: u32 = 16;
const HISTORY: u32 = 1200;

/// Puts what the fixtures hold into the corpus of each target, and histories of any calls.
fn seed() -> Outcome {
    let fixtures = root().join("tests/fixtures/c-lsm1");
    let corpus = root().join("tests/fuzz/corpus");
    let told = |error: std::io::Error| format!("seeding {}: {error}", corpus.display());
    for target in ["log", "checkpoint", "page", "whole_file", "operations", "c_api"] {
        fs::create_dir_all(corpus.join(target)).map_err(told)?;
    }
    for seed in 1..=HISTORIES {
        let bytes = (0..HISTORY).scan(seed, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        });
        let bytes: Vec<u8> = bytes.collect();
        for target in ["operations", "c_api"] {
            let path = corpus.join(target).join(format!("random-{seed}"));
            fs::write(path, &bytes).map_err(told)?;
        }
    }
    for entry in fs::read_dir(&fixtures).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let put = |target: &str, name: &str, bytes: &[u8]| {
            fs::write(corpus.join(target).join(name), bytes).map_err(told)
        };
        if name.ends_with(".lsm-log") {
            put("log", &name, &fs::read(&path).map_err(told)?)?;
        } else if is_database(&path) {
            let bytes = fs::read(&path).map_err(told)?;
            put("whole_file", &name, &bytes)?;
            for (index, page) in bytes.chunks(META_PAGE).take(2).enumerate() {
                put("checkpoint", &format!("{name}-{index}"), page)?;
            }
            let page_size = bytes.get(28..32).and_then(|word| word.try_into().ok());
            let page_size = page_size.map_or(0, u32::from_be_bytes) as usize;
            if (256..=65536).contains(&page_size) {
                let pages = bytes.chunks_exact(page_size).skip(2 * META_PAGE / page_size);
                for (index, page) in pages.take(PAGES).enumerate() {
                    put("page", &format!("{name}-{index}"), page)?;
                }
            }
        }
    }
    Ok(())
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lsm")
}
