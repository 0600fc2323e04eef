//! Numbers of bytes, counts and times as people write and read them.

use std::time::Duration;

const UNITS: [(&str, u64); 4] = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Parses `4096`, `4k`, `1.5M`, `2GiB`: powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let problem = || format!("`{text}` is no size: give bytes, or a number with K, M or G");
    let upper = text.trim().to_ascii_uppercase();
    let bare = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let unit = UNITS.iter().find_map(|(suffix, unit)| Some((bare.strip_suffix(suffix)?, *unit)));
    let (number, unit) = unit.unwrap_or((bare, 1));
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(problem);
    }
    let fraction: f64 = number.parse().map_err(|_| problem())?;
    let bytes = fraction * unit as f64;
    if unit == 1 || !(0.0..9e15).contains(&bytes) || bytes.fract() != 0.0 {
        return Err(problem());
    }
    Ok(bytes as u64)
}

/// Like [`parse_bytes`], for the options that are 32 bits wide.
pub(crate) fn parse_bytes_32(text: &str) -> Result<u32, String> {
    u32::try_from(parse_bytes(text)?).map_err(|_| format!("`{text}` is too large"))
}

/// Parses `500ms`, `5s`, `2m`, and a bare number as seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("`{text}` is no time: give seconds, or a number with ms, s or m");
    let text = text.trim();
    let (number, milliseconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1000)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60_000)
    } else {
        (text, 1000)
    };
    let number: u64 = number.trim().parse().map_err(|_| problem())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(problem)
}

/// `0 B`, `512 B`, `1.5 KiB`, `12.0 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| count >= *unit);
    match unit {
        Some((name, unit)) => format!("{:.1} {name}iB", count as f64 / *unit as f64),
        None => format!("{count} B"),
    }
}

/// `171 075` with thin groups, so that long counts can be read.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 entry`, `2 entries`.
pub(crate) fn entries(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "entry" } else { "entries" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("4k", 4096),
            ("4KiB", 4096),
            ("1.5M", 3 << 19),
            ("2G", 2 << 30),
            ("1tb", 1 << 40),
            ("17 ".trim(), 17),
        ] {
            assert_eq!(parse_bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "k", "-1", "1.5", "0.3k", "1e3", "99999999999T", "NaN", "inf", "4 kk"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert!(parse_bytes_32("4G").is_err());
    }

    #[test]
    fn times_parse() {
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("99999999999999999999s").is_err());
    }

    #[test]
    fn sizes_print() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(12 << 20), "12.0 MiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(171_075), "171,075");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(entries(1), "1 entry");
    }
}
