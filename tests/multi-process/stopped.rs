//! Processes that are stopped (SIGSTOP) for seconds with something in their hands: the others go on,
//! or are told `Busy` within the time they allow; nothing is lost when the stopped one goes on.

use crate::process::{Kind, Process, Trouble};
use crate::protocol::{Ending, Opening, Request, StopAt};
use crate::scene::{LONG, SHORT, Scene};
use std::time::Duration;

/// How long; only long beside what the others need.
const SECONDS: Duration = Duration::from_secs(2);

/// A scene with some content and one process that has it open.
fn begun(kind: Kind) -> (Scene, Process) {
    let mut scene = Scene::new();
    let mut process = scene.open(kind);
    for _ in 0..5 {
        scene.commit(&mut process);
    }
    (scene, process)
}

/// The process stands still after taking the lock, and is stopped besides.
fn stop_at(scene: &Scene, process: &mut Process, lock: u8, mode: u8, request: &Request) {
    scene.must(process, &Request::StopAt(StopAt { lock, mode, skip: 0 }));
    assert!(scene.must(process, request).waiting);
    assert!(process.life().stop());
}

fn go_on(process: &mut Process) {
    assert!(process.life().go_on());
    let done = process.tell("go");
    done.unwrap_or_else(|trouble| panic!("goes on: {trouble}\n{}", process.past()));
}

/// Busy, and whose role it is.
fn busy(outcome: Result<crate::process::Reply, Trouble>) -> String {
    match outcome {
        Err(Trouble::Busy(text)) => text,
        other => panic!("should be busy: {other:?}"),
    }
}

#[test]
fn a_stopped_writer_keeps_only_writers_waiting() {
    for kind in [Kind::Siltstone, Kind::C] {
        let (mut scene, mut other) = begun(Kind::Siltstone);
        let mut c = scene.open(Kind::C);
        let mut writer = scene.open(kind);
        let changes = scene.changes(5, 100);
        let tag = scene.history.pending("the stopped one", &changes);
        let request = Request::Transact { tag, wait: LONG, ending: Ending::Wait, changes };
        assert!(scene.must(&mut writer, &request).waiting);
        assert!(writer.life().stop());
        let changes = scene.changes(2, 100);
        let text = busy(scene.transact(&mut other, changes, SHORT));
        assert!(text.contains("write transaction"), "{text}");
        let changes = scene.changes(2, 100);
        busy(scene.transact(&mut c, changes, SHORT));
        let before = scene.read(&mut other);
        assert_eq!(scene.read(&mut c), before);
        scene.must(&mut other, &Request::Work(64));
        scene.must(&mut other, &Request::Checkpoint);
        std::thread::sleep(SECONDS);
        assert_eq!(scene.read(&mut other), before);
        assert!(writer.life().go_on());
        let reply = writer.tell("go").unwrap();
        scene.acknowledged(&reply, tag);
        assert_eq!(scene.read(&mut other), before + 1);
        scene.commit(&mut other);
        scene.commit(&mut c);
        scene.commit(&mut writer);
        scene.read(&mut c);
        scene.newcomer();
    }
}

#[test]
fn a_stopped_worker_keeps_only_workers_waiting() {
    let (mut scene, mut other) = begun(Kind::Siltstone);
    scene.opening = Opening { busy: SHORT, ..scene.opening.clone() };
    let mut impatient = scene.open(Kind::Siltstone);
    let mut worker = scene.open(Kind::Siltstone);
    // Not a flush, which fixes the end of the log first and so has the writer's role besides.
    stop_at(&scene, &mut worker, 5, 2, &Request::Work(64));
    busy(impatient.ask(&Request::Flush));
    busy(impatient.ask(&Request::Work(64)));
    // Writing goes on, also beyond the size at which trees are flushed.
    for _ in 0..30 {
        let changes = scene.changes(8, 1000);
        scene.transact(&mut other, changes, LONG).unwrap();
    }
    scene.read(&mut impatient);
    std::thread::sleep(SECONDS);
    scene.commit(&mut impatient);
    go_on(&mut worker);
    scene.read(&mut worker);
    scene.must(&mut impatient, &Request::Flush);
    scene.read(&mut other);
    scene.newcomer();
}

#[test]
fn a_stopped_checkpointer_keeps_only_checkpointers_waiting() {
    let (mut scene, mut other) = begun(Kind::Siltstone);
    scene.opening = Opening { busy: SHORT, ..scene.opening.clone() };
    let mut impatient = scene.open(Kind::Siltstone);
    let mut checkpointer = scene.open(Kind::Siltstone);
    scene.must(&mut other, &Request::Flush);
    stop_at(&scene, &mut checkpointer, 6, 2, &Request::Checkpoint);
    busy(impatient.ask(&Request::Checkpoint));
    for _ in 0..30 {
        let changes = scene.changes(8, 1000);
        scene.transact(&mut other, changes, LONG).unwrap();
    }
    scene.must(&mut impatient, &Request::Flush);
    scene.must(&mut impatient, &Request::Work(256));
    std::thread::sleep(SECONDS);
    scene.read(&mut impatient);
    go_on(&mut checkpointer);
    scene.must(&mut impatient, &Request::Checkpoint);
    scene.read(&mut checkpointer);
    scene.newcomer();
}

#[test]
fn a_stopped_reader_finds_its_state_again() {
    for (holder, writers) in [(Kind::Siltstone, Kind::C), (Kind::C, Kind::Siltstone)] {
        let (mut scene, mut other) = begun(writers);
        let mut reader = scene.open(holder);
        scene.must(&mut reader, &Request::Hold(0));
        let number = scene.read_as(&mut reader, &Request::Look(0, true));
        assert!(reader.life().stop());
        for _ in 0..80 {
            let changes = scene.changes(8, 2000);
            scene.transact(&mut other, changes, LONG).unwrap();
        }
        scene.must(&mut other, &Request::Work(256));
        scene.must(&mut other, &Request::Checkpoint);
        std::thread::sleep(SECONDS);
        for _ in 0..80 {
            let changes = scene.changes(8, 2000);
            scene.transact(&mut other, changes, LONG).unwrap();
        }
        assert!(reader.life().go_on());
        assert_eq!(scene.read_as(&mut reader, &Request::Look(0, true)), number);
        scene.must(&mut reader, &Request::Release(0));
        scene.read(&mut reader);
        scene.commit(&mut reader);
        scene.newcomer();
    }
}

#[test]
fn a_stopped_connector_keeps_connectors_waiting() {
    let (mut scene, mut other) = begun(Kind::Siltstone);
    let mut late = scene.start(Kind::Siltstone);
    let opening = scene.opening.clone();
    stop_at(&scene, &mut late, 1, 2, &Request::Open(opening.clone()));
    let mut impatient = scene.start(Kind::Siltstone);
    busy(impatient.ask(&Request::Open(Opening { busy: SHORT, ..opening.clone() })));
    // C waits for ever; it is answered after the stopped one goes on.
    let mut c = scene.start(Kind::C);
    c.send(&Request::Open(opening.clone())).unwrap();
    scene.commit(&mut other);
    scene.read(&mut other);
    std::thread::sleep(SECONDS);
    go_on(&mut late);
    c.answer(LONG).unwrap();
    scene.must(&mut impatient, &Request::Open(opening));
    for process in [&mut late, &mut impatient, &mut c, &mut other] {
        scene.commit(process);
        scene.read(process);
    }
    scene.newcomer();
}
