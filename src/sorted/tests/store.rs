//! A database without log, locks and shared memory, for tests of the writing side: a worker changes
//! it, a model says what it must hold, an independent reader (tests/tools/lsmdump.py) judges the file.

use super::support::Zrle;
use crate::checkpoint::MetaPages;
use crate::codec::Codec;
use crate::env::File;
use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, LogPointer};
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::pager::{Pager, PagerOptions};
use crate::shm::Shm;
use crate::sorted::merge_input::{Input, Record, RecordInput};
use crate::sorted::test_file::MemoryFile;
use crate::sorted::work::{Worker, WorkerConfig};
use crate::sorted::{MergedCursor, ReadView, Snapshot, get};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

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

/// Runs the independent reader: what it prints, or what it complains about.
fn lsmdump(path: &Path, options: &[&str]) -> std::result::Result<String, String> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/lsmdump.py");
    let output =
        Command::new("python3").arg("-B").arg(tool).arg(path).args(options).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(text) } else { Err(format!("{text}{complaint}")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A database without log, locks and shared memory.
pub(super) struct Store {
    pub(super) file: Arc<MemoryFile>,
    pub(super) pager: Arc<Pager>,
    pub(super) now: Checkpoint,
    pub(super) model: Model,
    pub(super) on_disk: Checkpoint,
    pub(super) on_disk_model: Model,
    meta_page: u32,
    scratch: PathBuf,
    pub(super) config: WorkerConfig,
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
        let codec: Option<Arc<dyn Codec>> = compressed.then(|| Arc::new(Zrle) as _);
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

    /// Flushes these rows; a row without value is a deleted key.
    pub(super) fn flush_rows(&mut self, rows: &[(String, Option<String>)]) -> Result<()> {
        let mut tree = Tree::default();
        for (key, value) in rows {
            let (key, value) = (key.as_bytes(), value.as_deref().map(str::as_bytes));
            tree.write(key, value);
            match value {
                Some(value) => drop(self.model.insert(key.to_vec(), value.to_vec())),
                None => drop(self.model.remove(key)),
            }
        }
        self.with_worker(|worker| {
            worker.make_room()?;
            worker.flush(vec![tree.input()], LogPointer::default())
        })?;
        Ok(())
    }

    /// A database whose file holds `bytes`; the independent reader says what is in it.
    pub(super) fn of_file(name: &str, bytes: &[u8]) -> Self {
        let mut store = Store::new(name, 4096, false);
        store.file.write_at(0, bytes).unwrap();
        let MetaPages::Found { page, checkpoint } =
            crate::checkpoint::read_newest(&*store.file).unwrap()
        else {
            return store;
        };
        let codec: Option<Arc<dyn Codec>> =
            (checkpoint.compression > 1).then(|| Arc::new(Zrle) as _);
        let options = PagerOptions { cache_bytes: 256 << 10, map_bytes: 0 };
        let geometry = checkpoint.geometry().unwrap();
        store.pager = Arc::new(Pager::new(store.file.clone(), geometry, codec, options));
        std::fs::write(&store.scratch, bytes).unwrap();
        let row = |line: &str| {
            let (key, value) = line.split_once('\t').unwrap();
            (unhex(key), unhex(value))
        };
        store.model = lsmdump(&store.scratch, &["--scan", "--no-log"])
            .expect(name)
            .lines()
            .map(row)
            .collect();
        store.config.compression = checkpoint.compression.max(1);
        store.now = *checkpoint;
        store.on_disk = store.now.clone();
        store.on_disk_model = store.model.clone();
        store.meta_page = page;
        store
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
    pub(super) fn crash(&mut self) {
        self.now = self.on_disk.clone();
        self.model = self.on_disk_model.clone();
        self.forget_pages();
    }

    /// Empties the page cache: the file was changed behind its back.
    pub(super) fn forget_pages(&self) {
        for block in 1..=self.now.block_count.max(64) {
            self.pager.forget_block(block);
        }
    }

    /// Lets the independent reader judge the file as `checkpoint` sees it.
    pub(super) fn judge(&self, checkpoint: &Checkpoint, model: &Model, context: &str) {
        let words = checkpoint.encode().unwrap();
        assert_eq!(&Checkpoint::decode(&words).unwrap(), checkpoint, "{context}");
        let mut bytes = self.file.content();
        bytes.resize(bytes.len().max(8192), 0);
        bytes[..8192].fill(0);
        for (index, word) in words.iter().enumerate() {
            bytes[index * 4..index * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
        std::fs::write(&self.scratch, bytes).unwrap();
        self.judge_structure(checkpoint, context);
        let scan = lsmdump(&self.scratch, &["--scan", "--no-log"]).expect(context);
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

    fn judge_structure(&self, checkpoint: &Checkpoint, context: &str) {
        let report = match lsmdump(&self.scratch, &["--check"]) {
            Ok(report) => report,
            // The reader also follows b-trees of merge inputs to pages that were merged and freed
            // long ago, and may hold anything.
            Err(complaint) => {
                let merging = checkpoint.levels.iter().any(|level| level.is_merging());
                assert!(merging && complaint.contains("separator"), "{context}: {complaint}");
                return;
            }
        };
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
    pub(super) fn verify(&self, context: &str) {
        let snapshot = Arc::new(Snapshot::new(self.now.clone(), &self.pager).expect(context));
        let (shm, live) = (Shm::heap().unwrap(), TreeRoot::default());
        let view = ReadView { shm, live, old: None, snapshot, pager: self.pager.clone() };
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
