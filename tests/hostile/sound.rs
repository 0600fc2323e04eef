//! What is not damaged: the check finds nothing, and recovery saves everything.

use crate::image::{Image, options, scan};
use siltstone_tests::fixtures;

#[test]
fn fixtures_are_sound() {
    for name in fixtures::NAMES {
        let (image, expected) = Image::fixture(name);
        let report = image.open_to_read().unwrap().check().unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "{name}");
        assert_eq!(report.entries, expected.len() as u64, "{name}");
    }
}

#[test]
fn fixtures_are_recovered_exactly() {
    for name in fixtures::NAMES {
        let (image, expected) = Image::fixture(name);
        let world = image.world();
        let process = world.process();
        let report =
            siltstone::recover_with_env(process.clone(), "db", "saved", &options(), &mut |_, _| {
                true
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((report.pages_damaged, report.problems.as_slice()), (0, &[][..]), "{name}");
        let saved = options().open_with_env(process, "saved").unwrap();
        assert!(scan(&saved).unwrap() == expected, "{name}");
        assert!(saved.check().unwrap().is_sound(), "{name}");
    }
}
