//! The raw dump: the line `siltstone dump 1`, then per entry the length of the key (4 bytes,
//! little-endian), the length of the value (4), the key and the value; at the end the length
//! 0xffffffff and the number of entries (8), so that a cut dump is noticed.

use super::{Entry, EntryWriter, Problem};
use std::io::{self, BufRead, Read, Write};

const HEADER: &[u8] = b"siltstone dump 1\n";
const END: u32 = u32::MAX;

/// Reads a dump.
pub(super) struct Reader {
    input: Box<dyn BufRead>,
    started: bool,
    ended: bool,
    count: u64,
}

impl Reader {
    /// Reads from the start of `input`.
    pub(super) fn new(input: Box<dyn BufRead>) -> Self {
        Reader { input, started: false, ended: false, count: 0 }
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Problem> {
        // Grows while reading: the length is only a claim of the input.
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut bytes).map_err(Problem::Io)?;
        if read as u64 == length {
            return Ok(bytes);
        }
        Err(Problem::malformed(self.count + 1, "the dump is cut off here"))
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let bytes = self.bytes(N as u64)?;
        bytes.try_into().map_err(|_| Problem::malformed(self.count + 1, "the dump is cut off here"))
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        if !self.started {
            self.started = true;
            if self.bytes(HEADER.len() as u64)? != HEADER {
                return Err(Problem::malformed(1, "no raw dump: it must begin `siltstone dump 1`"));
            }
        }
        let key_length = u32::from_le_bytes(self.number()?);
        if key_length == END {
            self.ended = true;
            let count = u64::from_le_bytes(self.number()?);
            if count == self.count {
                return Ok(None);
            }
            let what = format!("the dump says it holds {count} entries, but has {}", self.count);
            return Err(Problem::malformed(self.count, what));
        }
        let value_length = u32::from_le_bytes(self.number()?);
        let key = self.bytes(u64::from(key_length))?;
        let value = self.bytes(u64::from(value_length))?;
        self.count += 1;
        Ok(Some((key, value)))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        self.ended |= matches!(item, Some(Err(_)));
        item
    }
}

/// Writes a dump.
pub(super) struct Writer<'a> {
    output: Box<dyn Write + 'a>,
    count: u64,
}

impl<'a> Writer<'a> {
    /// A dump with no entry yet.
    pub(super) fn new(mut output: Box<dyn Write + 'a>) -> io::Result<Self> {
        output.write_all(HEADER)?;
        Ok(Writer { output, count: 0 })
    }
}

impl EntryWriter for Writer<'_> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        for part in [key, value] {
            let length = u32::try_from(part.len()).ok().filter(|length| *length != END);
            let length = length.ok_or_else(|| io::Error::other("an entry over 4 GiB"))?;
            self.output.write_all(&length.to_le_bytes())?;
        }
        self.output.write_all(key)?;
        self.output.write_all(value)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.output.write_all(&END.to_le_bytes())?;
        self.output.write_all(&self.count.to_le_bytes())?;
        self.output.flush()
    }
}
