//! The bytes of one file, in copy-on-write segments.
//!
//! Owns nothing but bytes and a size. Cloning shares every segment, so an image of a file costs
//! one reference count per 4 KiB. Invariant: bytes of the last segment beyond the size are zero,
//! hence growing needs no clearing.

use siltstone_env::{EnvError, Result};
use std::sync::Arc;

/// Bytes in a segment.
const SEGMENT: usize = 4096;
/// Largest file: keeps a stray offset from asking for gigabytes of segment table.
const LARGEST: u64 = 1 << 36;

/// One segment; `None` is a hole and reads as zero.
type Segment = Option<Arc<[u8; SEGMENT]>>;

/// Contents of a file.
#[derive(Clone, Default)]
pub(crate) struct Content {
    segments: Vec<Segment>,
    size: u64,
}

/// Splits a position into segment number and offset within.
fn place(offset: u64) -> (usize, usize) {
    let segment = usize::try_from(offset / SEGMENT as u64).unwrap_or(usize::MAX);
    (segment, (offset % SEGMENT as u64) as usize)
}

impl Content {
    /// A file holding `bytes`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut content = Content::default();
        content.write(0, bytes)?;
        Ok(content)
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buffer` from `offset`; the part beyond the end is zeroed. Returns the bytes held.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let held = self.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (mut rest, beyond) = buffer.split_at_mut(held);
        beyond.fill(0);
        let (mut segment, mut from) = place(offset);
        while !rest.is_empty() {
            let length = rest.len().min(SEGMENT - from);
            let (part, tail) = rest.split_at_mut(length);
            match self.segments.get(segment) {
                Some(Some(bytes)) => {
                    if let Some(source) = bytes.get(from..from + length) {
                        part.copy_from_slice(source);
                    }
                }
                _ => part.fill(0),
            }
            rest = tail;
            segment += 1;
            from = 0;
        }
        held
    }

    /// Where a write ends; `Full` if no file can be that large.
    pub(crate) fn end(offset: u64, length: usize) -> Result<u64> {
        let end = offset.checked_add(length as u64).filter(|&end| length == 0 || end <= LARGEST);
        end.ok_or(EnvError::Full)
    }

    /// Writes `bytes` at `offset`, growing the file.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = Self::end(offset, bytes.len())?;
        if end > self.size {
            self.resize(end);
        }
        let (first, mut from) = place(offset);
        let mut rest = bytes;
        for segment in self.segments.iter_mut().skip(first) {
            if rest.is_empty() {
                break;
            }
            let (part, tail) = rest.split_at(rest.len().min(SEGMENT - from));
            if let Ok(whole) = <&[u8; SEGMENT]>::try_from(part) {
                *segment = Some(Arc::new(*whole));
            } else {
                let target = Arc::make_mut(segment.get_or_insert_with(|| Arc::new([0; SEGMENT])));
                if let Some(target) = target.get_mut(from..from + part.len()) {
                    target.copy_from_slice(part);
                }
            }
            rest = tail;
            from = 0;
        }
        Ok(())
    }

    /// Cuts or grows the file to `size` bytes; new bytes are zero.
    pub(crate) fn resize(&mut self, size: u64) {
        let (whole, rest) = place(size);
        let count = whole + usize::from(rest > 0);
        self.segments.resize(count, None);
        if size < self.size
            && rest > 0
            && let Some(Some(last)) = self.segments.last_mut()
            && let Some(tail) = Arc::make_mut(last).get_mut(rest..)
        {
            tail.fill(0);
        }
        self.size = size;
    }

    /// All bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_plain_vector() {
        let mut random = crate::random::Random::new(7);
        let (mut content, mut model) = (Content::default(), Vec::<u8>::new());
        for step in 0..2000 {
            let offset = random.below(20_000);
            match random.below(10) {
                0 => {
                    let size = random.below(20_000);
                    content.resize(size);
                    model.resize(size as usize, 0);
                }
                1..=5 => {
                    let bytes = vec![random.next() as u8; random.below(9000) as usize];
                    content.write(offset, &bytes).unwrap();
                    let end = offset as usize + bytes.len();
                    if !bytes.is_empty() {
                        model.resize(model.len().max(end), 0);
                        model[offset as usize..end].copy_from_slice(&bytes);
                    }
                }
                _ => {
                    let mut buffer = vec![0xEE; random.below(9000) as usize];
                    let held = content.read(offset, &mut buffer);
                    let model_held = model.len().saturating_sub(offset as usize).min(buffer.len());
                    assert_eq!(held, model_held, "step {step}");
                    let from = (offset as usize).min(model.len());
                    assert_eq!(buffer[..held], model[from..from + held], "step {step}");
                    assert!(buffer[held..].iter().all(|&byte| byte == 0), "step {step}");
                }
            }
            assert_eq!(content.size(), model.len() as u64);
        }
        assert_eq!(content.to_vec(), model);
    }

    #[test]
    fn a_clone_is_not_changed_by_later_writes() {
        let mut content = Content::from_bytes(&[1; 10_000]).unwrap();
        let image = content.clone();
        content.write(5000, &[2; 100]).unwrap();
        content.resize(100);
        assert_eq!(image.to_vec(), vec![1; 10_000]);
    }

    #[test]
    fn absurd_offsets_are_full() {
        let mut content = Content::default();
        assert_eq!(content.write(u64::MAX, b"xy"), Err(EnvError::Full));
        assert_eq!(content.write(1 << 50, b"x"), Err(EnvError::Full));
        assert_eq!(content.size(), 0);
    }
}
