//! Clock, sleep, randomness, mutex.

use super::{World, process, rule};
use std::time::Duration;

/// `now` is monotonic.
pub fn the_clock_never_goes_back(world: &dyn World) {
    let env = process(world);
    let mut last = env.now();
    for _ in 0..1000 {
        let now = env.now();
        assert!(now >= last, "rule broken: the clock never goes back");
        last = now;
    }
}

/// Sleeping returns, and the clock does not run backwards over it.
pub fn sleep_moves_the_clock_or_returns(world: &dyn World) {
    let env = process(world);
    let before = env.now();
    env.sleep(Duration::ZERO);
    env.sleep(Duration::from_millis(2));
    assert!(env.now() >= before, "rule broken: the clock never goes back over a sleep");
}

/// Two draws differ, and every byte is filled.
pub fn random_bytes_differ(world: &dyn World) {
    let env = process(world);
    let (mut one, mut two) = ([0; 37], [0; 37]);
    rule("random succeeds", env.random(&mut one));
    rule("random succeeds", env.random(&mut two));
    assert_ne!(one, two, "rule broken: random bytes differ from draw to draw");
    rule("an empty draw succeeds", env.random(&mut []));
    let mut ever = [0; 37];
    for _ in 0..40 {
        let mut draw = [0; 37];
        rule("random succeeds", env.random(&mut draw));
        ever.iter_mut().zip(draw).for_each(|(seen, byte)| *seen |= byte);
    }
    assert!(ever.iter().all(|&byte| byte != 0), "rule broken: random fills the whole buffer");
}

/// A mutex has one holder.
pub fn mutexes_exclude(world: &dyn World) {
    let env = process(world);
    let make = || rule("there is a mutex to be had", env.mutex());
    let (one, two) = (make(), make());
    one.enter();
    assert!(two.try_enter(), "rule broken: mutexes are independent");
    two.leave();
    if env.capabilities().threads {
        excludes_threads(&*one);
    }
    one.leave();
    assert!(one.try_enter(), "rule broken: a mutex given back can be taken");
    one.leave();
    // The registry's lock is taken inside of the global mutex, so neither is held afterwards.
    for _ in 0..2 {
        if let Some(global) = rule("the global mutex is always there", env.global_mutex()) {
            global.enter();
            drop(env.registry().lock());
            global.leave();
        }
    }
}

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
fn excludes_threads(held: &dyn crate::RawMutex) {
    let taken = std::thread::scope(|scope| scope.spawn(|| held.try_enter()).join());
    assert!(
        !rule("try_enter does not panic", taken.map_err(|_| "panic")),
        "rule broken: a held mutex is not given twice"
    );
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
fn excludes_threads(_held: &dyn crate::RawMutex) {}
