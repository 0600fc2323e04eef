//! What the environment of the process asks a test for.

/// The number that the variable `name` gives, decimal or behind `0x`; `None` if it is not set.
///
/// # Panics
/// Panics if it is set to anything else: a seed that was meant must not be passed over.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name}={text}: give a number")))
}
