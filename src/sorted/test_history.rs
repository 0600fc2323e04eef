//! Random histories of the worker, checked after every step against a model by an independent
//! reader of the file (tests/tools/lsmdump.py).

use super::ReadView;
use super::cursor::MergedCursor;
use super::get::get;
use super::merge_input::{Input, Record, RecordInput};
use super::snapshot::Snapshot;
use super::test_file::MemoryFile;
use super::work::{Worker, WorkerConfig};
use crate::codec::Codec;
use crate::env::File;
use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, LogPointer};
use crate::format::page::EntryFlags;
use crate::pager::{Pager, PagerOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs of zeros become 0 and a count; every other byte is itself.
#[derive(Debug)]
struct ZeroRuns;

impl Codec for ZeroRuns {
    fn id(&self) -> u32 {
        10101
    }

    fn bound(&self, page_len: usize) -> usize {
        2 * page_len + 64
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> crate::codec::Result<()> {
        let mut rest = page;
        while let Some((&byte, tail)) = rest.split_first() {
            if byte != 0 {
                out.push(byte);
                rest = tail;
                continue;
            }
            let run = rest.iter().take(255).take_while(|&&byte| byte == 0).count();
            out.extend([0, run as u8]);
            rest = &rest[run..];
        }
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> crate::codec::Result<()> {
        let mut out = Vec::new();
        let mut bytes = record.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                0 => out.resize(out.len() + usize::from(*bytes.next().unwrap_or(&0)), 0),
                _ => out.push(byte),
            }
        }
        if out.len() != page.len() {
            return Err(crate::codec::CodecError::new("not a page"));
        }
        page.copy_from_slice(&out);
        Ok(())
    }
}

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit.max(1)
    }
}

/// What the in-memory tree would hold after some writes.
#[derive(Default)]
struct Tree(BTreeMap<Vec<u8>, (EntryFlags, Vec<u8>)>);

impl Tree {
    fn before(&self, key: &[u8]) -> EntryFlags {
        self.0.range(..key.to_vec()).next_back().map_or(EntryFlags::NONE, |(_, entry)| entry.0)
    }

    fn after(&self, key: &[u8]) -> EntryFlags {
        let mut above = key.to_vec();
        above.push(0);
        self.0.range(above..).next().map_or(EntryFlags::NONE, |(_, entry)| entry.0)
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        let mut flags = match self.0.get(key) {
            Some((flags, _)) => flags.without(EntryFlags::DECISIVE),
            None if self.before(key).contains(EntryFlags::START_DELETE)
                || self.after(key).contains(EntryFlags::END_DELETE) =>
            {
                EntryFlags::RANGE
            }
            None => EntryFlags::NONE,
        };
        flags = flags.union(match value {
            Some(_) => EntryFlags::INSERT,
            None => EntryFlags::POINT_DELETE,
        });
        self.0.insert(key.to_vec(), (flags, value.unwrap_or_default().to_vec()));
    }

    fn delete_range(&mut self, low: &[u8], high: &[u8]) {
        self.0.retain(|key, _| key.as_slice() <= low || key.as_slice() >= high);
        let open = self.before(low).contains(EntryFlags::START_DELETE);
        if self.0.contains_key(low) || !open {
            let entry = self.0.entry(low.to_vec()).or_default();
            entry.0 = entry.0.union(EntryFlags::START_DELETE);
        }
        let closed = self.after(high).contains(EntryFlags::END_DELETE);
        if self.0.contains_key(high) || !closed {
            let entry = self.0.entry(high.to_vec()).or_default();
            entry.0 = entry.0.union(EntryFlags::END_DELETE);
        }
    }

    fn input(&self) -> Input<'static> {
        let record = |(key, (flags, value)): (&Vec<u8>, &(EntryFlags, Vec<u8>))| Record {
            flags: *flags,
            key: key.clone(),
            value: value.clone(),
        };
        Input::Records(RecordInput::new(self.0.iter().map(record).collect()))
    }
}

fn scratch_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("siltstone-{}-{name}.lsm", std::process::id()))
}

fn lsmdump(path: &Path, options: &[&str]) -> String {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/lsmdump.py");
    let output =
        Command::new("python3").arg("-B").arg(tool).arg(path).args(options).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {text}{complaint}");
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A database without log, locks and shared memory.
pub(super) struct Store {
    pub(super) file: Arc<MemoryFile>,
    pub(super) pager: Arc<Pager>,
    pub(super) now: Checkpoint,
    pub(super) model: Model,
    on_disk: Checkpoint,
    on_disk_model: Model,
    meta_page: u32,
    scratch: PathBuf,
    config: WorkerConfig,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.scratch);
    }
}

impl Store {
    pub(super) fn new(name: &str, page_size: u32, compressed: bool) -> Self {
        let now = Checkpoint {
            compression: if compressed { 10101 } else { 1 },
            ..Checkpoint::empty(page_size, 65536)
        };
        let file = Arc::new(MemoryFile::default());
        let codec: Option<Arc<dyn Codec>> = compressed.then(|| Arc::new(ZeroRuns) as _);
        let options = PagerOptions { cache_bytes: 256 << 10, map_bytes: 0 };
        Store {
            pager: Arc::new(Pager::new(file.clone(), now.geometry().unwrap(), codec, options)),
            file,
            on_disk: now.clone(),
            config: WorkerConfig { automerge: 3, max_freelist: 24, compression: now.compression },
            now,
            model: Model::new(),
            on_disk_model: Model::new(),
            meta_page: 0,
            scratch: scratch_file(name),
        }
    }

    pub(super) fn with_worker<T>(
        &mut self,
        action: impl FnOnce(&mut Worker<'_>) -> Result<T>,
    ) -> Result<T> {
        let oldest = self.on_disk.id;
        let mut in_use = || Ok(oldest);
        let mut worker = Worker::new(&self.pager, &self.now, self.config, &mut in_use, false);
        let done = action(&mut worker)?;
        if worker.has_changed() {
            self.now = worker.snapshot()?;
        }
        Ok(done)
    }

    pub(super) fn checkpoint(&mut self) {
        self.meta_page = crate::checkpoint::page_after(self.meta_page);
        crate::checkpoint::write(&*self.file, self.meta_page, &self.now, true).unwrap();
        self.on_disk = self.now.clone();
        self.on_disk_model = self.model.clone();
    }

    /// Goes back to the checkpoint on disk.
    fn crash(&mut self) {
        self.now = self.on_disk.clone();
        self.model = self.on_disk_model.clone();
        for block in 1..=self.now.block_count.max(64) {
            self.pager.forget_block(block);
        }
    }

    /// Lets the independent reader judge the file as `checkpoint` sees it.
    fn judge(&self, checkpoint: &Checkpoint, model: &Model, context: &str) {
        let words = checkpoint.encode().unwrap();
        assert_eq!(&Checkpoint::decode(&words).unwrap(), checkpoint, "{context}");
        let mut bytes = self.file.content();
        bytes.resize(bytes.len().max(8192), 0);
        bytes[..8192].fill(0);
        for (index, word) in words.iter().enumerate() {
            bytes[index * 4..index * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
        std::fs::write(&self.scratch, bytes).unwrap();
        let report = lsmdump(&self.scratch, &["--check"]);
        let list = report.split_once("unaccounted [").map_or("", |(_, list)| list);
        let numbers = list.trim_end().trim_end_matches(']').split(", ");
        let geometry = checkpoint.geometry().unwrap();
        // The reader counts a record where it begins; its end can be alone on a block.
        let ends: Vec<u32> = checkpoint
            .levels
            .iter()
            .flat_map(|level| level.segments().map(|segment| geometry.block_of(segment.last)))
            .filter(|_| geometry.compressed())
            .collect();
        let lost: Vec<u32> = numbers
            .filter_map(|number| number.parse().ok())
            .filter(|number| !ends.contains(number))
            .collect();
        assert_eq!(lost, self.reserved(checkpoint), "{context}: {report}");
        let scan = lsmdump(&self.scratch, &["--scan", "--no-log"]);
        let expected: String =
            model.iter().map(|(key, value)| format!("{}\t{}\n", hex(key), hex(value))).collect();
        if scan != expected {
            let lines = scan.lines().zip(expected.lines()).find(|(a, b)| a != b);
            panic!(
                "{context}: {} and {} bytes, first at {lines:.200?}",
                scan.len(),
                expected.len()
            );
        }
    }

    /// Blocks reserved behind the last pages of unfinished segments.
    fn reserved(&self, checkpoint: &Checkpoint) -> Vec<u32> {
        let geometry = checkpoint.geometry().unwrap();
        let mut out = BTreeSet::new();
        for level in checkpoint.levels.iter().filter(|level| level.is_merging()) {
            if geometry.is_last_on_block(level.left.last) {
                let mut pointer = [0; 4];
                let block = geometry.block_of(level.left.last);
                self.file.read_at(geometry.next_pointer_offset(block), &mut pointer).unwrap();
                out.insert(u32::from_be_bytes(pointer));
            }
        }
        out.into_iter().collect()
    }

    /// Lets our own reader judge: a scan, and every key looked up.
    fn verify(&self, context: &str) {
        let snapshot = Arc::new(Snapshot::new(self.now.clone(), &self.pager).expect(context));
        let view = ReadView {
            shm: crate::shm::Shm::heap().unwrap(),
            live: crate::format::tree_header::TreeRoot::default(),
            old: None,
            snapshot,
            pager: self.pager.clone(),
        };
        let mut cursor = MergedCursor::new(&view);
        cursor.first(&view).expect(context);
        for (key, value) in &self.model {
            assert_eq!(hex(cursor.key()), hex(key), "{context}");
            assert_eq!(cursor.value(&view).expect(context), value, "{context}");
            cursor.next(&view).expect(context);
        }
        assert!(!cursor.is_valid(), "{context}: {}", hex(cursor.key()));
        for number in 0..700 {
            let key = format!("k{number:04}").into_bytes();
            let found = get(&view, &key).expect(context);
            assert_eq!(found.as_ref(), self.model.get(&key), "{context}: get {number}");
        }
    }

    pub(super) fn judge_now(&self, context: &str) {
        self.judge(&self.now, &self.model, context);
    }

    fn random_key(&self, random: &mut Random) -> Vec<u8> {
        let mut key = format!("k{:04}", random.below(700)).into_bytes();
        let page = u64::from(self.now.page_size);
        match random.below(60) {
            0 => key.resize(page as usize / 3 + random.below(page) as usize, b'x'),
            1 => key.truncate(random.below(5) as usize),
            _ => {}
        }
        key
    }

    pub(super) fn flush_random(&mut self, random: &mut Random, writes: u64) -> Result<()> {
        let mut tree = Tree::default();
        let mut model = self.model.clone();
        let page = u64::from(self.now.page_size);
        for _ in 0..writes {
            let key = self.random_key(random);
            match random.below(20) {
                0..3 => {
                    tree.write(&key, None);
                    model.remove(&key);
                }
                3 => {
                    let other = self.random_key(random);
                    let (low, high) = if key < other { (key, other) } else { (other, key) };
                    if low < high {
                        tree.delete_range(&low, &high);
                        model.retain(|key, _| *key <= low || *key >= high);
                    }
                }
                kind => {
                    let len = if kind == 4 { random.below(3 * page) } else { random.below(40) };
                    let byte = random.below(256) as u8;
                    let value: Vec<u8> = (0..len).map(|at| byte.wrapping_add(at as u8)).collect();
                    tree.write(&key, Some(&value));
                    model.insert(key, value);
                }
            }
        }
        self.with_worker(|worker| {
            worker.make_room()?;
            worker.flush(vec![tree.input()], LogPointer::default())
        })?;
        self.model = model;
        Ok(())
    }
}

fn history(name: &str, page_size: u32, compressed: bool, seed: u64, (steps, judged): (u64, u64)) {
    let mut random = Random(seed);
    let mut store = Store::new(name, page_size, compressed);
    for step in 0..steps {
        let context = format!("{name} seed {seed} step {step}");
        match random.below(12) {
            0..5 => {
                let most = if random.below(3) == 0 { 300 } else { 60 };
                let writes = 1 + random.below(most);
                store.flush_random(&mut random, writes).expect(&context);
            }
            5..9 => {
                let merge_count = 1 + random.below(4) as usize;
                let pages = 1 + random.below(12);
                store.with_worker(|worker| worker.work(merge_count, pages)).expect(&context);
            }
            9 => drop(store.with_worker(|worker| worker.work(2, u64::MAX)).expect(&context)),
            10 if random.below(3) == 0 => store.crash(),
            _ => store.checkpoint(),
        }
        store.verify(&context);
        if step % judged == judged - 1 || step + 1 == steps {
            store.judge_now(&context);
            store.judge(&store.on_disk, &store.on_disk_model, &format!("{context} on disk"));
        }
    }
    // Optimised to the end, with checkpoints so that blocks can move.
    for round in 0..200 {
        let done = store.with_worker(|worker| worker.work(1, 200)).unwrap();
        store.checkpoint();
        if done.finished {
            break;
        }
        assert!(round < 199, "{name} seed {seed}: optimising does not end");
    }
    assert!(store.now.levels.iter().filter(|level| !level.freelist_only).count() <= 1);
    store.judge_now(&format!("{name} seed {seed} optimised"));
}

#[test]
fn random_histories_with_the_smallest_pages() {
    history("plain-256", 256, false, 0x5EED_0001, (60, 8));
    history("packed-256", 256, true, 0xC0DE_0001, (40, 8));
}

#[test]
fn random_histories_with_small_pages() {
    history("plain-512", 512, false, 0x5EED_0002, (60, 8));
    history("packed-512", 512, true, 0xC0DE_0002, (40, 8));
}

#[test]
fn random_histories_with_pages_of_one_kilobyte() {
    history("plain-1024", 1024, false, 0x5EED_0003, (60, 8));
    history("packed-1024", 1024, true, 0xC0DE_0003, (40, 8));
}

#[test]
fn random_histories_with_the_default_page() {
    history("plain-4096", 4096, false, 0x5EED_0004, (60, 8));
}

#[test]
fn random_histories_with_four_pages_in_a_block() {
    history("plain-16384", 16384, false, 0x5EED_0005, (40, 8));
    history("packed-16384", 16384, true, 0xC0DE_0004, (60, 8));
}

/// More seeds: `SEEDS=first..last cargo test -p siltstone --lib many_histories -- --ignored`.
#[test]
#[ignore = "runs as long as it is told to"]
fn many_histories() {
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| "1..20".into());
    let (first, last) = seeds.split_once("..").unwrap();
    for seed in first.parse().unwrap()..last.parse::<u64>().unwrap() {
        let page_size = 256 << (seed % 7);
        history("many", page_size, seed % 3 == 0, seed * 0x9E37_79B9, (150, 50));
    }
}

#[test]
fn a_full_disk_damages_nothing() {
    let mut random = Random(77);
    let mut store = Store::new("full-disk", 512, false);
    for round in 0..12 {
        store.flush_random(&mut random, 120).unwrap();
        store.checkpoint();
        store.file.limit_writes(round % 4);
        let before = store.now.clone();
        let flushed = store.flush_random(&mut random, 120);
        let merged = store.with_worker(|worker| worker.work(2, u64::MAX));
        if round % 4 == 0 {
            assert!(flushed.is_err() || merged.is_err());
            assert_eq!(store.now, before, "a failed worker leaves no trace");
        }
        store.file.limit_writes(u64::MAX);
        store.judge_now(&format!("round {round}"));
    }
}
