//! Looking at a database from outside, without taking part in it.
//!
//! Locks are tested, never taken; shared memory is read, never made or written; the file is opened
//! for reading. So nobody notices, and what is seen may change while one looks: tree header and
//! snapshot are each whole, since their checksums hold, but need not be of the same moment.
//! Rules: docs/format-sharing.md, "Looking on".

use super::inspect::level_info;
use super::recovery;
use crate::activity::{Activity, LockActivity, MemoryActivity, Presence, SlotActivity, held};
use crate::checkpoint;
use crate::env::{Access, CHUNK_BYTES, Env, EnvError, File, FilePath, LockId, LockMode};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::Checkpoint;
use crate::options::Options;
use crate::shm::{READER_SLOTS, Shm};
use crate::tree;
use std::time::Duration;

/// How often to look again when somebody came or went meanwhile, and the pause before.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);

/// What goes on in the database `path`.
pub(crate) fn observe(env: &dyn Env, path: &FilePath) -> Result<Activity> {
    let file = env.open(path, Access::ReadOnly).during("opening the database file")?;
    let mut attempt = 1;
    loop {
        match look(env, path, &*file) {
            // Memory that is just being given up or made anew.
            Err(error) if attempt < ATTEMPTS && may_be_passing(&error) => env.sleep(PAUSE),
            outcome => return outcome,
        }
        attempt += 1;
    }
}

fn may_be_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Protocol(_) | ErrorKind::Corrupt { .. })
}

fn look(env: &dyn Env, path: &FilePath, file: &dyn File) -> Result<Activity> {
    let locks = test_locks(file)?;
    let presence = match presence(&locks) {
        Presence::Nobody if owned(env, path)? => Presence::Exclusive,
        presence => presence,
    };
    let shm = match presence {
        Presence::Clients | Presence::Readers => attach(file)?,
        Presence::Nobody | Presence::Exclusive => None,
    };
    let (snapshot, on_disk, memory) = match &shm {
        Some(shm) => {
            let (words, _) = shm.load_snapshot()?;
            let snapshot = Checkpoint::decode(&words)?;
            let on_disk = match shm.meta_page()? {
                page @ (1 | 2) => checkpoint::read_page(file, page)?,
                _ => None,
            };
            let memory = memory(shm, &snapshot, &locks)?;
            (snapshot, on_disk, Some(memory))
        }
        None => {
            let found = recovery::find_checkpoint(env, path, file, &Options::new())?;
            let on_disk = (found.meta_page != 0).then(|| found.checkpoint.clone());
            (found.checkpoint, on_disk, None)
        }
    };
    let written = on_disk.as_ref().map_or(0, |checkpoint| checkpoint.pages_written);
    let unsynced = snapshot.pages_written.wrapping_sub(written);
    Ok(Activity {
        presence,
        locks,
        memory,
        snapshot_id: snapshot.id,
        checkpoint_id: on_disk.map_or(0, |checkpoint| checkpoint.id),
        bytes_since_checkpoint: u64::from(unsynced) * u64::from(snapshot.page_size),
        levels: snapshot.levels.iter().map(|level| level_info(level, None)).collect(),
        page_size: snapshot.page_size,
        block_size: snapshot.block_size,
        block_count: snapshot.block_count,
        compression_id: snapshot.compression,
        file_bytes: file.known_size().during("reading the size of the file")?.unwrap_or(0),
        log_file_bytes: recovery::log_size(env, path)?,
    })
}

/// Whether an instance without locks has the file for itself.
fn owned(env: &dyn Env, path: &FilePath) -> Result<bool> {
    Ok(env.owner(path).during("reading the owner file")?.is_some())
}

fn test_locks(file: &dyn File) -> Result<Vec<LockActivity>> {
    let is_free =
        |lock, mode| file.test_lock(lock, 1, mode).during("testing a lock of the database file");
    let mut locks = Vec::with_capacity(usize::from(LockId::COUNT));
    for lock in (1..=LockId::COUNT).filter_map(LockId::from_number) {
        let held = if is_free(lock, LockMode::Exclusive)? {
            LockMode::Unlock
        } else if is_free(lock, LockMode::Shared)? {
            LockMode::Shared
        } else {
            LockMode::Exclusive
        };
        locks.push(LockActivity { lock, held });
    }
    Ok(locks)
}

fn presence(locks: &[LockActivity]) -> Presence {
    match (held(locks, LockId::DMS2), held(locks, LockId::DMS3)) {
        (LockMode::Exclusive, _) => Presence::Exclusive,
        (LockMode::Shared, _) => Presence::Clients,
        (LockMode::Unlock, LockMode::Unlock) => Presence::Nobody,
        (LockMode::Unlock, _) => Presence::Readers,
    }
}

/// The memory others share; `None` if it is gone.
fn attach(file: &dyn File) -> Result<Option<Shm>> {
    let Some(memory) = file.shared_memory().during("opening the shared memory file")? else {
        return Ok(None);
    };
    let shm = Shm::new(memory);
    match shm.ensure(1) {
        Ok(()) => Ok(Some(shm)),
        Err(error) => match error.kind() {
            ErrorKind::Io { source: EnvError::NotFound, .. } => Ok(None),
            _ => Err(error),
        },
    }
}

fn memory(shm: &Shm, snapshot: &Checkpoint, locks: &[LockActivity]) -> Result<MemoryActivity> {
    let (header, _) = shm.load_tree_header()?;
    let pending = tree::old_tree_is_read(&header, snapshot.log.pointer);
    let mut slots = Vec::with_capacity(usize::from(READER_SLOTS));
    for number in 0..READER_SLOTS {
        let slot = shm.reader_slot(number)?;
        let lock = LockId::reader(number).map_or(LockMode::Unlock, |lock| held(locks, lock));
        slots.push(SlotActivity {
            number,
            snapshot_id: slot.snapshot_id,
            chunk_id: slot.tree_id,
            locked: lock != LockMode::Unlock,
        });
    }
    Ok(MemoryActivity {
        writing: shm.writer_flag()?,
        transaction: header.live.transaction,
        live_tree_bytes: header.live.bytes.into(),
        old_tree_bytes: if pending { header.old.bytes.into() } else { 0 },
        memory_bytes: u64::from(header.chunk_count) * CHUNK_BYTES as u64,
        log_regions: header.log.regions.map(|region| (region.start, region.end)),
        user_version: header.user_version,
        slots,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Sharing;
    use siltstone_memory::MemoryWorld;
    use std::sync::Arc;

    fn look_at(world: &MemoryWorld) -> Result<Activity> {
        let env: Arc<dyn Env> = world.process();
        let path = env.canonical_path(b"a.lsm").unwrap();
        observe(&*env, &path)
    }

    fn states(activity: &Activity) -> Vec<(u8, LockMode)> {
        let held = activity.locks.iter().filter(|entry| entry.held != LockMode::Unlock);
        held.map(|entry| (entry.lock.number(), entry.held)).collect()
    }

    #[test]
    fn clients_slots_and_a_writer_are_seen() {
        let world = MemoryWorld::new();
        let open = || Options::new().open_with_env(world.process(), "a.lsm").unwrap();
        let (one, two) = (open(), open());
        one.insert("a", "1").unwrap();
        let reading = two.snapshot().unwrap();
        let writing = one.begin().unwrap();
        let locks = world.locks("a.lsm");
        let activity = look_at(&world).unwrap();
        assert_eq!(world.locks("a.lsm"), locks, "looking changed the locks");
        assert_eq!(activity.presence, Presence::Clients);
        assert_eq!((activity.locks.len(), activity.clients()), (29, 2));
        assert_eq!(activity.held(LockId::WRITER), LockMode::Exclusive);
        let memory = activity.memory.unwrap();
        assert!(memory.writing && memory.live_tree_bytes > 0 && memory.log_regions[2].1 > 0);
        let locked: Vec<_> = memory.slots.iter().filter(|slot| slot.locked).collect();
        assert_eq!(locked.len(), 1, "{:?}", memory.slots);
        assert_eq!(locked[0].snapshot_id, activity.snapshot_id);
        drop((reading, writing));
        let memory = look_at(&world).unwrap().memory.unwrap();
        assert!(!memory.writing && memory.slots.iter().all(|slot| !slot.locked));
    }

    #[test]
    fn levels_and_checkpoints_are_seen_beside_memory_and_without() {
        let world = MemoryWorld::new();
        let database = Options::new().open_with_env(world.process(), "a.lsm").unwrap();
        database.insert("a", "1").unwrap();
        assert_eq!(look_at(&world).unwrap().checkpoint_id, 0);
        database.flush().unwrap();
        let flushed = look_at(&world).unwrap();
        assert_eq!((flushed.levels.len(), flushed.checkpoint_id), (1, 0));
        assert!(flushed.bytes_since_checkpoint > 0 && flushed.log_file_bytes > 0);
        database.checkpoint().unwrap();
        let written = look_at(&world).unwrap();
        assert_eq!(
            (written.checkpoint_id, written.bytes_since_checkpoint),
            (written.snapshot_id, 0)
        );
        database.close().unwrap();
        let alone = look_at(&world).unwrap();
        assert_eq!((alone.presence, alone.memory.is_none()), (Presence::Nobody, true));
        assert_eq!((alone.snapshot_id, &alone.levels), (written.snapshot_id, &written.levels));
        assert!(states(&alone).is_empty());
    }

    #[test]
    fn an_exclusive_owner_shares_no_memory() {
        let world = MemoryWorld::new();
        let options = Options::new().sharing(Sharing::Exclusive);
        let database = options.open_with_env(world.process(), "a.lsm").unwrap();
        database.insert("a", "1").unwrap();
        let activity = look_at(&world).unwrap();
        assert_eq!((activity.presence, activity.memory), (Presence::Exclusive, None));
    }

    #[test]
    fn readers_keep_the_memory_their_last_writer_left() {
        let world = MemoryWorld::new();
        let writer = Options::new().open_with_env(world.process(), "a.lsm").unwrap();
        writer.insert("a", "1").unwrap();
        let reader =
            Options::new().read_only(true).open_with_env(world.process(), "a.lsm").unwrap();
        assert_eq!(reader.get("a").unwrap().as_deref(), Some(&b"1"[..]));
        writer.close().unwrap();
        let activity = look_at(&world).unwrap();
        assert_eq!((activity.presence, activity.clients()), (Presence::Readers, 0));
        assert!(activity.memory.is_some());
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let world = MemoryWorld::new();
        let missing = look_at(&world).unwrap_err();
        assert!(matches!(missing.kind(), ErrorKind::Io { source: EnvError::NotFound, .. }));
        let path = world.process().canonical_path(b"a.lsm").unwrap();
        let text = world.process().open(&path, Access::ReadWriteCreate).unwrap();
        text.write_at(0, &b"What is no database is refused.\n".repeat(300)).unwrap();
        let refused = look_at(&world).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::NotADatabase(_)), "{refused}");
    }
}
