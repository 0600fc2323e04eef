//! The conformance suite notices broken worlds: each defect is caught by the rule it breaks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use siltstone_env::conformance::{CHECKS, World};
use siltstone_env::{
    Access, Capabilities, Env, EnvError, File, FileId, FilePath, LockId, LockMode, Registry,
    Result, Task, Thread,
};
use siltstone_memory::{MemoryEnv, MemoryWorld, Settings};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    LeavesTheTailOfReads,
    CountsTheTailOfReads,
    GrowsByTruncate,
    ResurrectsBytes,
    WritesThroughReadOnly,
    GrantsEveryLock,
    GivesUpSharedOnRefusedUpgrade,
    TestsOnlyTheFirstLock,
    TestingTakes,
    CreatesWhenReading,
    ChangesIds,
    RepeatsRandom,
    ClaimsMaps,
    RunsBackwards,
    FollowsNoNames,
    CreatesBesideWhenReading,
    DropsTasks,
}

#[derive(Debug)]
struct Broken {
    inner: Arc<MemoryEnv>,
    defect: Defect,
}

#[derive(Debug)]
struct BrokenFile {
    inner: Arc<dyn File>,
    defect: Defect,
    serial: u64,
}

impl Env for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.maps = self.defect == Defect::ClaimsMaps;
        capabilities.range_locks = false;
        capabilities
    }

    fn canonical_path(&self, name: &[u8]) -> Result<FilePath> {
        self.inner.canonical_path(name)
    }

    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>> {
        let access = match (self.defect, access) {
            (Defect::CreatesWhenReading, _) => Access::ReadWriteCreate,
            (Defect::WritesThroughReadOnly, Access::ReadOnly) => Access::ReadWrite,
            (_, access) => access,
        };
        let serial = self.inner.now().as_nanos() as u64;
        let inner = self.inner.open(path, access)?;
        Ok(Arc::new(BrokenFile { inner, defect: self.defect, serial }))
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        self.inner.remove(path)
    }

    fn open_beside(
        &self,
        path: &FilePath,
        access: Access,
        _database: &FilePath,
    ) -> Result<Arc<dyn File>> {
        let creates = self.defect == Defect::CreatesBesideWhenReading;
        self.open(path, if creates { Access::ReadWriteCreate } else { access })
    }

    fn is_current(&self, path: &FilePath, file: &dyn File) -> Result<bool> {
        Ok(self.defect == Defect::FollowsNoNames || self.inner.is_current(path, file)?)
    }

    fn spawn(&self, name: &str, body: Task) -> Result<Box<dyn Thread>> {
        let runs = self.defect != Defect::DropsTasks;
        self.inner.spawn(name, if runs { body } else { Box::new(|| ()) })
    }

    fn now(&self) -> Duration {
        let now = self.inner.now();
        if self.defect == Defect::RunsBackwards { Duration::MAX - now } else { now }
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        if self.defect == Defect::RepeatsRandom {
            buffer.fill(4);
            return Ok(());
        }
        self.inner.random(buffer)
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }
}

impl File for BrokenFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut copy = vec![0; buffer.len()];
        let held = self.inner.read_at(offset, &mut copy)?;
        let keep = if self.defect == Defect::LeavesTheTailOfReads { held } else { copy.len() };
        buffer[..keep].copy_from_slice(&copy[..keep]);
        Ok(if self.defect == Defect::CountsTheTailOfReads { copy.len() } else { held })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let size = self.inner.size()?;
        self.inner.write_at(offset, bytes)?;
        if self.defect == Defect::ResurrectsBytes && size == 100 && offset > size {
            self.inner.write_at(size, b"ghost")?;
        }
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        if self.defect == Defect::GrowsByTruncate && size > self.inner.size()? {
            self.inner.write_at(size - 1, &[0])?;
        }
        self.inner.truncate(size)
    }

    fn size(&self) -> Result<u64> {
        self.inner.size()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn id(&self) -> Result<Option<FileId>> {
        if self.defect == Defect::ChangesIds {
            return Ok(Some(FileId(self.serial.to_be_bytes().to_vec())));
        }
        self.inner.id()
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        match (self.defect, self.inner.lock(lock, mode)) {
            (Defect::GrantsEveryLock, Err(EnvError::Busy)) => Ok(()),
            (Defect::GivesUpSharedOnRefusedUpgrade, Err(EnvError::Busy)) => {
                self.inner.lock(lock, LockMode::Unlock)?;
                Err(EnvError::Busy)
            }
            (_, result) => result,
        }
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        let count = if self.defect == Defect::TestsOnlyTheFirstLock { 1 } else { count };
        if self.defect == Defect::TestingTakes {
            return Ok(self.inner.lock(first, mode).is_ok());
        }
        self.inner.test_lock(first, count, mode)
    }
}

struct BrokenWorld(MemoryWorld, Defect);

impl World for BrokenWorld {
    fn process(&self) -> Option<Arc<dyn Env>> {
        Some(Arc::new(Broken { inner: self.0.process(), defect: self.1 }))
    }

    fn path(&self, name: &str) -> Vec<u8> {
        format!("/data/{name}").into_bytes()
    }
}

/// Names of the rules a defect breaks.
fn broken_rules(defect: Defect) -> Vec<&'static str> {
    let settings = Settings { shared_memory: false, ..Settings::default() };
    let holds = |check: fn(&dyn World)| {
        let world = BrokenWorld(MemoryWorld::with(settings), defect);
        catch_unwind(AssertUnwindSafe(|| check(&world))).is_ok()
    };
    CHECKS.iter().filter(|(_, check)| !holds(*check)).map(|(name, _)| *name).collect()
}

#[test]
fn every_defect_is_noticed() {
    assert_eq!(broken_rules(Defect::None), Vec::<&str>::new());
    for (defect, rule) in [
        (Defect::LeavesTheTailOfReads, "files::reads_past_the_end_are_zero_filled"),
        (Defect::CountsTheTailOfReads, "files::reads_past_the_end_are_zero_filled"),
        (Defect::GrowsByTruncate, "files::truncate_never_grows"),
        (Defect::ResurrectsBytes, "files::growth_after_truncate_reads_as_zero"),
        (Defect::WritesThroughReadOnly, "files::a_read_only_handle_refuses_writes"),
        (Defect::GrantsEveryLock, "locks::exclusive_excludes_other_processes"),
        (Defect::GivesUpSharedOnRefusedUpgrade, "locks::a_refused_upgrade_keeps_the_shared_lock"),
        (Defect::TestsOnlyTheFirstLock, "locks::testing_covers_the_whole_range"),
        (Defect::TestingTakes, "locks::testing_takes_nothing"),
        (Defect::CreatesWhenReading, "names::a_missing_file_is_not_found"),
        (Defect::ChangesIds, "registry::the_same_file_has_the_same_id"),
        (Defect::RepeatsRandom, "time::random_bytes_differ"),
        (Defect::ClaimsMaps, "maps::absent_where_not_claimed"),
        (Defect::FollowsNoNames, "names::removal_and_replacement_are_noticed"),
        (Defect::CreatesBesideWhenReading, "names::files_beside_a_database_open_like_any"),
        (Defect::DropsTasks, "threads::a_thread_runs_and_join_waits_for_it"),
        (Defect::RunsBackwards, "time::the_clock_never_goes_back"),
    ] {
        let broken = broken_rules(defect);
        assert!(broken.contains(&rule), "{defect:?} breaks {rule}, but only {broken:?} noticed");
    }
}
