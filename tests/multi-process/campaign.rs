//! Rounds on one database: processes live and die at random times, then everybody is gone, somebody
//! recovers what is there, and it must be sound and a history that may have happened.

use crate::actor::{Actor, Stage, Tally, of};
use crate::history::History;
use crate::plan::{Finish, Plan, World};
use crate::process::{Kind, Life, Process, Trouble};
use crate::protocol::{Opening, Request};
use siltstone_tests::counters::Counters;
use siltstone_tests::rng::Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One database.
pub(crate) struct Campaign {
    rng: Rng,
    world: World,
    directory: tempfile::TempDir,
    history: Mutex<History>,
    tally: Mutex<Tally>,
    /// What the files went through.
    counters: Counters,
}

type Lives = [Mutex<Option<Arc<Life>>>];

impl Campaign {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let world = World::random(&mut rng, &directory.path().join("file.lsm"));
        Campaign {
            rng,
            world,
            directory,
            history: Mutex::default(),
            tally: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// Plays so many rounds, or up to the first that goes wrong.
    pub(crate) fn run(mut self, rounds: usize) -> Result<Tally, String> {
        for round in 0..rounds {
            let plan = self.world.plan(&mut self.rng);
            let outcome = self.round(&plan).and_then(|()| self.verify(&plan));
            if let Err(problem) = outcome {
                let errors = std::fs::read_to_string(self.errors()).unwrap_or_default();
                let kept = self.directory.keep();
                return Err(format!(
                    "round {round} of {rounds}, files kept in {}\n{plan:?}\n{problem}\n{}",
                    kept.display(),
                    tail(&errors)
                ));
            }
            let mut tally = of(&self.tally);
            let kind = match (plan.has_c(), plan.mixed()) {
                (true, true) => "rounds with C and Siltstone",
                (true, false) => "rounds of C",
                _ => "rounds of Siltstone",
            };
            *tally.entry(kind).or_default() += 1;
        }
        for (what, count) in [
            ("files with an unfinished merge", self.counters.unfinished_merges),
            ("files with range deletes", self.counters.range_deletes),
            ("files with five levels or more", self.counters.many_levels),
            ("files with reused blocks", self.counters.reused_blocks),
        ] {
            self.count(what, count);
        }
        Ok(std::mem::take(&mut of(&self.tally)))
    }

    fn errors(&self) -> PathBuf {
        self.directory.path().join("errors.txt")
    }

    fn count(&self, what: &'static str, more: usize) {
        *of(&self.tally).entry(what).or_default() += more;
    }

    /// Processes live and die.
    fn round(&mut self, plan: &Plan) -> Result<(), String> {
        let errors = self.errors();
        let (over, failure, pasts) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        let stage = Stage {
            world: &self.world,
            plan,
            history: &self.history,
            tally: &self.tally,
            errors: &errors,
            over: &over,
            failure: &failure,
            pasts: &pasts,
        };
        let lives: Vec<Mutex<Option<Arc<Life>>>> =
            plan.parts.iter().map(|_| Mutex::default()).collect();
        let mut started: Vec<Process> =
            plan.parts.iter().map(|part| Process::start(part.kind, &errors)).collect();
        let mut rng = Rng::new(self.rng.next_u64());
        std::thread::scope(|scope| {
            for ((number, part), (process, life)) in
                plan.parts.iter().enumerate().zip(started.drain(..).zip(&lives))
            {
                let actor = Actor {
                    stage: &stage,
                    name: format!("{:?} {number}", part.kind),
                    part,
                    rng: Rng::new(rng.next_u64()),
                    life,
                    held: BTreeMap::new(),
                    open: false,
                    thread: None,
                };
                scope.spawn(|| actor.live(process));
            }
            fate(&stage, &lives, &mut rng);
        });
        match failure.into_inner().unwrap() {
            None => Ok(()),
            Some(what) => {
                let pasts: Vec<String> = pasts.into_inner().unwrap();
                Err(format!("{what}\n\n{}", pasts.join("\n")))
            }
        }
    }

    /// Everybody is gone: what is there now?
    fn verify(&mut self, plan: &Plan) -> Result<(), String> {
        let opening = self.world.opening.clone();
        if plan.verifier == Kind::C {
            self.verify_with(Kind::C, &opening, plan.verifier_dies)?;
        }
        self.verify_with(Kind::Siltstone, &opening, plan.verifier_dies)?;
        self.counters.observe_file(&opening.path)?;
        let glances = of(&self.history).judge_glances()?;
        self.count("single values judged", glances);
        Ok(())
    }

    fn verify_with(&mut self, kind: Kind, opening: &Opening, dies: bool) -> Result<(), String> {
        let mut process = Process::start(kind, &self.errors());
        let who = format!("afterwards, {kind:?}");
        let told = |process: &Process, what: String| format!("{who}: {what}\n{}", process.past());
        let ask = |process: &mut Process, request: &Request| {
            process.ask(request).map_err(|trouble| told(process, trouble.to_string()))
        };
        process.ready().map_err(|trouble| trouble.to_string())?;
        let mut since = of(&self.history).newest();
        ask(&mut process, &Request::Open(opening.clone()))?;
        for backward in [true, false] {
            if kind == Kind::C && !backward {
                continue;
            }
            let mut reply = ask(&mut process, &Request::Scan(backward))?;
            if backward {
                reply.rows.reverse();
            }
            let number = of(&self.history).read(&reply.rows, since);
            since = number.map_err(|problem| told(&process, problem))?;
        }
        let lost = of(&self.history).settle();
        self.count("transactions lost with their process", lost);
        if kind == Kind::Siltstone {
            let problems = ask(&mut process, &Request::Check)?.text;
            if !problems.is_empty() && self.world.is_listed(&problems) {
                self.count("stale pointers of C (20.2)", 1);
            } else if !problems.is_empty() {
                return Err(told(&process, format!("check: {problems}")));
            }
        }
        if !dies {
            match process.ask(&Request::Close) {
                Err(Trouble::Hung) if kind == Kind::C => self.count("C hung in close (20.14)", 1),
                Err(trouble) => return Err(told(&process, trouble.to_string())),
                Ok(_) if kind == Kind::Siltstone => {
                    let left =
                        |end: &str| Path::new(&format!("{}{end}", opening.path.display())).exists();
                    if left("-log") || left("-shm") {
                        return Err(told(&process, "the last close left -log or -shm".into()));
                    }
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Kills and stops processes at random times until the round is over, then ends it.
fn fate(stage: &Stage<'_>, lives: &Lives, rng: &mut Rng) {
    let end = Instant::now() + stage.plan.lasts;
    let choose = |rng: &mut Rng| of(&lives[rng.below(lives.len())]).clone();
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        let next = Duration::from_millis(rng.between(1, 200) as u64);
        std::thread::sleep(next.min(rest));
        if next >= rest || stage.over() {
            break;
        }
        let Some(life) = choose(rng) else { continue };
        if rng.chance(75) {
            if life.kill() {
                stage.count("kills");
            }
        } else if life.stop() {
            stage.count("stops");
            std::thread::sleep(Duration::from_millis(rng.between(1, 60) as u64));
            life.go_on();
        }
    }
    stage.over.store(true, Ordering::SeqCst);
    if stage.plan.finish == Finish::Kill {
        for life in lives {
            if let Some(life) = of(life).clone()
                && life.kill()
            {
                stage.count("kills");
            }
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
