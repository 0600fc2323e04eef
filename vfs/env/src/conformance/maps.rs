//! Read-only maps.

use super::{World, open, process, rule};

/// Without the capability there is no map.
pub fn absent_where_not_claimed(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "mapped");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    let map = rule("map succeeds", file.map());
    assert_eq!(
        map.is_some(),
        env.capabilities().maps,
        "rule broken: maps exist exactly where claimed"
    );
}

/// A map has the bytes and length of the file.
pub fn a_map_shows_the_file(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "mapped");
    let bytes: Vec<u8> = (0..10_001u32).map(|i| (i % 251) as u8).collect();
    rule("write_at succeeds", file.write_at(0, &bytes));
    let Some(map) = rule("map succeeds", file.map()) else { return };
    assert_eq!(map.bytes(), bytes, "rule broken: a map shows the file as it is");
}

/// A map is a window, not a copy: later writes within it are seen by those who look later.
pub fn a_map_shows_later_writes(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "mapped");
    rule("write_at succeeds", file.write_at(0, &[1; 8192]));
    let Some(map) = rule("map succeeds", file.map()) else { return };
    rule("write_at succeeds beside a map", file.write_at(4096, &[2; 4096]));
    rule("growth succeeds beside a map", file.write_at(8192, &[3; 4096]));
    assert_eq!(map.bytes().len(), 8192, "rule broken: a map keeps its length");
    assert_eq!(map.bytes()[4096..], [2; 4096], "rule broken: a map shows later writes");
    let Some(larger) = rule("map succeeds", file.map()) else { return };
    assert_eq!(larger.bytes().len(), 12_288, "rule broken: a new map shows the new size");
}

/// Map and handle have lives of their own.
pub fn a_map_outlives_its_handle(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "mapped");
    rule("write_at succeeds", file.write_at(0, b"abc"));
    let Some(map) = rule("map succeeds", file.map()) else { return };
    drop(file);
    drop(env);
    assert_eq!(map.bytes(), b"abc", "rule broken: a map outlives its handle");
}

/// Mapping nothing is no error.
pub fn an_empty_file_maps_empty(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "mapped");
    if let Some(map) = rule("map of an empty file succeeds", file.map()) {
        assert!(map.bytes().is_empty(), "rule broken: an empty file maps empty");
    }
}
