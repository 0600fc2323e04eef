//! The promises this benchmark holds Siltstone to, each against C lsm1 in the same mode.

use super::director::Run;
use super::report::{Figure, Results};
use std::fmt;

/// Whether a promise was kept.
pub(super) struct Verdict {
    what: String,
    /// `None` if it was not measured.
    ratio: Option<f64>,
    limit: f64,
    pub(super) kept: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { what, limit, .. } = self;
        let word = if self.kept { "kept" } else { "BROKEN" };
        match self.ratio {
            Some(ratio) => write!(f, "{word:<7}{what}: {ratio:.2}x, promised {limit:.2}x"),
            None => write!(f, "{:<7}{what}: not measured", "-"),
        }
    }
}

type Place = (&'static str, &'static str);

/// All promises; those about workloads that did not run count as kept.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut promise = |what: &str, ratio: Option<f64>, limit: f64| {
        let kept = ratio.is_none_or(|ratio| ratio >= limit);
        verdicts.push(Verdict { what: what.to_owned(), ratio, limit, kept });
    };
    let same = |workload: &'static str, figure: Figure| {
        results.ratio((workload, "siltstone"), (workload, "lsm1"), figure)
    };
    for workload in ["insert_b1", "insert_b100"] {
        promise(&format!("{workload}, per CPU second"), same(workload, Run::per_cpu_second), 1.0);
    }
    let unhindered: Figure = |run| run.per_unhindered_second;
    for workload in ["read_2_threads", "read_2_processes", "read100_2_processes"] {
        let what = format!("{workload}, without waiting for a CPU");
        promise(&what, same(workload, unhindered), 1.0);
    }
    promise("durable_1, by wall clock", same("durable_1", Run::per_wall_second), 1.5);
    // C's better way of having eight committers.
    let theirs = ["durable_8_threads", "durable_8_processes"].map(|workload| {
        let ours: Place = ("durable_8_threads", "siltstone");
        results.ratio(ours, (workload, "lsm1"), Run::per_wall_second)
    });
    let least = theirs.into_iter().flatten().reduce(f64::min);
    promise("durable_8_threads against C's better one, by wall clock", least, 5.0);
    let figures: [(&str, &'static str, Figure); 3] = [
        ("p99", "latency_b100", |run| run.unhindered_latency.p99),
        ("p99.99", "latency_b1", |run| run.unhindered_latency.p9999),
        ("max", "latency_b1", |run| run.unhindered_latency.max),
    ];
    for (name, workload, figure) in figures {
        let times = results.ratio((workload, "lsm1"), (workload, "siltstone+bg"), figure);
        promise(&format!("{workload}, {name} with background work, less"), times, 3.0);
    }
    verdicts
}
