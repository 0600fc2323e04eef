//! One entry per line: what `scan` prints and the line forms of export are made of.

use super::EntryWriter;
use crate::keys::{hex, push_escaped, push_hex};
use clap::ValueEnum;
use std::io::{self, Write};

/// How an entry looks on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineForm {
    /// Key and value escaped, a tab between them
    Text,
    /// A JSON object
    Json,
    /// As text, under a header
    Tsv,
    /// Key and value in hexadecimal, a tab between them
    Hex,
}

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineStyle {
    /// The form.
    pub(crate) form: LineForm,
    /// Keys are hexadecimal in every form.
    pub(crate) hex_keys: bool,
}

impl LineStyle {
    /// The line above the first entry, if the form has one.
    pub(crate) fn header(self, keys_only: bool) -> Option<&'static str> {
        match (self.form, keys_only) {
            (LineForm::Tsv, true) => Some("key"),
            (LineForm::Tsv, false) => Some("key\tvalue"),
            _ => None,
        }
    }

    /// Appends an entry, or a key alone, and the end of the line.
    pub(crate) fn push(self, line: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
        match self.form {
            LineForm::Json => {
                line.push(b'{');
                push_member(line, "key", key, self.hex_keys);
                if let Some(value) = value {
                    line.push(b',');
                    push_member(line, "value", value, false);
                }
                line.push(b'}');
            }
            LineForm::Hex => {
                push_hex(line, key);
                if let Some(value) = value {
                    line.push(b'\t');
                    push_hex(line, value);
                }
            }
            LineForm::Text | LineForm::Tsv => {
                if self.hex_keys {
                    push_hex(line, key)
                } else {
                    push_escaped(line, key)
                }
                if let Some(value) = value {
                    line.push(b'\t');
                    push_escaped(line, value);
                }
            }
        }
        line.push(b'\n');
    }
}

/// `"name":"text"`, or `"name_hex":"..."` for bytes that are not UTF-8.
fn push_member(line: &mut Vec<u8>, name: &str, bytes: &[u8], as_hex: bool) {
    let text = if as_hex { None } else { std::str::from_utf8(bytes).ok() };
    let (suffix, text) = match text {
        Some(text) => ("", std::borrow::Cow::Borrowed(text)),
        None => ("_hex", std::borrow::Cow::Owned(hex(bytes))),
    };
    line.extend_from_slice(format!("\"{name}{suffix}\":").as_bytes());
    line.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// Writes lines.
pub(super) struct Writer<'a> {
    output: Box<dyn Write + 'a>,
    style: LineStyle,
    line: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Lines of this form.
    pub(super) fn new(output: Box<dyn Write + 'a>, form: LineForm) -> Self {
        Writer { output, style: LineStyle { form, hex_keys: false }, line: Vec::new() }
    }

    /// A line as it stands.
    pub(super) fn raw_line(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())?;
        self.output.write_all(b"\n")
    }
}

impl EntryWriter for Writer<'_> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.line.clear();
        self.style.push(&mut self.line, key, Some(value));
        self.output.write_all(&self.line)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(form: LineForm, hex_keys: bool, key: &[u8], value: Option<&[u8]>) -> String {
        let mut line = Vec::new();
        LineStyle { form, hex_keys }.push(&mut line, key, value);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn forms() {
        let value = Some(&b"1\t2"[..]);
        assert_eq!(line(LineForm::Hex, false, b"\x00k", Some(b"")), "006b\t\n");
        assert_eq!(line(LineForm::Hex, false, b"k", None), "6b\n");
        assert_eq!(line(LineForm::Text, false, b"k\n", value), "k\\n\t1\\t2\n");
        assert_eq!(line(LineForm::Text, true, b"k\n", value), "6b0a\t1\\t2\n");
        assert_eq!(
            line(LineForm::Json, false, b"k", value),
            "{\"key\":\"k\",\"value\":\"1\\t2\"}\n"
        );
        assert_eq!(
            line(LineForm::Json, true, b"k", Some(b"\xff")),
            "{\"key_hex\":\"6b\",\"value_hex\":\"ff\"}\n"
        );
    }
}
