//! The order of chunk ids.

/// Whether `a` is `b` or came after it.
pub(crate) fn id_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 30
}
