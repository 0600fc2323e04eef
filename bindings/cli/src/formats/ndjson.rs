//! Reading newline-delimited JSON.

use super::{Entry, Problem, next_line};
use crate::keys::unhex;
use serde_json::{Map, Value};
use std::io::BufRead;

/// Reads an object per line; empty lines are skipped.
pub(super) struct Reader {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Reader {
    /// Reads from the start of `input`.
    pub(super) fn new(input: Box<dyn BufRead>) -> Self {
        Reader { input, line: Vec::new(), number: 0 }
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        loop {
            if next_line(&mut self.input, &mut self.line)?.is_none() {
                return Ok(None);
            }
            self.number += 1;
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        entry(&self.line).map(Some).map_err(|what| Problem::malformed(self.number, what))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let mut object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
    let key = match object.remove("key") {
        Some(Value::String(key)) => Some(key.into_bytes()),
        Some(_) => return Err("`key` is not a string".to_owned()),
        None => None,
    };
    let key = one_of("key", key, &mut object)?;
    let value = object.remove("value").map(|value| match value {
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    });
    let value = one_of("value", value, &mut object)?;
    match object.keys().next() {
        None => Ok((key, value)),
        Some(name) => Err(format!(
            "unknown member `{name}`: an entry has key or key_hex, and value or value_hex"
        )),
    }
}

/// `name` or `name_hex`, exactly one of them.
fn one_of(
    name: &str,
    plain: Option<Vec<u8>>,
    object: &mut Map<String, Value>,
) -> Result<Vec<u8>, String> {
    let hex_name = format!("{name}_hex");
    match (plain, object.remove(&hex_name)) {
        (Some(_), Some(_)) => Err(format!("both `{name}` and `{hex_name}`")),
        (Some(plain), None) => Ok(plain),
        (None, Some(Value::String(digits))) => unhex(digits.as_bytes())
            .ok_or_else(|| format!("`{hex_name}` is not hexadecimal: give pairs of digits")),
        (None, Some(_)) => Err(format!("`{hex_name}` is not a string")),
        (None, None) => Err(format!("neither `{name}` nor `{hex_name}`")),
    }
}
