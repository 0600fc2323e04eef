//! The process's side: reads requests, asks its engine, answers.

use crate::c_store::CStore;
use crate::hooks::Hooks;
use crate::protocol::{Request, Row};
use crate::siltstone_store::SiltstoneStore;
use crate::store::{Asked, Outcome, Refusal, Store};
use std::io::{Write, stdin, stdout};

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
    say(&format!("\n{READY}"));
    loop {
        let line = next_line();
        let answer = match Request::from_line(&line) {
            Some(request) => answer(store.as_mut(), &request),
            None => Err(Refusal::Failed(-1, format!("no request: {line}"))),
        };
        say(&match answer {
            Ok((rows, text)) => {
                let mut out = String::new();
                for row in rows {
                    out += &row.to_line();
                    out.push('\n');
                }
                out + "ok " + &text
            }
            Err(Refusal::Busy(text)) => format!("busy {text}"),
            Err(Refusal::Failed(code, text)) => format!("err {code} {text}"),
        });
    }
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

fn answer(store: &mut dyn Store, request: &Request) -> Outcome<(Vec<Row>, String)> {
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
