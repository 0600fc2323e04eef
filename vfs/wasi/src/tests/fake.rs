//! A host in memory with one directory, `/data`, that can be told to stop short, to interrupt and to
//! refuse.

use crate::host::{Answer, Descriptor, Host, How, Kind, Place, Refusal, Stat};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What can be counted and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Open,
    Stat,
    Unlink,
    SyncDirectory,
    Random,
    Read,
    Write,
    Sync,
    SetSize,
}

type Contents = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
enum Entry {
    File(u64, Contents),
    Link,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    made: u64,
    longest: usize,
    interrupt_every: u64,
    all_calls: u64,
    calls: BTreeMap<Call, u64>,
    /// How many more calls of a kind succeed before one is refused.
    plan: Option<(Call, u64, Refusal)>,
    random: u8,
}

#[derive(Clone, Debug)]
pub(super) struct FakeHost(Arc<Mutex<State>>, [String; 1]);

#[derive(Debug)]
struct FakeFile {
    host: FakeHost,
    number: u64,
    contents: Contents,
    how: How,
}

impl FakeHost {
    pub(super) fn new() -> Self {
        let state = State { longest: usize::MAX, ..State::default() };
        FakeHost(Arc::new(Mutex::new(state)), ["/data".to_owned()])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// No transfer is longer from now on.
    pub(super) fn stop_short(&self, longest: usize) {
        self.state().longest = longest;
    }

    /// Every n-th call is interrupted before it does anything.
    pub(super) fn interrupt_every(&self, calls: u64) {
        self.state().interrupt_every = calls;
    }

    /// The call after `skipped` more of its kind is refused.
    pub(super) fn refuse(&self, call: Call, skipped: u64, refusal: Refusal) {
        self.state().plan = Some((call, skipped, refusal));
    }

    pub(super) fn calls(&self, call: Call) -> u64 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    pub(super) fn make_link(&self, name: &str) {
        self.state().entries.insert(name.to_owned(), Entry::Link);
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let contents = Arc::new(Mutex::new(bytes.to_vec()));
        self.state().entries.insert(name.to_owned(), Entry::File(99, contents));
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        match self.state().entries.get(name) {
            Some(Entry::File(_, contents)) => Some(contents.lock().unwrap().clone()),
            _ => None,
        }
    }

    /// Counts a call, and interrupts or refuses it if planned.
    fn call(&self, call: Call) -> Answer<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.all_calls += 1;
        if state.interrupt_every > 0 && state.all_calls.is_multiple_of(state.interrupt_every) {
            return Err(Refusal::Interrupted);
        }
        *state.calls.entry(call).or_default() += 1;
        match &mut state.plan {
            Some((planned, 0, refusal)) if *planned == call => {
                let refusal = *refusal;
                state.plan = None;
                return Err(refusal);
            }
            Some((planned, left, _)) if *planned == call => *left -= 1,
            _ => {}
        }
        Ok(state)
    }
}

fn stat_of(entry: &Entry) -> Stat {
    match entry {
        Entry::File(number, contents) => Stat {
            kind: Kind::File,
            size: contents.lock().unwrap().len() as u64,
            identity: Some((1, *number)),
        },
        Entry::Link => Stat { kind: Kind::Other, size: 0, identity: None },
    }
}

impl Host for FakeHost {
    fn directories(&self) -> &[String] {
        &self.1
    }

    fn open(&self, place: &Place, how: How) -> Answer<Box<dyn Descriptor>> {
        let mut state = self.call(Call::Open)?;
        if place.path.contains('/') {
            return Err(Refusal::NotFound);
        }
        let (number, contents) = match (state.entries.get(&place.path), how) {
            (Some(_), How::CreateNew) => return Err(Refusal::Exists),
            (Some(Entry::File(number, contents)), _) => (*number, contents.clone()),
            // As hosts that follow links even when told not to.
            (Some(Entry::Link), _) => (0, Contents::default()),
            (None, How::Read | How::Write) => return Err(Refusal::NotFound),
            (None, How::Create | How::CreateNew) => {
                state.made += 1;
                let (number, contents) = (state.made, Contents::default());
                let entry = Entry::File(number, contents.clone());
                state.entries.insert(place.path.clone(), entry);
                (number, contents)
            }
        };
        Ok(Box::new(FakeFile { host: self.clone(), number, contents, how }))
    }

    fn stat(&self, place: &Place) -> Answer<Stat> {
        let state = self.call(Call::Stat)?;
        state.entries.get(&place.path).map(stat_of).ok_or(Refusal::NotFound)
    }

    fn unlink(&self, place: &Place) -> Answer<()> {
        let removed = self.call(Call::Unlink)?.entries.remove(&place.path);
        removed.map(drop).ok_or(Refusal::NotFound)
    }

    fn sync_directory(&self, _directory: usize) -> Answer<()> {
        self.call(Call::SyncDirectory).map(drop)
    }

    fn random(&self, buffer: &mut [u8]) -> Answer<()> {
        let mut state = self.call(Call::Random)?;
        for byte in buffer {
            state.random = state.random.wrapping_mul(5).wrapping_add(3);
            *byte = state.random;
        }
        Ok(())
    }
}

impl Descriptor for FakeFile {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
        let longest = self.host.call(Call::Read)?.longest;
        let contents = self.contents.lock().unwrap();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(contents.len());
        let count = buffer.len().min(longest).min(contents.len() - from);
        buffer[..count].copy_from_slice(&contents[from..from + count]);
        Ok(count)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<usize> {
        let longest = self.host.call(Call::Write)?.longest;
        if !self.how.writes() {
            return Err(Refusal::NotPermitted);
        }
        let mut contents = self.contents.lock().unwrap();
        let count = bytes.len().min(longest);
        let from = usize::try_from(offset).map_err(|_| Refusal::Full)?;
        let end = from.checked_add(count).filter(|end| *end < 1 << 30).ok_or(Refusal::Full)?;
        let size = contents.len().max(end);
        contents.resize(size, 0);
        contents[from..end].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn sync(&self) -> Answer<()> {
        self.host.call(Call::Sync).map(drop)
    }

    fn stat(&self) -> Answer<Stat> {
        drop(self.host.call(Call::Stat)?);
        Ok(stat_of(&Entry::File(self.number, self.contents.clone())))
    }

    fn set_size(&self, size: u64) -> Answer<()> {
        drop(self.host.call(Call::SetSize)?);
        self.contents.lock().unwrap().resize(usize::try_from(size).unwrap(), 0);
        Ok(())
    }
}
