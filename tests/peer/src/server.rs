//! The peer process: reads commands, drives C, answers.

use crate::command::{Answer, Command, hex};
use crate::database::{CCursor, CDatabase};
use crate::{CConfig, MISUSE, Position};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};

/// Environment variable that turns a test binary into the peer.
pub(crate) const ASKED: &str = "SILTSTONE_C_PEER";
/// First line of the peer; what stands before it on standard output is noise of the test harness.
pub(crate) const READY: &str = "siltstone-c-peer ready";

/// Serves standard input and output if the environment asks for it, and then does not return.
pub fn serve_if_asked() {
    if std::env::var_os(ASKED).is_some() {
        let result = serve(io::stdin().lock(), io::stdout().lock());
        std::process::exit(i32::from(result.is_err()));
    }
}

/// Serves commands until `quit`, `abort` or the end of the input.
///
/// # Errors
/// Of the streams.
pub fn serve(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    writeln!(output, "\n{READY}")?;
    output.flush()?;
    let mut slots = Slots::default();
    for line in input.lines() {
        let result = match Command::from_line(&line?) {
            Some(Command::Quit) => {
                slots.cursors.clear();
                slots.handles.clear();
                writeln!(output, "ok")?;
                return output.flush();
            }
            Some(Command::Abort) => {
                slots.abandon();
                writeln!(output, "ok")?;
                return output.flush();
            }
            Some(command) => slots.run(command),
            None => Err(Refusal::NoCommand),
        };
        match result {
            Ok(answer) => {
                for (key, value) in answer.rows {
                    writeln!(output, "+ {} {}", hex(&key), hex(&value))?;
                }
                writeln!(output, "ok {}", answer.text.replace('\n', "\\n"))?;
            }
            Err(Refusal::Code(code)) => writeln!(output, "err {code}")?,
            Err(Refusal::NoCommand) => writeln!(output, "what")?,
        }
        output.flush()?;
    }
    // The client is gone without a word: the same as a crash.
    slots.abandon();
    Ok(())
}

/// Runs one command against an in-process database (slots and process commands are `MISUSE`).
///
/// # Errors
/// C's result code.
pub fn run(database: &CDatabase, command: &Command) -> Result<Answer, i32> {
    let rows = |rows| Answer { rows, text: String::new() };
    let done = |()| Answer::default();
    match command {
        Command::Configure(setting, value) => database.configure(*setting, *value).map(text),
        Command::Codec(id) => database.set_codec(*id).map(done),
        Command::Put(key, value) => database.insert(key, value).map(done),
        Command::Delete(key) => database.delete(key).map(done),
        Command::DeleteRange(first, last) => database.delete_range(first, last).map(done),
        Command::Begin(level) => database.begin(*level).map(done),
        Command::Commit(level) => database.commit(*level).map(done),
        Command::Rollback(level) => database.rollback(*level).map(done),
        Command::Flush => database.flush().map(done),
        Command::Work(merge, kb) => database.work(*merge, *kb).map(text),
        Command::Checkpoint => database.checkpoint().map(text),
        Command::UserVersion => database.user_version().map(text),
        Command::SetUserVersion(version) => database.set_user_version(*version).map(done),
        Command::Info(info) => database.info(*info).map(text),
        Command::Scan => database.scan().map(rows),
        Command::ScanBackward => database.scan_backward().map(rows),
        Command::Seek(mode, key) => database.cursor()?.seek(key, *mode).map(entry),
        _ => Err(MISUSE),
    }
}

enum Refusal {
    Code(i32),
    NoCommand,
}

impl From<i32> for Refusal {
    fn from(code: i32) -> Self {
        Refusal::Code(code)
    }
}

fn text(value: impl ToString) -> Answer {
    Answer { rows: Vec::new(), text: value.to_string() }
}

fn entry(position: Position) -> Answer {
    Answer { rows: position.into_iter().collect(), text: String::new() }
}

#[derive(Default)]
struct Slots {
    in_use: u32,
    // Cursors first: they are dropped before their databases.
    cursors: HashMap<u32, CCursor>,
    handles: HashMap<u32, CDatabase>,
}

impl Slots {
    fn abandon(&mut self) {
        self.cursors.drain().for_each(|(_, cursor)| std::mem::forget(cursor));
        self.handles.drain().for_each(|(_, database)| database.abandon());
    }

    fn run(&mut self, command: Command) -> Result<Answer, Refusal> {
        if let Command::Use(slot) = command {
            self.in_use = slot;
            return Ok(Answer::default());
        }
        if let Command::Open(path, config) = command {
            return self.open(&path, &config);
        }
        if let Some(answer) = self.cursor(&command)? {
            return Ok(answer);
        }
        let database = self.handles.get(&self.in_use).ok_or(MISUSE)?;
        match command {
            Command::Close => {
                database.try_close()?;
                self.handles.remove(&self.in_use);
                Ok(Answer::default())
            }
            Command::CursorOpen(slot) => {
                let cursor = database.cursor()?;
                self.cursors.insert(slot, cursor);
                Ok(Answer::default())
            }
            other => Ok(run(database, &other)?),
        }
    }

    fn open(&mut self, path: &std::path::Path, config: &CConfig) -> Result<Answer, Refusal> {
        if self.handles.contains_key(&self.in_use) {
            return Err(MISUSE.into());
        }
        self.handles.insert(self.in_use, CDatabase::open(path, config)?);
        Ok(Answer::default())
    }

    fn cursor(&mut self, command: &Command) -> Result<Option<Answer>, i32> {
        let at = |slot: &u32| self.cursors.get(slot).ok_or(MISUSE);
        let position = match command {
            Command::CursorFirst(slot) => at(slot)?.first()?,
            Command::CursorLast(slot) => at(slot)?.last()?,
            Command::CursorNext(slot) => at(slot)?.next()?,
            Command::CursorPrev(slot) => at(slot)?.prev()?,
            Command::CursorSeek(slot, mode, key) => at(slot)?.seek(key, *mode)?,
            Command::CursorAt(slot) => at(slot)?.position()?,
            Command::CursorClose(slot) => {
                return self.cursors.remove(slot).map(|_| Some(Answer::default())).ok_or(MISUSE);
            }
            _ => return Ok(None),
        };
        Ok(Some(entry(position)))
    }
}
