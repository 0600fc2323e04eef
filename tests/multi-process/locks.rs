//! A process is killed while it holds each lock. The lock calls of a script of everything are gone
//! through one after the other: the process stands still right after the call, others do what they
//! can meanwhile, then it is killed; nothing committed is lost and everybody goes on.

use crate::process::{Kind, Process, Reply, Trouble};
use crate::protocol::{Opening, Request, StopAt};
use crate::scene::{LONG, SHORT, Scene};
use siltstone_native::{LockStyle, NativeEnv};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Who is there while the victim dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survivor {
    Nobody,
    Siltstone,
    C,
}

/// One step of the victim.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(fn() -> Request),
    Transact,
}

/// Everything a read-write process does that takes locks.
const WRITING: &[Step] = &[
    Step::Transact,
    Step::Ask(|| Request::Scan(true)),
    Step::Ask(|| Request::Hold(0)),
    Step::Ask(|| Request::Flush),
    Step::Transact,
    Step::Ask(|| Request::Work(64)),
    Step::Ask(|| Request::Checkpoint),
    Step::Transact,
    Step::Ask(|| Request::Look(0, true)),
    Step::Ask(|| Request::Release(0)),
    Step::Transact,
    Step::Ask(|| Request::Close),
];

const READING: &[Step] = &[
    Step::Ask(|| Request::Scan(true)),
    Step::Ask(|| Request::Hold(0)),
    Step::Ask(|| Request::Look(0, true)),
    Step::Ask(|| Request::Release(0)),
    Step::Ask(|| Request::Close),
];

/// Where the victim stood still: lock and mode; `None` if the script ended before.
fn stand_still(
    scene: &mut Scene,
    victim: &mut Process,
    opening: &Opening,
    script: &[Step],
    skip: u32,
) -> Option<(u8, u8)> {
    let at = StopAt { lock: 0, mode: 9, skip };
    scene.must(victim, &Request::StopAt(at));
    let mut reply = victim.ask(&Request::Open(opening.clone()));
    for step in script {
        if let Some(place) = standing(&reply) {
            return Some(place);
        }
        reply.unwrap_or_else(|trouble| panic!("{trouble}\n{}", victim.past()));
        reply = match step {
            Step::Ask(request) => victim.ask(&request()),
            Step::Transact => {
                let changes = scene.changes(4, 300);
                scene.transact(victim, changes, LONG)
            }
        };
    }
    let place = standing(&reply);
    reply.unwrap_or_else(|trouble| panic!("{trouble}\n{}", victim.past()));
    place
}

fn standing(reply: &Result<Reply, Trouble>) -> Option<(u8, u8)> {
    let reply = reply.as_ref().ok().filter(|reply| reply.waiting)?;
    let mut words = reply.text.split(' ').map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

/// Kills a victim right after its `skip`th lock call. Returns the lock and its mode.
fn kill_at(survivor: Survivor, read_only: bool, skip: u32) -> Option<(u8, u8)> {
    let mut scene = Scene::new();
    let mut first = scene.open(Kind::Siltstone);
    for _ in 0..3 {
        scene.commit(&mut first);
    }
    let mut other = match survivor {
        Survivor::Nobody => None,
        Survivor::Siltstone => Some(scene.open(Kind::Siltstone)),
        Survivor::C => Some(scene.open(Kind::C)),
    };
    // Killed, so that whoever is alone has something to recover.
    first.kill();
    let mut victim = scene.start(Kind::Siltstone);
    let opening = Opening { read_only, ..scene.opening.clone() };
    let script = if read_only { READING } else { WRITING };
    let place = stand_still(&mut scene, &mut victim, &opening, script, skip);
    if let Some(other) = &mut other {
        // While the victim stands there: reading goes on, writing does or says it is busy.
        scene.read(other);
        let changes = scene.changes(2, 50);
        match scene.transact(other, changes, SHORT) {
            Ok(_) | Err(Trouble::Busy(_)) => {}
            Err(trouble) => panic!("beside {place:?}: {trouble}\n{}", other.past()),
        }
        scene.read(other);
    }
    victim.kill();
    if let Some(other) = &mut other {
        scene.read(other);
        let changes = scene.changes(2, 50);
        match scene.transact(other, changes, if survivor == Survivor::C { SHORT } else { LONG }) {
            Ok(_) => {}
            // C is kept from repairs it would get wrong.
            Err(Trouble::Busy(_)) if survivor == Survivor::C => {}
            Err(trouble) => panic!("after death at {place:?}: {trouble}\n{}", other.past()),
        }
        scene.read(other);
    }
    scene.newcomer();
    drop(other);
    scene.newcomer();
    place
}

fn sweep(survivor: Survivor, read_only: bool) -> BTreeSet<(u8, u8)> {
    // Several at a time: most of a case is waiting.
    const TOGETHER: u32 = 4;
    let places = Mutex::new((0, BTreeSet::new()));
    std::thread::scope(|scope| {
        for first in 0..TOGETHER {
            let places = &places;
            scope.spawn(move || {
                for skip in (first..).step_by(TOGETHER as usize) {
                    let Some(place) = kill_at(survivor, read_only, skip) else { return };
                    let mut places = places.lock().unwrap();
                    places.0 += 1;
                    places.1.insert(place);
                }
            });
        }
    });
    let (calls, places) = places.into_inner().unwrap();
    println!("{survivor:?}, read-only {read_only}: {calls} lock calls");
    places
}

/// DMS1, DMS2, WRITER, WORKER, CHECKPOINTER, a reader slot, a client.
fn covers_writing(places: &BTreeSet<(u8, u8)>) {
    for place in [(1, 2), (2, 1), (4, 2), (5, 2), (6, 2)] {
        assert!(places.contains(&place), "nobody was killed at {place:?}: {places:?}");
    }
    assert!(places.iter().any(|&(lock, mode)| (8..14).contains(&lock) && mode == 1), "{places:?}");
    assert!(places.iter().any(|&(lock, mode)| lock >= 14 && mode == 2), "{places:?}");
}

#[test]
fn killed_after_each_lock_call_alone() {
    covers_writing(&sweep(Survivor::Nobody, false));
}

#[test]
fn killed_after_each_lock_call_beside_siltstone() {
    covers_writing(&sweep(Survivor::Siltstone, false));
}

#[test]
fn killed_after_each_lock_call_beside_c() {
    covers_writing(&sweep(Survivor::C, false));
}

#[test]
fn read_only_clients_killed_after_each_lock_call() {
    let alone = sweep(Survivor::Nobody, true);
    assert!(alone.contains(&(7, 1)), "nobody was killed in a private read transaction: {alone:?}");
    let beside = sweep(Survivor::Siltstone, true);
    assert!(beside.contains(&(3, 1)), "nobody was killed as a live read-only client: {beside:?}");
}

#[test]
fn killed_with_each_client_lock() {
    let mut scene = Scene::new();
    let mut others = Vec::new();
    for client in 0..16 {
        let mut victim = scene.start(Kind::Siltstone);
        let at = StopAt { lock: 14 + client, mode: 2, skip: 0 };
        scene.must(&mut victim, &Request::StopAt(at));
        let reply = victim.ask(&Request::Open(scene.opening.clone()));
        assert_eq!(standing(&reply), Some((14 + client, 2)), "{reply:?}");
        victim.kill();
        // An environment of its own is as good as a process of its own.
        let env = NativeEnv::separate(LockStyle::Best);
        let options = crate::siltstone_store::options(&scene.opening);
        others.push(options.open_with_env(env, &scene.opening.path).unwrap());
    }
    scene.newcomer();
    others.clear();
    scene.newcomer();
}

#[test]
fn killed_with_each_reader_slot() {
    let mut scene = Scene::new();
    let mut writer = scene.open(Kind::Siltstone);
    let (mut readers, mut slots) = (Vec::new(), BTreeSet::new());
    for _ in 0..6 {
        scene.commit(&mut writer);
        scene.must(&mut writer, &Request::Flush);
        let mut victim = scene.open(Kind::Siltstone);
        scene.must(&mut victim, &Request::StopAt(StopAt { lock: 0, mode: 1, skip: 0 }));
        let reply = victim.ask(&Request::Hold(0));
        let (slot, _) = standing(&reply).unwrap_or_else(|| panic!("{reply:?}"));
        slots.insert(slot);
        victim.kill();
        scene.read(&mut writer);
        let mut reader = scene.open(Kind::Siltstone);
        scene.must(&mut reader, &Request::Hold(0));
        let number = scene.read_as(&mut reader, &Request::Look(0, true));
        readers.push((reader, number));
    }
    assert_eq!(slots, (8..14).collect());
    for _ in 0..40 {
        let changes = scene.changes(8, 2000);
        scene.transact(&mut writer, changes, LONG).unwrap();
    }
    scene.must(&mut writer, &Request::Checkpoint);
    for (reader, number) in &mut readers {
        assert_eq!(scene.read_as(reader, &Request::Look(0, true)), *number);
    }
    drop(readers);
    scene.newcomer();
}
