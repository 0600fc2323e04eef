//! Keys, values and random choices, all from fixed seeds: every engine and every run sees the same.

use crate::engine::Key;

/// Bytes of an ordinary value.
pub(crate) const VALUE_BYTES: usize = 100;
/// Bytes of a large value.
pub(crate) const LARGE_BYTES: usize = 64 << 10;
const POOL_BYTES: u64 = 1 << 20;

/// A bijection of 64-bit numbers that looks random.
pub(crate) fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn key(high: u64, low: u64) -> Key {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// Key of a row in random order.
pub(crate) fn random_key(id: u64) -> Key {
    key(mix(id), id)
}

/// A key that is never stored, next to one that is.
pub(crate) fn missing_key(id: u64) -> Key {
    key(mix(id), id | 1 << 63)
}

/// Key of a row in ascending order.
pub(crate) fn sequential_key(id: u64) -> Key {
    key(0, id)
}

/// The pool of incompressible bytes that values are slices of, so that making a value costs nothing.
pub(crate) struct Pool(Vec<u8>);

impl Pool {
    pub(crate) fn new() -> Self {
        let words = (POOL_BYTES + LARGE_BYTES as u64) / 8;
        Pool((0..words).flat_map(|word| mix(!word).to_le_bytes()).collect())
    }

    fn slice(&self, seed: u64, length: usize) -> &[u8] {
        let start = (mix(seed) % POOL_BYTES) as usize;
        self.0.get(start..start + length).unwrap_or_default()
    }

    /// The value of a row after so many overwrites.
    pub(crate) fn value(&self, id: u64, version: u32) -> &[u8] {
        self.slice(id ^ (u64::from(version) << 40), VALUE_BYTES)
    }

    /// A large value.
    pub(crate) fn large(&self, id: u64) -> &[u8] {
        self.slice(id | 1 << 62, LARGE_BYTES)
    }
}

/// A small generator: the sequence of `mix`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(mix(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The scrambled zipfian choice of YCSB (theta 0.99).
pub(crate) struct Zipf {
    count: u64,
    alpha: f64,
    eta: f64,
    zeta: f64,
}

impl Zipf {
    const THETA: f64 = 0.99;

    pub(crate) fn new(count: u64) -> Self {
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-Self::THETA)).sum();
        let zeta_of_two = 1.0 + 0.5f64.powf(Self::THETA);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - Self::THETA)) / (1.0 - zeta_of_two / zeta);
        Zipf { count, alpha: 1.0 / (1.0 - Self::THETA), eta, zeta }
    }

    pub(crate) fn pick(&self, random: &mut Random) -> u64 {
        let u = random.unit();
        let scaled = u * self.zeta;
        let rank = if scaled < 1.0 {
            0
        } else if scaled < 1.0 + 0.5f64.powf(Self::THETA) {
            1
        } else {
            (self.count as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64
        };
        mix(rank) % self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_prefers_few_and_stays_inside() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(7));
        let mut counts = vec![0u32; 1000];
        for _ in 0..100_000 {
            counts[zipf.pick(&mut random) as usize] += 1;
        }
        counts.sort_unstable();
        assert!(counts[999] > 10_000, "{}", counts[999]);
        assert!(counts[500] < 200, "{}", counts[500]);
    }

    #[test]
    fn missing_keys_are_missing() {
        for id in 0..1000 {
            assert_ne!(random_key(id), missing_key(id));
        }
    }
}
