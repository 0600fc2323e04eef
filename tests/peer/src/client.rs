//! The watchdog's side: starts the peer process, talks to it, and kills it when C does not answer.

use crate::command::{Answer, Command, Info, Position, Seek, unhex};
use crate::server::{ASKED, READY};
use crate::{CConfig, Rows, Setting};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Why the peer gave no answer.
#[derive(Debug)]
pub enum PeerError {
    /// C refused, with this result code.
    Code(i32),
    /// C did not answer in time and was killed: it loops or waits for a lock.
    Timeout,
    /// The process ended by itself: with a signal if C crashed.
    Died(Option<ExitStatus>),
    /// The process could not be started or said something unintelligible.
    Broken(String),
}

impl PeerError {
    /// The result code, if C refused.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            PeerError::Code(code) => Some(*code),
            _ => None,
        }
    }

    /// Whether C crashed, or was killed because it looped.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, PeerError::Timeout | PeerError::Died(_))
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Code(code) => write!(f, "C refused with code {code}"),
            PeerError::Timeout => f.write_str("C did not answer in time and was killed"),
            PeerError::Died(Some(status)) => write!(f, "the C process died: {status}"),
            PeerError::Died(None) => f.write_str("the C process is gone"),
            PeerError::Broken(what) => write!(f, "the C process is unusable: {what}"),
        }
    }
}

impl std::error::Error for PeerError {}

type PeerResult<T> = Result<T, PeerError>;

/// C lsm1 in a process of its own. Dropping it kills the process.
pub struct PeerProcess {
    child: Child,
    input: Option<Sender<String>>,
    output: Receiver<String>,
    timeout: Duration,
    ended: Option<ExitStatus>,
}

impl PeerProcess {
    /// Time C gets for one command unless said otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    /// Starts the running test binary again as the peer. Its crate root must say
    /// `siltstone_peer::peer_test!();`.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn spawn() -> PeerResult<Self> {
        let program = std::env::current_exe().map_err(broken)?;
        Self::start(&program, &["siltstone_c_peer", "--exact", "--nocapture", "--test-threads=1"])
    }

    /// Starts a program that calls [`crate::serve_if_asked`] or [`crate::serve`], such as
    /// `siltstone-c-peer`.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn spawn_program(program: impl AsRef<Path>) -> PeerResult<Self> {
        Self::start(program.as_ref(), &[])
    }

    fn start(program: &Path, arguments: &[&str]) -> PeerResult<Self> {
        let mut child = std::process::Command::new(program)
            .args(arguments)
            .env(ASKED, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(broken)?;
        let mut stdin = child.stdin.take().ok_or_else(|| broken("no standard input"))?;
        let stdout = child.stdout.take().ok_or_else(|| broken("no standard output"))?;
        // Threads of their own for both directions: a peer that loops must never block us.
        let (input, lines) = channel::<String>();
        std::thread::spawn(move || {
            for line in lines {
                if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let timeout = Self::DEFAULT_TIMEOUT;
        let mut peer = PeerProcess { child, input: Some(input), output, timeout, ended: None };
        while peer.line()? != READY {}
        Ok(peer)
    }

    /// Time C gets from now on until the next line of an answer.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends a command and waits for the answer.
    ///
    /// # Errors
    /// C's result code, or what became of the process.
    pub fn ask(&mut self, command: &Command) -> PeerResult<Answer> {
        self.send(std::slice::from_ref(command))?;
        self.answer()
    }

    /// Sends many commands at once and collects all answers. Fast for thousands of writes.
    ///
    /// # Errors
    /// The first failure; the commands after a refused one have been carried out all the same.
    pub fn ask_all(&mut self, commands: &[Command]) -> PeerResult<Vec<Answer>> {
        self.send(commands)?;
        let mut answers = Vec::with_capacity(commands.len());
        let mut failure = None;
        for _ in commands {
            match self.answer() {
                Ok(answer) => answers.push(answer),
                Err(PeerError::Code(code)) => failure = failure.or(Some(code)),
                Err(fatal) => return Err(fatal),
            }
        }
        failure.map_or(Ok(answers), |code| Err(PeerError::Code(code)))
    }

    fn send(&mut self, commands: &[Command]) -> PeerResult<()> {
        let mut lines = String::new();
        for command in commands {
            lines += &command.to_line();
            lines.push('\n');
        }
        let sent = self.input.as_ref().map(|input| input.send(lines));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.died()),
        }
    }

    fn answer(&mut self) -> PeerResult<Answer> {
        let mut rows = Rows::new();
        loop {
            let line = self.line()?;
            if let Some(row) = line.strip_prefix("+ ") {
                let row =
                    row.split_once(' ').and_then(|(key, value)| Some((unhex(key)?, unhex(value)?)));
                rows.push(row.ok_or_else(|| broken("a row that is none"))?);
            } else if let Some(text) = line.strip_prefix("ok") {
                return Ok(Answer { rows, text: text.trim_start().replace("\\n", "\n") });
            } else {
                let code = line.strip_prefix("err ").and_then(|code| code.parse().ok());
                return Err(code.map_or_else(|| broken(line), PeerError::Code));
            }
        }
    }

    fn line(&mut self) -> PeerResult<String> {
        match self.output.recv_timeout(self.timeout) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                Err(PeerError::Timeout)
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }

    fn died(&mut self) -> PeerError {
        self.input = None;
        if self.ended.is_none() {
            self.ended = self.child.wait().ok();
        }
        PeerError::Died(self.ended)
    }

    /// SIGKILL: the hardest crash there is.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            self.input = None;
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Ends the process without closing anything.
    ///
    /// # Errors
    /// If it did not end by itself.
    pub fn abort(mut self) -> PeerResult<()> {
        self.ask(&Command::Abort)?;
        self.end()
    }

    /// Closes everything and ends the process.
    ///
    /// # Errors
    /// If it crashed or looped while closing.
    pub fn quit(mut self) -> PeerResult<()> {
        self.ask(&Command::Quit)?;
        self.end()
    }

    fn end(&mut self) -> PeerResult<()> {
        match self.line() {
            // Noise of the test harness may follow the last answer.
            Ok(_) => self.end(),
            Err(PeerError::Died(Some(status))) if status.success() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens a database in the slot in use.
    ///
    /// # Errors
    /// C's result code, or what became of the process.
    pub fn open(&mut self, path: impl AsRef<Path>, config: &CConfig) -> PeerResult<()> {
        self.ask(&Command::Open(path.as_ref().to_path_buf(), config.clone())).map(drop)
    }

    /// Closes it.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn close(&mut self) -> PeerResult<()> {
        self.ask(&Command::Close).map(drop)
    }

    /// Inserts.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> PeerResult<()> {
        self.ask(&Command::Put(key.as_ref().to_vec(), value.as_ref().to_vec())).map(drop)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> PeerResult<()> {
        self.ask(&Command::Delete(key.as_ref().to_vec())).map(drop)
    }

    /// Deletes the keys strictly between.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn delete_range(
        &mut self,
        first: impl AsRef<[u8]>,
        last: impl AsRef<[u8]>,
    ) -> PeerResult<()> {
        self.ask(&Command::DeleteRange(first.as_ref().to_vec(), last.as_ref().to_vec())).map(drop)
    }

    /// `lsm_begin`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn begin(&mut self, level: i32) -> PeerResult<()> {
        self.ask(&Command::Begin(level)).map(drop)
    }

    /// `lsm_commit`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn commit(&mut self, level: i32) -> PeerResult<()> {
        self.ask(&Command::Commit(level)).map(drop)
    }

    /// `lsm_rollback`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn rollback(&mut self, level: i32) -> PeerResult<()> {
        self.ask(&Command::Rollback(level)).map(drop)
    }

    /// `lsm_flush`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn flush(&mut self) -> PeerResult<()> {
        self.ask(&Command::Flush).map(drop)
    }

    /// `lsm_work`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn work(&mut self, merge: i32, kb: i32) -> PeerResult<()> {
        self.ask(&Command::Work(merge, kb)).map(drop)
    }

    /// `lsm_checkpoint`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn checkpoint(&mut self) -> PeerResult<()> {
        self.ask(&Command::Checkpoint).map(drop)
    }

    /// `lsm_config`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn configure(&mut self, setting: Setting, value: i32) -> PeerResult<()> {
        self.ask(&Command::Configure(setting, value)).map(drop)
    }

    /// All rows in order.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn scan(&mut self) -> PeerResult<Rows> {
        self.ask(&Command::Scan).map(|answer| answer.rows)
    }

    /// All rows in reverse order.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn scan_backward(&mut self) -> PeerResult<Rows> {
        self.ask(&Command::ScanBackward).map(|answer| answer.rows)
    }

    /// Where a seek with a new cursor ends.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn seek(&mut self, mode: Seek, key: impl AsRef<[u8]>) -> PeerResult<Position> {
        self.ask(&Command::Seek(mode, key.as_ref().to_vec()))
            .map(|answer| answer.rows.into_iter().next())
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> PeerResult<Option<Vec<u8>>> {
        self.seek(Seek::Eq, key).map(|position| position.map(|(_, value)| value))
    }

    /// `lsm_info`.
    ///
    /// # Errors
    /// As for [`PeerProcess::open`].
    pub fn info(&mut self, info: Info) -> PeerResult<String> {
        self.ask(&Command::Info(info)).map(|answer| answer.text)
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn broken(what: impl ToString) -> PeerError {
    PeerError::Broken(what.to_string())
}
