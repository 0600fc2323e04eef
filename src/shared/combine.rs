//! One thread writes for many: rows that threads want written durably at the same time, each in a
//! transaction of its own, go into one transaction of one of these threads.
//!
//! Who finds nobody leading leads: it takes the writer role, writes its own row and those posted
//! by then, commits, syncs, and tells the others what came of theirs. Meanwhile the next rows are
//! posted. So a group costs one transaction, one write and one sync, and each of its threads
//! sleeps and is woken once. A row that cannot be written is undone alone; a commit that fails
//! fails for all. Once a leader is done whoever comes first leads: a new thread, which finds the
//! rows that are still posted, or the one that has waited longest, which is woken for it.
//!
//! Nothing else is locked while the posts or a post are, nor one of these while the other is.

use super::wait::{KnownClock, Wait};
use super::{Settings, Shared, WriterCore};
use crate::env::Env;
use crate::error::{BusyRole, Error, Result};
use crate::options::Durability;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Rows a leader writes besides its own.
const MOST_ROWS: usize = 64;
/// Bytes of key and value of a row that others may write: it is copied.
const LARGEST_ROW: usize = 16 << 10;
/// How long a leader waits for as many rows as the last group had: the threads that group has just
/// woken are likely to come back, and a sync for all of them costs as much as one for the first.
const GATHERING: Duration = Duration::from_micros(50);

/// One row to write, or to remove.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    /// `None` removes the key.
    pub(crate) value: Option<&'a [u8]>,
}

/// The rows that wait for a leader.
#[derive(Debug, Default)]
pub(super) struct Combiner {
    posts: Mutex<Posts>,
    /// As many rows are posted as the last group had.
    gathered: Condvar,
    clock: KnownClock,
}

#[derive(Debug, Default)]
struct Posts {
    /// A thread leads.
    led: bool,
    waiting: VecDeque<Arc<Post>>,
    /// Rows of the last group.
    last: usize,
    /// The leader waits for as many.
    gathering: bool,
}

impl Posts {
    fn are_gathered(&self) -> bool {
        self.waiting.len() + 1 >= self.last
    }
}

/// A row that another thread may write.
#[derive(Debug)]
struct Post {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    settings: Settings,
    word: Mutex<Word>,
    woken: Condvar,
}

/// What the thread that has posted a row is told.
#[derive(Debug)]
enum Word {
    Wait,
    /// Nobody leads: see whether you can.
    Lead,
    Done(Result<()>),
}

/// How waiting ended.
enum Waited {
    Leads,
    Done(Result<()>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Post {
    fn row(&self) -> Row<'_> {
        Row { key: &self.key, value: self.value.as_deref() }
    }

    fn tell(&self, news: Word) {
        let mut word = lock(&self.word);
        if !matches!(*word, Word::Done(_)) {
            *word = news;
            drop(word);
            self.woken.notify_one();
        }
    }
}

impl Combiner {
    /// Whether somebody writes, or waits to.
    pub(super) fn is_busy(&self) -> bool {
        let posts = lock(&self.posts);
        posts.led || !posts.waiting.is_empty()
    }

    /// Leads, or leaves the row to who does.
    fn enter(&self, settings: &Settings, row: Row<'_>) -> Option<Arc<Post>> {
        let mut posts = lock(&self.posts);
        if !std::mem::replace(&mut posts.led, true) {
            return None;
        }
        let post = Arc::new(Post {
            key: row.key.to_vec(),
            value: row.value.map(<[u8]>::to_vec),
            settings: settings.clone(),
            word: Mutex::new(Word::Wait),
            woken: Condvar::new(),
        });
        posts.waiting.push_back(Arc::clone(&post));
        if posts.gathering && posts.are_gathered() {
            posts.gathering = false;
            drop(posts);
            self.gathered.notify_one();
        }
        Some(post)
    }

    /// Leads if nobody does; the post is not waiting any more then.
    fn try_lead(&self, post: &Arc<Post>) -> bool {
        let mut posts = lock(&self.posts);
        if posts.led {
            return false;
        }
        let before = posts.waiting.len();
        posts.waiting.retain(|other| !Arc::ptr_eq(other, post));
        // Otherwise somebody has written it who leads no longer, and is about to say so.
        posts.led = posts.waiting.len() < before;
        posts.led
    }

    /// Takes the post back; `false` if somebody writes it already.
    fn withdraw(&self, post: &Arc<Post>) -> bool {
        let next = {
            let mut posts = lock(&self.posts);
            let before = posts.waiting.len();
            posts.waiting.retain(|other| !Arc::ptr_eq(other, post));
            if posts.waiting.len() == before {
                return false;
            }
            // It may be the one that was told to lead.
            if posts.led { None } else { posts.waiting.front().cloned() }
        };
        if let Some(next) = next {
            next.tell(Word::Lead);
        }
        true
    }

    /// Waits until the row is written, or this thread leads, or `deadline` is over.
    fn wait(&self, env: &dyn Env, post: &Arc<Post>, deadline: Duration) -> Waited {
        let mut wait = Some(Wait::until(env, deadline, &self.clock));
        let mut word = lock(&post.word);
        loop {
            match std::mem::replace(&mut *word, Word::Wait) {
                Word::Done(outcome) => return Waited::Done(outcome),
                Word::Lead => {
                    drop(word);
                    if self.try_lead(post) {
                        return Waited::Leads;
                    }
                    word = lock(&post.word);
                    continue;
                }
                Word::Wait => {}
            }
            let Some(limited) = &mut wait else {
                word = post.woken.wait(word).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let outcome = limited.once(&post.word, word, &post.woken);
            let late = outcome.is_err();
            word = outcome.unwrap_or_else(std::convert::identity);
            if late {
                drop(word);
                if self.withdraw(post) {
                    return Waited::Done(Err(Error::busy(BusyRole::Writer)));
                }
                // Somebody writes it, which ends as a commit of one's own would.
                wait = None;
                word = lock(&post.word);
            }
        }
    }

    /// The rows to write with one whose transaction has these settings, oldest first.
    fn take(&self, settings: &Settings) -> Vec<Arc<Post>> {
        let mut posts = lock(&self.posts);
        let suit =
            posts.waiting.iter().take(MOST_ROWS).take_while(|post| post.settings == *settings);
        let count = suit.count();
        posts.waiting.drain(..count).collect()
    }

    /// Lets the threads that the last group has woken come back.
    fn gather(&self, env: &dyn Env) {
        let mut posts = lock(&self.posts);
        if posts.are_gathered() {
            return;
        }
        let mut wait = Wait::up_to(env, GATHERING, &self.clock);
        posts.gathering = true;
        while !posts.are_gathered() {
            match wait.once(&self.posts, posts, &self.gathered) {
                Ok(guard) => posts = guard,
                Err(guard) => {
                    posts = guard;
                    break;
                }
            }
        }
        posts.gathering = false;
    }
}

/// The lead, until dropped, and the posts that are being written.
struct Lead<'a> {
    combiner: &'a Combiner,
    taken: Vec<(Arc<Post>, Result<()>)>,
}

impl Lead<'_> {
    /// Ends it: the transaction has come to `outcome`.
    fn end(mut self, outcome: &Result<()>) {
        for (_, own) in &mut self.taken {
            if own.is_ok() {
                own.clone_from(outcome);
            }
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let next = {
            let mut posts = lock(&self.combiner.posts);
            posts.led = false;
            posts.last = self.taken.len() + 1;
            posts.waiting.front().cloned()
        };
        for (post, outcome) in self.taken.drain(..) {
            post.tell(Word::Done(outcome));
        }
        if let Some(next) = next {
            next.tell(Word::Lead);
        }
    }
}

impl Shared {
    /// Writes one row in a transaction, waiting up to `timeout` for others.
    pub(crate) fn write_row(
        self: &Arc<Self>,
        settings: Settings,
        timeout: Duration,
        row: Row<'_>,
    ) -> Result<()> {
        let len = row.key.len().saturating_add(row.value.map_or(0, <[u8]>::len));
        let shares = settings.durability == Durability::Full
            && settings.use_log
            && !timeout.is_zero()
            && len <= LARGEST_ROW
            && self.env.capabilities().threads;
        if !shares {
            let mut core = self.begin(settings, timeout)?;
            write(&mut core, row).map_err(|error| error.on(&self.path))?;
            return core.commit();
        }
        self.check_process()?;
        let deadline = self.env.now().saturating_add(timeout);
        if let Some(post) = self.combiner.enter(&settings, row)
            && let Waited::Done(outcome) = self.combiner.wait(&*self.env, &post, deadline)
        {
            return outcome.map_err(|error| error.on(&self.path));
        }
        let lead = Lead { combiner: &self.combiner, taken: Vec::new() };
        self.write_group(lead, settings, deadline, row)
    }

    /// Writes `row` and what is posted.
    fn write_group(
        self: &Arc<Self>,
        mut lead: Lead<'_>,
        settings: Settings,
        deadline: Duration,
        row: Row<'_>,
    ) -> Result<()> {
        self.combiner.gather(&*self.env);
        let mut core = self.begin(settings.clone(), deadline.saturating_sub(self.env.now()))?;
        let posts = self.combiner.take(&settings);
        // Whoever leads and does not come to an end has told nobody.
        let unknown = || {
            Err(Error::misuse(
                "the thread that wrote this row for another one has panicked; read it to know \
                 whether it was written",
            ))
        };
        lead.taken = posts.into_iter().map(|post| (post, unknown())).collect();
        if lead.taken.is_empty() {
            write(&mut core, row).map_err(|error| error.on(&self.path))?;
            return core.commit_telling(|outcome| lead.end(outcome));
        }
        let own = write_apart(&mut core, row);
        let mut any = own.is_ok();
        for (post, outcome) in &mut lead.taken {
            *outcome = write_apart(&mut core, post.row());
            any |= outcome.is_ok();
        }
        let committed =
            if any { core.commit_telling(|outcome| lead.end(outcome)) } else { core.rollback() };
        own.and(committed)
    }
}

fn write(core: &mut WriterCore, row: Row<'_>) -> Result<()> {
    match row.value {
        Some(value) => core.insert(row.key, value),
        None => core.remove(row.key),
    }
}

/// Writes a row so that, if it cannot be written, others still can.
fn write_apart(core: &mut WriterCore, row: Row<'_>) -> Result<()> {
    let outcome = core.savepoint().and_then(|mark| match write(core, row) {
        Ok(()) => core.release(mark),
        Err(error) => core.rollback_to(mark).and(Err(error)),
    });
    outcome.map_err(|error| error.on(core.path()))
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use crate::{Database, Options};
    use siltstone_memory::{MemoryWorld, Settings as World};
    use std::thread::{Scope, ScopedJoinHandle};

    const LONG: Duration = Duration::from_secs(60);

    fn options() -> Options {
        Options::new().durability(Durability::Full).busy_timeout(LONG)
    }

    fn open(options: &Options) -> Database {
        open_twice(options, options)[0].clone()
    }

    /// Two handles of one process.
    fn open_twice(one: &Options, two: &Options) -> [Database; 2] {
        let world = MemoryWorld::with(World { real_time: true, ..World::default() });
        let process = world.process();
        let databases =
            [one, two].map(|options| options.open_with_env(process.clone(), "a.lsm").unwrap());
        databases[0].insert("first", "creates the log").unwrap();
        databases
    }

    fn combiner(database: &Database) -> &Combiner {
        &database.shared().unwrap().combiner
    }

    /// Waits until somebody leads and so many rows are posted.
    fn until_posted(database: &Database, count: usize) {
        loop {
            let posts = lock(&combiner(database).posts);
            if posts.led && posts.waiting.len() == count {
                return;
            }
            drop(posts);
            std::thread::yield_now();
        }
    }

    /// Inserts on a thread of its own; when that returns, the thread leads or its row is posted.
    fn insert<'scope>(
        scope: &'scope Scope<'scope, '_>,
        database: &'scope Database,
        key: &'static str,
        posted: usize,
    ) -> ScopedJoinHandle<'scope, Result<()>> {
        let thread = scope.spawn(move || database.insert(key, "value"));
        until_posted(database, posted);
        thread
    }

    /// How many there were, those that were rolled back included.
    fn transactions(database: &Database) -> u32 {
        database.shared().unwrap().state.lock().header.live.transaction
    }

    fn keys(database: &Database) -> Vec<String> {
        let entries = database.iter().unwrap();
        entries.map(|entry| String::from_utf8(entry.unwrap().0).unwrap()).collect()
    }

    #[test]
    fn rows_that_are_posted_share_a_transaction() {
        let database = open(&options());
        let before = transactions(&database);
        std::thread::scope(|scope| {
            let other = database.begin().unwrap();
            let threads: Vec<_> = ["a", "b", "c", "d", "e"]
                .into_iter()
                .enumerate()
                .map(|(posted, key)| insert(scope, &database, key, posted))
                .collect();
            assert_eq!(keys(&database), ["first"]);
            other.rollback().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(keys(&database), ["a", "b", "c", "d", "e", "first"]);
        assert_eq!(transactions(&database), before + 2);
        assert!(!combiner(&database).is_busy());
        database.close().unwrap();
    }

    #[test]
    fn a_row_that_cannot_be_written_is_undone_alone() {
        let database = open(&options().memory_limit(1 << 20).autoflush(64 << 20));
        let filler = database.begin().unwrap();
        let mut number = 0;
        // As long as rows of this size fit.
        loop {
            let savepoint = filler.savepoint().unwrap();
            if filler.insert(format!("x{number}"), [7; 8000]).is_err() {
                savepoint.rollback().unwrap();
                break;
            }
            savepoint.release().unwrap();
            number += 1;
        }
        filler.commit().unwrap();
        let before = transactions(&database);
        std::thread::scope(|scope| {
            let other = database.begin().unwrap();
            let first = insert(scope, &database, "a", 0);
            let large = scope.spawn(|| database.insert("b", [7; 8000]));
            until_posted(&database, 1);
            let last = insert(scope, &database, "c", 2);
            other.rollback().unwrap();
            first.join().unwrap().unwrap();
            assert_eq!(large.join().unwrap().unwrap_err().name(), "OutOfMemory");
            last.join().unwrap().unwrap();
        });
        assert_eq!(transactions(&database), before + 2);
        let small: Vec<_> = keys(&database).into_iter().filter(|key| key.len() == 1).collect();
        assert_eq!(small, ["a", "c"]);
    }

    #[test]
    fn who_is_tired_of_waiting_withdraws_and_the_lead_goes_on() {
        let short = options().busy_timeout(Duration::from_millis(20));
        let [database, impatient] = open_twice(&options(), &short);
        std::thread::scope(|scope| {
            let other = database.begin().unwrap();
            // Whichever of the two leads at first, the second one does in the end.
            let first = scope.spawn(|| impatient.insert("a", "value"));
            let second = scope.spawn(|| database.insert("b", "value"));
            assert!(first.join().unwrap().unwrap_err().is_busy());
            until_posted(&database, 0);
            let third = insert(scope, &database, "c", 1);
            assert!(impatient.insert("d", "value").unwrap_err().is_busy());
            until_posted(&database, 1);
            other.rollback().unwrap();
            second.join().unwrap().unwrap();
            third.join().unwrap().unwrap();
        });
        assert_eq!(keys(&database), ["b", "c", "first"]);
    }

    #[test]
    fn only_rows_of_the_same_settings_are_written_together() {
        let database = open(&options());
        let before = transactions(&database);
        std::thread::scope(|scope| {
            let other = database.begin().unwrap();
            let mut threads = vec![insert(scope, &database, "a", 0)];
            threads.push(insert(scope, &database, "b", 1));
            // From here on.
            database.set_autoflush(3 << 20).unwrap();
            threads.push(insert(scope, &database, "c", 2));
            threads.push(insert(scope, &database, "d", 3));
            other.rollback().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(keys(&database), ["a", "b", "c", "d", "first"]);
        assert_eq!(transactions(&database), before + 3);
    }

    #[test]
    fn nobody_waits_for_a_leader_that_has_panicked() {
        let world = MemoryWorld::with(World { real_time: true, ..World::default() });
        let env = world.process();
        let (combiner, settings) = (Combiner::default(), Settings::of(&options()));
        let row = Row { key: b"a", value: None };
        assert!(combiner.enter(&settings, row).is_none());
        let [taken, next] = [(); 2].map(|()| combiner.enter(&settings, row).unwrap());
        let mut lead = Lead { combiner: &combiner, taken: Vec::new() };
        lock(&combiner.posts).waiting.pop_front();
        lead.taken.push((Arc::clone(&taken), Err(Error::misuse("no end"))));
        drop(lead);
        let end = env.now() + LONG;
        assert!(matches!(combiner.wait(&*env, &taken, end), Waited::Done(Err(_))));
        assert!(matches!(combiner.wait(&*env, &next, end), Waited::Leads));
        drop(Lead { combiner: &combiner, taken: Vec::new() });
        assert!(!combiner.is_busy());
    }
}
