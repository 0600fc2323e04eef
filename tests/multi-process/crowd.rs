//! Several threads of one process on the database it has open, each with deeds of its own, all
//! beside the other processes of the round and on the same record.

use crate::actor::{Actor, End, Step, of};
use crate::plan::Deed;
use crate::process::{Process, Voice};
use crate::protocol::Request;
use siltstone_tests::rng::Rng;
use std::collections::BTreeMap;

impl Actor<'_> {
    /// Lets the threads of the process do some deeds at the same time, and waits for all of them.
    pub(crate) fn crowd(&mut self, process: &Process) -> Step<()> {
        let deeds = self.rng.between(3, 40);
        let outcomes: Vec<Step<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=self.part.threads)
                .map(|number| {
                    let actor = Actor {
                        name: format!("{} thread {number}", self.name),
                        rng: Rng::new(self.rng.next_u64()),
                        held: BTreeMap::new(),
                        thread: Some(number),
                        ..*self
                    };
                    let voice = process.voice(number);
                    scope.spawn(move || actor.one_thread(voice, deeds))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        self.stage.count("crowds of threads");
        // A thread whose process was killed because another hung says nothing of interest.
        let mut killed = false;
        for outcome in outcomes {
            match outcome {
                Err(End::Wrong(what)) => return Err(End::Wrong(what)),
                Err(End::Killed) => killed = true,
                Ok(()) => {}
            }
        }
        if killed { Err(End::Killed) } else { Ok(()) }
    }

    fn one_thread(mut self, mut voice: Voice, deeds: usize) -> Step<()> {
        let done = self.deeds(&mut voice, deeds);
        if let Err(End::Wrong(what)) = &done {
            // At once, so that the others stop.
            self.stage.fail(format!("{}: {what}", self.name));
        }
        if self.stage.failed() {
            of(self.stage.pasts).push(format!("{}\n{}", self.name, voice.past()));
        }
        done
    }

    fn deeds(&mut self, voice: &mut Voice, deeds: usize) -> Step<()> {
        for _ in 0..deeds {
            if self.stage.over() {
                break;
            }
            match self.deed() {
                // The others use it.
                Deed::Reopen => {}
                deed => self.act(voice, deed)?,
            }
        }
        self.release_all(voice)?;
        voice.ask(&Request::Leave).map(drop).map_err(|trouble| self.grave(trouble))
    }
}
