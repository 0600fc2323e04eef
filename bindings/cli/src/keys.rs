//! Keys and values as text: hexadecimal, and an escaped form that round-trips any bytes.
//!
//! Escaped text is UTF-8 as it stands, with `\\` for a backslash, `\t \n \r` and `\xNN` for every
//! other control character and for each byte that is not UTF-8.

use crate::failure::{Failure, Result};
use std::ffi::OsStr;
use std::fmt::Write;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends lower-case hexadecimal.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    String::from_utf8(out).unwrap_or_default()
}

/// Bytes of hexadecimal in either case; `None` if it is not.
pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()).collect()
}

/// Appends the escaped form.
pub(crate) fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let byte = |out: &mut Vec<u8>, byte: u8| {
        out.extend_from_slice(b"\\x");
        push_hex(out, &[byte]);
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.extend_from_slice(b"\\\\"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                control if control.is_control() => {
                    let mut buffer = [0; 4];
                    for each in control.encode_utf8(&mut buffer).bytes() {
                        byte(out, each);
                    }
                }
                other => {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(other.encode_utf8(&mut buffer).as_bytes());
                }
            }
        }
        for each in chunk.invalid() {
            byte(out, *each);
        }
    }
}

/// The escaped form.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    push_escaped(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// Bytes of the escaped form; the problem in words if it is none.
pub(crate) fn unescape(text: &[u8]) -> core::result::Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (code, after) = rest.split_first().ok_or("a backslash at the end")?;
        rest = after;
        match code {
            b'\\' => out.push(b'\\'),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b'x' => {
                let digits = rest.split_at_checked(2);
                let (digits, after) = digits.ok_or("\\x without two digits")?;
                out.extend(unhex(digits).ok_or("\\x without two hexadecimal digits")?);
                rest = after;
            }
            other => return Err(format!("unknown escape \\{}", char::from(*other))),
        }
    }
    Ok(out)
}

/// A key given as an argument: its bytes, or the bytes its hexadecimal stands for.
pub(crate) fn argument(text: &OsStr, as_hex: bool) -> Result<Vec<u8>> {
    let bytes = text.as_encoded_bytes();
    if !as_hex {
        return Ok(bytes.to_vec());
    }
    unhex(bytes).ok_or_else(|| {
        Failure::Usage(format!(
            "key `{}` is not hexadecimal: give pairs of digits, or leave out --hex",
            text.to_string_lossy()
        ))
    })
}

/// A key for people: escaped or hexadecimal, cut to `width` characters.
pub(crate) fn shown(bytes: &[u8], as_hex: bool, width: usize) -> String {
    let text = if as_hex { hex(bytes) } else { escaped(bytes) };
    if text.chars().count() <= width {
        return text;
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A dump of bytes, sixteen a line, with offsets and printable characters.
pub(crate) fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let mut digits = String::new();
        for (at, byte) in chunk.iter().enumerate() {
            let gap = if at == 8 { " " } else { "" };
            let _ = write!(digits, "{gap}{byte:02x} ");
        }
        let printable = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '.',
        };
        let letters: String = chunk.iter().map(printable).collect();
        let _ = writeln!(text, "{:08x}  {digits:<49} |{letters}|", line * 16);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_both_forms() {
        let all: Vec<u8> = (0..=255).collect();
        let samples: [&[u8]; 6] =
            [b"", b"plain", "Zürich\u{85}\u{7f}".as_bytes(), b"\\x00\\", b"\xff\xc3", &all];
        for bytes in samples {
            assert_eq!(unhex(hex(bytes).as_bytes()).unwrap(), bytes);
            let text = escaped(bytes);
            assert!(!text.chars().any(char::is_control), "{text}");
            assert_eq!(unescape(text.as_bytes()).unwrap(), bytes);
        }
        assert_eq!(escaped(b"a\tb\\c\x00"), "a\\tb\\\\c\\x00");
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["0", "0g", "zz", " 00"] {
            assert!(unhex(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(unhex(b"AbCd").unwrap(), [0xab, 0xcd]);
        for text in ["\\", "\\q", "\\x", "\\x1", "\\xgg"] {
            assert!(unescape(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_cut_for_display() {
        assert_eq!(shown(b"abcdef", false, 6), "abcdef");
        assert_eq!(shown(b"abcdef", false, 4), "abc…");
        assert_eq!(shown(b"\x00", true, 10), "00");
    }

    #[test]
    fn dumps_show_offset_bytes_and_letters() {
        let dump = hex_dump(b"0123456789abcdefZ\x00");
        assert_eq!(
            dump,
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
             00000010  5a 00                                             |Z.|\n"
        );
    }
}
