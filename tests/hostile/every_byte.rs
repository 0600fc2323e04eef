//! One byte changed, at every place of the small fixtures and at samples of others.

use crate::image::{Image, read, write};
use crate::runner::run;
use siltstone_tests::fixtures;

/// The smallest fixtures with data.
const SMALLEST: [&str; 2] = ["small-default", "range-deletes"];

/// What a byte is changed to.
fn changed(byte: u8, way: usize) -> u8 {
    match way {
        0 => byte ^ 1,
        1 => 0,
        _ => 0xFF,
    }
}

/// The image with one byte changed; `None` if that is no change, or one made another way already.
fn damaged(base: &Image, place: usize, way: usize) -> Option<Image> {
    let database = base.database.len();
    let log = place.checked_sub(database);
    let byte = match (log, &base.log) {
        (Some(at), Some(log)) => log[at],
        _ => base.database[place],
    };
    let new = changed(byte, way);
    if new == byte || (0..way).any(|other| changed(byte, other) == new) {
        return None;
    }
    let mut image = base.clone();
    match (log, &mut image.log) {
        (Some(at), Some(log)) => log[at] = new,
        _ => image.database[place] = new,
    }
    Some(image)
}

fn damage(name: &str, step: usize, judge: impl Fn(&Image) -> bool + Sync) {
    let (base, _) = Image::fixture(name);
    let places = base.database.len() + base.log.as_ref().map_or(0, Vec::len);
    let count = places.div_ceil(step) * 3;
    // Samples are spread over all offsets within pages.
    let place = |index: usize| (index / 3 * step + index / 3 % step).min(places - 1);
    let what = format!("{name}, one byte in {step} changed");
    let tally = run(&what, count, |index| damaged(&base, place(index), index % 3), judge);
    // Damage in a log only shortens history: there is nothing to notice.
    let silent = base.database.is_empty();
    assert!(tally.images > 0 && (silent || tally.noticed > 0), "{name}: {tally:?}");
}

#[test]
fn the_smallest_fixtures_with_every_byte_changed() {
    for name in SMALLEST {
        damage(name, 1, read);
    }
}

#[test]
fn other_fixtures_with_sampled_bytes_changed() {
    if let Some(chosen) = crate::chosen() {
        let names: Vec<&str> = match chosen.as_str() {
            "all" => fixtures::NAMES.into_iter().filter(|name| !SMALLEST.contains(name)).collect(),
            names => names.split(',').collect(),
        };
        for name in names {
            // Without contents nothing can be damaged.
            if name != "empty" {
                damage(name, 1, read);
            }
        }
        return;
    }
    for name in ["many-levels", "range-deletes-mid-merge", "compressed-zrle", "live-log"] {
        damage(name, 16, read);
    }
}

#[test]
fn damaged_databases_are_written_to_merged_and_closed() {
    let step = if crate::all() { 16 } else { 256 };
    for name in ["range-deletes", "mid-merge", "compressed-zrle", "redirects", "freelist-in-lsm"] {
        damage(name, step + 1, |image| {
            write(image);
            true
        });
    }
}
