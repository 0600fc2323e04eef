//! The life of one process in a round: it is opened, does what its role and its seed say, is killed
//! and started again, and everything it answers is compared with the history.

use crate::history::History;
use crate::plan::{Deed, Finish, Part, Plan, Role, World};
use crate::process::{Kind, Life, Process, Reply, Trouble, Voice};
use crate::protocol::{Ending, Request};
use nix::sys::signal::Signal;
use siltstone_tests::rng::Rng;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often what happened.
pub(crate) type Tally = BTreeMap<&'static str, usize>;

/// Everything the processes of a round share.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) plan: &'a Plan,
    pub(crate) history: &'a Mutex<History>,
    pub(crate) tally: &'a Mutex<Tally>,
    pub(crate) errors: &'a Path,
    /// No new deeds.
    pub(crate) over: &'a AtomicBool,
    /// The first thing that went wrong.
    pub(crate) failure: &'a Mutex<Option<String>>,
    /// What every process did, once something went wrong.
    pub(crate) pasts: &'a Mutex<Vec<String>>,
}

pub(crate) fn of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage<'_> {
    pub(crate) fn count(&self, what: &'static str) {
        *of(self.tally).entry(what).or_default() += 1;
    }

    pub(crate) fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, what: String) {
        self.over.store(true, Ordering::SeqCst);
        let mut failure = of(self.failure);
        if failure.is_none() {
            *failure = Some(what);
        }
    }

    pub(crate) fn failed(&self) -> bool {
        of(self.failure).is_some()
    }
}

/// Why a process does nothing more.
pub(crate) enum End {
    /// It is gone, as intended.
    Killed,
    Wrong(String),
}

pub(crate) type Step<T> = Result<T, End>;

/// Counts processes of C that read from a mapping they had given up.
pub(crate) const C_CRASHED: &str = "C crashed (N4)";

/// One process.
pub(crate) struct Actor<'a> {
    pub(crate) stage: &'a Stage<'a>,
    pub(crate) name: String,
    pub(crate) part: &'a Part,
    pub(crate) rng: Rng,
    /// Where the killer finds the process.
    pub(crate) life: &'a Mutex<Option<Arc<Life>>>,
    /// Slots held, with the number of the state once it was looked at.
    pub(crate) held: BTreeMap<u32, (u32, Option<u32>)>,
    /// Whether the database is open in the process.
    pub(crate) open: bool,
    /// Which of several threads; `None` while the process has one.
    pub(crate) thread: Option<u32>,
}

impl Actor<'_> {
    /// Lives until the round is over. The first process was started before.
    pub(crate) fn live(mut self, first: Process) {
        let mut process = Some(first);
        while let Some(mut current) = process.take() {
            *of(self.life) = Some(Arc::clone(current.life()));
            let end = self.one_process(&mut current);
            *of(self.life) = None;
            let wrong = match end {
                Ok(()) => None,
                Err(End::Killed) => {
                    self.stage.count("killed");
                    None
                }
                Err(End::Wrong(what)) => Some(what),
            };
            if let Some(what) = &wrong {
                self.stage.fail(format!("{}: {what}", self.name));
            }
            // Everybody's past, once anything is wrong.
            if self.stage.failed() {
                of(self.stage.pasts).push(format!(
                    "{} {:?}\n{}",
                    self.name,
                    self.part,
                    current.past()
                ));
                return;
            }
            current.kill();
            self.held.clear();
            self.open = false;
            if !self.stage.over() {
                std::thread::sleep(Duration::from_millis(self.rng.below(20) as u64));
                process = Some(Process::start(self.part.kind, self.stage.errors));
            }
        }
    }

    fn one_process(&mut self, process: &mut Process) -> Step<()> {
        process.ready().map_err(|trouble| self.grave(trouble))?;
        while !self.stage.over() {
            if !self.open {
                self.open(process)?;
                continue;
            }
            if self.part.threads > 1 && self.rng.chance(50) {
                self.crowd(process)?;
                continue;
            }
            let deed = self.deed();
            self.act(process, deed)?;
        }
        let closes = match self.stage.plan.finish {
            Finish::Close => true,
            Finish::Kill => false,
            Finish::Either => self.rng.chance(50),
        };
        if closes && self.open {
            self.close(process)?;
        }
        Ok(())
    }

    /// What to do next.
    pub(crate) fn deed(&mut self) -> Deed {
        self.part.role.deed(self.part.kind, self.stage.plan.mixed(), &mut self.rng)
    }

    fn is_c(&self) -> bool {
        self.part.kind == Kind::C
    }

    /// What a trouble means that is not simply `Busy`.
    pub(crate) fn grave(&self, trouble: Trouble) -> End {
        match trouble {
            Trouble::Dead { killed: true, .. } => End::Killed,
            // To the others that is one kill more, which they must survive. `rounds` counts them.
            Trouble::Dead { status: Some(status), .. }
                if self.is_c() && status.signal() == Some(Signal::SIGSEGV as i32) =>
            {
                self.stage.count(C_CRASHED);
                End::Killed
            }
            other => End::Wrong(other.to_string()),
        }
    }

    /// Asks; `None` if it was busy.
    fn ask(&self, process: &mut Voice, request: &Request) -> Step<Option<Reply>> {
        match process.ask(request) {
            Ok(reply) => Ok(Some(reply)),
            Err(trouble) if trouble.is_busy() => {
                self.stage.count(if self.is_c() { "busy C" } else { "busy" });
                Ok(None)
            }
            Err(trouble) => Err(self.grave(trouble)),
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        of(self.stage.history)
    }

    fn newest(&self) -> u32 {
        self.history().newest()
    }

    fn open(&mut self, process: &mut Voice) -> Step<()> {
        let opened = self.ask(process, &Request::Open(self.part.opening.clone()));
        match opened {
            Ok(reply) => {
                self.open = reply.is_some();
                self.stage.count("opened");
            }
            // A read-only client may come before anybody has made the file.
            Err(End::Wrong(text)) if self.part.role == Role::ReadOnly && text.contains("266") => {}
            Err(end) => return Err(end),
        }
        Ok(())
    }

    fn close(&mut self, process: &mut Voice) -> Step<()> {
        self.release_all(process)?;
        if self.is_c() && self.stage.plan.c_never_closes {
            // Killed instead: W5.
            process.kill();
            return Err(End::Killed);
        }
        self.open = false;
        match process.ask(&Request::Close) {
            Err(Trouble::Hung) if self.is_c() => {
                self.stage.count("C hung in close (20.14)");
                Err(End::Killed)
            }
            Ok(_) => {
                self.stage.count("closed");
                Ok(())
            }
            Err(trouble) => Err(self.grave(trouble)),
        }
    }

    pub(crate) fn release_all(&mut self, process: &mut Voice) -> Step<()> {
        while let Some((slot, _)) = self.held.pop_first() {
            self.ask(process, &Request::Release(slot))?;
        }
        Ok(())
    }

    pub(crate) fn act(&mut self, process: &mut Voice, deed: Deed) -> Step<()> {
        // T1, T2: C neither writes nor works with an open cursor, and a new one would not see the
        // newest state.
        if self.is_c() && !matches!(deed, Deed::Look | Deed::Release | Deed::Pause) {
            self.release_all(process)?;
        }
        match deed {
            Deed::Transact => self.transact(process, Ending::Commit),
            Deed::Rollback => self.transact(process, Ending::Rollback),
            Deed::Scan => self.scan(process),
            Deed::Get => self.get(process),
            Deed::Hold => self.hold(process),
            Deed::Look => self.look(process),
            Deed::Release => match self.held.pop_first() {
                Some((slot, _)) => self.ask(process, &Request::Release(slot)).map(drop),
                None => Ok(()),
            },
            Deed::Work => {
                let kb = self.rng.between(1, 64) as u32;
                self.ask(process, &Request::Work(kb)).map(drop)
            }
            Deed::Checkpoint => self.ask(process, &Request::Checkpoint).map(drop),
            Deed::Flush => self.ask(process, &Request::Flush).map(drop),
            Deed::Compact => self.ask(process, &Request::Compact).map(drop),
            Deed::Check => match self.ask(process, &Request::Check)? {
                Some(reply) if self.stage.world.is_listed(&reply.text) => {
                    self.stage.count("stale pointers of C (20.2)");
                    Ok(())
                }
                Some(reply) if !reply.text.is_empty() => {
                    Err(End::Wrong(format!("check while others go on: {}", reply.text)))
                }
                _ => {
                    self.stage.count("checked live");
                    Ok(())
                }
            },
            Deed::Reopen => self.close(process),
            Deed::Pause => {
                std::thread::sleep(Duration::from_micros(self.rng.below(4000) as u64));
                Ok(())
            }
        }
    }

    fn transact(&mut self, process: &mut Voice, ending: Ending) -> Step<()> {
        let mixed = self.stage.plan.has_c();
        let changes = self.stage.world.changes(self.part.kind, mixed, &mut self.rng);
        let (tag, since) = {
            let mut history = self.history();
            (history.pending(&self.name, &changes), history.newest())
        };
        let wait = Duration::from_secs(3);
        let Some(reply) = self.ask(process, &Request::Transact { tag, wait, ending, changes })?
        else {
            self.history().refused(tag);
            return Ok(());
        };
        let numbers = reply.text.split_once(' ');
        let numbers = numbers.and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse().ok()?)));
        let Some((serial, before)) = numbers else {
            return Err(End::Wrong(format!("answered {}", reply.text)));
        };
        if serial <= since {
            let text = format!("was given number {serial}, but {since} was known before");
            return Err(End::Wrong(text));
        }
        let mut history = self.history();
        if ending == Ending::Rollback {
            history.refused(tag);
        } else {
            history.committed(serial, tag).map_err(End::Wrong)?;
            self.stage.count(match (self.part.kind, self.thread) {
                (Kind::C, _) => "committed by C",
                (Kind::Siltstone, None) => "committed",
                (Kind::Siltstone, Some(_)) => "committed by one of several threads",
            });
        }
        history.committed(serial - 1, before).map_err(End::Wrong)
    }

    /// Judges what `request` was answered. If it is wrong, the process is asked once more, because
    /// whether it is wrong for good tells much about the cause.
    fn judge(
        &self,
        process: &mut Voice,
        request: &Request,
        mut reply: Reply,
        since: u32,
    ) -> Step<u32> {
        let backward = matches!(request, Request::Scan(true) | Request::Look(_, true));
        if backward {
            reply.rows.reverse();
        }
        let judged = self.history().read(&reply.rows, since);
        self.stage.count(if self.is_c() { "states read by C" } else { "states read" });
        let Err(problem) = judged else { return judged.map_err(End::Wrong) };
        self.keep_evidence();
        let again = match process.ask(request) {
            // Nobody knows now whether it was wrong for good.
            Err(Trouble::Dead { killed: true, .. }) if self.is_c() => {
                self.stage.count("misread by C, killed before it was asked again");
                return Err(End::Killed);
            }
            Err(trouble) => Err(trouble.to_string()),
            Ok(mut reply) => {
                if backward {
                    reply.rows.reverse();
                }
                self.history().read(&reply.rows, since)
            }
        };
        match again {
            // C alone among C does the same about once in 500 rounds.
            Ok(number) if self.is_c() => {
                self.stage.count("misread by C, right when asked again (N3)");
                Ok(number)
            }
            again => Err(End::Wrong(format!("{problem}; asked again: {again:?}"))),
        }
    }

    /// The files as they are now, beside those that others go on to change.
    fn keep_evidence(&self) {
        let path = self.part.opening.path.display().to_string();
        for end in ["", "-log", "-shm"] {
            let _ = std::fs::copy(format!("{path}{end}"), format!("{path}{end}.then"));
        }
    }

    /// C is read backward only: K-1.
    fn backward(&mut self) -> bool {
        self.is_c() || self.rng.chance(50)
    }

    fn scan(&mut self, process: &mut Voice) -> Step<()> {
        let (since, backward) = (self.newest(), self.backward());
        let request = Request::Scan(backward);
        match self.ask(process, &request)? {
            Some(reply) => self.judge(process, &request, reply, since).map(drop),
            None => Ok(()),
        }
    }

    fn get(&mut self, process: &mut Voice) -> Step<()> {
        let key = self.stage.world.key(&mut self.rng);
        let since = self.newest();
        if let Some(reply) = self.ask(process, &Request::Get(key.clone()))? {
            self.history().glance(&self.name, &key, reply.rows.first(), since);
        }
        Ok(())
    }

    fn hold(&mut self, process: &mut Voice) -> Step<()> {
        let limit = if self.is_c() { 1 } else { 3 };
        let Some(slot) = (0..limit).find(|slot| !self.held.contains_key(slot)) else {
            return Ok(());
        };
        let since = self.newest();
        if self.ask(process, &Request::Hold(slot))?.is_some() {
            self.held.insert(slot, (since, None));
        }
        Ok(())
    }

    fn look(&mut self, process: &mut Voice) -> Step<()> {
        let slots: Vec<u32> = self.held.keys().copied().collect();
        if slots.is_empty() {
            return Ok(());
        }
        let (slot, backward) = (*self.rng.pick(&slots), self.backward());
        let request = Request::Look(slot, backward);
        let Some(reply) = self.ask(process, &request)? else { return Ok(()) };
        let (since, known) = self.held[&slot];
        let number = self.judge(process, &request, reply, since)?;
        if known.is_some_and(|known| known != number) {
            let text = format!("what was held as state {known:?} shows state {number} now");
            return Err(End::Wrong(text));
        }
        self.held.insert(slot, (since, Some(number)));
        self.stage.count("looks at a state held");
        Ok(())
    }
}
