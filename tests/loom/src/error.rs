//! Errors, which no model meets.

use crate::env::EnvError;
use std::borrow::Cow;

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug)]
pub(crate) enum Error {
    Kind(ErrorKind),
    Corrupt(Place, &'static str),
    Misuse(&'static str),
    World(EnvError, &'static str),
}

#[derive(Debug)]
pub(crate) enum ErrorKind {
    Protocol(Cow<'static, str>),
}

#[derive(Debug)]
pub(crate) enum Place {
    SharedMemory(u32),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error::Kind(kind)
    }

    pub(crate) fn corrupt(place: Place, rule: &'static str) -> Self {
        Error::Corrupt(place, rule)
    }

    pub(crate) fn misuse(what: &'static str) -> Self {
        Error::Misuse(what)
    }
}

pub(crate) trait IoContext<T> {
    fn during(self, operation: &'static str) -> Result<T>;
}

impl<T> IoContext<T> for std::result::Result<T, EnvError> {
    fn during(self, operation: &'static str) -> Result<T> {
        self.map_err(|error| Error::World(error, operation))
    }
}
