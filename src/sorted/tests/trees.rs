//! Live tree, old tree and levels read together, and a cursor that goes on while its own
//! transaction writes.

use super::merging::{KEYS, Operation, Random, apply, build, check, entries, key, operations};
use super::support::{WAYS, open};
use crate::format::tree_header::TreeHeader;
use crate::shm::Shm;
use crate::sorted::ReadView;
use crate::sorted::cursor::{MergedCursor, Seek};
use crate::tree::{TreeWriter, UndoList, initialise, make_old};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// The trees of one writing connection.
struct Trees {
    shm: Shm,
    header: TreeHeader,
    has_old: bool,
}

impl Trees {
    fn new() -> Self {
        let shm = Shm::heap().unwrap();
        let header = initialise(&shm).unwrap();
        Trees { shm, header, has_old: false }
    }

    fn write(&mut self, operations: &[Operation]) {
        self.header.live.transaction += 1;
        let mut undo = UndoList::default();
        let mut in_use = |_| Ok(true);
        let mut writer =
            TreeWriter::new(&self.shm, &mut self.header, &mut undo, &mut in_use, 1 << 24);
        for operation in operations {
            match operation {
                Operation::Insert(at, value) => writer.insert(&key(*at), value).unwrap(),
                Operation::Delete(at) => writer.delete(&key(*at)).unwrap(),
                Operation::DeleteRange(low, high) => {
                    writer.delete_range(&key(*low), &key(*high)).unwrap();
                }
            }
        }
    }

    fn make_old(&mut self) {
        self.has_old = make_old(&mut self.header, 0);
        assert!(self.has_old);
    }

    fn view(&self, file: &ReadView) -> ReadView {
        ReadView {
            shm: self.shm.clone(),
            live: self.header.live,
            old: self.has_old.then_some(self.header.old),
            ..file.clone()
        }
    }
}

/// Random levels below, random trees above, and the model of both.
fn world(seed: u64) -> (Random, Trees, ReadView, Model) {
    let mut random = Random(seed);
    random.below(1);
    let count = 1 + random.below(4);
    let batches: Vec<_> = (0..count).map(|at| operations(&mut random, at)).collect();
    let mut model = Model::new();
    for batch in batches.iter().rev() {
        apply(&mut model, batch);
    }
    let mut trees = Trees::new();
    for serial in 10..10 + random.below(3) {
        if serial > 10 {
            trees.make_old();
        }
        let batch = operations(&mut random, serial);
        apply(&mut model, &batch);
        trees.write(&batch);
    }
    let entries: Vec<_> = batches.iter().map(|batch| entries(batch)).collect();
    let file = open(&build(Random(seed + 1), &entries), WAYS[0]).unwrap();
    (random, trees, file, model)
}

#[test]
fn trees_hide_and_add_to_levels_as_the_model_says() {
    for seed in 0..800 {
        let (_, trees, file, model) = world(seed);
        let rows: Vec<_> = model.into_iter().collect();
        check(&trees.view(&file), &rows, &format!("seed {seed}"));
    }
}

#[test]
fn a_cursor_goes_on_from_its_key_whatever_its_transaction_writes() {
    for seed in 0..800 {
        let (mut random, mut trees, file, mut model) = world(seed);
        let mut view = trees.view(&file);
        let mut cursor = MergedCursor::new(&view);
        cursor.seek(&view, &key(random.below(KEYS)), Seek::AtLeast).unwrap();
        for step in 0..60 {
            let what = format!("seed {seed}, step {step}");
            if !cursor.is_valid() {
                cursor.seek(&view, &key(random.below(KEYS)), Seek::AtMost).unwrap();
                continue;
            }
            let here = cursor.key().to_vec();
            if random.one_in(3) {
                let batch = operations(&mut random, 100 + step);
                apply(&mut model, &batch);
                cursor.tree_changed();
                trees.write(&batch);
                if !trees.has_old && random.one_in(20) {
                    trees.make_old();
                }
                view = trees.view(&file);
                assert_eq!(cursor.key(), here, "{what}: key after a write");
                let value = model.get(&here).map_or(&[][..], Vec::as_slice);
                assert_eq!(cursor.value(&view).unwrap(), value, "{what}: value after a write");
            }
            let wanted = if random.one_in(3) {
                cursor.previous(&view).unwrap();
                model.range::<Vec<u8>, _>((Unbounded, Excluded(&here))).next_back()
            } else {
                cursor.next(&view).unwrap();
                model.range::<Vec<u8>, _>((Excluded(&here), Unbounded)).next()
            };
            assert_eq!(cursor.is_valid(), wanted.is_some(), "{what}, from {here:?}");
            if let Some((key, value)) = wanted {
                assert_eq!(cursor.key(), key, "{what}");
                assert_eq!(cursor.value(&view).unwrap(), value, "{what}");
            }
        }
    }
}
