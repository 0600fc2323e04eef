//! C against the model: proves that model, histories and avoidances are right before anything of ours
//! is measured with them.

use siltstone_peer::Info;
use siltstone_tests::c_subject::CSubject;
use siltstone_tests::counters::Counters;
use siltstone_tests::history::History;
use siltstone_tests::profile::Profile;
use siltstone_tests::variables::number;
use siltstone_tests::{python, replay};

/// How many histories; more with SILTSTONE_SEEDS=n.
pub(crate) fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = number("SILTSTONE_FIRST_SEED").unwrap_or(0);
    first..first + number("SILTSTONE_SEEDS").unwrap_or(default)
}

#[test]
fn c_agrees_with_the_model_on_safe_histories() {
    let mut counters = Counters::default();
    for seed in seeds(24) {
        let history = History::new(&Profile::c_safe(), seed);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lsm");
        let mut c = CSubject::new(path.clone()).unwrap();
        let end = replay::run(&history, &mut c);
        let end = end.unwrap_or_else(|divergence| panic!("{divergence:?}{}", state(&mut c)));
        let mut own = Counters::default();
        own.observe_file(&path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        counters.add(&own);
        let id = history.settings.codec;
        if id.is_none() || id == Some(siltstone_peer::ZRLE) {
            python::check(&path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(python::scan(&path).unwrap(), end.rows(), "seed {seed}");
        }
        c.peer().open(&path, &history.settings.c_config()).unwrap();
        assert_eq!(c.peer().scan_backward().unwrap(), end.rows_backward(), "seed {seed}");
    }
    println!("{counters:?}");
    if counters.files >= 24 {
        assert!(counters.unfinished_merges > 0, "{counters:?}");
        assert!(counters.range_deletes > 0, "{counters:?}");
        assert!(counters.many_levels > 0, "{counters:?}");
    }
}

/// What C says about itself, for messages.
fn state(c: &mut CSubject) -> String {
    let forward = c.peer().scan().map(|rows| rows.len());
    let backward = c.peer().scan_backward().map(|rows| rows.len());
    let rows = format!("rows forward {forward:?}, backward {backward:?}\n");
    [Info::Structure, Info::TreeSize, Info::Log, Info::FreeList, Info::CheckpointSize]
        .map(|info| format!("{info:?}: {:?}\n", c.peer().info(info)))
        .concat()
        + &rows
}
