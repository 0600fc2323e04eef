//! Pages of the database file: where they are, how they are read, in which order they follow.
//!
//! Pages come from a read-only map where the world offers one (plain files), else through a capped
//! cache. One [`Pager`] serves all connections and threads of a process. Page ids given to it are
//! checked against the file before anything is read. Format: docs/format.md, "Geometry", "Runs" and
//! "Compressed files".

mod ahead;
mod cache;
mod page;
mod records;
mod run;
pub(crate) mod writer;

pub(crate) use page::Page;
pub(crate) use run::Run;

use crate::codec::Codec;
use crate::env::{File, FileMap};
use crate::error::{Error, ErrorKind, IoContext, Place, Result};
use crate::format::checkpoint::{Redirect, Segment};
use crate::format::geometry::{BlockId, Geometry, PageId};
use ahead::ReadAhead;
use cache::{Cached, PageCache};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that has grown by less than this is not mapped anew.
const MAP_GROWTH: u64 = 1 << 20;

/// How a [`Pager`] reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PagerOptions {
    /// Cap of the page cache.
    pub(crate) cache_bytes: usize,
    /// Bytes of the file that may be borrowed from a map; 0 = none.
    pub(crate) map_bytes: u64,
}

impl Default for PagerOptions {
    fn default() -> Self {
        PagerOptions { cache_bytes: 2 << 20, map_bytes: u64::MAX }
    }
}

#[derive(Debug, Default)]
struct Mapped {
    view: Option<Arc<dyn FileMap>>,
    /// Set when the world turned out not to map this file.
    refused: bool,
}

/// Reads (and, elsewhere, writes) the pages of one database file.
#[derive(Debug)]
pub(crate) struct Pager {
    file: Arc<dyn File>,
    geometry: Geometry,
    codec: Option<Arc<dyn Codec>>,
    options: PagerOptions,
    cache: PageCache,
    ahead: ReadAhead,
    mapped: Mutex<Mapped>,
    pages_read: AtomicU64,
    pages_written: AtomicU64,
    /// The largest size the file was seen to have; it only grows while anybody has it open.
    size_seen: AtomicU64,
    /// Page size and pages per block as powers of two, and the first page of block 1: what finding
    /// a plain page needs.
    page_shift: u32,
    block_shift: u32,
    first_page: PageId,
}

impl Pager {
    /// A pager for `file`. Without its codec, a compressed file's pages cannot be read.
    pub(crate) fn new(
        file: Arc<dyn File>,
        geometry: Geometry,
        codec: Option<Arc<dyn Codec>>,
        options: PagerOptions,
    ) -> Self {
        let page_size = geometry.page_size();
        let pages_per_block = geometry.block_size() / page_size.max(1);
        Pager {
            file,
            geometry,
            codec,
            options,
            cache: PageCache::new(options.cache_bytes, page_size as usize),
            ahead: ReadAhead::default(),
            mapped: Mutex::default(),
            pages_read: AtomicU64::new(0),
            pages_written: AtomicU64::new(0),
            size_seen: AtomicU64::new(0),
            page_shift: page_size.trailing_zeros(),
            block_shift: pages_per_block.trailing_zeros(),
            first_page: geometry.first_on_block(1),
        }
    }

    /// The file.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Sizes of pages and blocks.
    #[inline]
    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The codec of a compressed file.
    pub(crate) fn codec(&self) -> Option<&Arc<dyn Codec>> {
        self.codec.as_ref()
    }

    /// Pages read from the file so far, not counting those borrowed from a map.
    pub(crate) fn pages_read(&self) -> u64 {
        self.pages_read.load(Ordering::Relaxed)
    }

    /// Pages written so far.
    pub(crate) fn pages_written(&self) -> u64 {
        self.pages_written.load(Ordering::Relaxed)
    }

    /// Bytes the cache holds.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache.pages() * self.geometry.page_size() as usize
    }

    /// A run over `segment`. `redirects` are those of the checkpoint if this is its oldest segment,
    /// else empty.
    pub(crate) fn run(
        &self,
        segment: Segment,
        redirects: Arc<[Redirect]>,
        block_count: u32,
    ) -> Result<Run> {
        let last = segment.last.max(segment.first).max(segment.root);
        let end = last.saturating_mul(u64::from(self.geometry.page_size()));
        let held = self.blocks_held(block_count)?;
        Ok(Run::new(segment, redirects, (block_count, held), self.map_covering(end)?))
    }

    /// How many of the first `count` blocks the file reaches. Every snapshot asks for each of its
    /// segments, so the system is asked only while the answer may change.
    fn blocks_held(&self, count: u32) -> Result<u32> {
        let blocks = |bytes: u64| bytes.div_ceil(u64::from(self.geometry.block_size()));
        let mut held = blocks(self.size_seen.load(Ordering::Relaxed));
        if held < u64::from(count) {
            let size = self.file.known_size().during("read the size of the file")?;
            // Where nobody can tell, the page itself must show whether it is one.
            let Some(size) = size else { return Ok(count) };
            held = blocks(self.size_seen.fetch_max(size, Ordering::Relaxed).max(size));
        }
        Ok(u32::try_from(held).unwrap_or(u32::MAX).min(count))
    }

    /// Drops cached pages of a block that is about to be written. Maps need nothing.
    pub(crate) fn forget_block(&self, block: BlockId) {
        let (first, last) =
            (self.geometry.first_on_block(block), self.geometry.last_on_block(block));
        self.cache.forget(first..=last);
    }

    /// Drops all cached pages: another process may have recycled their blocks.
    pub(crate) fn forget_all(&self) {
        self.cache.forget(0..=PageId::MAX);
    }

    /// Page `id` as named inside the segment of `run` or by a pointer into it: moved blocks are
    /// translated.
    #[inline]
    pub(crate) fn page(&self, run: &Run, id: PageId) -> Result<Page> {
        self.real_page(run, run.real_id(&self.geometry, id))
    }

    /// Page `id` as a checkpoint or another [`Page`] gives it: never translated.
    #[inline]
    pub(crate) fn real_page(&self, run: &Run, id: PageId) -> Result<Page> {
        let mut page = Page::default();
        self.turn_to(run, id, &mut page)?;
        Ok(page)
    }

    /// Makes `page` the page with this real id: cheaper than a new one when both are mapped.
    #[inline]
    pub(crate) fn turn_to(&self, run: &Run, id: PageId, page: &mut Page) -> Result<()> {
        if !self.geometry.compressed() {
            let index = id.wrapping_sub(1);
            if id < self.first_page || index >> self.block_shift >= u64::from(run.block_count) {
                return Err(outside(id));
            }
            if let Some(map) = &run.map {
                let (start, size) = (index << self.page_shift, 1 << self.page_shift);
                let bytes = map.bytes();
                if start + size <= bytes.len() as u64 {
                    let (lead, len) = self.usable(id);
                    let start = start as usize + lead;
                    let usable = bytes.get(start..start + len).unwrap_or_default();
                    return page.turn_to_mapped(map, id, start, usable);
                }
            }
        }
        *page = self.cached_page(run, id)?;
        Ok(())
    }

    /// As `Geometry::usable` for plain pages, without a division.
    #[inline]
    fn usable(&self, id: PageId) -> (usize, usize) {
        let size = 1usize << self.page_shift;
        let within = id.wrapping_sub(1) & ((1 << self.block_shift) - 1);
        if within == 0 || id == self.first_page {
            (4, size - 4)
        } else if self.is_last_on_block(id) {
            (0, size - 4)
        } else {
            (0, size)
        }
    }

    #[inline]
    fn is_last_on_block(&self, id: PageId) -> bool {
        id & ((1 << self.block_shift) - 1) == 0
    }

    /// A map, preferably one that reaches `end`.
    fn map_covering(&self, end: u64) -> Result<Option<Arc<dyn FileMap>>> {
        if self.geometry.compressed() || self.options.map_bytes == 0 {
            return Ok(None);
        }
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        if mapped.refused {
            return Ok(None);
        }
        let covered = mapped.view.as_ref().map_or(0, |view| view.bytes().len() as u64);
        if mapped.view.is_none() || covered < end {
            let size = self.file.size().unwrap_or(u64::MAX);
            // Mapping anew makes the system look up every page again, so not for a few pages.
            let worthwhile = (covered / 8).clamp(1, MAP_GROWTH);
            if size == 0 || size > self.options.map_bytes {
                return Ok(None);
            }
            if size >= covered.saturating_add(worthwhile) {
                mapped.view = self.file.map().during("map the database file")?;
                mapped.refused = mapped.view.is_none();
            }
        }
        Ok(mapped.view.clone())
    }

    /// A page that cannot be borrowed from the run's map.
    fn cached_page(&self, run: &Run, id: PageId) -> Result<Page> {
        if !self.geometry.contains(id, run.block_count) {
            return Err(outside(id));
        }
        let cached = match self.cache.get(id) {
            Some(cached) => cached,
            None if self.geometry.compressed() => {
                let cached = self.read_record(run, id)?;
                self.pages_read.fetch_add(1, Ordering::Relaxed);
                self.cache.insert(id, cached.clone());
                cached
            }
            None => self.read_plain(run, id)?,
        };
        let usable = self.geometry.usable(id);
        let end =
            if self.geometry.compressed() { self.behind(run, id, cached.record_len)? } else { 0 };
        Page::in_buffer(id, cached.buffer, usable, end, cached.record_follows)
    }

    /// Reads a page into the cache, and others behind it if that is where the reader is going.
    fn read_plain(&self, run: &Run, id: PageId) -> Result<Cached> {
        let size = self.geometry.page_size() as usize;
        let room = ahead::room(run, &self.geometry, id);
        let most = ahead::most(&self.geometry, self.options.cache_bytes);
        let count = self.ahead.plan(id, room, most);
        if count > 1 {
            let mut pages = vec![0; count as usize * size];
            let offset = self.geometry.page_offset(id);
            let held = self.file.read_at(offset, &mut pages).during("read pages")?;
            let whole = pages.get(..held).unwrap_or_default().chunks_exact(size);
            self.pages_read.fetch_add(whole.len() as u64, Ordering::Relaxed);
            let mut wanted = None;
            for (id, bytes) in (id..).zip(whole) {
                let page = Cached::plain(Arc::from(bytes));
                wanted.get_or_insert_with(|| page.clone());
                self.cache.insert(id, page);
            }
            return wanted.ok_or_else(|| behind_the_end(id));
        }
        let mut buffer = zeroed(size);
        let bytes = Arc::get_mut(&mut buffer).unwrap_or_default();
        let offset = self.geometry.page_offset(id);
        if self.file.read_at(offset, bytes).during("read a page")? < size {
            return Err(behind_the_end(id));
        }
        self.pages_read.fetch_add(1, Ordering::Relaxed);
        let page = Cached::plain(buffer);
        self.cache.insert(id, page.clone());
        Ok(page)
    }

    fn codec_needed(&self) -> Result<&Arc<dyn Codec>> {
        self.codec.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Codec("a compressed file is read without its codec".into()))
        })
    }
}

#[cold]
fn outside(id: PageId) -> Error {
    Error::corrupt(Place::Page(id), "page lies outside the file's blocks")
}

fn behind_the_end(id: PageId) -> Error {
    Error::corrupt(Place::Page(id), "page lies behind the end of the file")
}

fn zeroed(len: usize) -> Arc<[u8]> {
    std::iter::repeat_n(0, len).collect()
}
