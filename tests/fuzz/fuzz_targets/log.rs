//! Recovery of any bytes as the log of an empty database.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use siltstone::format::checkpoint::FIRST_LOG_CHECKSUM;

fuzz_target!(|data: &[u8]| {
    let database = siltstone_fuzz::open(&[], Some(data), true).expect("a log cannot fail recovery");
    siltstone_fuzz::read(&database);
    assert!(database.check().expect("a report").is_sound());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        siltstone_fuzz::repair_log(&mut data[..size], FIRST_LOG_CHECKSUM);
    }
    size
});
