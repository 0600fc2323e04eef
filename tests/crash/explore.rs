//! Cuts the power at every event of every record, on all processors, and counts what was seen.

use crate::content::hash_bytes;
use crate::damages;
use crate::driver::{Expected, Follower, Recorded, Seen};
use crate::examine::{Demand, examine, examine_recovery, fingerprint};
use crate::workloads::Workload;
use siltstone_memory::Event;
use siltstone_tests::parallel::{for_each, for_each_of};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// Points that one thread takes at a time.
const PORTION: usize = 16;
/// Failures shown before giving up.
const MOST_FAILURES: usize = 10;
/// One image in so many is opened with a record, to cut the power again during recovery.
const NESTED_ONE_IN: u64 = 200;

/// What to look at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Only {
    pub(crate) point: Option<usize>,
    pub(crate) draw: Option<usize>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Images that differ, per workload.
    images: HashSet<u64>,
    /// Images that differ, or of which something else was demanded.
    demands: HashSet<u64>,
    /// Images of crashes during and after recovery.
    pub(crate) nested: u64,
    /// Events behind which the power was cut, by kind and file, with the images there.
    pub(crate) sites: BTreeMap<String, u64>,
    /// Images by kind of damage.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    /// Images that showed less than was acknowledged.
    pub(crate) shortened: u64,
    pub(crate) seen: Seen,
    pub(crate) workloads: BTreeSet<&'static str>,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    pub(crate) fn images(&self) -> usize {
        self.images.len()
    }
}

/// A record with what is known at each of its points.
struct Prepared {
    recorded: Recorded,
    expected: Vec<Expected>,
    sites: Vec<String>,
}

impl Prepared {
    fn new(recorded: Recorded) -> Self {
        let mut follower = Follower::new(recorded.setup.durability);
        let mut expected = vec![follower.expected];
        let mut names = SiteNames::default();
        let mut sites = vec!["the beginning".to_owned()];
        for event in recorded.trace.events() {
            follower.see(event);
            expected.push(follower.expected);
            sites.push(names.name(event));
        }
        Prepared { recorded, expected, sites }
    }
}

/// Names events by what they do to which file.
#[derive(Default)]
struct SiteNames {
    files: BTreeMap<u64, &'static str>,
    log_end: u64,
}

impl SiteNames {
    fn name(&mut self, event: &Event) -> String {
        let kind = |path: &siltstone::env::FilePath| {
            if path.as_bytes().ends_with(b"-log") { "log" } else { "database" }
        };
        let of = |file: &u64| self.files.get(file).copied().unwrap_or("?");
        match event {
            Event::Create { path, file } => {
                self.files.insert(*file, kind(path));
                self.log_end = 0;
                format!("create {}", kind(path))
            }
            Event::Remove { path } => format!("remove {}", kind(path)),
            Event::SyncDirectory { path } => format!("sync directory of {}", kind(path)),
            Event::Sync { file } => format!("sync {}", of(file)),
            Event::Truncate { file, .. } => format!("truncate {}", of(file)),
            Event::Write { file, offset, bytes } if of(file) == "log" => {
                let place = if *offset == 0 && self.log_end > 0 {
                    "write log from its start again"
                } else if *offset > self.log_end {
                    "write log behind a jump"
                } else {
                    "write log"
                };
                self.log_end = offset + bytes.len() as u64;
                place.to_owned()
            }
            Event::Write { offset: 0, .. } => "write meta page 1".to_owned(),
            Event::Write { offset: 4096, .. } => "write meta page 2".to_owned(),
            Event::Write { .. } => "write pages".to_owned(),
            _ => "remark".to_owned(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records all workloads with `seed` and cuts each at every point; stops early once `tally` has
/// `enough` images.
pub(crate) fn explore(
    workloads: &[&Workload],
    seed: u64,
    only: Only,
    enough: usize,
    tally: &Mutex<Tally>,
) {
    let prepared: Mutex<BTreeMap<u64, Prepared>> = Mutex::default();
    for_each(0..workloads.len() as u64, |index| {
        let recorded = workloads[index as usize].record(seed);
        let mut tally = locked(tally);
        tally.seen.add(&recorded.seen);
        tally.workloads.insert(recorded.name);
        drop(tally);
        locked(&prepared).insert(index, Prepared::new(recorded));
    });
    let prepared: Vec<Prepared> =
        prepared.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect();
    let portions: Vec<(&Prepared, usize)> = prepared
        .iter()
        .flat_map(|record| (0..record.sites.len()).step_by(PORTION).map(move |at| (record, at)))
        .collect();
    for_each_of(&portions, |&(record, start)| {
        {
            let tally = locked(tally);
            if tally.failures.len() >= MOST_FAILURES || tally.images.len() >= enough {
                return;
            }
        }
        let mut replay = record.recorded.trace.replay();
        replay.advance_to(start).unwrap();
        for point in start..(start + PORTION).min(record.sites.len()) {
            if only.point.is_none_or(|only| only == point) {
                cut_at(record, &replay, point, seed, only, tally);
            }
            replay.step().unwrap();
        }
    });
}

/// All damages at one point.
fn cut_at(
    record: &Prepared,
    replay: &siltstone_memory::Replay<'_>,
    point: usize,
    seed: u64,
    only: Only,
    tally: &Mutex<Tally>,
) {
    let recorded = &record.recorded;
    let salt = hash_bytes(seed, recorded.name.as_bytes());
    for (index, draw) in damages::ALL.iter().enumerate() {
        if only.draw.is_some_and(|only| only != index)
            || !damages::applicable(draw, recorded.setup.durability)
        {
            continue;
        }
        let numbers = [(point as u64).to_le_bytes(), (index as u64).to_le_bytes()].concat();
        let draw_seed = hash_bytes(salt, &numbers);
        let mut damage = draw.damage;
        damage.sector_size = recorded.setup.sector;
        let world = replay.image(&damage, draw_seed).unwrap();
        let demand = Demand::new(&record.expected[point], draw);
        let image = hash_bytes(fingerprint(&world), recorded.name.as_bytes());
        let numbers = [demand.oldest as u64, demand.newest as u64].map(u64::to_le_bytes);
        let demanded = hash_bytes(image, &numbers.concat());
        {
            let mut tally = locked(tally);
            *tally.sites.entry(record.sites[point].clone()).or_default() += 1;
            if only.point.is_none() && !tally.demands.insert(demanded) {
                continue;
            }
            tally.images.insert(image);
            *tally.kinds.entry(draw.name).or_default() += 1;
        }
        let setup = &recorded.setup;
        let nested = only.draw.is_some() || draw_seed.is_multiple_of(NESTED_ONE_IN);
        let outcome = examine(&world, setup, &recorded.states, demand, nested)
            .and_then(|found| Ok((examine_recovery(&found, setup, draw_seed, 1)?, found.commits)));
        let mut tally = locked(tally);
        match outcome {
            Ok((images, commits)) => {
                tally.nested += images;
                tally.shortened += u64::from(commits < record.expected[point].acknowledged);
            }
            Err(error) => {
                let failure = format!(
                    "{}: {} after {} (event {point}): {error}\n    repeat: SILTSTONE_SEED={seed:#x} \
                     SILTSTONE_WORKLOAD={} SILTSTONE_POINT={point} SILTSTONE_DRAW={index} cargo \
                     test -p siltstone-tests --test crash -- --nocapture",
                    recorded.name, draw.name, record.sites[point], recorded.name
                );
                eprintln!("{failure}");
                tally.failures.push(failure);
            }
        }
    }
}
