//! Opens an image and demands everything that is promised of it.

use crate::content::{hash_bytes, hash_database, hash_row};
use crate::damages::{self, Draw};
use crate::driver::{ATTEMPT, COMMITTED, DURABLE, Expected, Follower, NAME, Setup};
use siltstone::Database;
use siltstone_memory::{MemoryWorld, Trace};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A number for the files of a world.
pub(crate) fn fingerprint(world: &MemoryWorld) -> u64 {
    let mut hash = 7;
    for path in world.files() {
        let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let bytes = world.read_file(&name).unwrap_or_default();
        hash = hash_bytes(hash_bytes(hash, name.as_bytes()), &bytes);
    }
    hash
}

/// Which commits may be the last in an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) oldest: usize,
    pub(crate) newest: usize,
    /// What would have to be there after a worse damage.
    durable: usize,
}

impl Demand {
    pub(crate) fn new(expected: &Expected, draw: &Draw) -> Self {
        let Expected { acknowledged, durable, newest } = *expected;
        Demand { oldest: if draw.kept { acknowledged } else { durable }, newest, durable }
    }
}

/// What was found in an image, and the record of going on with it if one was asked for.
pub(crate) struct Found {
    pub(crate) commits: usize,
    /// Contents that may be found after another crash: from the newest one known to be durable
    /// over the recovered one to the newest made since.
    pub(crate) states: Vec<u64>,
    /// Which of them was recovered.
    pub(crate) base: usize,
    pub(crate) trace: Option<Trace>,
}

/// Recovers, looks, goes on, closes and opens again. `record` asks for the record of all that.
pub(crate) fn examine(
    world: &MemoryWorld,
    setup: &Setup,
    states: &[u64],
    demand: Demand,
    record: bool,
) -> Result<Found, String> {
    let outcome =
        catch_unwind(AssertUnwindSafe(|| examine_or_panic(world, setup, states, demand, record)));
    outcome.unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn open(world: &MemoryWorld, setup: &Setup) -> Result<Database, String> {
    setup.options.open_with_env(world.process(), NAME).map_err(|error| format!("opening: {error}"))
}

fn check(database: &Database, when: &str) -> Result<(), String> {
    let report = database.check().map_err(|error| format!("checking {when}: {error}"))?;
    if report.is_sound() { Ok(()) } else { Err(format!("check {when}: {:?}", report.problems)) }
}

fn examine_or_panic(
    world: &MemoryWorld,
    setup: &Setup,
    states: &[u64],
    demand: Demand,
    record: bool,
) -> Result<Found, String> {
    if record {
        world.record();
    }
    let database = open(world, setup)?;
    let (mut hash, count) = hash_database(&database)?;
    let Demand { oldest, newest, durable } = demand;
    let allowed = states.get(oldest..=newest).unwrap_or_default();
    let Some(commits) = allowed.iter().rposition(|state| *state == hash) else {
        let elsewhere = states.iter().position(|state| *state == hash);
        return Err(match elsewhere {
            Some(commit) => {
                format!("shows commit {commit}, allowed are {oldest} to {newest}")
            }
            None => format!("shows {count} rows that no commit of {oldest} to {newest} left"),
        });
    };
    check(&database, "after recovery")?;
    let commits = commits + oldest;
    let base = commits - durable;
    let mut found = states[durable..=commits].to_vec();
    let fail = |what: &'static str| move |error| format!("{what} after recovery: {error}");
    for (number, length) in [(1, 60), (2, 900)].into_iter().take(if record { 2 } else { 1 }) {
        let (key, value) = (format!("~after{number}"), vec![b'0' + number as u8; length]);
        if let Some(old) = database.get(&key).map_err(fail("reading"))? {
            hash = hash.wrapping_sub(hash_row(key.as_bytes(), &old));
        }
        hash = hash.wrapping_add(hash_row(key.as_bytes(), &value));
        found.push(hash);
        let place = base as u64 + number;
        world.mark(ATTEMPT | place);
        database.insert(&key, &value).map_err(fail("inserting"))?;
        world.mark(COMMITTED | place);
        if record && number == 1 {
            database.flush().map_err(fail("flushing"))?;
            database.checkpoint().map_err(fail("checkpointing"))?;
            world.mark(DURABLE | place);
        }
    }
    let last = found.len() as u64 - 1;
    database.close().map_err(fail("closing"))?;
    world.mark(DURABLE | last);
    let trace = if record { world.trace() } else { None };
    let database = open(world, setup)?;
    if hash_database(&database)?.0 != hash {
        return Err("content differs after going on, closing and opening again".to_owned());
    }
    check(&database, "after closing and opening again")?;
    Ok(Found { commits, states: found, base, trace })
}

/// Cuts the power at every point of the record of a recovery. Returns how many images that were.
pub(crate) fn examine_recovery(
    found: &Found,
    setup: &Setup,
    seed: u64,
    depth: u32,
) -> Result<u64, String> {
    let Some(trace) = &found.trace else { return Ok(0) };
    let mut images = 0;
    let mut replay = trace.replay();
    let mut follower = Follower::from(setup.durability, found.base);
    loop {
        let point = replay.position() as u64;
        for index in damages::NESTED {
            let draw = &damages::ALL[index];
            if !damages::applicable(draw, setup.durability) {
                continue;
            }
            let seed =
                hash_bytes(seed, &[point.to_le_bytes(), (index as u64).to_le_bytes()].concat());
            let context = |error| format!("then {} at {point} of recovery: {error}", draw.name);
            let world = replay.image(&draw.damage, seed).map_err(|error| error.to_string())?;
            let deeper = depth > 0 && seed.is_multiple_of(64);
            let demand = Demand::new(&follower.expected, draw);
            let inner = examine(&world, setup, &found.states, demand, deeper).map_err(context)?;
            images += 1 + examine_recovery(&inner, setup, seed, depth.saturating_sub(1))?;
        }
        match replay.step().map_err(|error| error.to_string())? {
            Some(event) => follower.see(event),
            None => return Ok(images),
        }
    }
}
