//! How long commits took.

/// The figures of one run, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p9999: f64,
    pub(super) max: f64,
}

impl Latency {
    /// Of durations in nanoseconds.
    pub(super) fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        let at = |share: f64| {
            // The least duration that this share of all commits did not exceed.
            let rank = (share * nanoseconds.len() as f64).ceil() as usize;
            let found = nanoseconds.get(rank.saturating_sub(1)).or(nanoseconds.last());
            found.copied().unwrap_or(0) as f64 / 1e9
        };
        Latency { p50: at(0.5), p99: at(0.99), p9999: at(0.9999), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let latency = Latency::of((1..=20_000).rev().collect());
        let expected = Latency { p50: 10_000e-9, p99: 19_800e-9, p9999: 19_998e-9, max: 20_000e-9 };
        assert_eq!(latency, expected);
        assert_eq!(Latency::of(vec![]), Latency::default());
        assert_eq!(Latency::of(vec![7]).p50, 7e-9);
    }
}
