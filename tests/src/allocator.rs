//! An allocator that counts, per thread and for the whole process: how much memory something takes
//! at its peak. A test target that asks makes it its `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

static PROCESS_LIVE: AtomicIsize = AtomicIsize::new(0);
static PROCESS_PEAK: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

fn count(bytes: isize) {
    let live = PROCESS_LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if bytes > 0 {
        PROCESS_PEAK.fetch_max(live, Ordering::Relaxed);
    }
    // A thread that is ending has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// Runs `body`; returns also the most memory this thread held at once, beyond what it held before.
pub fn peak_of<T>(body: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let value = body();
    let peak = PEAK.with(Cell::get);
    (value, usize::try_from(peak - before).unwrap_or(0))
}

/// As [`peak_of`], for all threads together. Two of these at once disturb each other.
pub fn peak_of_process<T>(body: impl FnOnce() -> T) -> (T, usize) {
    let before = PROCESS_LIVE.load(Ordering::SeqCst);
    PROCESS_PEAK.store(before, Ordering::SeqCst);
    let value = body();
    let peak = PROCESS_PEAK.load(Ordering::SeqCst);
    (value, usize::try_from(peak - before).unwrap_or(0))
}

// SAFETY: every call is passed on to the system's allocator as it came; counting neither allocates
// nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises hold for the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above; every block came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
