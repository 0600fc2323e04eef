//! Any bytes as calls of `lsm.h`: two handles with cursors and nested transactions on one file, with
//! and without compression hooks, in the default environment and in one whose files are memory. The
//! answers are those of sorted maps, the codes those of a model of who may write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siltstone_fuzz::c_api::*;
use siltstone_fuzz::c_world;
use std::collections::BTreeMap;
use std::ffi::{CString, c_int, c_void};
use std::ops::Bound;
use std::ptr::null_mut;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Which way a cursor may go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Nowhere,
    Up,
    Down,
}

/// Whether what a handle reads is still the newest state.
#[derive(Clone, Copy, PartialEq)]
enum Stale {
    No,
    /// There was a commit, of changes that came to nothing.
    Perhaps,
    Yes,
}

struct Cursor {
    raw: *mut lsm_cursor,
    way: Way,
    at: Option<Vec<u8>>,
}

struct Handle {
    raw: *mut lsm_db,
    cursors: Vec<Cursor>,
    /// What it reads; the committed state when nothing is open.
    view: Option<Model>,
    /// What each open level began with, the outermost first.
    levels: Vec<Model>,
    /// Somebody else has committed since it began to read.
    stale: Stale,
    /// It has written in its transaction.
    wrote: bool,
}

struct World {
    environment: lsm::environment::lsm_env,
    in_memory: bool,
    compressed: bool,
    multiple: bool,
    path: CString,
    committed: Model,
    handles: Vec<Handle>,
}

fn key(byte: u8) -> Vec<u8> {
    let len = if byte >= 250 { 300 } else { usize::from(byte % 5) };
    std::iter::once(byte).chain(std::iter::repeat_n(byte, len)).collect()
}

fn pointer(bytes: &[u8]) -> (*const c_void, c_int) {
    (bytes.as_ptr().cast(), bytes.len() as c_int)
}

impl World {
    fn open(&mut self) {
        for _ in 0..2 {
            let mut raw = null_mut();
            let environment: *mut _ = &mut self.environment;
            // SAFETY: as a C program does; the environment outlives the handles.
            unsafe {
                assert_eq!(
                    lsm_new(if self.in_memory { environment } else { null_mut() }, &mut raw),
                    OK
                );
                for (parameter, mut value) in [
                    (PAGE_SIZE, 256),
                    (BLOCK_SIZE, 64),
                    (AUTOFLUSH, 8),
                    (AUTOCHECKPOINT, 32),
                    (MMAP, c_int::from(!self.in_memory)),
                    (MULTIPLE_PROCESSES, c_int::from(self.multiple)),
                ] {
                    assert_eq!(lsm_config(raw, parameter, &mut value as *mut c_int), OK);
                }
                if self.compressed {
                    assert_eq!(
                        lsm_config(raw, SET_COMPRESSION, &mut hooks() as *mut lsm_compress),
                        OK
                    );
                }
                assert_eq!(lsm_open(raw, self.path.as_ptr()), OK);
            }
            let cursors = Vec::new();
            let (levels, stale) = (Vec::new(), Stale::No);
            self.handles.push(Handle { raw, cursors, view: None, levels, stale, wrote: false });
        }
    }

    fn close(&mut self) {
        for index in 0..self.handles.len() {
            while !self.handles[index].cursors.is_empty() {
                self.close_cursor(index, 0);
            }
            self.rollback(index, 0);
        }
        for handle in self.handles.drain(..) {
            // SAFETY: it is a handle, and no longer used.
            assert_eq!(unsafe { lsm_close(handle.raw) }, OK);
        }
    }

    /// Demands the code that a write must give.
    fn demand(&self, index: usize, code: c_int) {
        let (handle, other) = (&self.handles[index], &self.handles[1 - index]);
        let expected = match (handle.levels.is_empty(), handle.stale) {
            (false, _) => OK,
            (true, _) if !other.levels.is_empty() => BUSY,
            (true, Stale::No) => OK,
            (true, Stale::Yes) => BUSY,
            (true, Stale::Perhaps) => code,
        };
        assert_eq!(code, expected);
    }

    fn write(&mut self, index: usize, code: c_int, change: impl FnOnce(&mut Model)) {
        self.demand(index, code);
        if code != OK {
            return;
        }
        let mut changed =
            self.handles[index].view.clone().unwrap_or_else(|| self.committed.clone());
        change(&mut changed);
        let handle = &mut self.handles[index];
        if handle.view.is_some() {
            handle.view = Some(changed.clone());
        }
        if handle.levels.is_empty() {
            self.publish(index, changed);
        } else {
            handle.wrote = true;
        }
    }

    /// Others see it now.
    fn publish(&mut self, index: usize, changed: Model) {
        let same = changed == self.committed;
        self.committed = changed;
        let other = &mut self.handles[1 - index];
        other.stale = match (&other.view, same, other.stale) {
            (None, ..) => Stale::No,
            (_, true, Stale::No) => Stale::Perhaps,
            (_, true, before) => before,
            (_, false, _) => Stale::Yes,
        };
        // What it wrote it built on the newest state.
        self.handles[index].stale = Stale::No;
    }

    fn settle(&mut self, index: usize) {
        let handle = &mut self.handles[index];
        if handle.cursors.is_empty() && handle.levels.is_empty() {
            handle.view = None;
            handle.stale = Stale::No;
        }
    }

    fn begin(&mut self, index: usize, level: usize) {
        let open = self.handles[index].levels.len();
        // SAFETY: it is a handle, here and below.
        let code = unsafe { lsm_begin(self.handles[index].raw, level as c_int) };
        if level <= open {
            assert_eq!(code, OK);
            return;
        }
        self.demand(index, code);
        if code == OK {
            let committed = self.committed.clone();
            let handle = &mut self.handles[index];
            let view = handle.view.get_or_insert(committed);
            handle.levels.resize(level, view.clone());
        }
    }

    fn commit(&mut self, index: usize, level: usize) {
        // SAFETY: a handle; any level may be given.
        assert_eq!(unsafe { lsm_commit(self.handles[index].raw, level as c_int) }, OK);
        let handle = &mut self.handles[index];
        if level >= handle.levels.len() {
            return;
        }
        handle.levels.truncate(level);
        if level == 0 {
            let changed = handle.view.clone().unwrap_or_default();
            // One that wrote nothing makes nobody stale.
            if std::mem::take(&mut handle.wrote) {
                self.publish(index, changed);
            }
            self.settle(index);
        }
    }

    fn rollback(&mut self, index: usize, level: usize) {
        // SAFETY: a handle; any level may be given.
        assert_eq!(unsafe { lsm_rollback(self.handles[index].raw, level as c_int) }, OK);
        let handle = &mut self.handles[index];
        let open = handle.levels.len();
        if open == 0 || level > open {
            return;
        }
        handle.view = Some(handle.levels[level.max(1) - 1].clone());
        handle.levels.truncate(level);
        handle.wrote &= level > 0;
        for cursor in &mut handle.cursors {
            cursor.way = Way::Nowhere; // where it stands may be gone: it must seek
        }
        self.settle(index);
    }

    fn open_cursor(&mut self, index: usize) {
        let committed = self.committed.clone();
        let handle = &mut self.handles[index];
        if handle.cursors.len() == 3 {
            return;
        }
        let mut raw = null_mut();
        // SAFETY: a handle, and room for a pointer.
        assert_eq!(unsafe { lsm_csr_open(handle.raw, &mut raw) }, OK);
        handle.view.get_or_insert(committed);
        handle.cursors.push(Cursor { raw, way: Way::Nowhere, at: None });
    }

    fn close_cursor(&mut self, index: usize, which: usize) {
        let cursor = self.handles[index].cursors.remove(which);
        // SAFETY: a cursor that was taken off the list of those to close.
        assert_eq!(unsafe { lsm_csr_close(cursor.raw) }, OK);
        self.settle(index);
    }

    /// Moves a cursor and looks where it is.
    fn move_cursor(&mut self, index: usize, which: usize, how: u8, target: &[u8]) {
        let handle = &mut self.handles[index];
        let Some(count) = handle.cursors.len().checked_sub(1) else { return };
        let cursor = &mut handle.cursors[which % (count + 1)];
        let Some(view) = &handle.view else { return };
        let (data, len) = pointer(target);
        let above =
            |key: &[u8]| view.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next();
        let below = |key: &[u8]| {
            view.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).next_back()
        };
        let exact = view.get_key_value(target);
        // SAFETY: a cursor of an open handle.
        let (code, found) = unsafe {
            match how % 8 {
                0 => (lsm_csr_first(cursor.raw), view.first_key_value()),
                1 => (lsm_csr_last(cursor.raw), view.last_key_value()),
                2 => (lsm_csr_seek(cursor.raw, data, len, 0), exact),
                3 => (lsm_csr_seek(cursor.raw, data, len, 1), exact.or_else(|| above(target))),
                4 => (lsm_csr_seek(cursor.raw, data, len, -1), exact.or_else(|| below(target))),
                5 | 6 => {
                    let code = lsm_csr_next(cursor.raw);
                    if cursor.way != Way::Up {
                        assert!(code == MISUSE || cursor.way == Way::Nowhere);
                        return;
                    }
                    (code, cursor.at.as_ref().and_then(|at| above(at)))
                }
                _ => {
                    let code = lsm_csr_prev(cursor.raw);
                    if cursor.way != Way::Down {
                        assert!(code == MISUSE || cursor.way == Way::Nowhere);
                        return;
                    }
                    (code, cursor.at.as_ref().and_then(|at| below(at)))
                }
            }
        };
        assert_eq!(code, OK);
        cursor.way = match how % 8 {
            0 | 3 => Way::Up,
            1 | 4 => Way::Down,
            2 => Way::Nowhere,
            _ => cursor.way,
        };
        cursor.at = found.map(|(key, _)| key.clone());
        check(cursor, found);
    }

    fn maintain(&mut self, index: usize, how: u8, first: u8) {
        let (handle, other) = (&self.handles[index], &self.handles[1 - index]);
        let quiet = handle.view.is_none();
        // SAFETY: a handle, and NULL where the answer is of no interest.
        unsafe {
            match how % 3 {
                0 => {
                    let expected = match (quiet, other.levels.is_empty()) {
                        (false, _) => MISUSE,
                        (true, false) => BUSY,
                        (true, true) => OK,
                    };
                    assert_eq!(lsm_flush(handle.raw), expected);
                }
                1 => {
                    let (merge, kb) = (c_int::from(first % 4) + 1, c_int::from(first) - 1);
                    let code = lsm_work(handle.raw, merge, kb, null_mut());
                    assert!(
                        if quiet { code == OK || code == BUSY } else { code == MISUSE },
                        "{code}"
                    );
                }
                _ => assert_eq!(lsm_checkpoint(handle.raw, null_mut()), OK),
            }
        }
        // A flush empties the tree that others would have to build on.
        let other = &mut self.handles[1 - index];
        if other.view.is_some() && other.stale == Stale::No {
            other.stale = Stale::Perhaps;
        }
    }

    /// Asks for any information, and gives texts back.
    fn ask(&self, index: usize, kind: u8, number: u8) {
        let raw = self.handles[index].raw;
        let kind = c_int::from(kind % 15);
        // SAFETY: the arguments are those of the kind.
        unsafe {
            let mut text: *mut c_void = null_mut();
            let mut numbers: [c_int; 2] = [0; 2];
            let [one, two] = &mut numbers;
            match kind {
                3 | 4 | 8 => lsm_info(raw, kind, &mut text as *mut *mut c_void),
                5 | 6 | 7 | 9 => {
                    lsm_info(raw, kind, i64::from(number), &mut text as *mut *mut c_void)
                }
                _ => lsm_info(raw, kind, one as *mut c_int, two as *mut c_int),
            };
            lsm_free(lsm_get_env(raw), text);
        }
    }

    fn assert_same(&mut self, index: usize) {
        self.open_cursor(index);
        let which = self.handles[index].cursors.len() - 1;
        self.move_cursor(index, which, 0, &[]);
        while self.handles[index].cursors[which].at.is_some() {
            self.move_cursor(index, which, 5, &[]);
        }
        self.move_cursor(index, which, 1, &[]);
        while self.handles[index].cursors[which].at.is_some() {
            self.move_cursor(index, which, 7, &[]);
        }
        self.close_cursor(index, which);
    }
}

fn check(cursor: &Cursor, found: Option<(&Vec<u8>, &Vec<u8>)>) {
    let bytes = |pointer: *const c_void, len: c_int| match len {
        0 => &[],
        // SAFETY: what the library returned.
        len => unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), len as usize) },
    };
    // SAFETY: a cursor of an open handle.
    unsafe {
        assert_eq!(lsm_csr_valid(cursor.raw), c_int::from(found.is_some()));
        let Some((key, value)) = found else { return };
        let (mut data, mut len) = (std::ptr::null(), -1);
        assert_eq!(lsm_csr_key(cursor.raw, &mut data, &mut len), OK);
        assert_eq!(bytes(data, len), key);
        assert_eq!(lsm_csr_value(cursor.raw, &mut data, &mut len), OK);
        assert_eq!(bytes(data, len), value);
        let (given, given_len) = pointer(key);
        let mut result = -1;
        assert_eq!(lsm_csr_cmp(cursor.raw, given, given_len, &mut result), OK);
        assert_eq!(result, 0);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    c_world::clear();
    let folder = std::env::temp_dir().join(format!("siltstone-fuzz-{}", std::process::id()));
    let in_memory = mode & 1 == 0;
    let path = if in_memory { "db".into() } else { folder.to_string_lossy().into_owned() };
    for end in ["", "-log", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", folder.display()));
    }
    let mut world = World {
        environment: c_world::environment(),
        in_memory,
        compressed: mode & 2 != 0,
        multiple: mode & 4 != 0 && !in_memory,
        path: CString::new(path).expect("no NUL"),
        committed: Model::new(),
        handles: Vec::new(),
    };
    world.open();
    for &[operation, first, second] in data.as_chunks::<3>().0.iter().take(400) {
        let index = usize::from(operation >> 7);
        let raw = world.handles[index].raw;
        let (low, high) = (key(first), key(second));
        match operation % 32 {
            0..=7 => {
                let value = vec![second; usize::from(second) * usize::from(operation >> 5 & 3)];
                let ((key, len), (data, size)) = (pointer(&low), pointer(&value));
                // SAFETY: bytes with their lengths, here and below.
                let code = unsafe { lsm_insert(raw, key, len, data, size) };
                world.write(index, code, |model| drop(model.insert(low, value)));
            }
            8..=10 => {
                let (data, len) = pointer(&low);
                // SAFETY: as for `lsm_insert`.
                let code = unsafe { lsm_delete(raw, data, len) };
                world.write(index, code, |model| drop(model.remove(&low)));
            }
            11 | 12 if low < high => {
                let ((from, from_len), (to, to_len)) = (pointer(&low), pointer(&high));
                // SAFETY: as for `lsm_insert`.
                let code = unsafe { lsm_delete_range(raw, from, from_len, to, to_len) };
                world
                    .write(index, code, |model| model.retain(|key, _| *key <= low || *key >= high));
            }
            13 => world.begin(index, usize::from(first % 5)),
            14 => world.commit(index, usize::from(first % 4)),
            15 => world.rollback(index, usize::from(first % 4)),
            16 | 17 => world.open_cursor(index),
            18 => {
                if let Some(count) = world.handles[index].cursors.len().checked_sub(1) {
                    world.close_cursor(index, usize::from(first) % (count + 1));
                }
            }
            19..=26 => world.move_cursor(index, usize::from(second), operation >> 4 ^ first, &high),
            27 => world.maintain(index, first, second),
            28 => world.ask(index, first, second),
            29 => {
                let mut value = c_int::from(second % 2);
                let mut kb = c_int::from(second);
                // SAFETY: a handle, and numbers, which is what these parameters take.
                unsafe {
                    lsm_config(raw, AUTOWORK, &mut value as *mut c_int);
                    lsm_config(raw, AUTOFLUSH, &mut kb as *mut c_int);
                }
            }
            30 => world.assert_same(index),
            31 if first % 4 == 0 => {
                world.close();
                world.open();
            }
            _ => {}
        }
    }
    world.close();
    world.open();
    world.assert_same(0);
    world.close();
});
