//! What one handle lends to the engine: its environment and its compression hooks.
//!
//! Handles of one process share what is open of a file, but the caller may free a structure or a
//! context as soon as the handle that brought it is closed. So the engine is given objects that hold
//! none of it: they ask here for those of the handle whose call is running on this thread.

use super::caller::{CallerEnv, Structure};
use super::default_env;
use super::memory;
use super::raw::{SIZE, lsm_env};
use crate::codes::{LSM_MISUSE, LSM_NOMEM};
use crate::compression::{Factory, HandleCodec, Hooks, lsm_compress, lsm_compress_factory};
use crate::handle::lsm_db;
use siltstone::codec::Codec;
use siltstone::env::Env;
use siltstone_native::NativeEnv;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

thread_local! {
    /// Whose call is running: NULL, or a lender that `Lender::during` has borrowed.
    static CURRENT: Cell<*const Lender> = const { Cell::new(ptr::null()) };
}

/// A handle's environment and hooks. It must outlive everything the engine opened with its
/// [`env`](Self::env), but for what other handles use too.
pub(crate) struct Lender {
    given: NonNull<lsm_env>,
    /// `None`: the native environment itself.
    caller: Option<(Arc<CallerEnv>, Structure)>,
    factory: RefCell<Option<Rc<Factory>>>,
    hooks: RefCell<Option<Arc<Hooks>>>,
    hook_code: Cell<c_int>,
}

impl Lender {
    /// What a new handle brings: `env`, or the default environment if it is NULL.
    ///
    /// # Errors
    /// `LSM_MISUSE` for a structure that is no `lsm_env` of version 1 or lacks a function that no
    /// database can do without.
    ///
    /// # Safety
    /// `env` is NULL or an `lsm_env` that stays valid, as do its functions, until this is dropped.
    pub(crate) unsafe fn new(env: *mut lsm_env) -> Result<Self, c_int> {
        let given = NonNull::new(env).unwrap_or_else(default_env::structure);
        if !given.is_aligned() {
            return Err(LSM_MISUSE);
        }
        // SAFETY: every version of the structure begins with its size and version.
        let (size, version) = unsafe {
            (
                (&raw const (*given.as_ptr()).nByte).read(),
                (&raw const (*given.as_ptr()).iVersion).read(),
            )
        };
        if size < SIZE || version < 1 {
            return Err(LSM_MISUSE);
        }
        // SAFETY: it is as large as it says, and the caller promised that it stays.
        let structure = unsafe { Structure::new(given) };
        let members = structure.members();
        if !default_env::has_what_is_needed(&members) {
            return Err(LSM_MISUSE);
        }
        let own = !default_env::works_like_the_default(&members);
        Ok(Lender {
            given,
            caller: own.then(|| (CallerEnv::lend(structure), structure)),
            factory: RefCell::default(),
            hooks: RefCell::default(),
            hook_code: Cell::new(0),
        })
    }

    /// The structure the handle was made with, for `lsm_get_env`.
    pub(crate) fn given(&self) -> *mut lsm_env {
        self.given.as_ptr()
    }

    /// The environment to open databases in.
    pub(crate) fn env(&self) -> Arc<dyn Env> {
        match &self.caller {
            Some((caller, _)) => Arc::clone(caller) as _,
            None => NativeEnv::shared(),
        }
    }

    /// Runs a call of this handle. Whatever uses the engine goes through here, `lsm_close` too.
    pub(crate) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        struct Restore(*const Lender);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        call()
    }

    /// Memory for the caller, who frees it with `lsm_free`: a copy of `text`, ended by a NUL byte.
    ///
    /// # Errors
    /// `LSM_NOMEM`.
    pub(crate) fn copy_out(&self, text: &[u8]) -> Result<*mut c_char, c_int> {
        let Some(size) = text.len().checked_add(1) else { return Err(LSM_NOMEM) };
        // SAFETY: the structure is valid as long as `self` is.
        let room = unsafe { memory::allocate(self.given.as_ptr(), size) }.cast::<u8>();
        if room.is_null() {
            return Err(LSM_NOMEM);
        }
        // SAFETY: the allocator gave room for the text and one byte more, nobody else's.
        unsafe {
            room.copy_from_nonoverlapping(text.as_ptr(), text.len());
            room.add(text.len()).write(0);
        }
        Ok(room.cast())
    }

    /// Replaces the compression hooks, or removes them if `xBound` is NULL. The old ones are freed.
    ///
    /// # Errors
    /// `LSM_MISUSE` if only some of the hooks are there; then nothing changes.
    ///
    /// # Safety
    /// The functions are as lsm.h has them, and stay so until they are freed.
    pub(crate) unsafe fn set_hooks(&self, hooks: &lsm_compress) -> Result<(), c_int> {
        // SAFETY: the caller's promise.
        let hooks = unsafe { Hooks::new(hooks) }?;
        // Freed after the replacement: `xFree` may look at the handle.
        let old = self.hooks.replace(hooks.map(Arc::new));
        drop(old);
        Ok(())
    }

    /// The hooks as `LSM_CONFIG_GET_COMPRESSION` gives them.
    pub(crate) fn hooks(&self) -> lsm_compress {
        self.hooks.borrow().as_ref().map_or_else(Hooks::none, |hooks| hooks.raw())
    }

    /// The id that files of this handle have: that of the hooks, or `LSM_COMPRESSION_NONE`.
    pub(crate) fn compression_id(&self) -> c_uint {
        self.hooks().iId
    }

    /// The codec for the engine, if there are hooks.
    pub(crate) fn codec(&self) -> Option<Arc<dyn Codec>> {
        let id = self.hooks.borrow().as_ref().map(|hooks| hooks.raw().iId)?;
        Some(Arc::new(HandleCodec::new(id)))
    }

    /// Replaces the factory, or removes it if `xFactory` is NULL. The old one is freed.
    ///
    /// # Safety
    /// As for [`set_hooks`](Self::set_hooks).
    pub(crate) unsafe fn set_factory(&self, factory: &lsm_compress_factory) {
        // SAFETY: the caller's promise.
        let factory = unsafe { Factory::new(factory) };
        let old = self.factory.replace(factory.map(Rc::new));
        drop(old);
    }

    /// Whether there is a factory.
    pub(crate) fn has_factory(&self) -> bool {
        self.factory.borrow().is_some()
    }

    /// Asks the factory, if any, to install hooks on `db` that fit a file with this id.
    ///
    /// # Safety
    /// `db` is the handle this belongs to. It must bear calls from inside: nothing of it that those
    /// change may be borrowed.
    pub(crate) unsafe fn ask_factory(&self, db: *mut lsm_db, id: c_uint) {
        let factory = self.factory.borrow().clone();
        if let Some(factory) = factory {
            // SAFETY: the caller's promise.
            unsafe { factory.call(db, id) }
        }
    }

    /// What a hook returned when it failed last, if one failed since this was asked last: the code
    /// of a call that ended with `ErrorKind::Codec` or `Corrupt`.
    pub(crate) fn take_hook_code(&self) -> Option<c_int> {
        Some(self.hook_code.take()).filter(|&code| code != 0)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        drop(self.factory.take());
        drop(self.hooks.take());
        if let Some((caller, structure)) = &self.caller {
            caller.give_back(*structure);
        }
    }
}

/// Shows the lender whose call is running.
fn with_current<T>(look: impl FnOnce(&Lender) -> Option<T>) -> Option<T> {
    // SAFETY: `during` sets the pointer to a lender it has borrowed, and takes it back before the
    // borrow ends, however the call ends. No other thread sees it.
    unsafe { CURRENT.get().as_ref() }.and_then(look)
}

/// The structure of the running call, if it is one of `env`'s.
pub(super) fn current_structure(env: &CallerEnv) -> Option<Structure> {
    with_current(|lender| {
        let (caller, structure) = lender.caller.as_ref()?;
        ptr::eq(&raw const **caller, env).then_some(*structure)
    })
}

/// The hooks of the running call, if they are those of files with this id.
pub(crate) fn current_hooks(id: u32) -> Option<Arc<Hooks>> {
    with_current(|lender| {
        let hooks = lender.hooks.borrow();
        hooks.as_ref().filter(|hooks| hooks.raw().iId == id).cloned()
    })
}

/// Keeps the code of a hook that failed for the running call.
pub(crate) fn remember_hook_code(code: c_int) {
    with_current(|lender| {
        lender.hook_code.set(code);
        Some(())
    });
}
