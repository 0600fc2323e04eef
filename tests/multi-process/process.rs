//! The driver's side: starts a process, asks it, kills or stops it, and notices when it hangs. Each of
//! its threads has a voice of its own.

use crate::protocol::{Request, Row, addressed, addressee};
use crate::server::{ASKED, READY};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Siltstone,
    C,
}

/// How long a process may take for one answer before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How many requests are remembered for messages.
const REMEMBERED: usize = 60;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) rows: Vec<Row>,
    pub(crate) text: String,
    /// The process stands still until it is told how to go on.
    pub(crate) waiting: bool,
}

/// No answer, or a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Busy(String),
    Failed(i32, String),
    /// The process is gone: killed by us, or by itself.
    Dead {
        killed: bool,
        status: Option<ExitStatus>,
    },
    /// It did not answer in time and was killed for it.
    Hung,
}

impl Trouble {
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Trouble::Busy(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Busy(text) => write!(f, "busy: {text}"),
            Trouble::Failed(code, text) => write!(f, "failed with code {code}: {text}"),
            Trouble::Dead { killed: true, .. } => f.write_str("killed"),
            Trouble::Dead { status, .. } => write!(f, "died by itself: {status:?}"),
            Trouble::Hung => f.write_str("did not answer"),
        }
    }
}

/// What others may do to a process: end, stop and continue it. Harmless once it is gone.
#[derive(Debug)]
pub(crate) struct Life {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    child: Child,
    killed: bool,
    ended: Option<ExitStatus>,
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        of(&self.state)
    }

    fn signal(&self, signal: Signal) -> bool {
        let mut state = self.state();
        if state.ended.is_some() {
            return false;
        }
        // Not reaped yet, so the number is still this process's.
        let sent = kill(Pid::from_raw(state.child.id().cast_signed()), signal).is_ok();
        state.killed |= sent && signal == Signal::SIGKILL;
        sent
    }

    /// SIGKILL; whether there was something to kill.
    pub(crate) fn kill(&self) -> bool {
        self.signal(Signal::SIGKILL)
    }

    pub(crate) fn stop(&self) -> bool {
        self.signal(Signal::SIGSTOP)
    }

    pub(crate) fn go_on(&self) -> bool {
        self.signal(Signal::SIGCONT)
    }

    fn reap(&self) -> (bool, Option<ExitStatus>) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = state.child.wait().ok();
        }
        (state.killed, state.ended)
    }
}

/// Where to send what threads say; `None` once the process says nothing more.
type Routes = Arc<Mutex<Option<HashMap<Option<u32>, Sender<String>>>>>;

fn of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process. Dropping it kills it. What is asked of it itself, its first thread does.
pub(crate) struct Process {
    voice: Voice,
    routes: Routes,
}

/// One thread of a process, as the driver speaks with it.
pub(crate) struct Voice {
    life: Arc<Life>,
    /// `None` is the first thread.
    thread: Option<u32>,
    input: Arc<Mutex<ChildStdin>>,
    output: Receiver<String>,
    begun: Instant,
    past: VecDeque<String>,
}

impl Process {
    /// Starts a process; what it says on standard error is added to the file.
    pub(crate) fn start(kind: Kind, errors: &Path) -> Process {
        let errors = OpenOptions::new().create(true).append(true).open(errors).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["server::siltstone_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(ASKED, if kind == Kind::C { "c" } else { "siltstone" })
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let input = Arc::new(Mutex::new(child.stdin.take().unwrap()));
        let stdout = child.stdout.take().unwrap();
        let (sender, output) = channel();
        let routes: Routes = Arc::new(Mutex::new(Some(HashMap::from([(None, sender)]))));
        let to = Arc::clone(&routes);
        std::thread::spawn(move || {
            let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
            while stdout.read_line(&mut line).is_ok() {
                // What ends without an end of line was cut off by a kill, and says nothing.
                let Some(whole) = line.strip_suffix('\n') else { break };
                let (thread, said) = addressee(whole);
                // Who does not listen any more has died with the driver's interest.
                if let Some(sender) = of(&to).as_ref().and_then(|routes| routes.get(&thread)) {
                    let _ = sender.send(said.to_owned());
                }
                line.clear();
            }
            *of(&to) = None;
        });
        let state = Mutex::new(State { child, killed: false, ended: None });
        let life = Arc::new(Life { state });
        let (begun, past) = (Instant::now(), VecDeque::new());
        Process { voice: Voice { life, thread: None, input, output, begun, past }, routes }
    }

    /// Another thread of the process, which begins with the first request.
    pub(crate) fn voice(&self, thread: u32) -> Voice {
        let (sender, output) = channel();
        if let Some(routes) = of(&self.routes).as_mut() {
            routes.insert(Some(thread), sender);
        }
        Voice {
            life: Arc::clone(&self.life),
            thread: Some(thread),
            input: Arc::clone(&self.input),
            output,
            begun: self.begun,
            past: VecDeque::new(),
        }
    }
}

impl Deref for Process {
    type Target = Voice;

    fn deref(&self) -> &Voice {
        &self.voice
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Voice {
        &mut self.voice
    }
}

impl Voice {
    /// Waits until it is there.
    pub(crate) fn ready(&mut self) -> Result<(), Trouble> {
        while self.line(PATIENCE)? != READY {}
        Ok(())
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn remember(&mut self, line: &str) {
        if self.past.len() == REMEMBERED {
            self.past.pop_front();
        }
        let line: String = line.chars().take(400).collect();
        self.past.push_back(format!("{:>9.3?} {line}", self.begun.elapsed()));
    }

    /// Sends a request without waiting for the answer.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Trouble> {
        self.send_line(&request.to_line())
    }

    fn send_line(&mut self, line: &str) -> Result<(), Trouble> {
        self.remember(line);
        let line = addressed(self.thread, line) + "\n";
        let sent = {
            let mut input = of(&self.input);
            input.write_all(line.as_bytes()).and_then(|()| input.flush())
        };
        sent.map_err(|_| self.dead())
    }

    /// Sends a request and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, Trouble> {
        self.send(request)?;
        self.answer(PATIENCE)
    }

    /// Tells a process that stands still how to go on, and waits for what it then answers.
    pub(crate) fn tell(&mut self, how: &str) -> Result<Reply, Trouble> {
        self.send_line(how)?;
        self.answer(PATIENCE)
    }

    /// The answer to the request sent last.
    pub(crate) fn answer(&mut self, patience: Duration) -> Result<Reply, Trouble> {
        let mut rows = Vec::new();
        let outcome = loop {
            let line = match self.line(patience) {
                Ok(line) => line,
                Err(trouble) => break Err(trouble),
            };
            if let Some(words) = line.strip_prefix("+ ") {
                rows.extend(Row::from_words(words));
                continue;
            }
            let (word, text) = line.split_once(' ').unwrap_or((&line, ""));
            let text = text.to_owned();
            match word {
                "ok" => break Ok(Reply { rows, text, waiting: false }),
                "waiting" => break Ok(Reply { rows, text, waiting: true }),
                "busy" => break Err(Trouble::Busy(text)),
                "err" => {
                    let (code, text) = text.split_once(' ').unwrap_or((&text, ""));
                    break Err(Trouble::Failed(code.parse().unwrap_or(-1), text.to_owned()));
                }
                _ => break Err(Trouble::Failed(-1, format!("said {line}"))),
            }
        };
        let told = match &outcome {
            Ok(reply) => format!("  -> {} rows, {}", reply.rows.len(), reply.text),
            Err(trouble) => format!("  -> {trouble}"),
        };
        self.remember(&told);
        outcome
    }

    fn line(&mut self, patience: Duration) -> Result<String, Trouble> {
        match self.output.recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Disconnected) => Err(self.dead()),
            Err(RecvTimeoutError::Timeout) => {
                // The core would be large; where it hangs is told by its past.
                self.life.kill();
                self.life.reap();
                Err(Trouble::Hung)
            }
        }
    }

    fn dead(&mut self) -> Trouble {
        let (killed, status) = self.life.reap();
        Trouble::Dead { killed, status }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.life.kill();
        self.life.reap();
    }

    /// The last requests and answers, for messages.
    pub(crate) fn past(&self) -> String {
        self.past.iter().map(|line| format!("    {line}\n")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
