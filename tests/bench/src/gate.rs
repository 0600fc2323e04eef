//! The promise the benchmark holds Siltstone to: at least so many times C lsm1 per CPU second in every
//! throughput row, single durable commits at least half as fast again, and bounded files.

use crate::report::Results;
use crate::sizes::{COMPACTED_LIMIT, EMPTY_LIMIT};
use crate::workloads::Workload;

/// Least ratio of single durable commits by wall clock: C syncs its log twice for each.
const DURABLE_RATIO: f64 = 1.5;

/// What is not kept, in words. A row that was not measured on both engines cannot be kept.
pub(crate) fn failures(results: &Results, workloads: &[&Workload], limit: f64) -> Vec<String> {
    let mut failures = Vec::new();
    for workload in workloads.iter().filter(|workload| workload.gated) {
        match results.ratio(workload.name, "siltstone", "lsm1", true) {
            Some(ratio) if ratio >= limit => {}
            Some(ratio) => failures.push(format!(
                "{}: {ratio:.2}x C lsm1 per CPU second, not {limit:.2}x",
                workload.name
            )),
            None => failures.push(format!("{}: not measured", workload.name)),
        }
        if workload.name == "sync_b1"
            && let Some(ratio) = results.ratio(workload.name, "siltstone", "lsm1", false)
            && ratio < DURABLE_RATIO
        {
            failures.push(format!("sync_b1: {ratio:.2}x C lsm1, not {DURABLE_RATIO:.2}x"));
        }
    }
    if let Some(sizes) = results.sizes.get("siltstone") {
        if sizes.empty_bytes > EMPTY_LIMIT {
            failures.push(format!("empty database: {} bytes", sizes.empty_bytes));
        }
        if sizes.compacted > COMPACTED_LIMIT {
            failures.push(format!("compacted database: {:.2}x its contents", sizes.compacted));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;
    use crate::sizes::Sizes;
    use crate::workloads::ALL;

    fn results(siltstone: f64, rows: &[&'static str]) -> Results {
        let sample = |operations| Sample { operations, wall_seconds: 1.0, cpu_seconds: 1.0 };
        let mut results = Results::new(1000, 1);
        let pairs = rows.iter().flat_map(|row| {
            [((*row, "siltstone"), sample(siltstone)), ((*row, "lsm1"), sample(100.0))]
        });
        results.add(pairs.collect());
        results
    }

    fn chosen(names: &[&str]) -> Vec<&'static Workload> {
        ALL.iter().filter(|workload| names.contains(&workload.name)).collect()
    }

    #[test]
    fn slow_rows_are_named() {
        let workloads = chosen(&["get_hit", "sync_b1", "reopen"]);
        let names = ["get_hit", "sync_b1", "reopen"];
        assert!(failures(&results(160.0, &names), &workloads, 0.95).is_empty());
        let slow = failures(&results(94.0, &names), &workloads, 0.95);
        assert_eq!(slow.len(), 3, "{slow:?}");
        assert!(slow[0].contains("sync_b1") || slow[0].contains("get_hit"));
        let durable = failures(&results(140.0, &names), &workloads, 0.95);
        assert_eq!(durable.len(), 1, "{durable:?}");
    }

    #[test]
    fn missing_rows_and_large_files_fail() {
        let mut results = results(200.0, &[]);
        assert_eq!(failures(&results, &chosen(&["get_hit"]), 0.95).len(), 1);
        let sizes = Sizes { empty_bytes: 20_000, loaded: 2.0, compacted: 1.3 };
        results.sizes.insert("siltstone", sizes);
        assert_eq!(failures(&results, &[], 0.95).len(), 2);
    }
}
