//! Progress bars on stderr. They show only on a terminal and vanish when done.

use crate::failure::{Failure, Result};
use crate::session::Session;
use indicatif::{ProgressBar, ProgressStyle};
use siltstone::{Error, ErrorKind};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::Ordering;

const BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const UNKNOWN: &str = "{msg} {spinner} {bytes} {bytes_per_sec}";
const ITEMS: &str = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec}";

fn styled(bar: ProgressBar, template: &str, message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(message)
}

/// A bar over bytes; a spinner if nobody knows how many there are.
pub(crate) fn over_bytes(total: Option<u64>, message: &'static str) -> ProgressBar {
    match total {
        Some(total) => styled(ProgressBar::new(total), BYTES, message),
        None => styled(ProgressBar::no_length(), UNKNOWN, message),
    }
}

/// A bar over things.
pub(crate) fn over_items(total: u64, message: &'static str) -> ProgressBar {
    styled(ProgressBar::new(total), ITEMS, message)
}

/// Runs an engine call that reports progress in bytes, with a bar, and ends it on Ctrl-C.
/// `kept` says what an interruption leaves behind.
pub(crate) fn run<T>(
    session: &Session,
    message: &'static str,
    kept: &str,
    call: impl FnOnce(siltstone::Progress<'_>) -> siltstone::Result<T>,
) -> Result<T> {
    session.catch_interrupt()?;
    let flag = session.interrupt_flag();
    let bar = over_bytes(Some(0), message);
    let result = call(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        !flag.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    result.map_err(|error| match was_stopped(&error) && session.is_interrupted() {
        true => Failure::Interrupted(format!("interrupted; {kept}")),
        false => Failure::Engine(error),
    })
}

/// The engine reports a progress callback that said stop as misuse.
fn was_stopped(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Misuse(text) if text.contains("interrupted"))
}

/// Opens a file, or stdin, and a bar that moves as it is read.
pub(crate) fn watched_input(
    path: Option<&Path>,
    message: &'static str,
) -> Result<(Box<dyn BufRead>, ProgressBar)> {
    let (input, total): (Box<dyn Read>, Option<u64>) = match path {
        None => (Box::new(io::stdin()), None),
        Some(path) => {
            let failed = |error| Failure::file(format!("opening {}", path.display()), error);
            let file = File::open(path).map_err(failed)?;
            let data = file.metadata().ok().filter(|data| data.is_file());
            (Box::new(file), data.map(|data| data.len()))
        }
    };
    let bar = over_bytes(total, message);
    let watched = Watched { input, bar: bar.clone() };
    Ok((Box::new(BufReader::with_capacity(256 << 10, watched)), bar))
}

/// Moves a bar as bytes are read.
struct Watched {
    input: Box<dyn Read>,
    bar: ProgressBar,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}
