//! Wall clock and CPU time of the whole process: all threads, user and system.

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

fn read(clock: ClockId) -> Result<Duration> {
    Ok(clock_gettime(clock)?.into())
}

/// What the clock shows that only goes forward.
pub(crate) fn now() -> Result<Duration> {
    read(ClockId::CLOCK_MONOTONIC)
}

/// CPU time of this process, all threads, user and system.
pub(crate) fn cpu_time() -> Result<Duration> {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// How long this thread has been ready to run and waited for a CPU, where the system tells: what
/// other programs on the machine have cost it.
pub(crate) struct Hindrance(Option<File>);

impl Hindrance {
    /// Of the calling thread, which alone may ask.
    pub(crate) fn of_this_thread() -> Self {
        Hindrance(File::open("/proc/thread-self/schedstat").ok())
    }

    /// So far.
    pub(crate) fn so_far(&self) -> Duration {
        let mut text = [0; 96];
        let length = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let text = text.get(..length.unwrap_or(0)).unwrap_or_default();
        let waited = text.split(|byte| *byte == b' ').nth(1).map(String::from_utf8_lossy);
        Duration::from_nanos(waited.and_then(|waited| waited.parse().ok()).unwrap_or(0))
    }
}

/// Waits so long. A benchmark of processes on a real machine: there is no other clock to ask.
#[allow(clippy::disallowed_methods)]
pub(crate) fn pause(length: Duration) {
    std::thread::sleep(length);
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
        let cpu = cpu_time()?;
        self.started = Some((now()?, cpu));
        Ok(())
    }

    /// Stops. With `drain` the CPU time goes on until background threads rest: work an engine has put
    /// off is its work all the same.
    pub(crate) fn stop(&mut self, drain: bool) -> Result<()> {
        if let Some((wall, cpu)) = self.started.take() {
            self.wall += now()?.saturating_sub(wall);
            if drain {
                settle()?;
            }
            self.cpu += cpu_time()?.saturating_sub(cpu);
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
        let before = cpu_time()?;
        pause(window);
        let used = cpu_time()?.saturating_sub(before);
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
