//! Many numbered tests on several threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs `body` for each of `numbers` on all processors: they begin in order.
pub fn for_each(numbers: Range<u64>, body: impl Fn(u64) + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for_each_on(threads, numbers, body);
}

/// As `for_each`, on so many threads.
pub fn for_each_on(threads: usize, numbers: Range<u64>, body: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(numbers.start);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    body(number);
                }
            });
        }
    });
}

/// As `for_each`, for the places of `items`.
pub fn for_each_of<T: Sync>(items: &[T], body: impl Fn(&T) + Sync) {
    for_each(0..items.len() as u64, |index| body(&items[index as usize]));
}
