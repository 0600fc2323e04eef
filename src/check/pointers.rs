//! What leads to pages: b-trees from their roots, and pointers from each segment into the next
//! older one that has given its b-tree up.

use super::Checker;
use super::segment::SegmentMap;
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::PageFlags;
use crate::pager::{Page, Pager, Run};
use crate::sorted::{descend, stored_key};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Levels a b-tree can have.
const MAX_DEPTH: usize = 32;

/// The segment that pointers lead into.
pub(super) struct Below {
    run: Arc<Run>,
    map: SegmentMap,
    /// Index of each key page.
    index: HashMap<PageId, usize>,
    /// Pointers of smaller keys are not used: the merge has passed them.
    floor: Option<KeyBuffer>,
}

impl Below {
    pub(super) fn new(run: Arc<Run>, map: SegmentMap, floor: Option<KeyRef<'_>>) -> Self {
        let index = map.key_pages.iter().enumerate().map(|(at, page)| (page.id, at)).collect();
        let floor = floor.map(|key| {
            let mut buffer = KeyBuffer::default();
            buffer.set(key);
            buffer
        });
        Below { run, map, index, floor }
    }
}

/// Checks the pointer of the cell `at` with this key.
///
/// Pointers into a segment with a b-tree are not followed, nor are those into one whose keys begin
/// on a single page: C lsm1 leaves stale ones there, and readers do without.
pub(super) fn check_pointer(
    checker: &mut Checker<'_>,
    below: &Below,
    key: KeyRef<'_>,
    pointer: PageId,
    (page, cell): (PageId, usize),
) {
    let Below { run, map, index, floor } = below;
    let is_used = run.segment.root == 0
        && pointer != 0
        && map.is_complete
        && map.key_pages.len() > 1
        && floor.as_ref().is_none_or(|floor| floor.as_ref() <= key);
    if !is_used {
        return;
    }
    let id = run.real_id(checker.pager.geometry(), pointer);
    let Some(target) = index.get(&id).and_then(|&at| map.key_pages.get(at)) else {
        checker.problems.add(format!(
            "page {page}: record {cell} points to page {id}, which no key of the next segment \
             begins on"
        ));
        return;
    };
    let is_behind = |first: &KeyBuffer| first.as_ref() > key;
    if is_behind(&target.first) && map.key_pages.first().is_some_and(|page| !is_behind(&page.first))
    {
        checker.problems.add(format!(
            "page {page}: record {cell} points to page {id}, behind where its key belongs"
        ));
    }
}

/// Checks that the b-tree of `run` leads to every page of it. Of a `shortened` segment, an input of
/// a merge, only what the merge has not passed still counts.
pub(super) fn check_btree(
    checker: &mut Checker<'_>,
    run: &Arc<Run>,
    map: &SegmentMap,
    shortened: bool,
) -> Result<()> {
    if run.segment.root == 0 {
        return Ok(());
    }
    let pager = Arc::clone(checker.pager);
    if !shortened {
        let mut tree = Nodes {
            run,
            pager: &pager,
            known: map.key_pages.iter().map(|page| page.id).collect(),
            seen: HashSet::new(),
            leaf_depth: None,
        };
        let root = run.segment.root;
        tree.node(checker, root, 0, map.is_complete, (None, None))?;
    }
    let passed = map.key_pages.iter().position(|page| shortened && page.id == run.start);
    let mut page = Page::default();
    let mut scratch = Vec::new();
    // The page from which the search steps on to those left out of the b-tree.
    let mut entered = None;
    for (at, target) in map.key_pages.iter().enumerate() {
        let skipped = target.flags.contains(PageFlags::SKIP_THIS);
        if !skipped {
            entered = Some(target.id);
        }
        if at <= passed.unwrap_or(0) && shortened {
            continue;
        }
        let found = descend(&pager, run, target.first.as_ref(), &mut page, &mut scratch);
        if checker.problems.noted(found)?.is_none() {
            continue;
        }
        if page.id() != target.id && entered != Some(page.id()) {
            checker.problems.add(format!(
                "page {}: the b-tree leads to page {} instead",
                target.id,
                page.id()
            ));
        }
        let before = at.checked_sub(1).and_then(|before| map.key_pages.get(before));
        let steps_on = before.is_none_or(|before| before.flags.contains(PageFlags::SKIP_NEXT));
        if skipped && !steps_on {
            checker.problems.add(format!(
                "page {}: left out of the b-tree, but the page before does not say so",
                target.id
            ));
        }
    }
    Ok(())
}

/// A walk over all nodes.
struct Nodes<'a> {
    run: &'a Arc<Run>,
    pager: &'a Pager,
    known: HashSet<PageId>,
    seen: HashSet<PageId>,
    leaf_depth: Option<usize>,
}

impl Nodes<'_> {
    fn node(
        &mut self,
        checker: &mut Checker<'_>,
        id: PageId,
        depth: usize,
        all_known: bool,
        (low, high): (Option<&KeyBuffer>, Option<&KeyBuffer>),
    ) -> Result<()> {
        let Some(page) = checker.problems.noted(self.pager.real_page(self.run, id))? else {
            return Ok(());
        };
        if !page.is_btree() {
            if depth == 0 {
                checker.problems.add(format!("page {id}: root of a b-tree is a data page"));
            } else if all_known && !self.known.contains(&id) {
                checker
                    .problems
                    .add(format!("page {id}: a b-tree leads here, but no key begins here"));
            }
            if *self.leaf_depth.get_or_insert(depth) != depth {
                checker.problems.add(format!("page {id}: b-tree is not equally deep everywhere"));
            }
            return Ok(());
        }
        if depth >= MAX_DEPTH || !self.seen.insert(id) {
            checker.problems.add(format!("page {id}: b-tree has a loop or more than 32 levels"));
            return Ok(());
        }
        let mut left: Option<KeyBuffer> = low.cloned();
        for index in 0..=page.cell_count() {
            let Some(child) = checker.problems.noted(page.btree_child(index))? else { continue };
            let child = self.run.real_id(self.pager.geometry(), child);
            if index == page.cell_count() {
                self.node(checker, child, depth + 1, all_known, (left.as_ref(), high))?;
                break;
            }
            let mut key = KeyBuffer::default();
            let at = CellPosition { page: id, cell: index as u32 };
            let read = stored_key(self.pager, self.run, at, &mut key);
            if checker.problems.noted(read)?.is_none() {
                continue;
            }
            let too_low = left.as_ref().is_some_and(|left| left.as_ref() >= key.as_ref());
            let too_high = high.is_some_and(|high| key.as_ref() >= high.as_ref());
            if too_low || too_high {
                checker.problems.add(format!("page {id}: b-tree key {index} is out of order"));
            }
            self.node(checker, child, depth + 1, all_known, (left.as_ref(), Some(&key)))?;
            left = Some(key);
        }
        Ok(())
    }
}
