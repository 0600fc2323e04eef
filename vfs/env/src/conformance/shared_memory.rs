//! Shared memory of a database file.

use super::{World, open, open_elsewhere, process, rule};
use crate::{CHUNK_BYTES, Env, File, SharedMemory};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// The memory of the suite's database, where the world has any. The handle is kept alive.
fn memory(
    env: &dyn Env,
    world: &dyn World,
    name: &str,
) -> Option<(Arc<dyn File>, Arc<dyn SharedMemory>)> {
    let file = open(env, world, name);
    let memory = rule("shared_memory succeeds", file.shared_memory())?;
    Some((file, memory))
}

fn read(memory: &Arc<dyn SharedMemory>, chunk: u32, word: usize) -> u32 {
    rule("chunk succeeds", memory.chunk(chunk)).words()[word].load(SeqCst)
}

fn write(memory: &Arc<dyn SharedMemory>, chunk: u32, word: usize, value: u32) {
    rule("chunk succeeds", memory.chunk(chunk)).words()[word].store(value, SeqCst);
}

/// A world that claims several processes has shared memory; one that does not has none.
pub fn present_exactly_where_claimed(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "shared");
    let present = rule("shared_memory succeeds", file.shared_memory()).is_some();
    assert_eq!(
        present,
        env.capabilities().multi_process,
        "rule broken: shared memory exists exactly where multi_process is claimed"
    );
}

/// New chunks are zero and aligned to eight bytes.
pub fn chunks_begin_zeroed(world: &dyn World) {
    let env = process(world);
    let Some((_file, memory)) = memory(&*env, world, "shared") else { return };
    for index in [0, 3, 1] {
        let chunk = rule("chunk succeeds in any order", memory.chunk(index));
        let words = chunk.words();
        assert_eq!(size_of_val(words), CHUNK_BYTES, "rule broken: a chunk has 32768 bytes");
        assert_eq!(words.as_ptr().addr() % 8, 0, "rule broken: chunks are 8-byte aligned");
        assert!(
            words.iter().all(|word| word.load(SeqCst) == 0),
            "rule broken: a new chunk is zero"
        );
    }
}

/// All handles of one file, in all processes, see the same words.
pub fn handles_and_processes_see_one_memory(world: &dyn World) {
    let env = process(world);
    let Some((_file, one)) = memory(&*env, world, "shared") else { return };
    let Some((_again_file, again)) = memory(&*env, world, "shared") else { return };
    let Some((other_env, _)) = open_elsewhere(world, "shared") else { return };
    let Some((_other_file, other)) = memory(&*other_env, world, "shared") else { return };
    for (round, writer) in [&one, &again, &other].into_iter().enumerate() {
        for chunk in 0..3 {
            write(writer, chunk, 8191, 100 + round as u32);
            for reader in [&one, &again, &other] {
                assert_eq!(
                    read(reader, chunk, 8191),
                    100 + round as u32,
                    "rule broken: every handle of every process sees the same memory"
                );
            }
        }
    }
}

/// A chunk stays where it is while the memory grows.
pub fn chunk_addresses_are_stable(world: &dyn World) {
    let env = process(world);
    let Some((_file, memory)) = memory(&*env, world, "shared") else { return };
    let first = rule("chunk succeeds", memory.chunk(0));
    let address = first.words().as_ptr();
    for index in 1..20 {
        rule("chunk succeeds", memory.chunk(index));
    }
    let again = rule("chunk succeeds", memory.chunk(0));
    assert_eq!(address, again.words().as_ptr(), "rule broken: a chunk's address never changes");
}

/// Releasing without deletion forgets nothing.
pub fn release_keeps_the_contents(world: &dyn World) {
    let env = process(world);
    let Some((_file, memory_before)) = memory(&*env, world, "shared") else { return };
    write(&memory_before, 1, 7, 42);
    let kept = rule("chunk succeeds", memory_before.chunk(1));
    rule("release succeeds", memory_before.release(false));
    assert_eq!(
        kept.words()[7].load(SeqCst),
        42,
        "rule broken: chunks handed out stay readable after release"
    );
    let Some((_file, memory_after)) = memory(&*env, world, "shared") else { return };
    assert_eq!(read(&memory_after, 1, 7), 42, "rule broken: release without delete keeps contents");
}

/// After deletion the next user finds zeros, and old chunks no longer matter.
pub fn deletion_starts_anew(world: &dyn World) {
    let env = process(world);
    let Some((_file, old)) = memory(&*env, world, "shared") else { return };
    write(&old, 0, 0, 42);
    let kept = rule("chunk succeeds", old.chunk(0));
    rule("release with delete succeeds", old.release(true));
    let Some((_file, new)) = memory(&*env, world, "shared") else { return };
    assert_eq!(read(&new, 0, 0), 0, "rule broken: deleted memory starts anew");
    write(&new, 0, 0, 7);
    assert_eq!(
        kept.words()[0].load(SeqCst),
        42,
        "rule broken: chunks of deleted memory stay readable and separate"
    );
    assert_eq!(read(&old, 0, 0), 7, "rule broken: a released handle finds the present memory");
}

/// Two files, two memories.
pub fn databases_do_not_share(world: &dyn World) {
    let env = process(world);
    let Some((_one_file, one)) = memory(&*env, world, "shared") else { return };
    let Some((_two_file, two)) = memory(&*env, world, "unrelated") else { return };
    write(&one, 0, 0, 1);
    assert_eq!(read(&two, 0, 0), 0, "rule broken: different files have different memory");
}
