//! Comma-separated values, quoted as RFC 4180 says.
//!
//! A field that is not UTF-8, holds a NUL, or itself begins with `\x` is written as `\x` and
//! hexadecimal, PostgreSQL's way; every field that begins with `\x` is read so.

use super::{Columns, Entry, EntryWriter, Problem};
use crate::keys::{push_hex, unhex};
use csv::ByteRecord;
use std::io::{self, BufRead, Write};

const HEX_MARK: &[u8] = b"\\x";

/// Reads rows.
pub(super) struct Reader {
    rows: csv::Reader<Box<dyn BufRead>>,
    row: ByteRecord,
    columns: Columns,
    /// Positions of key and value, once known.
    positions: Option<(usize, usize)>,
}

impl Reader {
    /// Reads from the start of `input`.
    pub(super) fn new(input: Box<dyn BufRead>, columns: Columns) -> Self {
        let rows = csv::ReaderBuilder::new().has_headers(false).from_reader(input);
        let positions = columns.no_header.then_some((0, 1));
        Reader { rows, row: ByteRecord::new(), columns, positions }
    }

    fn read_row(&mut self) -> Result<bool, Problem> {
        let line = self.rows.position().line();
        self.rows.read_byte_record(&mut self.row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => Problem::Io(error),
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Problem::malformed(
                pos.map_or(line, |pos| pos.line()),
                format!("{len} fields where the first line has {expected_len}"),
            ),
            other => Problem::malformed(line, format!("{other:?}")),
        })
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        let (key, value) = match self.positions {
            Some(positions) => positions,
            None => {
                if !self.read_row()? {
                    return Ok(None);
                }
                let names: Vec<&[u8]> = self.row.iter().collect();
                *self.positions.insert(self.columns.find(&names)?)
            }
        };
        if !self.read_row()? {
            return Ok(None);
        }
        let line = self.row.position().map_or(0, csv::Position::line);
        let field = |at: usize| {
            let bytes = self.row.get(at).ok_or_else(|| {
                Problem::malformed(
                    line,
                    format!("no field {}: an entry has a key and a value", at + 1),
                )
            })?;
            match bytes.strip_prefix(HEX_MARK) {
                None => Ok(bytes.to_vec()),
                Some(digits) => unhex(digits)
                    .ok_or_else(|| Problem::malformed(line, "\\x is not followed by hexadecimal")),
            }
        };
        Ok(Some((field(key)?, field(value)?)))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Writes rows.
pub(super) struct Writer<'a> {
    rows: csv::Writer<Box<dyn Write + 'a>>,
}

impl<'a> Writer<'a> {
    /// Rows, under a header if wanted.
    pub(super) fn new(output: Box<dyn Write + 'a>, header: bool) -> io::Result<Self> {
        let mut rows = csv::Writer::from_writer(output);
        if header {
            rows.write_record(["key", "value"])?;
        }
        Ok(Writer { rows })
    }
}

impl EntryWriter for Writer<'_> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows.write_field(encode(key))?;
        self.rows.write_field(encode(value))?;
        Ok(self.rows.write_record(None::<&[u8]>)?)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.rows.flush()
    }
}

fn encode(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let plain =
        !bytes.starts_with(HEX_MARK) && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok();
    if plain {
        return bytes.into();
    }
    let mut field = HEX_MARK.to_vec();
    push_hex(&mut field, bytes);
    field.into()
}
