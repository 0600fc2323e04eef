//! The fixtures show what their expectations say, to C and to the independent reader.

use siltstone_peer::{CConfig, PeerProcess, ZRLE};
use siltstone_tests::{fixtures, python};

#[test]
fn the_independent_reader_agrees_with_every_fixture() {
    for name in fixtures::NAMES {
        let fixture = fixtures::copy(name);
        python::check(&fixture.path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = python::scan(&fixture.path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(rows == fixture.expected, "{name}");
    }
}

#[test]
fn c_scans_every_fixture() {
    for name in fixtures::NAMES {
        let fixture = fixtures::copy(name);
        let mut config = CConfig::new();
        if name.starts_with("compressed") {
            config = config.codec(ZRLE);
        }
        let mut c = PeerProcess::spawn().unwrap();
        c.open(&fixture.path, &config).unwrap();
        let mut rows = c.scan().unwrap();
        assert!(rows == fixture.expected, "{name}, forward");
        rows.reverse();
        assert!(c.scan_backward().unwrap() == rows, "{name}, backward");
    }
}
