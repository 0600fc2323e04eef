//! Siltstone and C lsm1 take turns on one file: whole histories, each session by one of them, closed
//! in order or killed with a live log. What one writes the other reads, extends, merges and closes.
//!
//! C is only asked for what it does right (`Profile::c_safe`); at the end it merges everything, and
//! the independent reader and Siltstone judge what it leaves.

use crate::c_model::seeds;
use siltstone::CheckReport;
use siltstone_peer::{PeerProcess, ZRLE};
use siltstone_tests::c_subject::CSubject;
use siltstone_tests::counters::Counters;
use siltstone_tests::history::History;
use siltstone_tests::model::View;
use siltstone_tests::parallel::for_each_on;
use siltstone_tests::profile::Profile;
use siltstone_tests::replay::{Divergence, Replay};
use siltstone_tests::rng::Rng;
use siltstone_tests::siltstone_subject::{Ended, Parting, SiltstoneSubject};
use siltstone_tests::{Row, python};
use std::path::Path;
use std::sync::Mutex;

/// How often who had the file after whom.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// Siltstone after C had closed it, and after C was killed.
    from_c: [usize; 2],
    /// C after Siltstone had closed it, and after Siltstone died.
    from_siltstone: [usize; 2],
}

fn play(history: &History, path: &Path) -> Result<(View, Counters, Turns), Divergence> {
    let mut replay = Replay::new(history);
    let mut siltstone = SiltstoneSubject::on_file(path.to_owned(), &history.settings);
    let mut c = CSubject::with(path.to_owned(), &history.settings)
        .map_err(|error| replay.refused("starting C", &error))?;
    let mut rng = Rng::new(history.seed ^ 0x5EED);
    let (mut turns, mut ours) = (Turns::default(), rng.chance(50));
    // Half a merge of fewer segments than automerge makes C loop (20.14): Siltstone ends it before.
    let mut half = false;
    loop {
        let next = half || if rng.chance(70) { !ours } else { ours };
        siltstone.parting = match rng.chance(50) {
            _ if half => Parting::Compact,
            true => Parting::Nothing,
            false if next => Parting::HalfMerge,
            false => Parting::Compact,
        };
        replay.who = if ours { "Siltstone" } else { "C" };
        let ended = if ours { siltstone.session(&mut replay)? } else { c.session(&mut replay)? };
        if ours && ended != Ended::Crashed {
            half = siltstone.parting == Parting::HalfMerge;
        }
        if ended == Ended::Over {
            if half {
                let database = SiltstoneSubject::options(&history.settings).open(path);
                let compacted = database.and_then(|database| {
                    database.compact()?;
                    database.close()
                });
                compacted.map_err(|error| replay.refused("compacting", &error))?;
            }
            return Ok((replay.view(), siltstone.counters, turns));
        }
        let crashed = usize::from(ended == Ended::Crashed);
        match (ours, next) {
            (true, false) => turns.from_siltstone[crashed] += 1,
            (false, true) => turns.from_c[crashed] += 1,
            _ => {}
        }
        ours = next;
    }
}

/// Siltstone's full view of a closed file, opened for reading only.
fn read(history: &History, path: &Path) -> (Vec<Row>, CheckReport) {
    let options = SiltstoneSubject::options(&history.settings).read_only(true);
    let database = options.open(path).unwrap();
    let rows = database.iter().unwrap().collect::<Result<_, _>>().unwrap();
    (rows, database.check().unwrap())
}

fn judge(history: &History, path: &Path, end: &View) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let plain = history.settings.codec.is_none_or(|id| id == ZRLE);
    for stage in ["at the end", "merged by C"] {
        if stage == "merged by C" {
            let mut c = PeerProcess::spawn().map_err(|error| text(&error))?;
            c.open(path, &history.settings.c_config()).map_err(|error| text(&error))?;
            c.work(0, -1).map_err(|error| format!("C merges: {error:?}"))?;
            let mut rows = c.scan_backward().map_err(|error| text(&error))?;
            rows.reverse();
            if rows != end.rows() {
                return Err("C reads other rows".to_owned());
            }
            for (key, value) in rows.iter().take(50) {
                if c.get(key).map_err(|error| text(&error))?.as_ref() != Some(value) {
                    return Err(format!("C does not find {}", key.escape_ascii()));
                }
            }
            c.put("one more", "row").map_err(|error| text(&error))?;
            c.delete("one more").map_err(|error| text(&error))?;
            c.close().map_err(|error| format!("C closes: {error:?}"))?;
        }
        let mut expected = end.rows();
        if stage == "merged by C" {
            expected.retain(|(key, _)| key != b"one more");
        }
        let (rows, report) = read(history, path);
        if rows != expected || !report.is_sound() {
            return Err(format!("{stage}: {} rows, {:?}", rows.len(), report.problems));
        }
        if plain {
            python::check(path).map_err(|error| format!("{stage}: {error}"))?;
            if python::scan(path)? != expected {
                return Err(format!("{stage}: the independent reader reads other rows"));
            }
        }
    }
    Ok(())
}

fn run(seed: u64) -> Result<(Counters, Turns), String> {
    // Crashes and ranges exclude each other: K-1.
    let profile = match seed % 2 {
        0 => Profile { ranges: 0, crashes: 100, ..Profile::c_safe() },
        _ => Profile::c_safe(),
    };
    let history = History::new(&profile, seed);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let (end, mut counters, turns) =
        play(&history, &path).map_err(|divergence| format!("{divergence:?}"))?;
    let described = |error: String| format!("c_safe seed {seed} {:?}: {error}", history.settings);
    counters.observe_file(&path).map_err(described)?;
    judge(&history, &path, &end).map_err(described)?;
    Ok((counters, turns))
}

#[test]
fn siltstone_and_c_take_turns_on_one_file() {
    let seeds = seeds(60);
    let done = Mutex::new(Vec::new());
    for_each_on(2, seeds, |seed| {
        let outcome = run(seed);
        if let Err(failure) = &outcome {
            eprintln!("{failure}");
        }
        if (seed + 1).is_multiple_of(50) {
            eprintln!("up to seed {seed}");
        }
        done.lock().unwrap().push(outcome);
    });
    let (mut counters, mut turns, mut failures) = (Counters::default(), vec![], Vec::new());
    for outcome in done.into_inner().unwrap() {
        match outcome {
            Ok((own, turn)) => {
                counters.add(&own);
                turns.push(turn);
            }
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}\n{} failed", failures.join("\n"), failures.len());
    let sum = |of: fn(&Turns) -> usize| turns.iter().map(of).sum::<usize>();
    let handed = [
        sum(|turn| turn.from_c[0]),
        sum(|turn| turn.from_c[1]),
        sum(|turn| turn.from_siltstone[0]),
        sum(|turn| turn.from_siltstone[1]),
    ];
    println!("{} histories, handed over {handed:?}: {counters:?}", turns.len());
    if turns.len() >= 60 {
        assert!(handed.iter().all(|&count| count > 0), "{handed:?}");
        assert!(counters.unfinished_merges > 0, "{counters:?}");
        assert!(counters.range_deletes > 0, "{counters:?}");
        assert!(counters.redirects > 0, "{counters:?}");
        assert!(counters.log_wraps > 0, "{counters:?}");
        assert!(counters.free_list_in_pages > 0, "{counters:?}");
        assert!(counters.reused_blocks > 0, "{counters:?}");
        assert!(counters.compressed > 0, "{counters:?}");
    }
}
