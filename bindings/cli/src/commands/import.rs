//! `siltstone import`: entries from a file or stdin, many per transaction.
//!
//! What is committed stays: an error or Ctrl-C loses at most the batch being filled, and the
//! message says how many entries are in and how to go on. Importing an entry twice is harmless.

use crate::arguments::NewFile;
use crate::failure::{Failure, Result};
use crate::formats::{self, Columns, Entry, Format, Problem};
use crate::progress;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use siltstone::{Batch, Database};
use std::path::{Path, PathBuf};

/// A batch is committed early when its keys and values reach this, to bound memory.
const BATCH_BYTES: usize = 16 << 20;

/// Read entries from a file or stdin into a database
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The database; made if it is missing
    file: PathBuf,
    /// The input; stdin if missing or `-`
    input: Option<PathBuf>,
    /// Form of the input [default: by the input's ending, else ndjson]
    #[arg(short, long, value_enum)]
    format: Option<Format>,
    /// Entries per transaction
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Leave out the first entries of the input: those imported before an interruption
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// CSV and TSV: the first row is an entry already
    #[arg(long, conflicts_with_all = ["key_column", "value_column"])]
    no_header: bool,
    /// CSV and TSV: name of the column with the keys [default: key]
    #[arg(long, value_name = "NAME")]
    key_column: Option<String>,
    /// CSV and TSV: name of the column with the values [default: value]
    #[arg(long, value_name = "NAME")]
    value_column: Option<String>,
    #[command(flatten)]
    shape: NewFile,
}

/// How far an import is.
#[derive(Default)]
struct Done {
    entries: u64,
    transactions: u64,
}

/// Why it ended early.
enum Stop {
    Input(Problem),
    Engine(siltstone::Error),
    Interrupt,
}

impl Import {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let path = self.input.as_deref().filter(|path| *path != Path::new("-"));
        let format = self.format.or_else(|| Format::of_path(path?)).unwrap_or(Format::Ndjson);
        let (input, bar) = progress::watched_input(path, "importing")?;
        let columns = Columns {
            no_header: self.no_header,
            key: self.key_column.clone(),
            value: self.value_column.clone(),
        };
        let database = session.open_or_create(&self.file, &self.shape, false)?;
        session.catch_interrupt()?;
        let entries = formats::read(format, input, &columns);
        let mut done = Done::default();
        let stopped = self.fill(session, &database, entries, &mut done);
        bar.finish_and_clear();
        // Closing flushes and checkpoints; its failure matters even after another one.
        let closed = database.close();
        if let Err(stop) = stopped {
            return Err(self.explain(stop, &done, path));
        }
        closed?;
        let Done { entries, transactions } = done;
        if session.global.json {
            session.out.json(&json!({ "entries": entries, "transactions": transactions }))?;
        } else {
            let transactions = sizes::count(transactions);
            session.out.line(format!(
                "imported {} in {transactions} transactions",
                sizes::entries(entries)
            ))?;
        }
        Ok(())
    }

    fn fill(
        &self,
        session: &Session,
        database: &Database,
        entries: impl Iterator<Item = core::result::Result<Entry, Problem>>,
        done: &mut Done,
    ) -> core::result::Result<(), Stop> {
        let mut batch = Batch::new();
        let (mut waiting, mut bytes) = (0, 0);
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        // An unreadable entry among the skipped ones is reported too.
        let mut entries = entries.enumerate();
        loop {
            let next = match entries.next() {
                Some((at, Ok(_))) if at < skip => continue,
                next => next,
            };
            let ended = !matches!(next, Some((_, Ok(_))));
            if let Some((_, Ok((key, value)))) = &next {
                batch.insert(key, value);
                waiting += 1;
                bytes += key.len() + value.len();
            }
            if waiting > 0 && (ended || waiting >= self.batch || bytes >= BATCH_BYTES) {
                database.apply(&batch).map_err(Stop::Engine)?;
                done.entries += waiting;
                done.transactions += 1;
                batch.clear();
                (waiting, bytes) = (0, 0);
                if session.is_interrupted() && !ended {
                    return Err(Stop::Interrupt);
                }
            }
            match next {
                None => return Ok(()),
                Some((_, Err(problem))) => return Err(Stop::Input(problem)),
                Some((_, Ok(_))) => {}
            }
            if session.is_interrupted() {
                return Err(Stop::Interrupt);
            }
        }
    }

    /// The failure, with what is kept and how to go on.
    fn explain(&self, stop: Stop, done: &Done, path: Option<&Path>) -> Failure {
        let input = path.map_or("stdin".to_owned(), |path| path.display().to_string());
        let kept = format!(
            "{} imported and kept; go on with --skip {}",
            sizes::entries(done.entries),
            self.skip + done.entries
        );
        match stop {
            Stop::Interrupt => Failure::Interrupted(format!("interrupted: {kept}")),
            Stop::Input(Problem::Io(error)) => {
                Failure::file(format!("reading {input} ({kept})"), error)
            }
            Stop::Input(problem) => Failure::Usage(format!("{input}: {problem} ({kept})")),
            Stop::Engine(error) => {
                crate::output::complain(&kept);
                Failure::Engine(error)
            }
        }
    }
}
