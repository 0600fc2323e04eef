//! Page codecs for C: which ids there are, and the zero-run codec of the fixtures.
//!
//! LZ4, zlib and zstd use the very hooks `lsmlite-rs` installs, so files are what that binding
//! writes. The zero-run format is described in tests/fixtures/c-lsm1/README.md.

/// Id of LZ4.
pub const LZ4: u32 = 10001;
/// Id of zlib.
pub const ZLIB: u32 = 10002;
/// Id of zstd.
pub const ZSTD: u32 = 10003;
/// Id of the zero-run codec of the fixtures.
pub const ZRLE: u32 = 10101;

/// Worst case of [`zrle_compress`].
#[must_use]
pub fn zrle_bound(len: usize) -> usize {
    2 * len + 64
}

/// Runs of zero bytes become 00 and a count; other bytes stand for themselves.
#[must_use]
pub fn zrle_compress(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len());
    let mut rest = source;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != 0 {
            out.push(byte);
            rest = tail;
            continue;
        }
        let run = rest.iter().take(255).take_while(|&&byte| byte == 0).count();
        out.extend([0, run as u8]);
        rest = rest.get(run..).unwrap_or_default();
    }
    out
}

/// The inverse; `None` if the stream is malformed or longer than `limit`.
#[must_use]
pub fn zrle_uncompress(source: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit);
    let mut bytes = source.iter();
    while let Some(&byte) = bytes.next() {
        let count = match byte {
            0 => *bytes.next().filter(|&&count| count > 0)?,
            _ => 1,
        };
        out.resize(out.len() + usize::from(count), byte);
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_runs_round_trip_and_malformed_streams_are_refused() {
        for len in [0, 1, 254, 255, 256, 600] {
            let mut page = vec![7, 0, 0, 9];
            page.resize(4 + len, 0);
            let small = zrle_compress(&page);
            assert!(small.len() <= zrle_bound(page.len()));
            assert_eq!(zrle_uncompress(&small, page.len()), Some(page.clone()));
            assert_eq!(zrle_uncompress(&small, page.len() - 1), None);
        }
        assert_eq!(zrle_uncompress(&[1, 0], 10), None);
        assert_eq!(zrle_uncompress(&[1, 0, 0], 10), None);
    }
}
