//! The variable-length integer of SQLite4: 1 to 9 bytes, big-endian, ordered by length.
//!
//! The writer follows C lsm1 to the byte, including its odd threshold: 7 bytes only up to 2^47-1.

/// Longest encoding in bytes.
pub const MAX_LEN: usize = 9;

/// Bytes the encoder uses for `value`.
#[must_use]
#[inline]
pub fn len(value: u64) -> usize {
    match value {
        0..=240 => 1,
        241..=2287 => 2,
        2288..=67823 => 3,
        67824..=0xFF_FFFF => 4,
        0x100_0000..=0xFFFF_FFFF => 5,
        0x1_0000_0000..=0xFF_FFFF_FFFF => 6,
        0x100_0000_0000..=0x7FFF_FFFF_FFFF => 7,
        0x8000_0000_0000..=0xFF_FFFF_FFFF_FFFF => 8,
        _ => 9,
    }
}

/// Encodes `value`; returns the bytes and how many of them count.
#[must_use]
#[inline]
pub fn encode(value: u64) -> ([u8; MAX_LEN], usize) {
    let n = len(value);
    let mut out = [0u8; MAX_LEN];
    if n == 1 {
        out[0] = value as u8;
    } else if n == 2 {
        let v = value - 240;
        out[0] = 241 + (v >> 8) as u8;
        out[1] = v as u8;
    } else if n == 3 {
        let v = value - 2288;
        out[0] = 249;
        out[1] = (v >> 8) as u8;
        out[2] = v as u8;
    } else {
        out[0] = 246 + n as u8;
        let be = (value << (8 * (9 - n))).to_be_bytes();
        let (_, tail) = out.split_at_mut(1);
        tail.copy_from_slice(&be);
    }
    (out, n)
}

/// Writes the encoding of `value` at `at`, as far as there is room; returns where it ends.
#[inline]
pub fn put(out: &mut [u8], at: usize, value: u64) -> usize {
    if value <= 240 {
        if let Some(slot) = out.get_mut(at) {
            *slot = value as u8;
        }
        return at + 1;
    }
    let (bytes, n) = encode(value);
    for (to, from) in out.iter_mut().skip(at).zip(bytes.iter().take(n)) {
        *to = *from;
    }
    at + n
}

/// Appends the encoding of `value`.
#[inline]
pub fn push(out: &mut Vec<u8>, value: u64) {
    if value <= 240 {
        return out.push(value as u8);
    }
    let (bytes, n) = encode(value);
    out.extend_from_slice(bytes.get(..n).unwrap_or_default());
}

/// Bytes of the encoding that begins with `first`.
#[must_use]
#[inline]
pub fn encoded_len(first: u8) -> usize {
    match first {
        0..=240 => 1,
        241..=248 => 2,
        _ => usize::from(first - 246),
    }
}

/// Decodes at the start of `bytes`: the value and how many bytes it took; `None` if they end early.
#[must_use]
#[inline]
pub fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes.first()? {
        first @ 0..=240 => Some((u64::from(first), 1)),
        first => decode_long(first, bytes),
    }
}

/// As `decode`, where one byte is not enough.
#[inline(never)]
fn decode_long(first: u8, bytes: &[u8]) -> Option<(u64, usize)> {
    match first {
        0..=240 => Some((u64::from(first), 1)),
        241..=248 => {
            let second = *bytes.get(1)?;
            Some((u64::from(first - 241) * 256 + u64::from(second) + 240, 2))
        }
        249 => {
            let rest = bytes.get(1..3)?;
            let [high, low] = rest.try_into().ok()?;
            Some((2288 + u64::from(u16::from_be_bytes([high, low])), 3))
        }
        _ => {
            let n = usize::from(first - 246);
            let rest = bytes.get(1..n)?;
            let value = rest.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            Some((value, n))
        }
    }
}

/// Decodes a byte count: at most 2^31-1, as everywhere in the format.
#[must_use]
#[inline]
pub fn decode_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (value, n) = decode(bytes)?;
    (value <= 0x7FFF_FFFF).then_some((value as usize, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_around_every_threshold() {
        let edges = [
            0,
            240,
            241,
            2287,
            2288,
            67823,
            67824,
            (1 << 24) - 1,
            1 << 24,
            (1 << 32) - 1,
            1 << 32,
            (1 << 40) - 1,
            1 << 40,
            (1 << 47) - 1,
            1 << 47,
            (1 << 48) - 1,
            (1 << 56) - 1,
            1 << 56,
            u64::MAX,
        ];
        for value in edges {
            let (bytes, n) = encode(value);
            assert_eq!(decode(&bytes[..n]), Some((value, n)), "{value}");
            assert_eq!(n, len(value));
            assert_eq!(n, encoded_len(bytes[0]));
            let mut room = [0; 12];
            assert_eq!(put(&mut room, 2, value), 2 + n);
            assert_eq!(room[2..2 + n], bytes[..n]);
            for short in 0..n {
                assert_eq!(decode(&bytes[..short]), None);
            }
        }
    }

    #[test]
    fn seven_byte_form_ends_early_as_in_lsm1() {
        assert_eq!(len((1 << 47) - 1), 7);
        assert_eq!(len(1 << 47), 8);
        assert_eq!(decode(&[253, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Some(((1 << 48) - 1, 7)));
    }
}
