//! Each call of the environment fails, in each way.
//!
//! When a step fails: the error is clear, the open handle still shows exactly what was committed,
//! and so does the database after a kill or power loss at this moment, but for the failed commit,
//! which may be there entirely. When the fault is over, the same handle does the step and all that
//! follow, unless a sync had failed: then it says so until it is opened anew.

use crate::content::{Model, hash_database};
use crate::scenarios::{self, Change, Scenario, Step};
use siltstone::{Database, Error, ErrorKind, WorkLimit, WriteTransaction};
use siltstone_env::EnvError;
use siltstone_memory::{Damage, Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method};
use siltstone_tests::parallel::for_each_of;
use siltstone_tests::rng::Rng;
use siltstone_tests::variables::number;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const NAME: &str = "app.lsm";
/// Steps tried while a fault lasts.
const TRIES_DURING_FAULT: usize = 3;

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Error(EnvError),
    /// Writes half of it, or all, then fails.
    Half(EnvError),
    Whole(EnvError),
    /// A sync fails and what was not synced is gone.
    LosesPages,
}

const FAILURES: [(Failure, Option<Method>); 8] = [
    (Failure::Error(EnvError::Io(5)), None),
    (Failure::Error(EnvError::Full), None),
    (Failure::Half(EnvError::Full), Some(Method::Write)),
    (Failure::Half(EnvError::Io(5)), Some(Method::Write)),
    (Failure::Whole(EnvError::Io(5)), Some(Method::Write)),
    (Failure::LosesPages, Some(Method::Sync)),
    (Failure::Error(EnvError::Full), Some(Method::Sync)),
    (Failure::Error(EnvError::ReadOnly), Some(Method::Open)),
];

/// One run: where what fails.
#[derive(Clone, Copy, Debug)]
struct Plan {
    failure: Failure,
    method: Option<Method>,
    index: u64,
    for_ever: bool,
}

struct Run<'a> {
    scenario: &'a Scenario,
    plan: Option<Plan>,
    world: MemoryWorld,
    env: Arc<FaultEnv>,
    database: Option<Database>,
    /// What was acknowledged.
    model: Model,
    /// What the commit that failed last would have made.
    attempted: Option<u64>,
    errors: Vec<Error>,
}

fn value(step: usize, key: &str, length: usize) -> Vec<u8> {
    let mut rng = Rng::new(step as u64 * 1_000_003 + key.len() as u64 + length as u64);
    (0..length).map(|_| rng.next_u64() as u8).collect()
}

fn apply(
    transaction: &WriteTransaction,
    model: &mut Model,
    step: usize,
    changes: &[Change],
) -> Result<(), Error> {
    for change in changes {
        match change {
            Change::Put(key, length) => {
                let value = value(step, key, *length);
                transaction.insert(key, &value)?;
                model.insert(key.as_bytes(), &value);
            }
            Change::Remove(key) => {
                transaction.remove(key)?;
                model.remove(key.as_bytes());
            }
            Change::Range(low, high) => {
                transaction.remove_range(low.as_str()..high.as_str())?;
                model.remove_range(low.as_bytes(), high.as_bytes());
            }
            Change::Savepoint(keep, changes) => {
                let before = model.clone();
                let savepoint = transaction.savepoint()?;
                apply(transaction, model, step, changes)?;
                if *keep {
                    savepoint.release()?;
                } else {
                    savepoint.rollback()?;
                    *model = before;
                }
            }
        }
    }
    Ok(())
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, plan: Option<Plan>) -> Self {
        let world = MemoryWorld::new();
        world.record();
        let env = FaultEnv::new(world.process(), FaultPlan::default());
        if let Some(Plan { failure, method, index, for_ever }) = plan {
            let effect = match failure {
                Failure::Error(error) => Effect::Error(error),
                Failure::Half(error) => Effect::Partial(77, error),
                Failure::Whole(error) => Effect::Partial(u64::MAX, error),
                Failure::LosesPages => Effect::LosePages(world.clone(), EnvError::Io(5)),
            };
            let mut fault = Fault::at(index, effect);
            fault = method.map_or(fault.clone(), |method| fault.on(method));
            env.hook().add(if for_ever { fault.for_ever() } else { fault });
        }
        Run {
            scenario,
            plan,
            world,
            env,
            database: None,
            model: Model::default(),
            attempted: None,
            errors: Vec::new(),
        }
    }

    /// Does one step. Without an open database, opens it first.
    fn attempt(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        self.attempted = None;
        if self.database.is_none() {
            self.database = Some(self.scenario.options.open_with_env(self.env.clone(), NAME)?);
        }
        let Some(database) = &self.database else { return Ok(()) };
        match step {
            Step::Commit(changes) => {
                let mut model = self.model.clone();
                let transaction = database.begin()?;
                apply(&transaction, &mut model, number, changes)?;
                self.attempted = Some(model.hash());
                transaction.commit()?;
                self.attempted = None;
                self.model = model;
            }
            Step::GiveUp(changes) => {
                let transaction = database.begin()?;
                apply(&transaction, &mut self.model.clone(), number, changes)?;
                transaction.rollback()?;
            }
            Step::Flush => database.flush()?,
            Step::Work(bytes, segments) => {
                database.work(WorkLimit { bytes: *bytes, segments: *segments }).map(|_| ())?;
            }
            Step::Checkpoint => database.checkpoint().map(|_| ())?,
            Step::Compact => database.compact().map(|_| ())?,
            Step::Reopen => {
                if let Some(database) = self.database.take() {
                    database.close()?;
                }
                self.database = Some(self.scenario.options.open_with_env(self.env.clone(), NAME)?);
            }
            Step::Read => {
                for row in database.iter()? {
                    row?;
                }
            }
        }
        Ok(())
    }

    /// The error is clear.
    fn judge(&mut self, error: &Error) -> Result<(), String> {
        let text = error.to_string();
        if error.path().is_none() {
            return Err(format!("without a path: {text}"));
        }
        let advice = ["retry", "reopen", "check ", "free some", "close", "open "];
        if !advice.iter().any(|word| text.contains(word)) {
            return Err(format!("does not say what to do: {text}"));
        }
        let Some(plan) = self.plan else { return Err(format!("fails without a fault: {text}")) };
        let source = match plan.failure {
            Failure::Error(error) | Failure::Half(error) | Failure::Whole(error) => error,
            Failure::LosesPages => EnvError::Io(5),
        };
        let fits = match error.kind() {
            ErrorKind::Io { source: told, .. } => *told == source,
            ErrorKind::Full(_) => source == EnvError::Full,
            ErrorKind::ReadOnly(_) => source == EnvError::ReadOnly,
            ErrorKind::Poisoned(_) => true,
            _ => false,
        };
        self.errors.push(error.clone());
        if fits { Ok(()) } else { Err(format!("of the wrong kind: {error:?}")) }
    }

    /// The open handle shows what was committed.
    fn look(&self, when: &str) -> Result<(), String> {
        let Some(database) = &self.database else { return Ok(()) };
        let (hash, count) = hash_database(database).map_err(|error| format!("{when}: {error}"))?;
        if hash != self.model.hash() {
            let failed = self.attempted == Some(hash);
            return Err(format!("{when}: the handle shows {count} other rows (failed: {failed})"));
        }
        Ok(())
    }

    /// Everybody dies now, or power fails: a new process finds what was committed.
    fn crash(&self, damage: &Damage) -> Result<(), String> {
        let Some(world) = self.world.power_cut(damage, 1) else { return Ok(()) };
        let options = &self.scenario.options;
        let database = options
            .open_with_env(world.process(), NAME)
            .map_err(|error| format!("opening after a crash: {error}"))?;
        let (hash, count) = hash_database(&database)?;
        if hash != self.model.hash() && Some(hash) != self.attempted {
            return Err(format!("after a crash there are {count} other rows"));
        }
        let report = database.check().map_err(|error| format!("checking: {error}"))?;
        if !report.is_sound() {
            return Err(format!("after a crash: {:?}", report.problems));
        }
        database.close().map_err(|error| format!("closing after a crash: {error}"))
    }

    /// A failed sync has dropped pages: they cannot be kept, and what a process that opens the
    /// database anew reads from them is not safe from power loss.
    fn pages_lost(&self) -> bool {
        let loses = self.plan.is_some_and(|plan| plan.failure == Failure::LosesPages);
        loses && self.env.hook().fired() > 0
    }

    fn crashes(&self) -> Result<(), String> {
        if !self.pages_lost() {
            self.crash(&Damage::KEEP_EVERYTHING)?;
        }
        if self.scenario.full { self.crash(&Damage::LOSE_UNSYNCED) } else { Ok(()) }
    }

    fn step(&mut self, number: usize, step: &Step) -> Result<(), String> {
        let Err(error) = self.attempt(number, step) else { return Ok(()) };
        self.judge(&error)?;
        self.crashes().map_err(|problem| format!("{problem}, when {error}"))?;
        if self.plan.is_some_and(|plan| plan.for_ever) {
            for _ in 1..TRIES_DURING_FAULT {
                if let Err(error) = self.attempt(number, step) {
                    self.judge(&error)?;
                } else if matches!(step, Step::Commit(_)) {
                    break;
                }
            }
            self.env.hook().clear();
        }
        self.look("after the error")?;
        // The fault is over: the step works, if need be with the database opened anew.
        match self.attempt(number, step) {
            Ok(()) => self.look("after trying again"),
            Err(error) if matches!(error.kind(), ErrorKind::Poisoned(_)) => {
                self.judge(&error)?;
                if !self.errors.iter().any(sync_failed) {
                    return Err(format!("poisoned without a failed sync: {error}"));
                }
                self.look("when poisoned")?;
                self.database = None;
                self.attempt(number, step).map_err(|error| format!("reopened, still {error}"))?;
                self.look("after reopening")
            }
            Err(error) => Err(format!("still fails when the fault is over: {error}")),
        }
    }

    fn finish(mut self) -> Result<(u64, usize), String> {
        for (number, step) in self.scenario.steps.iter().enumerate() {
            self.step(number, step)
                .map_err(|problem| format!("step {number} {step:?}: {problem}"))?;
        }
        self.env.hook().clear();
        self.step(usize::MAX >> 32, &Step::Reopen).map_err(|error| format!("last: {error}"))?;
        self.look("at the end")?;
        if !self.pages_lost() {
            self.crash(&Damage::LOSE_UNSYNCED).map_err(|error| format!("at the end: {error}"))?;
        }
        Ok((self.env.hook().calls(), self.errors.len()))
    }
}

fn sync_failed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io { operation, .. } if operation.starts_with("syncing"))
        || error.to_string().contains("syncing")
}

fn run(scenario: &Scenario, plan: Option<Plan>) -> Result<(u64, usize), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| Run::new(scenario, plan).finish()));
    outcome.unwrap_or_else(|_| Err("panicked".to_owned()))
}

/// Calls of a method in an undisturbed run.
fn count(scenario: &Scenario, method: Option<Method>) -> u64 {
    if method.is_none() {
        return run(scenario, None).unwrap().0;
    }
    // The last call that a fault can meet, by halving.
    let (mut low, mut high) = (0, 1 << 16);
    while low + 1 < high {
        let index = u64::midpoint(low, high);
        let failure = Failure::Error(EnvError::Io(5));
        let run = Run::new(scenario, Some(Plan { failure, method, index, for_ever: false }));
        let env = run.env.clone();
        let _ = catch_unwind(AssertUnwindSafe(|| run.finish()));
        if env.hook().fired() > 0 { low = index } else { high = index }
    }
    low
}

#[test]
fn every_failing_call_leaves_what_was_committed() {
    let most = std::env::var("SILTSTONE_FAULTS").unwrap_or_else(|_| "all".to_owned());
    let most: u64 = if most == "all" { u64::MAX } else { most.parse().expect("SILTSTONE_FAULTS") };
    let seed = number("SILTSTONE_SEED").unwrap_or(11);
    println!("fault: seed {seed}, at most {most} calls per scenario and failure");
    let scenarios = scenarios::all();
    let mut rng = Rng::new(seed);
    let mut plans: Vec<(&Scenario, Plan)> = Vec::new();
    for scenario in &scenarios {
        let mut counts: BTreeMap<Option<Method>, u64> = BTreeMap::new();
        for (failure, method) in FAILURES {
            let calls = *counts.entry(method).or_insert_with(|| count(scenario, method));
            assert!(calls > 0, "{}: no calls of {method:?}", scenario.name);
            for for_ever in [false, true] {
                // Evenly spread, each at random within its share.
                let chosen = calls.min(most);
                for share in 0..chosen {
                    let (low, high) = (share * calls / chosen, (share + 1) * calls / chosen);
                    let index = 1 + low + rng.below((high - low) as usize) as u64;
                    plans.push((scenario, Plan { failure, method, index, for_ever }));
                }
            }
        }
    }
    let (errors, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    for_each_of(&plans, |(scenario, plan)| {
        if failures.lock().unwrap().len() > 20 {
            return;
        }
        match run(scenario, Some(*plan)) {
            Ok((_, count)) => {
                errors.fetch_add(count, Ordering::Relaxed);
            }
            Err(problem) => {
                let failure = format!("{}: {plan:?}: {problem}", scenario.name);
                eprintln!("{failure}");
                failures.lock().unwrap().push(failure);
            }
        }
    });
    let errors = errors.into_inner();
    println!("fault: {} faults, {errors} errors", plans.len());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(errors > plans.len() / 2, "faults hardly strike");
}
