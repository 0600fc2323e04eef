//! One process of a measurement: opens the store, says so, waits for the start, does its share on so
//! many threads, says what came of it, and closes the store only when told, so that nobody's closing
//! is part of what others measure.

use super::arguments::{Job, Part};
use super::latency::Latency;
use super::site::{Connection, Site};
use super::sites;
use crate::data::{Pool, Random, random_key};
use crate::engine::{Digest, Key, Row};
use crate::measure::{Hindrance, cpu_time, now, pause};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use std::io::{Write, stdin, stdout};
use std::sync::Barrier;
use std::time::Duration;

/// Rows of a commit while loading.
const LOAD_BATCH: u64 = 1000;
/// Rows of a read transaction while verifying.
const VERIFY_BATCH: usize = 100;

/// Does what a process started by the director does.
pub(super) fn run(part: &Part) -> Result<()> {
    let kind = sites::by_name(&part.engine)?;
    let pool = Pool::new();
    let site = (kind.open)(&part.store, part.durable)?;
    match part.job {
        Job::Load => load(site.as_ref(), part, &pool)?,
        Job::Verify => verify(site.as_ref(), part, &pool)?,
        Job::Run => measured(site.as_ref(), part, &pool)?,
    }
    site.close()
}

/// Id of a row of a writer; those below are loaded.
fn row_id(part: &Part, writer: u64, row: u64) -> u64 {
    part.loaded + (writer << 32) + row
}

fn row(pool: &Pool, id: u64) -> Row<'_> {
    Row { key: random_key(id), value: pool.value(id, 0) }
}

fn load(site: &dyn Site, part: &Part, pool: &Pool) -> Result<()> {
    let mut connection = site.connect()?;
    for first in (0..part.loaded).step_by(LOAD_BATCH as usize) {
        let ids = first..part.loaded.min(first + LOAD_BATCH);
        connection.write(&ids.map(|id| row(pool, id)).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Every loaded and committed row is there, and no writer's next one.
fn verify(site: &dyn Site, part: &Part, pool: &Pool) -> Result<()> {
    let mut connection = site.connect()?;
    let mut ids: Vec<u64> = (0..part.loaded).collect();
    for (writer, count) in (0..).zip(&part.counts) {
        ids.extend((0..*count).map(|row| row_id(part, writer, row)));
        check(connection.as_mut(), &[row_id(part, writer, *count)], Digest::default())?;
    }
    ids.chunks(VERIFY_BATCH).try_for_each(|ids| check(connection.as_mut(), ids, sum(pool, ids)))
}

fn sum(pool: &Pool, ids: &[u64]) -> Digest {
    let mut digest = Digest::default();
    for id in ids {
        digest.add(&random_key(*id), pool.value(*id, 0));
    }
    digest
}

fn check(connection: &mut dyn Connection, ids: &[u64], expected: Digest) -> Result<()> {
    let keys: Vec<Key> = ids.iter().map(|id| random_key(*id)).collect();
    let mut found = Digest::default();
    connection.read(&keys, &mut found)?;
    ensure!(found == expected, "wrong rows among {ids:?}: {found:?} instead of {expected:?}");
    Ok(())
}

/// What one thread has done.
#[derive(Default)]
struct Done {
    /// Rows committed, of writers.
    rows: Option<u64>,
    commits: u64,
    reads: u64,
    /// Of each commit.
    nanoseconds: Vec<u64>,
    /// The same without the time the thread waited for a CPU.
    unhindered: Vec<u64>,
    /// Seconds from first to last operation without the time the thread waited for a CPU.
    seconds: f64,
}

/// Times a thread's work, and how much of that was waiting for a CPU.
struct Watch {
    hindrance: Hindrance,
    started: (Duration, Duration),
}

impl Watch {
    fn start() -> Result<Self> {
        let hindrance = Hindrance::of_this_thread();
        let started = (hindrance.so_far(), now()?);
        Ok(Watch { hindrance, started })
    }

    fn restart(&mut self) -> Result<()> {
        self.started = (self.hindrance.so_far(), now()?);
        Ok(())
    }

    /// Time since the start, and that without waiting for a CPU.
    fn read(&self) -> Result<(Duration, Duration)> {
        let (hindered, started) = self.started;
        let wall = now()?.saturating_sub(started);
        Ok((wall, wall.saturating_sub(self.hindrance.so_far().saturating_sub(hindered))))
    }
}

/// Where the threads of the process wait for each other and for the director.
struct Gates {
    connected: Barrier,
    started: Barrier,
    done: Barrier,
    ended: Barrier,
}

fn measured(site: &dyn Site, part: &Part, pool: &Pool) -> Result<()> {
    let threads = usize::try_from(part.writers + part.readers)?;
    let barrier = || Barrier::new(threads + 1);
    let gates =
        Gates { connected: barrier(), started: barrier(), done: barrier(), ended: barrier() };
    let (gates, mut figures) = (&gates, Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..part.writers + part.readers)
            .map(|thread| scope.spawn(move || one_thread(site, part, pool, thread, gates)))
            .collect();
        gates.connected.wait();
        // Whatever fails here, the threads must get through.
        let started = say("ready").and_then(|()| hear());
        let before = (now(), cpu_time());
        gates.started.wait();
        gates.done.wait();
        let after = (now(), cpu_time());
        let outcome = started.and_then(|()| {
            let wall = after.0?.saturating_sub(before.0?);
            let cpu = after.1?.saturating_sub(before.1?);
            say(&json!([wall.as_secs_f64(), cpu.as_secs_f64()]).to_string()).and_then(|()| hear())
        });
        gates.ended.wait();
        for worker in workers {
            figures.push(worker.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        outcome
    })?;
    let counts: Vec<u64> = figures.iter().filter_map(|done| done.rows).collect();
    let total = |of: fn(&Done) -> u64| figures.iter().map(of).sum::<u64>();
    let (commits, reads) = (total(|done| done.commits), total(|done| done.reads));
    // Paced writers pause.
    let rate = |of: fn(&Done) -> u64| {
        figures.iter().map(|done| of(done) as f64 / done.seconds.max(1e-9)).sum::<f64>()
    };
    let rates = (rate(|done| done.commits), rate(|done| done.reads));
    let latency = |of: fn(&mut Done) -> &mut Vec<u64>, figures: &mut Vec<Done>| {
        let all = figures.iter_mut().flat_map(|done| std::mem::take(of(done)));
        let latency = Latency::of(all.collect());
        [latency.p50, latency.p99, latency.p9999, latency.max]
    };
    say(&json!({
        "counts": counts, "commits": commits, "reads": reads,
        "unhindered_commits": rates.0, "unhindered_reads": rates.1,
        "latency": latency(|done| &mut done.nanoseconds, &mut figures),
        "unhindered_latency": latency(|done| &mut done.unhindered, &mut figures),
    })
    .to_string())
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Waits for a line of the director.
fn hear() -> Result<()> {
    let mut line = String::new();
    let length = stdin().read_line(&mut line)?;
    ensure!(length > 0, "the director has gone");
    Ok(())
}

fn one_thread(
    site: &dyn Site,
    part: &Part,
    pool: &Pool,
    thread: u64,
    gates: &Gates,
) -> Result<Done> {
    let connection = site.connect();
    gates.connected.wait();
    gates.started.wait();
    let (outcome, _open_until_the_end) = match connection {
        Ok(mut connection) => {
            let outcome = if thread < part.writers {
                write(connection.as_mut(), part, pool, part.first_writer + thread)
            } else {
                read(connection.as_mut(), part, pool, thread)
            };
            (outcome, Some(connection))
        }
        Err(error) => (Err(error.context("connecting")), None),
    };
    gates.done.wait();
    gates.ended.wait();
    outcome
}

/// Commits until there are enough or the time is over.
fn write(connection: &mut dyn Connection, part: &Part, pool: &Pool, writer: u64) -> Result<Done> {
    let mut done = Done::default();
    let mut rows = Vec::new();
    let mut count = 0;
    let (whole, mut watch) = (Watch::start()?, Watch::start()?);
    let start = now()?;
    let end = start + Duration::from_millis(part.milliseconds);
    loop {
        let enough = if part.commits == 0 { now()? >= end } else { done.commits == part.commits };
        if enough {
            break;
        }
        if let Some(due) = (done.commits * 1_000_000_000).checked_div(part.pace) {
            pause((start + Duration::from_nanos(due)).saturating_sub(now()?));
        }
        rows.clear();
        rows.extend((count..count + part.batch).map(|n| row(pool, row_id(part, writer, n))));
        if part.durations {
            watch.restart()?;
        }
        connection.write(&rows).with_context(|| format!("commit {}", done.commits))?;
        if part.durations {
            let (wall, unhindered) = watch.read()?;
            done.nanoseconds.push(u64::try_from(wall.as_nanos())?);
            done.unhindered.push(u64::try_from(unhindered.as_nanos())?);
        }
        count += part.batch;
        done.commits += 1;
    }
    done.rows = Some(count);
    done.seconds = whole.read()?.1.as_secs_f64();
    Ok(done)
}

/// Reads loaded rows until the time is over.
fn read(connection: &mut dyn Connection, part: &Part, pool: &Pool, thread: u64) -> Result<Done> {
    let mut done = Done::default();
    let mut random = Random::new(u64::from(std::process::id()) << 8 | thread);
    let mut ids = Vec::new();
    let watch = Watch::start()?;
    let end = now()? + Duration::from_millis(part.milliseconds);
    while now()? < end {
        ids.clear();
        ids.extend((0..part.gets).map(|_| random.below(part.loaded)));
        check(connection, &ids, sum(pool, &ids))?;
        done.reads += 1;
    }
    done.seconds = watch.read()?.1.as_secs_f64();
    Ok(done)
}
