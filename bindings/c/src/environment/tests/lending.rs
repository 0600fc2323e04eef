//! Who lends what, and for how long.

use super::watched::{Lent, Watched, barriers};
use super::{copied, forwarding};
use crate::codes::{LSM_MISUSE, LSM_NOMEM};
use crate::environment::caller::CallerEnv;
use crate::environment::default_env::structure;
use crate::environment::lender::Lender;
use crate::environment::raw::lsm_env;
use siltstone::env::{Access, Env, EnvError, LockId, LockMode};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

fn lender(env: *mut lsm_env) -> Result<Lender, i32> {
    // SAFETY: a structure of the test, as large as it says or refused for its first numbers, that
    // outlives the lender.
    unsafe { Lender::new(env) }
}

fn refusal(members: lsm_env) -> Option<i32> {
    let mut members = members;
    lender(&mut members).err()
}

/// A world, a structure of it, and who lends that.
struct Scene {
    lender: Lender,
    lent: Lent,
    world: Arc<Watched>,
}

impl Scene {
    fn new() -> Self {
        let world = Arc::new(Watched::default());
        let lent = Lent::new(&world);
        Scene { lender: lender(lent.as_ptr()).unwrap(), lent, world }
    }
}

/// The numbers of a world, which all go back to zero.
fn counts(world: &Watched) -> [usize; 3] {
    let open = world.opened.load(SeqCst) - world.closed.load(SeqCst);
    [open, world.mutexes.load(SeqCst), world.allocated.load(SeqCst)]
}

#[test]
fn structures_that_are_none_are_refused() {
    for (size, version, code) in [
        (264, 1, None),
        (300, 2, None),
        (263, 1, Some(LSM_MISUSE)),
        (0, 0, Some(LSM_MISUSE)),
        (264, 0, Some(LSM_MISUSE)),
        (-1, -1, Some(LSM_MISUSE)),
    ] {
        assert_eq!(refusal(lsm_env { nByte: size, iVersion: version, ..copied() }), code);
    }
    let odd = structure().as_ptr().wrapping_byte_add(1);
    assert_eq!(lender(odd).err(), Some(LSM_MISUSE));
}

#[test]
fn what_no_database_can_do_without_must_be_there() {
    let base = forwarding::members;
    macro_rules! needed {
        ($($member:ident $code:expr),* $(,)?) => {$(
            assert_eq!(refusal(lsm_env { $member: None, ..base() }), $code, stringify!($member));
        )*};
    }
    let (no, yes) = (Some(LSM_MISUSE), None);
    needed!(
        xFullpath no, xOpen no, xRead no, xWrite no, xTruncate no, xSync no, xClose no, xUnlink no,
        xMalloc no, xRealloc no, xFree no, xSectorSize yes, xRemap yes, xFileid yes, xLock yes,
        xTestLock yes, xShmMap yes, xShmBarrier yes, xShmUnmap yes, xSize yes, xMutexStatic yes,
        xMutexNew yes, xMutexDel yes, xMutexEnter yes, xMutexTry yes, xMutexLeave yes,
        xMutexHeld yes, xMutexNotHeld yes, xSleep yes,
    );
}

#[test]
fn only_functions_of_their_own_make_an_environment_of_their_own() {
    let is_native = |members: lsm_env| {
        let mut members = members;
        let lender = lender(&mut members).unwrap();
        assert_eq!(lender.given(), &raw mut members);
        format!("{:?}", lender.env()).starts_with("NativeEnv")
    };
    assert!(is_native(copied()));
    let context = ptr::dangling_mut();
    let contexts = lsm_env { pVfsCtx: context, pMemCtx: context, pMutexCtx: context, ..copied() };
    assert!(is_native(contexts));
    // Neither memory nor what the engine never calls is of any concern.
    let world = Arc::new(Watched::default());
    let lent = Lent::new(&world);
    let own = lent.structure().members();
    assert!(is_native(lsm_env { xMalloc: own.xMalloc, xMutexHeld: None, ..copied() }));
    assert!(!is_native(lsm_env { xSleep: own.xSleep, ..copied() }));
    assert!(!is_native(lsm_env { xWrite: None, ..copied() }.with_write_of(&own)));
    let default = lender(ptr::null_mut()).unwrap();
    assert_eq!(default.given(), structure().as_ptr());
}

impl lsm_env {
    fn with_write_of(self, other: &lsm_env) -> Self {
        lsm_env { xWrite: other.xWrite, ..self }
    }
}

#[test]
fn one_static_mutex_is_one_environment() {
    let (one, two) = (Arc::new(Watched::default()), Arc::new(Watched::default()));
    let (first, second, other) = (Lent::new(&one), Lent::new(&one), Lent::new(&two));
    let lenders = [&first, &second, &other].map(|lent| lender(lent.as_ptr()).unwrap());
    let envs = lenders.each_ref().map(Lender::env);
    assert!(ptr::eq(envs[0].registry(), envs[1].registry()));
    assert!(!ptr::eq(envs[0].registry(), envs[2].registry()));
    if cfg!(miri) {
        return; // which gives a function another address each time it is asked for
    }
    // Without one, whoever opens files the same way.
    first.change(|members| members.xMutexStatic = None);
    other.change(|members| members.xMutexStatic = None);
    let (a, b) = (lender(first.as_ptr()).unwrap(), lender(other.as_ptr()).unwrap());
    assert!(ptr::eq(a.env().registry(), b.env().registry()));
    assert!(!ptr::eq(a.env().registry(), envs[0].registry()));
}

#[test]
#[cfg(not(miri))]
fn copies_of_the_default_share_what_the_process_has_open() {
    let mut members = forwarding::members();
    let lender = lender(&mut members).unwrap();
    let native = siltstone_native::NativeEnv::shared();
    assert!(ptr::eq(lender.env().registry(), native.registry()));
}

#[test]
fn the_running_call_says_whose_structure_is_used() {
    let world = Arc::new(Watched::default());
    let (first, second) = (Lent::new(&world), Lent::new(&world));
    // The structures are told apart by their size.
    second.change(|members| members.nByte = 300);
    let (one, two) = (lender(first.as_ptr()).unwrap(), lender(second.as_ptr()).unwrap());
    let env = CallerEnv::lend(first.structure());
    let used = || env.structure().members().nByte;
    assert_eq!(one.during(used), 264);
    assert_eq!(two.during(used), 300);
    assert_eq!(two.during(|| (one.during(used), used())), (264, 300));
    let stranger_world = Arc::new(Watched::default());
    let stranger = Lent::new(&stranger_world);
    stranger.change(|members| members.nByte = 400);
    let other = lender(stranger.as_ptr()).unwrap();
    assert_ne!(other.during(used), 400);
    // A structure that was given back is not used again, even by what it opened.
    let path = one.env().canonical_path(b"file").unwrap();
    let file = one.during(|| one.env().open(&path, Access::ReadWriteCreate).unwrap());
    drop(one);
    env.give_back(first.structure());
    drop(first);
    assert_eq!(used(), 300);
    file.write_at(0, b"still there").unwrap();
    drop(file);
    assert_eq!(counts(&world), [0, 0, 0]);
}

#[test]
fn unknown_codes_pass_through() {
    let Scene { lender, world, .. } = &Scene::new();
    let path = lender.env().canonical_path(b"file").unwrap();
    let file = lender.env().open(&path, Access::ReadWriteCreate).unwrap();
    for code in [1, 5, 7, 8, 10, 11, 13, 21, 50, 266, 4711, -3] {
        world.read_code.store(code, SeqCst);
        assert_eq!(file.read_at(0, &mut [0; 4]).unwrap_err().code(), code);
    }
}

#[test]
fn missing_permission_is_told_from_other_failures() {
    let Scene { lender, world, .. } = &Scene::new();
    let env = lender.env();
    let path = env.canonical_path(b"file").unwrap();
    let open = |access| env.open(&path, access).map(|_| ());
    world.write_code.store(10, SeqCst);
    assert_eq!(open(Access::ReadWriteCreate), Err(EnvError::Io(0)));
    assert_eq!(open(Access::ReadWrite), Err(EnvError::NotFound));
    assert_eq!(env.remove(&path), Err(EnvError::NotFound));
    world.write_code.store(0, SeqCst);
    open(Access::ReadWriteCreate).unwrap();
    world.write_code.store(10, SeqCst);
    for access in [Access::ReadWriteCreate, Access::ReadWrite] {
        assert_eq!(open(access), Err(EnvError::ReadOnly));
    }
    world.write_code.store(4711, SeqCst);
    assert_eq!(open(Access::ReadWrite), Err(EnvError::Code(4711)));
    open(Access::ReadOnly).unwrap();
    assert_eq!(counts(world), [0, 0, 0]);
}

#[test]
fn closing_drops_no_locks() {
    let Scene { lender, world, .. } = &Scene::new();
    let env = lender.env();
    let path = env.canonical_path(b"file").unwrap();
    let open = || env.open(&path, Access::ReadWriteCreate).unwrap();
    let holder = open();
    holder.lock(LockId::DMS2, LockMode::Shared).unwrap();
    for _ in 0..10 {
        drop(open());
        drop(env.open(&path, Access::ReadWrite).unwrap());
    }
    assert_eq!((world.closed.load(SeqCst), world.locks_lost.load(SeqCst)), (0, 0));
    assert!(world.opened.load(SeqCst) <= 4, "parked files are used again");
    env.remove(&path).unwrap();
    let fresh = open();
    fresh.write_at(0, b"x").unwrap();
    let mut byte = [7];
    holder.read_at(0, &mut byte).unwrap();
    assert_eq!(byte, [0], "what is parked is not another file");
    drop(fresh);
    drop(holder);
    assert_eq!(counts(world), [0, 0, 0]);
}

#[test]
fn memory_for_the_caller_is_the_callers() {
    let Scene { lender, lent, world } = &Scene::new();
    let text = lender.copy_out(b"1 2 3").unwrap();
    // SAFETY: `copy_out` gives a C string.
    assert_eq!(unsafe { std::ffi::CStr::from_ptr(text) }, c"1 2 3");
    assert_eq!(world.allocated.load(SeqCst), 1);
    // SAFETY: memory of this environment, not used again.
    unsafe { crate::environment::lsm_free(lent.as_ptr(), text.cast()) };
    assert_eq!(world.allocated.load(SeqCst), 0);
    world.exhausted.store(true, SeqCst);
    assert_eq!(lender.copy_out(b"").unwrap_err(), LSM_NOMEM);
    // SAFETY: a living structure.
    assert!(unsafe { crate::environment::lsm_malloc(lent.as_ptr(), 1) }.is_null());
}

#[test]
fn threads_take_turns_in_a_file() {
    let Scene { lender, world, .. } = &Scene::new();
    let env = lender.env();
    let path = env.canonical_path(b"file").unwrap();
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    let mutex = env.mutex().unwrap();
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..3u8 {
            let (file, mutex, inside) = (&file, &mutex, &inside);
            scope.spawn(move || {
                for round in 0..20 {
                    let at = u64::from(thread) * 100 + round;
                    file.write_at(at, &[thread + 1]).unwrap();
                    let mut byte = [0];
                    file.read_at(at, &mut byte).unwrap();
                    assert_eq!(byte, [thread + 1]);
                    mutex.enter();
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    inside.fetch_sub(1, SeqCst);
                    mutex.leave();
                }
            });
        }
    });
    drop(mutex);
    drop(file);
    assert_eq!(counts(world), [0, 0, 0]);
}

#[test]
fn memory_stays_as_long_as_somebody_reads_it() {
    let Scene { lender, world, .. } = &Scene::new();
    let env = lender.env();
    let path = env.canonical_path(b"file").unwrap();
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    let memory = file.shared_memory().unwrap().unwrap();
    let chunk = memory.chunk(3).unwrap();
    chunk.words()[5].store(9, SeqCst);
    memory.release(false).unwrap();
    assert_eq!(chunk.words()[5].load(SeqCst), 9);
    drop(file);
    assert_eq!(chunk.words()[5].load(SeqCst), 9);
    drop(chunk);
    let before = barriers();
    memory.barrier();
    assert_eq!(barriers(), before + 1);
    memory.release(true).unwrap();
    assert_eq!(memory.chunk(3).unwrap().words()[5].load(SeqCst), 0);
    drop(memory);
    assert_eq!(counts(world), [0, 0, 0]);
}

#[test]
fn what_is_missing_is_done_without() {
    let world = Arc::new(Watched::default());
    let lent = Lent::new(&world);
    lent.change(|members| {
        members.xShmMap = None;
        members.xMutexNew = None;
        members.xLock = None;
        members.xSleep = None;
    });
    let lender = lender(lent.as_ptr()).unwrap();
    let env = lender.env();
    let capabilities = env.capabilities();
    assert!(!capabilities.multi_process && !capabilities.process_locks);
    let path = env.canonical_path(b"/file").unwrap();
    assert_eq!(path.as_bytes(), b"/file");
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    assert!(file.shared_memory().unwrap().is_none());
    file.lock(LockId::WRITER, LockMode::Exclusive).unwrap();
    assert_eq!((file.id(), file.sector_size()), (Ok(None), 512));
    assert!(env.mutex().unwrap().try_enter());
    env.sleep(std::time::Duration::ZERO);
    assert_eq!(world.slept.load(SeqCst), 0);
}
