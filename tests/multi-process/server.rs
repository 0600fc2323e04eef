//! The process's side: reads requests, asks its engine, answers.

use crate::c_store::CStore;
use crate::hooks::Hooks;
use crate::protocol::{Request, Row, addressed, addressee};
use crate::siltstone_store::SiltstoneStore;
use crate::store::{Asked, Outcome, Refusal, Store};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Write, stdin, stdout};
use std::sync::mpsc::{Sender, channel};

/// Environment variable that turns the test binary into a process: `c` or `siltstone`.
pub(crate) const ASKED: &str = "SILTSTONE_PROCESS";
/// First line of a process; what stands before it is noise of the test harness.
pub(crate) const READY: &str = "siltstone process ready";

/// Becomes a process when the driver asks for it; otherwise nothing.
#[test]
fn siltstone_process() {
    let Some(kind) = std::env::var_os(ASKED) else { return };
    let mut store: Box<dyn Store> =
        if kind == "c" { Box::new(CStore::default()) } else { Box::new(SiltstoneStore::default()) };
    let mut threads: HashMap<u32, Sender<String>> = HashMap::new();
    say(&format!("\n{READY}"));
    loop {
        let line = next_line();
        let (thread_number, line) = addressee(&line);
        let Some(number) = thread_number else {
            reply(None, serve(store.as_mut(), line));
            continue;
        };
        if Request::from_line(line) == Some(Request::Leave) {
            // It hears that nobody speaks to it any more, and answers, if it has ever begun.
            if threads.remove(&number).is_none() {
                reply(Some(number), left());
            }
            continue;
        }
        let heard = match threads.entry(number) {
            Entry::Occupied(thread) => thread.get().send(line.to_owned()).is_ok(),
            Entry::Vacant(place) => match store.another() {
                Ok(store) => place.insert(thread(number, store)).send(line.to_owned()).is_ok(),
                Err(refusal) => {
                    reply(Some(number), Err(refusal));
                    true
                }
            },
        };
        if !heard {
            reply(Some(number), Err(Refusal::Failed(-1, "the thread is gone".into())));
        }
    }
}

/// A thread that answers what it is sent, and says so when it ends.
fn thread(number: u32, mut store: Box<dyn Store + Send>) -> Sender<String> {
    let (sender, lines) = channel::<String>();
    std::thread::spawn(move || {
        for line in lines {
            reply(Some(number), serve(store.as_mut(), &line));
        }
        drop(store);
        reply(Some(number), left());
    });
    sender
}

fn left() -> Answer {
    Ok((Vec::new(), "left".into()))
}

/// What a request comes to.
fn serve(store: &mut dyn Store, line: &str) -> Answer {
    match Request::from_line(line) {
        Some(request) => answer(store, &request),
        None => Err(Refusal::Failed(-1, format!("no request: {line}"))),
    }
}

fn reply(thread: Option<u32>, answer: Answer) {
    let lines: Vec<String> = match answer {
        Ok((rows, text)) => rows.iter().map(Row::to_line).chain([format!("ok {text}")]).collect(),
        Err(Refusal::Busy(text)) => vec![format!("busy {text}")],
        Err(Refusal::Failed(code, text)) => vec![format!("err {code} {text}")],
    };
    let lines: Vec<String> = lines.iter().map(|line| addressed(thread, line)).collect();
    say(&lines.join("\n"));
}

/// Stands still until the driver sends a line, which is returned. For every thread.
pub(crate) fn wait(where_: &str) -> String {
    say(&format!("waiting {where_}"));
    next_line()
}

/// The next line from the driver. When the driver is gone the process ends without a word, as in a
/// crash.
fn next_line() -> String {
    let mut line = String::new();
    if !matches!(stdin().read_line(&mut line), Ok(1..)) {
        std::process::exit(0);
    }
    line.trim_end().to_owned()
}

fn say(text: &str) {
    let mut out = stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Rows, and a text.
type Answer = Outcome<(Vec<Row>, String)>;

fn answer(store: &mut dyn Store, request: &Request) -> Answer {
    let quiet = |()| (Vec::new(), String::new());
    let rows = |rows| (rows, String::new());
    match request {
        Request::Open(opening) => store.open(opening).map(quiet),
        Request::Transact { tag, wait, ending, changes } => {
            let asked = Asked { tag: *tag, wait: *wait, ending: *ending, changes };
            let (serial, before) = store.transact(&asked)?;
            Ok((Vec::new(), format!("{serial} {before}")))
        }
        Request::Get(key) => store.get(key).map(|row| rows(row.into_iter().collect())),
        Request::Scan(backward) => store.scan(*backward).map(rows),
        Request::Hold(slot) => store.hold(*slot).map(quiet),
        Request::Look(slot, backward) => store.look(*slot, *backward).map(rows),
        Request::Release(slot) => store.release(*slot).map(quiet),
        Request::Work(kb) => store.work(*kb).map(quiet),
        Request::Checkpoint => store.checkpoint().map(quiet),
        Request::Flush => store.flush().map(quiet),
        Request::Compact => store.compact().map(quiet),
        Request::Check => store.check().map(|found| (Vec::new(), found.join("; "))),
        Request::Close => store.close().map(quiet),
        Request::Leave => Err(Refusal::Failed(-1, "only threads leave".into())),
        Request::StopAt(at) => {
            Hooks::of_process().stop_at(*at);
            Ok(quiet(()))
        }
        Request::LockCalls => {
            let calls = Hooks::of_process().lock_calls();
            let words: Vec<String> =
                calls.iter().map(|(lock, mode)| format!("{lock}:{mode}")).collect();
            Ok((Vec::new(), words.join(" ")))
        }
    }
}
