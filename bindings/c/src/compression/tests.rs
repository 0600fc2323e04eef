//! Hooks are called as lsm.h has it, and freed once.

use super::{lsm_compress, lsm_compress_factory};
use crate::codes::LSM_MISUSE;
use crate::environment::Lender;
use crate::handle::lsm_db;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};

/// What hooks have as context.
#[derive(Default)]
struct Context {
    freed: AtomicUsize,
    calls: AtomicUsize,
    /// What the hooks return.
    code: AtomicI32,
    /// What is added to the number of bytes they say they made.
    lie: AtomicI32,
    asked: Mutex<Vec<c_uint>>,
}

unsafe extern "C" fn bound(context: *mut c_void, len: c_int) -> c_int {
    assert!(!context.is_null());
    len + 1
}

/// Turns every byte over and puts a mark in front.
unsafe extern "C" fn compress(
    context: *mut c_void,
    out: *mut c_char,
    size: *mut c_int,
    from: *const c_char,
    len: c_int,
) -> c_int {
    // SAFETY: the context is the `Context` of the test, which outlives the lenders; only its
    // atomics change.
    let context = unsafe { &*context.cast::<Context>() };
    assert_eq!(context.freed.load(SeqCst), 0, "a hook was called after xFree");
    context.calls.fetch_add(1, SeqCst);
    // SAFETY: the library passes `len` bytes to read, and room for the `*size` bytes that `bound`
    // asked for.
    unsafe {
        let from = std::slice::from_raw_parts(from.cast::<u8>(), len as usize);
        assert!(*size > len);
        out.write(b'M' as c_char);
        for (at, byte) in from.iter().enumerate() {
            out.add(at + 1).cast::<u8>().write(!byte);
        }
        *size = len + 1 + context.lie.load(SeqCst);
    }
    context.code.load(SeqCst)
}

unsafe extern "C" fn uncompress(
    context: *mut c_void,
    out: *mut c_char,
    size: *mut c_int,
    from: *const c_char,
    len: c_int,
) -> c_int {
    // SAFETY: as in `compress`.
    let context = unsafe { &*context.cast::<Context>() };
    assert_eq!(context.freed.load(SeqCst), 0, "a hook was called after xFree");
    // SAFETY: as in `compress`; no more than `*size` bytes are written.
    unsafe {
        let from = std::slice::from_raw_parts(from.cast::<u8>(), len as usize);
        let made = (len - 1).min(*size);
        for at in 0..made as usize {
            out.add(at).cast::<u8>().write(!from[at + 1]);
        }
        *size = made + context.lie.load(SeqCst);
    }
    context.code.load(SeqCst)
}

unsafe extern "C" fn free(context: *mut c_void) {
    // SAFETY: as in `compress`.
    unsafe { &*context.cast::<Context>() }.freed.fetch_add(1, SeqCst);
}

unsafe extern "C" fn make(context: *mut c_void, _: *mut lsm_db, id: c_uint) -> c_int {
    // SAFETY: as in `compress`.
    unsafe { &*context.cast::<Context>() }.asked.lock().unwrap().push(id);
    77
}

fn hooks(context: &Context, id: c_uint) -> lsm_compress {
    lsm_compress {
        pCtx: ptr::from_ref(context).cast_mut().cast(),
        iId: id,
        xBound: Some(bound),
        xCompress: Some(compress),
        xUncompress: Some(uncompress),
        xFree: Some(free),
    }
}

fn lender() -> Lender {
    // SAFETY: NULL: the default environment.
    unsafe { Lender::new(ptr::null_mut()) }.unwrap()
}

fn set(lender: &Lender, hooks: &lsm_compress) -> Result<(), c_int> {
    // SAFETY: the hooks above, with a context that outlives the lender.
    unsafe { lender.set_hooks(hooks) }
}

#[test]
fn pages_go_through_the_hooks_of_the_running_call() {
    let (one, two) = (Context::default(), Context::default());
    let (first, second) = (lender(), lender());
    set(&first, &hooks(&one, 20_000)).unwrap();
    set(&second, &hooks(&two, 20_000)).unwrap();
    let codec = first.codec().unwrap();
    assert_eq!((codec.id(), first.compression_id()), (20_000, 20_000));
    let mut record = b"before".to_vec();
    first.during(|| codec.compress(b"page", &mut record)).unwrap();
    assert_eq!(record, b"beforeM\x8f\x9e\x98\x9a");
    let mut page = [0; 4];
    second.during(|| codec.decompress(&record[6..], &mut page)).unwrap();
    assert_eq!(page, *b"page");
    // Of a handle that is closed nothing is called any more, though its codec goes on.
    drop(first);
    assert_eq!(one.freed.load(SeqCst), 1);
    let mut record = Vec::new();
    second.during(|| codec.compress(b"page", &mut record)).unwrap();
    assert_eq!((one.calls.load(SeqCst), two.calls.load(SeqCst)), (1, 1));
    assert_eq!(second.during(|| codec.bound(100)), 101);
    drop(second);
    assert_eq!((one.freed.load(SeqCst), two.freed.load(SeqCst)), (1, 1));
    assert!(codec.compress(b"page", &mut record).is_err());
    assert_eq!(codec.bound(100), 0);
}

#[test]
fn hooks_are_freed_when_they_are_replaced_or_removed() {
    let (one, two) = (Context::default(), Context::default());
    let lender = lender();
    assert_eq!((lender.hooks().iId, lender.hooks().xBound.is_none()), (1, true));
    assert!(lender.codec().is_none());
    set(&lender, &hooks(&one, 7)).unwrap();
    let given = lender.hooks();
    assert_eq!((given.iId, given.pCtx), (7, ptr::from_ref(&one).cast_mut().cast()));
    for broken in [
        lsm_compress { xCompress: None, ..hooks(&two, 8) },
        lsm_compress { xUncompress: None, ..hooks(&two, 8) },
    ] {
        assert_eq!(set(&lender, &broken), Err(LSM_MISUSE));
    }
    assert_eq!((lender.compression_id(), one.freed.load(SeqCst)), (7, 0));
    set(&lender, &hooks(&two, 8)).unwrap();
    assert_eq!((one.freed.load(SeqCst), two.freed.load(SeqCst)), (1, 0));
    set(&lender, &lsm_compress { xBound: None, ..hooks(&one, 9) }).unwrap();
    assert_eq!((one.freed.load(SeqCst), two.freed.load(SeqCst)), (1, 1));
    assert_eq!(lender.compression_id(), 1);
    set(&lender, &lsm_compress { xFree: None, ..hooks(&Context::default(), 9) }).unwrap();
}

#[test]
fn failing_hooks_are_reported_with_their_code() {
    let context = Context::default();
    let lender = lender();
    set(&lender, &hooks(&context, 7)).unwrap();
    let codec = lender.codec().unwrap();
    let mut out = b"kept".to_vec();
    assert_eq!(lender.take_hook_code(), None);
    context.code.store(4711, SeqCst);
    lender.during(|| {
        codec.compress(b"page", &mut out).unwrap_err();
        assert_eq!(lender.take_hook_code(), Some(4711));
        assert_eq!(lender.take_hook_code(), None);
        codec.decompress(b"Mpage", &mut [0; 4]).unwrap_err();
        assert_eq!(lender.take_hook_code(), Some(4711));
        context.code.store(0, SeqCst);
        for lie in [1, 1000, -100] {
            context.lie.store(lie, SeqCst);
            codec.compress(b"page", &mut out).unwrap_err();
            codec.decompress(b"Mpage", &mut [0; 4]).unwrap_err();
        }
        context.lie.store(0, SeqCst);
        codec.decompress(b"Mpag", &mut [0; 4]).unwrap_err();
        codec.decompress(b"Mpage", &mut [0; 4]).unwrap();
    });
    assert_eq!(out, b"kept");
    assert_eq!(lender.take_hook_code(), None);
}

#[test]
fn factories_are_asked_and_freed_before_the_hooks() {
    let (one, two) = (Context::default(), Context::default());
    let factory = |context: &Context| lsm_compress_factory {
        pCtx: ptr::from_ref(context).cast_mut().cast(),
        xFactory: Some(make),
        xFree: Some(free),
    };
    let lender = lender();
    // SAFETY: the factory above, with contexts that outlive the lender; it does not look at the
    // handle.
    unsafe {
        lender.ask_factory(ptr::null_mut(), 3);
        lender.set_factory(&factory(&one));
        lender.ask_factory(ptr::null_mut(), 4);
        lender.set_factory(&factory(&two));
        lender.ask_factory(ptr::null_mut(), 5);
        assert_eq!((one.freed.load(SeqCst), two.freed.load(SeqCst)), (1, 0));
        lender.set_factory(&lsm_compress_factory { xFactory: None, ..factory(&one) });
    }
    assert_eq!((one.freed.load(SeqCst), two.freed.load(SeqCst)), (1, 1));
    assert_eq!(*one.asked.lock().unwrap(), [4]);
    assert_eq!(*two.asked.lock().unwrap(), [5]);
    // SAFETY: as above.
    unsafe { lender.set_factory(&factory(&two)) };
    drop(lender);
    assert_eq!(two.freed.load(SeqCst), 2);
}
