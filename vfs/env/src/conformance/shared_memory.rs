//! Shared memory of a database file.

use super::{World, open, open_elsewhere, process, rule};
use crate::{Access, CHUNK_BYTES, Env, EnvError, File, SharedMemory};
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

fn is_current(memory: &Arc<dyn SharedMemory>) -> bool {
    let current = rule("is_current of shared memory succeeds", memory.is_current());
    let named = rule("has_name of shared memory succeeds", memory.has_name());
    assert!(named || !current, "rule broken: memory that is current has a name");
    current
}

/// Who came before a deletion can tell.
pub fn a_removed_name_is_noticed(world: &dyn World) {
    let env = process(world);
    let Some((_file, old)) = memory(&*env, world, "shared") else { return };
    assert!(is_current(&old), "rule broken: memory nobody asked for yet is current");
    assert!(old.is_writable(), "rule broken: memory of a file open for writing is writable");
    write(&old, 0, 0, 1);
    assert!(is_current(&old), "rule broken: memory just made is current");
    let Some((_also_file, also)) = memory(&*env, world, "shared") else { return };
    read(&also, 0, 0);
    rule("release with delete succeeds", also.release(true));
    assert!(!is_current(&old), "rule broken: a removed name is noticed");
    write(&also, 0, 0, 2);
    assert!(is_current(&also), "rule broken: memory made anew is current");
    assert!(!is_current(&old), "rule broken: a replaced name is noticed");
    rule("release succeeds", old.release(false));
    assert_eq!(read(&old, 0, 0), 2, "rule broken: a released handle finds the present memory");
    assert!(is_current(&old), "rule broken: a released handle finds the present memory");
}

/// Deleting through a handle whose memory lost its name does not take the name from its successor.
pub fn other_memory_of_the_name_is_left_alone(world: &dyn World) {
    let env = process(world);
    let Some((_old_file, old)) = memory(&*env, world, "shared") else { return };
    let Some((_also_file, also)) = memory(&*env, world, "shared") else { return };
    write(&old, 0, 0, 1);
    read(&also, 0, 0);
    rule("release with delete succeeds", also.release(true));
    write(&also, 0, 0, 2);
    rule("release with delete succeeds", old.release(true));
    assert!(is_current(&also), "rule broken: memory of others is not deleted");
    let Some((_new_file, new)) = memory(&*env, world, "shared") else { return };
    assert_eq!(read(&new, 0, 0), 2, "rule broken: memory of others is not deleted");
}

/// A file opened read-only sees the memory, and never makes, grows or deletes any.
pub fn readers_make_no_memory(world: &dyn World) {
    let env = process(world);
    let Some((file, writer)) = memory(&*env, world, "shared") else { return };
    let path = super::path(&*env, world, "shared");
    let reading = rule("a file opens read-only", env.open(&path, Access::ReadOnly));
    let reader = rule("shared_memory succeeds", reading.shared_memory());
    let reader = reader.expect("rule broken: every handle of a file has its memory");
    assert!(!reader.is_writable(), "rule broken: memory that cannot be made is not writable");
    for attempt in 1..=2 {
        assert_eq!(
            reader.chunk(0).err(),
            Some(EnvError::NotFound),
            "rule broken: a reader does not make memory (attempt {attempt})"
        );
    }
    assert!(is_current(&reader), "rule broken: memory nobody has is current");
    write(&writer, 1, 9, 5);
    assert_eq!(read(&reader, 1, 9), 5, "rule broken: readers see the memory once it exists");
    assert_eq!(read(&reader, 0, 9), 0, "rule broken: readers see the memory once it exists");
    assert_eq!(
        reader.chunk(50).err(),
        Some(EnvError::NotFound),
        "rule broken: a reader does not let memory grow"
    );
    assert_eq!(
        reader.release(true),
        Err(EnvError::ReadOnly),
        "rule broken: a reader does not delete memory"
    );
    rule("a reader releases memory", reader.release(false));
    write(&writer, 50, 0, 6);
    assert_eq!(read(&reader, 50, 0), 6, "rule broken: readers see the memory grow");
    assert!(is_current(&writer), "rule broken: a reader does not delete memory");
    drop(file);
}
