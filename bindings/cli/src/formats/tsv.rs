//! Tab-separated values without quoting: tabs, line ends, backslashes, control characters and
//! bytes that are not UTF-8 are escaped with a backslash.

use super::line::{LineForm, Writer};
use super::{Columns, Entry, Problem, next_line};
use crate::keys::unescape;
use std::io::{self, BufRead, Write};

/// Reads rows.
pub(super) struct Reader {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    columns: Columns,
    /// Positions of key and value, once known.
    positions: Option<(usize, usize)>,
}

impl Reader {
    /// Reads from the start of `input`.
    pub(super) fn new(input: Box<dyn BufRead>, columns: Columns) -> Self {
        let positions = columns.no_header.then_some((0, 1));
        Reader { input, line: Vec::new(), number: 0, columns, positions }
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        loop {
            if next_line(&mut self.input, &mut self.line)?.is_none() {
                return Ok(None);
            }
            self.number += 1;
            let fields: Vec<&[u8]> = self.line.split(|byte| *byte == b'\t').collect();
            let Some((key, value)) = self.positions else {
                self.positions = Some(self.columns.find(&fields)?);
                continue;
            };
            let field = |at: usize| {
                let bytes = fields.get(at).ok_or_else(|| format!("no field {}", at + 1))?;
                unescape(bytes)
            };
            let entry = || Ok((field(key)?, field(value)?));
            return entry().map(Some).map_err(|what: String| Problem::malformed(self.number, what));
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Writes rows, under a header if wanted.
pub(super) fn writer<'a>(output: Box<dyn Write + 'a>, header: bool) -> io::Result<Writer<'a>> {
    let mut writer = Writer::new(output, LineForm::Tsv);
    if header {
        writer.raw_line("key\tvalue")?;
    }
    Ok(writer)
}
