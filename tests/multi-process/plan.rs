//! What a seed decides: how the database is made, who takes part in a round, and what they do.

use crate::process::Kind;
use crate::protocol::{Change, Opening};
use siltstone_tests::rng::Rng;
use std::path::Path;
use std::time::Duration;

/// What a process mostly does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    Worker,
    Mixed,
    /// Opened read-only; Siltstone only (L6, L16).
    ReadOnly,
    /// Opens and closes all the time.
    Visitor,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Transact,
    Rollback,
    Scan,
    Get,
    Hold,
    Look,
    Release,
    Work,
    Checkpoint,
    Flush,
    Compact,
    Check,
    Reopen,
    Pause,
}

const DEEDS: [Deed; 14] = [
    Deed::Transact,
    Deed::Rollback,
    Deed::Scan,
    Deed::Get,
    Deed::Hold,
    Deed::Look,
    Deed::Release,
    Deed::Work,
    Deed::Checkpoint,
    Deed::Flush,
    Deed::Compact,
    Deed::Check,
    Deed::Reopen,
    Deed::Pause,
];

impl Role {
    /// How often each deed, in the order of `DEEDS`.
    fn weights(self) -> [usize; 14] {
        match self {
            Role::Writer => [120, 8, 5, 10, 2, 3, 2, 0, 0, 0, 0, 0, 1, 10],
            Role::Reader => [0, 0, 30, 30, 10, 25, 8, 0, 0, 0, 0, 1, 1, 10],
            Role::Worker => [10, 0, 2, 2, 1, 1, 1, 40, 20, 8, 1, 2, 1, 30],
            Role::Mixed => [40, 4, 10, 10, 4, 8, 4, 8, 4, 2, 0, 1, 2, 10],
            Role::ReadOnly => [0, 0, 30, 20, 8, 20, 6, 0, 0, 0, 0, 1, 3, 10],
            Role::Visitor => [10, 1, 8, 3, 1, 1, 1, 1, 1, 0, 0, 0, 20, 5],
        }
    }

    /// What to do next. C is not asked for what it does wrong: no rollback (W1), no flush (W3, W4).
    pub(crate) fn deed(self, kind: Kind, mixed: bool, rng: &mut Rng) -> Deed {
        let mut weights = self.weights();
        for (deed, weight) in DEEDS.iter().zip(&mut weights) {
            let ours = matches!(deed, Deed::Rollback | Deed::Flush | Deed::Compact | Deed::Check);
            // Compaction cut short leaves a merge of few inputs, over which C loops (20.14).
            if (ours && kind == Kind::C) || (*deed == Deed::Compact && mixed) {
                *weight = 0;
            }
        }
        DEEDS[rng.weighted(&weights)]
    }
}

/// One process of a round.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    pub(crate) role: Role,
    pub(crate) opening: Opening,
    /// How many threads use the database at the same time, now and then; C has one (L7).
    pub(crate) threads: u32,
}

/// How a round ends for its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Close,
    Kill,
    /// Some so, some so.
    Either,
}

/// A round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    pub(crate) lasts: Duration,
    pub(crate) finish: Finish,
    /// Whether C must never be the last to close: a read-only client may be there (W5).
    pub(crate) c_never_closes: bool,
    /// Who recovers the database afterwards.
    pub(crate) verifier: Kind,
    /// Whether the verifier dies too, and so leaves a log to the next round.
    pub(crate) verifier_dies: bool,
}

impl Plan {
    pub(crate) fn mixed(&self) -> bool {
        let has = |kind| self.parts.iter().any(|part| part.kind == kind);
        has(Kind::C) && has(Kind::Siltstone)
    }

    pub(crate) fn has_c(&self) -> bool {
        self.parts.iter().any(|part| part.kind == Kind::C)
    }
}

/// What all rounds on one database have in common.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) opening: Opening,
    /// Which kinds take part, with weights for Siltstone and C.
    kinds: [usize; 2],
    keys: usize,
    longest_value: usize,
}

impl World {
    /// Small pages, trees and blocks, so that a round of a tenth of a second reaches flushes, merges,
    /// checkpoints, and reuse of memory and blocks.
    pub(crate) fn random(rng: &mut Rng, path: &Path) -> Self {
        let page_size = *rng.pick(&[512, 1024, 4096]);
        let opening = Opening {
            page_size,
            block_size: 65536,
            autoflush: *rng.pick(&[4 << 10, 16 << 10, 64 << 10, 64 << 10, 256 << 10]),
            // At least a page: below it C loops (N1).
            autocheckpoint: *rng.pick(&[8 << 10, 32 << 10, 64 << 10, 0]),
            automerge: rng.between(2, 5) as u32,
            max_freelist: *rng.pick(&[2, 4, 24]),
            ..Opening::new(path)
        };
        let kinds = match std::env::var("SILTSTONE_MIX").as_deref() {
            Ok("c") => [0, 1],
            Ok("siltstone") => [1, 0],
            Ok("mixed") => [1, 1],
            _ => *rng.pick(&[[1, 0], [1, 1], [1, 1], [2, 1], [1, 2], [3, 1], [1, 0], [1, 1]]),
        };
        let keys = *rng.pick(&[6, 30, 30, 150, 600]);
        let longest_value = *rng.pick(&[100, 600, 600, 3000, 20_000]);
        World { opening, kinds, keys, longest_value }
    }

    /// Whether what `check` found is C's doing: it leaves pointers to what was merged away (20.2),
    /// which neither engine follows where it matters.
    pub(crate) fn is_listed(&self, problems: &str) -> bool {
        const STALE: &str = "which no key of the next segment begins on";
        self.kinds[1] > 0 && problems.split("; ").all(|problem| problem.ends_with(STALE))
    }

    /// A round.
    pub(crate) fn plan(&self, rng: &mut Rng) -> Plan {
        let count = rng.between(2, 8);
        let mut parts = Vec::new();
        for number in 0..count {
            // Where both take part, the first two see to it.
            let kinds = [Kind::Siltstone, Kind::C];
            let kind = match number {
                0 | 1 if !self.kinds.contains(&0) => kinds[number],
                _ => kinds[rng.weighted(&self.kinds)],
            };
            let role = match rng.weighted(&[35, 25, 10, 20, 8, 8]) {
                0 => Role::Writer,
                1 => Role::Reader,
                2 => Role::Worker,
                4 if kind == Kind::Siltstone => Role::ReadOnly,
                5 => Role::Visitor,
                _ => Role::Mixed,
            };
            let opening = Opening {
                safety: *rng.pick(&[0, 1, 1, 1, 2]),
                // Without a map C works with pages that others have overwritten since (N2).
                map: kind == Kind::C || rng.chance(60),
                autowork: rng.chance(75),
                read_only: role == Role::ReadOnly,
                background: if rng.chance(40) { rng.between(1, 3) as u8 } else { 0 },
                delays: if rng.chance(40) { rng.next_u64() | 1 } else { 0 },
                ..self.opening.clone()
            };
            let several = kind == Kind::Siltstone && rng.chance(40);
            let threads = if several { rng.between(2, 3) as u32 } else { 1 };
            parts.push(Part { kind, role, opening, threads });
        }
        let read_only = parts.iter().any(|part| part.role == Role::ReadOnly);
        let c = parts.iter().any(|part| part.kind == Kind::C);
        Plan {
            parts,
            lasts: Duration::from_millis(rng.between(20, 350) as u64),
            finish: *rng.pick(&[Finish::Close, Finish::Kill, Finish::Either]),
            c_never_closes: read_only,
            verifier: if c && rng.chance(35) { Kind::C } else { Kind::Siltstone },
            verifier_dies: rng.chance(30),
        }
    }

    /// A key: few of them, so that transactions meet, and some of them long.
    pub(crate) fn key(&self, rng: &mut Rng) -> Vec<u8> {
        let number = rng.below(self.keys);
        let mut key = format!("k{number:03}").into_bytes();
        key.resize(key.len() + number * 37 % 60, b'x');
        key
    }

    /// The bound of a range. Beside C never a key, nor the bound of an earlier range: it would damage
    /// what the tree has there (20.18, T0).
    fn bound(&self, keys_too: bool, rng: &mut Rng) -> Vec<u8> {
        let mut key = self.key(rng);
        if !keys_too || rng.chance(60) {
            key.truncate(4);
            key.push(b'-');
        }
        if !keys_too {
            key.extend(format!("{:016x}", rng.next_u64()).into_bytes());
        }
        key
    }

    /// The changes of a transaction.
    pub(crate) fn changes(&self, kind: Kind, mixed: bool, rng: &mut Rng) -> Vec<Change> {
        let count = match rng.below(20) {
            0 => rng.between(20, 120),
            1..6 => rng.between(4, 20),
            _ => rng.between(1, 3),
        };
        let mut changes = Vec::new();
        let mut savepoint = false;
        for _ in 0..count {
            changes.push(match rng.below(100) {
                0..72 => {
                    let longest = if rng.chance(80) { 60 } else { self.longest_value };
                    let longest = if rng.chance(1) { 70_000 } else { longest };
                    Change::Put {
                        key: self.key(rng),
                        seed: rng.next_u64(),
                        len: rng.below(longest),
                    }
                }
                72..88 => Change::Delete(self.key(rng)),
                88..92 => {
                    let keys_too = !mixed && kind == Kind::Siltstone;
                    let (one, two) = (self.bound(keys_too, rng), self.bound(keys_too, rng));
                    let (low, high) = if one <= two { (one, two) } else { (two, one) };
                    Change::DeleteRange(low, high)
                }
                _ if !savepoint => {
                    savepoint = true;
                    Change::Savepoint
                }
                // C does not go back to savepoints: W2.
                _ => {
                    savepoint = false;
                    if kind == Kind::C || rng.chance(50) { Change::Keep } else { Change::Undo }
                }
            });
        }
        if savepoint {
            changes.push(Change::Keep);
        }
        changes
    }
}
