//! Stdout, buffered, and complaints on stderr.
//!
//! `println!` would panic when the reader of a pipe goes away; everything printed goes through
//! [`Output`], whose errors end the command quietly.

use serde_json::Value;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Buffered stdout.
#[derive(Debug)]
pub(crate) struct Output(BufWriter<Stdout>);

impl Output {
    /// Stdout with a buffer for long scans.
    pub(crate) fn new() -> Self {
        Output(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Whether people look at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.0.get_ref().is_terminal()
    }

    /// A line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.0.write_all(text.as_ref().as_bytes())?;
        self.0.write_all(b"\n")
    }

    /// A document of JSON on one line.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(value.to_string())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A line on stderr. Nobody can be told when that fails.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "siltstone: {message}");
}
