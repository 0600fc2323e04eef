//! Runs many damaged images on all cores and holds each to the rules: no panic, no hang, no hunger.

use crate::image::Image;
use siltstone_tests::allocator::peak_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What one image may take.
const TIME: Duration = Duration::from_secs(2);
/// An image that takes this long will not end.
const FOREVER: u64 = 60;
/// Memory above what reading takes normally.
const MEMORY: usize = 64 << 20;

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) images: usize,
    pub(crate) noticed: usize,
}

/// Makes image `0..count` with `make` (`None`: nothing would be changed) and gives each to `judge`,
/// which tells whether damage was noticed.
pub(crate) fn run(
    what: &str,
    count: usize,
    make: impl Fn(usize) -> Option<Image> + Sync,
    judge: impl Fn(&Image) -> bool + Sync,
) -> Tally {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let next = AtomicUsize::new(0);
    let (images, noticed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    // Number of the image each thread is at and since when; 0 = none.
    let at: Vec<(AtomicUsize, AtomicU64)> = (0..threads).map(|_| Default::default()).collect();
    let working = AtomicUsize::new(threads);
    std::thread::scope(|scope| {
        for (current, since) in &at {
            let (next, images, noticed, working) = (&next, &images, &noticed, &working);
            let (make, judge) = (&make, &judge);
            scope.spawn(move || {
                let _done = Leave(working);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let Some(image) = make(index) else { continue };
                    current.store(index, Ordering::Relaxed);
                    since.store(began.elapsed().as_secs() + 1, Ordering::Relaxed);
                    let found = one(what, index, &image, judge);
                    since.store(0, Ordering::Relaxed);
                    images.fetch_add(1, Ordering::Relaxed);
                    noticed.fetch_add(usize::from(found), Ordering::Relaxed);
                }
            });
        }
        while working.load(Ordering::Acquire) > 0 {
            std::thread::sleep(Duration::from_millis(20));
            for (current, since) in &at {
                let since = since.load(Ordering::Relaxed);
                if since != 0 && began.elapsed().as_secs() > since + FOREVER {
                    eprintln!("{what}, image {}: does not end", current.load(Ordering::Relaxed));
                    std::process::abort();
                }
            }
        }
    });
    let tally = Tally { images: images.into_inner(), noticed: noticed.into_inner() };
    println!("{what}: {} images, damage noticed in {}", tally.images, tally.noticed);
    tally
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

fn one(what: &str, index: usize, image: &Image, judge: &(impl Fn(&Image) -> bool + Sync)) -> bool {
    let mut shortest = Duration::MAX;
    // A busy machine may stop the clock of one attempt, hardly of three.
    for _ in 0..3 {
        let start = Instant::now();
        let (outcome, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| judge(image))));
        let Ok(found) = outcome else { panic!("{what}, image {index} of {}: panic", image.name) };
        shortest = shortest.min(start.elapsed());
        assert!(peak < MEMORY, "{what}, image {index} of {}: {peak} bytes", image.name);
        if shortest < TIME {
            return found;
        }
    }
    panic!("{what}, image {index} of {}: took {shortest:?}", image.name);
}
