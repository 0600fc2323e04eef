//! Compression hooks as a codec of the engine.
//!
//! The engine's [`HandleCodec`] holds no hooks: it uses those of the handle whose call is running, so
//! that `xFree` is called when that handle replaces or closes them, and never a hook after it.

use super::{lsm_compress, lsm_compress_factory};
use crate::codes::LSM_MISUSE;
use crate::environment::{current_hooks, remember_hook_code};
use crate::handle::lsm_db;
use siltstone::codec::{Codec, CodecError, Result};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

/// Id of files without compression.
const NONE: c_uint = 1;
/// Most room a hook is given: far more than a record may have.
const MOST_ROOM: usize = 1 << 20;

/// A context and its end: `xFree` is called once, when this is dropped.
struct Context {
    at: *mut c_void,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: hooks are called by the threads that use their handle, one after the other, as lsm.h has it.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: whoever made this promised that the function may be called with its context
            // until it was.
            unsafe { free(self.at) }
        }
    }
}

type Hook =
    unsafe extern "C" fn(*mut c_void, *mut c_char, *mut c_int, *const c_char, c_int) -> c_int;

/// The hooks of a handle.
pub(crate) struct Hooks {
    context: Context,
    id: c_uint,
    bound: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
    compress: Hook,
    uncompress: Hook,
}

impl Hooks {
    /// Takes over a caller's hooks; `None` if there are none.
    ///
    /// # Errors
    /// `LSM_MISUSE` if there is a bound but nothing to compress or uncompress with. The context stays
    /// the caller's then.
    ///
    /// # Safety
    /// The functions are as lsm.h has them, and may be called until `xFree` was.
    pub(crate) unsafe fn new(raw: &lsm_compress) -> std::result::Result<Option<Self>, c_int> {
        let Some(bound) = raw.xBound else { return Ok(None) };
        let (Some(compress), Some(uncompress)) = (raw.xCompress, raw.xUncompress) else {
            return Err(LSM_MISUSE);
        };
        let context = Context { at: raw.pCtx, free: raw.xFree };
        Ok(Some(Hooks { context, id: raw.iId, bound, compress, uncompress }))
    }

    /// No hooks, as C is told of them.
    pub(crate) fn none() -> lsm_compress {
        lsm_compress {
            pCtx: ptr::null_mut(),
            iId: NONE,
            xBound: None,
            xCompress: None,
            xUncompress: None,
            xFree: None,
        }
    }

    /// The hooks as they were given.
    pub(crate) fn raw(&self) -> lsm_compress {
        lsm_compress {
            pCtx: self.context.at,
            iId: self.id,
            xBound: Some(self.bound),
            xCompress: Some(self.compress),
            xUncompress: Some(self.uncompress),
            xFree: self.context.free,
        }
    }

    /// Most bytes `len` bytes may take.
    fn room(&self, len: usize) -> usize {
        let Ok(len) = c_int::try_from(len) else { return 0 };
        // SAFETY: `new`'s promise.
        let bound = unsafe { (self.bound)(self.context.at, len) };
        usize::try_from(bound).unwrap_or(0).min(MOST_ROOM)
    }

    /// Runs a hook; gives how many bytes of `to` it filled.
    fn run(&self, hook: Hook, from: &[u8], to: &mut [u8]) -> Result<usize> {
        let too_long = |_| CodecError::new("more bytes than a compression hook can be given");
        let room = c_int::try_from(to.len()).map_err(too_long)?;
        let len = c_int::try_from(from.len()).map_err(too_long)?;
        let mut filled = room;
        // SAFETY: `new`'s promise; the hook gets as many bytes as it is told, and as much room.
        let code = unsafe {
            hook(self.context.at, to.as_mut_ptr().cast(), &mut filled, from.as_ptr().cast(), len)
        };
        if code != 0 {
            remember_hook_code(code);
            return Err(CodecError::new(format!("the compression hook failed with code {code}")));
        }
        let filled = usize::try_from(filled).ok().filter(|&filled| filled <= to.len());
        filled.ok_or_else(|| CodecError::new("the compression hook gave more than it had room for"))
    }
}

/// The codec of files with an id, by the hooks of whichever handle is at work.
#[derive(Debug)]
pub(crate) struct HandleCodec {
    id: u32,
}

impl HandleCodec {
    /// For handles with hooks of this id.
    pub(crate) fn new(id: u32) -> Self {
        HandleCodec { id }
    }

    fn hooks(&self) -> Result<std::sync::Arc<Hooks>> {
        let none = || CodecError::new(format!("this handle has no compression hooks {}", self.id));
        current_hooks(self.id).ok_or_else(none)
    }
}

impl Codec for HandleCodec {
    fn id(&self) -> u32 {
        self.id
    }

    fn bound(&self, page_len: usize) -> usize {
        self.hooks().map_or(0, |hooks| hooks.room(page_len))
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let hooks = self.hooks()?;
        let start = out.len();
        out.resize(start + hooks.room(page.len()), 0);
        let filled = hooks.run(hooks.compress, page, out.get_mut(start..).unwrap_or_default());
        out.truncate(start + filled.as_ref().map_or(0, |&filled| filled));
        filled.map(|_| ())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> Result<()> {
        let hooks = self.hooks()?;
        let filled = hooks.run(hooks.uncompress, record, page)?;
        if filled == page.len() {
            return Ok(());
        }
        Err(CodecError::new("the record does not uncompress to exactly one page"))
    }
}

/// A caller's compression factory.
pub(crate) struct Factory {
    context: Context,
    make: unsafe extern "C" fn(*mut c_void, *mut lsm_db, c_uint) -> c_int,
}

impl Factory {
    /// Takes over a caller's factory; `None` if there is none.
    ///
    /// # Safety
    /// As for [`Hooks::new`].
    pub(crate) unsafe fn new(raw: &lsm_compress_factory) -> Option<Self> {
        let make = raw.xFactory?;
        Some(Factory { context: Context { at: raw.pCtx, free: raw.xFree }, make })
    }

    /// Lets it install hooks on `db` for files with `id`. What it returns tells nothing: the handle
    /// has hooks that fit then, or it has not.
    ///
    /// # Safety
    /// `db` is a handle that bears calls now.
    pub(crate) unsafe fn call(&self, db: *mut lsm_db, id: c_uint) {
        // SAFETY: `new`'s promise, and the caller's.
        let _ = unsafe { (self.make)(self.context.at, db, id) };
    }
}
