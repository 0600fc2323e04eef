//! Defects 20.15, 20.16, 20.17, K-1: seeks and scans among deleted ranges and unfinished merges.

use crate::scene::{Running, Scene, keys, put, remove_between, seek, small, work};
use siltstone::Seek::{AtLeast, AtMost};
use siltstone_tests::history::History;
use siltstone_tests::profile::Profile;
use siltstone_tests::siltstone_subject::SiltstoneSubject;

#[test]
fn greater_or_equal_at_range_start() {
    let scene = Scene::new(small().page_size(1024));
    let database = scene.open();
    put(&database, (0..700).map(|i| format!("g{i:05}")), "v");
    database.flush().unwrap();
    remove_between(&database, "g00040", "g00090");
    database.flush().unwrap();
    assert_eq!(seek(&database, AtLeast, "g00040").as_deref(), Some("g00040"));
    assert_eq!(seek(&database, AtLeast, "g00041").as_deref(), Some("g00090"));
    assert_eq!(seek(&database, AtMost, "g00089").as_deref(), Some("g00040"));
    assert_eq!(keys(&database).len(), 651);
}

#[test]
fn greater_or_equal_where_ranges_meet() {
    let scene = Scene::small();
    let database = scene.open();
    put(&database, (0..700).map(|i| format!("k{i:04}")), [b'v'; 20]);
    database.flush().unwrap();
    remove_between(&database, "k0300", "k0314");
    remove_between(&database, "k0314", "k0334");
    database.flush().unwrap();
    for i in 301..=314 {
        let found = seek(&database, AtLeast, &format!("k{i:04}"));
        assert_eq!(found.as_deref(), Some("k0314"), "from {i}");
    }
    for i in 315..=334 {
        let found = seek(&database, AtLeast, &format!("k{i:04}"));
        assert_eq!(found.as_deref(), Some("k0334"), "from {i}");
    }
}

#[test]
fn greater_or_equal_before_split_key() {
    let scene = Scene::small();
    let database = scene.open();
    put(&database, (0..200).map(|i| format!("k{i:03}")), [b'v'; 20]);
    database.flush().unwrap();
    (17..=46).for_each(|i| database.remove(format!("k{i:03}")).unwrap());
    database.flush().unwrap();
    work(&database, 2, 1);
    let structure = database.structure().unwrap();
    assert!(
        structure.levels.iter().any(|level| level.split_key.is_some()),
        "half a merge: {structure:?}"
    );
    for i in 17..=47 {
        let found = seek(&database, AtLeast, &format!("k{i:03}"));
        assert_eq!(found.as_deref(), Some("k047"), "from {i}");
    }
    assert_eq!(keys(&database).len(), 170);
}

/// What both recipes of 20.17 begin with.
fn base(scene: &Scene) -> Running {
    let database = scene.open();
    put(&database, (85..200).map(|i| format!("k{i:03}")), [b'v'; 20]);
    database.flush().unwrap();
    database.insert("k086", "w").unwrap();
    database.flush().unwrap();
    work(&database, 2, -1);
    database
}

#[test]
fn range_over_split_key() {
    // The length decides where the merge stops: try all around those that hurt C.
    for length in 440..490 {
        let scene = Scene::small();
        let database = base(&scene);
        database.insert("k0895", vec![b'x'; length]).unwrap();
        remove_between(&database, "k099", "k120");
        database.flush().unwrap();
        remove_between(&database, "k095", "k110");
        database.flush().unwrap();
        work(&database, 2, 1);
        assert_eq!(seek(&database, AtLeast, "k096").as_deref(), Some("k120"), "{length}");
        assert_eq!(seek(&database, AtMost, "k119").as_deref(), Some("k095"), "{length}");

        let scene = Scene::small();
        let database = base(&scene);
        database.insert("k0895", vec![b'x'; length]).unwrap();
        remove_between(&database, "k090", "k098");
        remove_between(&database, "k099", "k107");
        database.insert("k107", "w").unwrap();
        database.flush().unwrap();
        for (first, last) in [("k090", "k098"), ("k098", "k100"), ("k101", "k109")] {
            remove_between(&database, first, last);
        }
        database.flush().unwrap();
        work(&database, 2, 1);
        assert_eq!(seek(&database, AtMost, "k100").as_deref(), Some("k098"), "{length}");
        assert_eq!(seek(&database, AtLeast, "k099").as_deref(), Some("k109"), "{length}");
    }
}

#[test]
fn scans_after_recovery_with_ranges() {
    let profile =
        Profile { name: "ranges_and_recovery", ranges: 100, crashes: 100, ..Profile::quick() };
    for seed in 0..60 {
        let history = History::new(&profile, seed);
        let mut subject = SiltstoneSubject::in_memory(&history.settings);
        subject.run(&history).unwrap_or_else(|divergence| panic!("{divergence:?}"));
    }
}
