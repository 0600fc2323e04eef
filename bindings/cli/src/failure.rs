//! Why a command did not succeed: the line on stderr and the exit status.

use crate::output;
use siltstone::env::EnvError;
use siltstone::{Error, ErrorKind};
use std::io;
use std::process::ExitCode;

/// The end of a command that is not success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine refused or failed; its lsm code becomes the exit status.
    Engine(Error),
    /// Reading or writing a file other than the database failed (10).
    File {
        /// What was being done to which file.
        doing: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// Arguments or input that cannot be understood (2).
    Usage(String),
    /// What was asked for is not there (1).
    NotFound(String),
    /// Damage or a disagreement was found and already printed (1).
    Damaged,
    /// Ctrl-C; the text says what was kept (130).
    Interrupted(String),
    /// A program run for the user ended so; it has said itself what there was to say.
    #[cfg_attr(target_os = "wasi", expect(dead_code, reason = "no programs are run there"))]
    Child(u8),
    /// A program could not be run: 127 if there is none of that name, else 126, as in shells.
    #[cfg_attr(target_os = "wasi", expect(dead_code, reason = "no programs are run there"))]
    CannotRun {
        /// Its name.
        program: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// The reader of stdout has gone: that is how `| head` ends us (0).
    BrokenPipe,
}

/// Result of everything in this program.
pub(crate) type Result<T> = core::result::Result<T, Failure>;

impl Failure {
    /// A failure on a file other than the database.
    pub(crate) fn file(doing: impl Into<String>, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::BrokenPipe;
        }
        Failure::File { doing: doing.into(), error }
    }

    /// The exit status.
    fn status(&self) -> u8 {
        match self {
            // Extended codes keep their meaning in the lowest byte: 266 is 10.
            Failure::Engine(error) => u8::try_from(error.code() & 0xff).unwrap_or(1),
            Failure::File { .. } => 10,
            Failure::Usage(_) => 2,
            Failure::NotFound(_) | Failure::Damaged => 1,
            Failure::Interrupted(_) => 130,
            Failure::Child(status) => *status,
            Failure::CannotRun { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Failure::CannotRun { .. } => 126,
            Failure::BrokenPipe => 0,
        }
    }

    /// The line for people, if there is anything to say.
    fn message(&self) -> Option<String> {
        match self {
            Failure::Engine(error) => Some(format!("{error}{}", advice(error))),
            Failure::File { doing, error } => Some(format!("{doing}: {error}")),
            Failure::Usage(text) | Failure::NotFound(text) | Failure::Interrupted(text) => {
                Some(text.clone())
            }
            Failure::CannotRun { program, error } => Some(format!("running {program}: {error}")),
            Failure::Damaged | Failure::Child(_) | Failure::BrokenPipe => None,
        }
    }

    /// What kind of failure this is, in one word: hosts of components tell no exit status but 0 and 1.
    fn name(&self) -> &'static str {
        match self {
            Failure::Engine(error) => error.name(),
            Failure::File { .. } => "File",
            Failure::Usage(_) => "Usage",
            Failure::NotFound(_) => "NotFound",
            Failure::Damaged => "Damaged",
            Failure::Interrupted(_) => "Interrupted",
            Failure::Child(_) | Failure::CannotRun { .. } => "CannotRun",
            Failure::BrokenPipe => "BrokenPipe",
        }
    }

    /// Prints the message on stderr and gives the status.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(message) = self.message() {
            output::complain(&format!("error[{}]: {}", self.name(), one_line(&message)));
        }
        ExitCode::from(self.status())
    }
}

/// What the engine cannot know: which command helps.
fn advice(error: &Error) -> String {
    let missing = match error.kind() {
        ErrorKind::Io { source, .. } => *source == EnvError::NotFound,
        _ => false,
    };
    match error.path() {
        Some(path) if missing => {
            format!("; check the name, or make a database with `siltstone create {path}`")
        }
        _ if missing => "; check the name".to_owned(),
        _ => String::new(),
    }
}

/// Messages are one line whatever a file name or a value in them holds.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

/// `?` on stdout. Failures of other files use [`Failure::file`], which names them.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::file("writing to stdout", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_the_lowest_byte_of_the_lsm_code() {
        let missing =
            Error::new(ErrorKind::Io { operation: "opening", source: EnvError::NotFound });
        assert_eq!(missing.code(), 266);
        assert_eq!(Failure::Engine(missing).status(), 10);
        let mismatch = Error::new(ErrorKind::Mismatch { file: 10001, handle: 1 });
        assert_eq!(Failure::Engine(mismatch).status(), 50);
        let full = Error::new(ErrorKind::Full("disk".into()));
        assert_eq!(Failure::Engine(full).status(), 13);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).status(), 0);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("a\nb\r\tc"), "a b  c");
    }

    #[test]
    fn a_missing_file_gets_advice() {
        let missing =
            Error::new(ErrorKind::Io { operation: "opening", source: EnvError::NotFound });
        assert!(Failure::Engine(missing).message().unwrap().contains("check the name"));
    }
}
