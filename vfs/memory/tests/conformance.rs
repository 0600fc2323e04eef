//! The in-memory world keeps the contract, with and without shared memory.

use siltstone_env::Env;
use siltstone_env::conformance::{World, run_all};
use siltstone_memory::{MemoryWorld, Settings};
use std::sync::Arc;

struct Memory(MemoryWorld);

impl World for Memory {
    fn process(&self) -> Option<Arc<dyn Env>> {
        Some(self.0.process())
    }

    fn path(&self, name: &str) -> Vec<u8> {
        format!("/data/{name}").into_bytes()
    }
}

#[test]
fn keeps_the_contract() {
    run_all(&|| Box::new(Memory(MemoryWorld::new())));
}

#[test]
fn keeps_the_contract_without_shared_memory() {
    let settings = Settings { shared_memory: false, ..Settings::default() };
    run_all(&|| Box::new(Memory(MemoryWorld::with(settings))));
}
