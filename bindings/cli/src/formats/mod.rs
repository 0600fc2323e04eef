//! The text and binary forms entries are imported from and exported to.
//!
//! Every form gives back exactly the bytes that went in:
//! * `ndjson`: `{"key":"...","value":"..."}` per line; bytes that are not UTF-8 are in `key_hex`
//!   and `value_hex` instead. On import a value may be any JSON; what is not a string is stored as
//!   compact JSON text.
//! * `csv`: a header, then quoted fields; a field that is not UTF-8 text is `\x` and hexadecimal.
//! * `tsv`: a header, then `key<TAB>value` with `\t \n \r \\ \xNN` escapes.
//! * `raw`: lengths and bytes, with an end mark; see [`raw`].

mod csv;
mod line;
mod ndjson;
mod raw;
mod tsv;

pub(crate) use line::{LineForm, LineStyle};

use clap::ValueEnum;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// A key and its value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// Entries as they are read.
pub(crate) type Entries = Box<dyn Iterator<Item = Result<Entry, Problem>>>;

/// A form of import and export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    Ndjson,
    /// Comma separated, quoted
    Csv,
    /// Tab separated, escaped
    Tsv,
    /// Lengths and bytes
    Raw,
}

impl Format {
    /// The form a file's ending names.
    pub(crate) fn of_path(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
            "csv" => Some(Format::Csv),
            "tsv" | "tab" => Some(Format::Tsv),
            "raw" | "dump" => Some(Format::Raw),
            _ => None,
        }
    }
}

/// Why an input could not be read on.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The input itself failed.
    Io(io::Error),
    /// What stands there is no entry.
    Malformed {
        /// Line, or number of the record, from 1.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

impl Problem {
    fn malformed(at: u64, what: impl Into<String>) -> Self {
        Problem::Malformed { at, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Io(error) => error.fmt(f),
            Problem::Malformed { at, what } => write!(f, "line {at}: {what}"),
        }
    }
}

/// Where keys and values are in files with columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// The first row is already an entry.
    pub(crate) no_header: bool,
    /// Name of the column with the key; without, `key`.
    pub(crate) key: Option<String>,
    /// Name of the column with the value; without, `value`.
    pub(crate) value: Option<String>,
}

impl Columns {
    /// Positions of key and value in a row of names.
    fn find(&self, names: &[&[u8]]) -> Result<(usize, usize), Problem> {
        let position = |wanted: &str| {
            names.iter().position(|name| *name == wanted.as_bytes()).ok_or_else(|| {
                Problem::malformed(1, format!(
                    "the header has no column `{wanted}`: name the columns with --key-column and \
                     --value-column, or say --no-header"
                ))
            })
        };
        let key = position(self.key.as_deref().unwrap_or("key"))?;
        Ok((key, position(self.value.as_deref().unwrap_or("value"))?))
    }
}

/// Reads entries in the given form.
pub(crate) fn read(format: Format, input: Box<dyn BufRead>, columns: &Columns) -> Entries {
    match format {
        Format::Ndjson => Box::new(ndjson::Reader::new(input)),
        Format::Csv => Box::new(csv::Reader::new(input, columns.clone())),
        Format::Tsv => Box::new(tsv::Reader::new(input, columns.clone())),
        Format::Raw => Box::new(raw::Reader::new(input)),
    }
}

/// Takes entries and writes them in some form.
pub(crate) trait EntryWriter {
    /// An entry.
    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()>;
    /// The end: marks it where the form has a mark, and flushes.
    fn finish(&mut self) -> io::Result<()>;
}

/// Writes entries in the given form.
pub(crate) fn write<'a>(
    format: Format,
    output: Box<dyn Write + 'a>,
    header: bool,
) -> io::Result<Box<dyn EntryWriter + 'a>> {
    Ok(match format {
        Format::Ndjson => Box::new(line::Writer::new(output, LineForm::Json)),
        Format::Csv => Box::new(csv::Writer::new(output, header)?),
        Format::Tsv => Box::new(tsv::writer(output, header)?),
        Format::Raw => Box::new(raw::Writer::new(output)?),
    })
}

/// Reads the next line without its end; `None` at the end of the input.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<Option<()>, Problem> {
    line.clear();
    if input.read_until(b'\n', line).map_err(Problem::Io)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Cursor;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, header: bool, entries: &[Entry]) -> Vec<u8> {
        let shared = Shared::default();
        let mut writer = write(format, Box::new(shared.clone()), header).unwrap();
        for (key, value) in entries {
            writer.write(key, value).unwrap();
        }
        writer.finish().unwrap();
        drop(writer);
        shared.0.take()
    }

    fn read_all(format: Format, bytes: &[u8], no_header: bool) -> Result<Vec<Entry>, Problem> {
        let columns = Columns { no_header, ..Columns::default() };
        read(format, Box::new(Cursor::new(bytes.to_vec())), &columns).collect()
    }

    fn awkward() -> Vec<Entry> {
        let all: Vec<u8> = (0..=255).collect();
        let parts: Vec<Vec<u8>> = vec![
            vec![],
            b"plain".to_vec(),
            b"key".to_vec(),
            b"value".to_vec(),
            b"\\x00".to_vec(),
            b"\\".to_vec(),
            b"a,b\"c\"\r\nd\te".to_vec(),
            b"\r".to_vec(),
            b" spaces ".to_vec(),
            "Zürich \u{feff}\u{2028}".as_bytes().to_vec(),
            vec![0],
            vec![0xff, 0xfe],
            all,
            b"{\"a\":1}".to_vec(),
        ];
        let pair = |key: &Vec<u8>| {
            parts.iter().map(|value| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        parts.iter().flat_map(pair).collect()
    }

    #[test]
    fn every_form_gives_back_every_byte() {
        let entries = awkward();
        for format in [Format::Ndjson, Format::Csv, Format::Tsv, Format::Raw] {
            for header in [true, false] {
                let bytes = written(format, header, &entries);
                let back = read_all(format, &bytes, !header).unwrap();
                assert_eq!(back, entries, "{format:?} header {header}");
            }
        }
    }

    #[test]
    fn text_forms_are_text() {
        for format in [Format::Ndjson, Format::Csv, Format::Tsv] {
            assert!(String::from_utf8(written(format, true, &awkward())).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn an_empty_database_round_trips() {
        for format in [Format::Ndjson, Format::Csv, Format::Tsv, Format::Raw] {
            let bytes = written(format, true, &[]);
            assert!(read_all(format, &bytes, false).unwrap().is_empty(), "{format:?}");
        }
    }

    #[test]
    fn problems_name_the_line() {
        let cases: [(Format, &str, u64); 9] = [
            (Format::Ndjson, "{\"key\":\"a\",\"value\":\"\"}\n{\"key\":1,\"value\":\"\"}", 2),
            (Format::Ndjson, "{\"key\":\"a\"}", 1),
            (Format::Ndjson, "\n\n[1]", 3),
            (Format::Ndjson, "{\"key\":\"a\",\"value\":1,\"price\":2}", 1),
            (Format::Ndjson, "{\"key_hex\":\"0\",\"value\":1}", 1),
            (Format::Csv, "id,text\n1,2\n", 1),
            (Format::Csv, "key,value\na,b\nc\n", 3),
            (Format::Csv, "key,value\n\\xzz,b\n", 2),
            (Format::Tsv, "key\tvalue\na\tb\nc\\q\td\n", 3),
        ];
        for (format, text, line) in cases {
            match read_all(format, text.as_bytes(), false) {
                Err(Problem::Malformed { at, .. }) => assert_eq!(at, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_cut_raw_dump_is_noticed() {
        let whole = written(Format::Raw, true, &[(b"k".to_vec(), b"v".to_vec())]);
        for length in 0..whole.len() {
            assert!(read_all(Format::Raw, &whole[..length], false).is_err(), "{length}");
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let columns = Columns {
            key: Some("id".to_owned()),
            value: Some("name".to_owned()),
            ..Columns::default()
        };
        let expected = vec![(b"7".to_vec(), b"Bern".to_vec())];
        for (format, text) in
            [(Format::Csv, "name,x,id\nBern,y,7\n"), (Format::Tsv, "name\tx\tid\r\nBern\ty\t7\r\n")]
        {
            let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
            let entries: Result<Vec<Entry>, Problem> = read(format, input, &columns).collect();
            assert_eq!(entries.unwrap(), expected);
        }
    }

    #[test]
    fn json_values_are_stored_compactly() {
        let text =
            "{\"key\": \"a\", \"value\": {\"n\": [1, 2.5, null]}}\n\n{\"key\":\"b\",\"value\":7}";
        let entries = read_all(Format::Ndjson, text.as_bytes(), false).unwrap();
        assert_eq!(entries[0].1, b"{\"n\":[1,2.5,null]}");
        assert_eq!(entries[1], (b"b".to_vec(), b"7".to_vec()));
    }

    #[test]
    fn endings_choose_the_form() {
        assert_eq!(Format::of_path(Path::new("a/b.jsonl")), Some(Format::Ndjson));
        assert_eq!(Format::of_path(Path::new("b.TSV")), Some(Format::Tsv));
        assert_eq!(Format::of_path(Path::new("b.txt")), None);
        assert_eq!(Format::of_path(Path::new("csv")), None);
    }
}
