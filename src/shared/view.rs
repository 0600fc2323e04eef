//! What a reader sees, and what that keeps from being reused.
//!
//! A [`View`] is one committed state: a version of the in-memory trees and a snapshot of the
//! database file. While anybody holds it, no chunk of shared memory it can reach and no block its
//! snapshot refers to is recycled. lsm1 spends one of six reader slots on this; within a process
//! the views themselves are counted, so any number of different states can be read at once.

use super::Shared;
use super::recovery::Found;
use crate::format::tree_header::TreeHeader;
use crate::shm::Shm;
use crate::sorted::{ReadView, Snapshot};
use crate::tree::id_at_or_after;
use std::sync::{Arc, Weak};

/// One committed state and what it protects.
#[derive(Debug)]
pub(crate) struct View {
    /// What cursors read.
    pub(crate) read: ReadView,
    /// Chunks with this id and newer ones may be reached.
    oldest_chunk_id: u32,
    /// The application's version number in this state.
    pub(crate) user_version: u32,
}

/// The newest committed state, and who still reads older ones.
#[derive(Debug)]
pub(super) struct State {
    /// Newest committed tree header.
    pub(super) header: TreeHeader,
    /// The memory it refers to.
    pub(super) shm: Shm,
    /// Newest saved snapshot.
    pub(super) snapshot: Arc<Snapshot>,
    /// The view of the two, made when first asked for.
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
    pub(super) fn set_header(&mut self, header: TreeHeader, shm: &Shm) {
        if shm.chunk_count() > self.shm.chunk_count() {
            self.shm = shm.clone();
        }
        self.header = header;
        self.current = None;
    }

    /// Replaces the snapshot: a worker saved one.
    pub(super) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = snapshot;
        self.current = None;
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
    pub(crate) fn view(&self) -> Arc<View> {
        let mut state = self.state.lock();
        if let Some(view) = &state.current {
            return Arc::clone(view);
        }
        let header = state.header;
        let pending = old_tree_pending(&header, &state.snapshot);
        let oldest_chunk_id = if pending || header.old_chunk_id == 0 {
            header.used_chunk_id
        } else {
            header.old_chunk_id
        };
        let view = Arc::new(View {
            read: ReadView {
                shm: state.shm.clone(),
                live: header.live,
                old: pending.then_some(header.old),
                snapshot: Arc::clone(&state.snapshot),
                pager: Arc::clone(&self.pager),
            },
            oldest_chunk_id,
            user_version: header.user_version,
        });
        if state.views.len() >= 8 && state.views.len().is_power_of_two() {
            state.views.retain(|view| view.strong_count() > 0);
        }
        state.views.push(Arc::downgrade(&view));
        state.current = Some(Arc::clone(&view));
        view
    }

    /// Whether a reader may still reach chunk `id`.
    pub(super) fn chunk_in_use(&self, id: u32) -> bool {
        let mut state = self.state.lock();
        // Nobody reads the state's own copy: drop it rather than let it hold memory.
        state.current = None;
        id == state.header.used_chunk_id
            || state.live_views().any(|view| id_at_or_after(id, view.oldest_chunk_id))
    }

    /// Blocks freed before this snapshot id may be reused.
    pub(super) fn oldest_snapshot_in_use(&self, own: i64) -> i64 {
        let mut state = self.state.lock();
        state.current = None;
        let synced = if state.meta_page == 0 { own } else { state.checkpoint_id };
        state.live_views().map(|view| view.read.snapshot.checkpoint.id).fold(synced, i64::min)
    }
}
