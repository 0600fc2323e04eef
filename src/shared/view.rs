//! What a reader sees, and what that keeps from being reused.
//!
//! A [`View`] is one committed state: a version of the in-memory trees and a snapshot of the
//! database file. While anybody holds it, no chunk of shared memory it can reach and no block its
//! snapshot refers to is recycled. In exclusive mode the views themselves are counted, so any number
//! of different states can be read at once. In shared mode each view holds one of the six reader
//! slots, which all processes see (`slots`, `newest`); a read-only client with nobody else around
//! has a state of its own instead (`read_only`).

use super::Shared;
use super::load::protect_again;
use super::read_only::PrivateLock;
use super::recovery::Found;
use super::slots::{SlotGuard, Slots};
use crate::error::Result;
use crate::format::tree_header::{TreeHeader, WORDS};
use crate::pager::Pager;
use crate::shm::Shm;
use crate::sorted::{MergedCursor, ReadView, Snapshot};
use crate::tree::id_at_or_after;
use std::ops::Deref;
use std::sync::{Arc, Mutex, Weak};

/// What keeps the content of a view in place.
#[derive(Debug)]
pub(super) enum Hold {
    /// The view is counted in the list of views.
    Counted,
    /// A reader slot.
    Slot { _guard: SlotGuard },
    /// The lock of private read-only transactions.
    Private { _guard: PrivateLock },
}

/// One committed state, and what keeps it in place.
#[derive(Debug)]
pub(crate) struct View {
    content: Arc<Content>,
    _hold: Hold,
}

impl Deref for View {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

/// One committed state. By itself it protects nothing: only a view of it may be read.
#[derive(Debug)]
pub(crate) struct Content {
    /// What cursors read.
    pub(crate) read: ReadView,
    /// Chunks with this id and newer ones may be reached.
    oldest_chunk_id: u32,
    /// The tree header of this state.
    pub(crate) header: TreeHeader,
    /// The header as it stands in shared memory.
    encoded: [u32; WORDS],
    /// A cursor that was given back, for the next who needs one.
    spare: Mutex<Option<MergedCursor>>,
}

impl View {
    pub(super) fn new(content: Arc<Content>, hold: Hold) -> Self {
        View { content, _hold: hold }
    }
}

impl Content {
    pub(super) fn new(
        header: TreeHeader,
        shm: &Shm,
        snapshot: Arc<Snapshot>,
        pager: Arc<Pager>,
    ) -> Arc<Self> {
        let pending = old_tree_pending(&header, &snapshot);
        let oldest_chunk_id = if pending || header.old_chunk_id == 0 {
            header.used_chunk_id
        } else {
            header.old_chunk_id
        };
        Arc::new(Content {
            read: ReadView {
                shm: shm.clone(),
                live: header.live,
                old: pending.then_some(header.old),
                snapshot,
                pager,
            },
            oldest_chunk_id,
            header,
            encoded: header.encode(),
            spare: Mutex::new(None),
        })
    }

    /// Whether nothing was committed between this state and that of `header`. Transactions that were
    /// undone leave marks in a header, but none in what is compared here: a change takes place in
    /// memory that only undoing gives back.
    pub(super) fn is_content_of(&self, header: &TreeHeader) -> bool {
        let content = |header: &TreeHeader| {
            let TreeHeader { live, write_offset, next_chunk_id, user_version, .. } = *header;
            (live.node, live.bytes, write_offset, next_chunk_id, user_version)
        };
        content(&self.header) == content(header)
    }

    /// Whether nothing was published since, by any process.
    pub(super) fn is_newest(&self) -> Result<bool> {
        self.read.shm.barrier();
        self.seems_newest()
    }

    /// Whether it looks worth while to take a slot and ask again.
    pub(super) fn seems_newest(&self) -> Result<bool> {
        self.read.shm.shows(&self.encoded, self.read.snapshot.checkpoint.id)
    }

    /// A slot for this state, if it is the newest still and one can be had.
    pub(super) fn protect_again(&self, slots: &Arc<Slots>) -> Result<Option<SlotGuard>> {
        let ReadView { shm, snapshot, .. } = &self.read;
        protect_again(slots, shm, &self.header, &self.encoded, snapshot.checkpoint.id)
    }

    /// A cursor over this state, standing nowhere.
    pub(crate) fn cursor(&self) -> MergedCursor {
        let spare = self.spare.try_lock().ok().and_then(|mut spare| spare.take());
        spare.unwrap_or_else(|| MergedCursor::new(&self.read))
    }

    /// Keeps a cursor of this view that is not needed any more.
    pub(crate) fn give_back(&self, mut cursor: MergedCursor) {
        if let Ok(mut spare) = self.spare.try_lock() {
            cursor.rest();
            *spare = Some(cursor);
        }
    }
}

/// What was read last in shared mode.
#[derive(Debug, Default)]
pub(super) struct Latest {
    /// The view made last, if somebody holds it: who wants the same shares its slot.
    pub(super) view: Weak<View>,
    /// Its content, to be protected anew if it is still the newest.
    pub(super) content: Option<Arc<Content>>,
}

/// The newest committed state, and who still reads older ones. In shared mode: as far as this
/// process has looked.
#[derive(Debug)]
pub(super) struct State {
    /// Newest committed tree header.
    pub(super) header: TreeHeader,
    /// The memory it refers to.
    pub(super) shm: Shm,
    /// Newest saved snapshot.
    pub(super) snapshot: Arc<Snapshot>,
    /// The view of the two, made when first asked for; exclusive mode only.
    current: Option<Arc<View>>,
    /// Every view that may still be held.
    views: Vec<Weak<View>>,
    /// Meta page with the newest checkpoint: 1, 2, or 0 for none.
    pub(super) meta_page: u32,
    /// Id of that checkpoint.
    pub(super) checkpoint_id: i64,
    /// Log offset of that checkpoint: the log before is not needed any more.
    pub(super) checkpoint_log_offset: u64,
    /// Page counter of that checkpoint.
    pub(super) checkpoint_pages: u32,
}

/// Whether the old tree is not yet part of the snapshot.
pub(super) fn old_tree_pending(header: &TreeHeader, snapshot: &Snapshot) -> bool {
    crate::tree::old_tree_is_read(header, snapshot.checkpoint.log.pointer)
}

impl State {
    pub(super) fn new(
        header: TreeHeader,
        shm: Shm,
        snapshot: Arc<Snapshot>,
        found: &Found,
    ) -> Self {
        State {
            header,
            shm,
            snapshot,
            current: None,
            views: Vec::new(),
            meta_page: found.meta_page,
            checkpoint_id: if found.meta_page == 0 { 0 } else { found.checkpoint.id },
            checkpoint_log_offset: found.checkpoint.log.offset(),
            checkpoint_pages: found.checkpoint.pages_written,
        }
    }

    /// Replaces the tree header: a transaction was committed or rolled back.
    pub(super) fn set_header(&mut self, header: TreeHeader) {
        self.header = header;
        self.current = None;
    }

    /// Replaces the snapshot: a worker saved one.
    pub(super) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = snapshot;
        self.current = None;
    }

    /// Notes a view that is handed out.
    pub(super) fn add_view(&mut self, view: &Arc<View>) {
        if self.views.len() >= 8 && self.views.len().is_power_of_two() {
            self.views.retain(|view| view.strong_count() > 0);
        }
        self.views.push(Arc::downgrade(view));
    }

    fn live_views(&self) -> impl Iterator<Item = Arc<View>> + '_ {
        self.views.iter().filter_map(Weak::upgrade)
    }

    /// Whether somebody besides this state itself holds a view.
    pub(super) fn has_readers(&self) -> bool {
        self.views.iter().any(|view| {
            let own = self.current.as_ref().is_some_and(|own| std::ptr::eq(&**own, view.as_ptr()));
            view.strong_count() > usize::from(own)
        })
    }
}

impl Shared {
    /// The newest committed state.
    pub(crate) fn view(&self) -> Result<Arc<View>> {
        if let Some(slots) = &self.slots {
            return if self.read_only { self.read_only_view(slots) } else { self.slot_view(slots) };
        }
        let mut state = self.state.lock();
        if let Some(view) = &state.current {
            return Ok(Arc::clone(view));
        }
        let content = Content::new(
            state.header,
            &state.shm,
            Arc::clone(&state.snapshot),
            Arc::clone(&self.pager),
        );
        let view = Arc::new(View::new(content, Hold::Counted));
        state.add_view(&view);
        state.current = Some(Arc::clone(&view));
        Ok(view)
    }

    /// Whether a reader may still reach chunk `id`.
    pub(super) fn chunk_in_use(&self, id: u32) -> Result<bool> {
        if let Some(slots) = &self.slots {
            let (shm, used) = {
                let state = self.state.lock();
                (state.shm.clone(), state.header.used_chunk_id)
            };
            return Ok(id == used || slots.chunk_in_use(&shm, id)?);
        }
        let mut state = self.state.lock();
        // Nobody reads the state's own copy: drop it rather than let it hold memory.
        state.current = None;
        Ok(id == state.header.used_chunk_id
            || state.live_views().any(|view| id_at_or_after(id, view.oldest_chunk_id)))
    }

    /// Blocks freed before this snapshot id may be reused.
    pub(super) fn oldest_snapshot_in_use(&self, own: i64) -> Result<i64> {
        if let Some(slots) = &self.slots {
            let shm = self.state.lock().shm.clone();
            let synced = self.synced_checkpoint(&shm)?.map_or(own, |synced| synced.id);
            return slots.oldest_snapshot(&shm, own.min(synced));
        }
        let mut state = self.state.lock();
        state.current = None;
        let synced = if state.meta_page == 0 { own } else { state.checkpoint_id };
        Ok(state.live_views().map(|view| view.read.snapshot.checkpoint.id).fold(synced, i64::min))
    }
}
