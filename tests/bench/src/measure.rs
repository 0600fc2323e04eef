//! Wall clock and CPU time of the whole process: all threads, user and system.

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

fn read(clock: ClockId) -> Result<Duration> {
    Ok(clock_gettime(clock)?.into())
}

/// Seconds since 1970.
pub(crate) fn epoch_seconds() -> Result<u64> {
    Ok(read(ClockId::CLOCK_REALTIME)?.as_secs())
}

/// One measurement of one workload on one engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// In the workload's unit.
    pub(crate) operations: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Sample {
    pub(crate) fn per_wall_second(&self) -> f64 {
        self.operations / self.wall_seconds.max(1e-9)
    }

    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.operations / self.cpu_seconds.max(1e-9)
    }
}

/// A stopwatch that can be stopped and started again.
#[derive(Default)]
pub(crate) struct Stopwatch {
    started: Option<(Duration, Duration)>,
    wall: Duration,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start(&mut self) -> Result<()> {
        let cpu = read(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        self.started = Some((read(ClockId::CLOCK_MONOTONIC)?, cpu));
        Ok(())
    }

    /// Stops. With `drain` the CPU time goes on until background threads rest: work an engine has put
    /// off is its work all the same.
    pub(crate) fn stop(&mut self, drain: bool) -> Result<()> {
        if let Some((wall, cpu)) = self.started.take() {
            self.wall += read(ClockId::CLOCK_MONOTONIC)?.saturating_sub(wall);
            if drain {
                settle()?;
            }
            self.cpu += read(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.saturating_sub(cpu);
        }
        Ok(())
    }

    pub(crate) fn sample(&self, operations: u64) -> Sample {
        Sample {
            operations: operations as f64,
            wall_seconds: self.wall.as_secs_f64(),
            cpu_seconds: self.cpu.as_secs_f64(),
        }
    }
}

/// Waits until the process uses less than a twentieth of one CPU, at most ten seconds.
pub(crate) fn settle() -> Result<()> {
    let window = Duration::from_millis(20);
    for _ in 0..500 {
        let before = read(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        // A benchmark of processes on a real machine: there is no other clock to ask.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(window);
        let used = read(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.saturating_sub(before);
        if used < window / 20 {
            break;
        }
    }
    Ok(())
}

/// The middle value; the mean of the two middle ones if the count is even.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some((upper + lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_few() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn stopwatch_counts_cpu_time() {
        let mut watch = Stopwatch::default();
        watch.start().unwrap();
        let sum = (0..3_000_000u64).fold(0, |sum, n| sum ^ crate::data::mix(n));
        std::hint::black_box(sum);
        watch.stop(false).unwrap();
        let sample = watch.sample(10);
        assert!(sample.cpu_seconds > 0.0 && sample.wall_seconds > 0.0);
    }
}
