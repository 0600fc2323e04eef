//! Any bytes as a checkpoint: what decodes encodes to the same words.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use siltstone::format::checkpoint::{Checkpoint, verified_len};

fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
    let proven = verified_len(&words);
    if let Ok(checkpoint) = Checkpoint::decode(&words) {
        let encoded = checkpoint.encode().expect("what was decoded fits");
        assert!(proven.is_none_or(|len| encoded == words[..len]));
    }
    if let Some(database) = siltstone_fuzz::honest(siltstone_fuzz::open(data, None, true)) {
        siltstone_fuzz::read(&database);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        siltstone_fuzz::repair_checkpoint(&mut data[..size]);
    }
    size
});
