//! Any bytes as a database, with the checksums of its meta pages repaired: read, then written.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| {
    if let Some(database) = siltstone_fuzz::honest(siltstone_fuzz::open(data, None, true)) {
        siltstone_fuzz::read(&database);
    }
    if let Some(database) = siltstone_fuzz::honest(siltstone_fuzz::open(data, None, false)) {
        siltstone_fuzz::write(database);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        siltstone_fuzz::repair_database(&mut data[..size]);
    }
    size
});
