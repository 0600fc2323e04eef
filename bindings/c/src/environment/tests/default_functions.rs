//! The functions of `lsm_default_env()`, called as C calls them.

use crate::environment::default_env::structure;
use crate::environment::raw::{lsm_env, lsm_file};
use std::ffi::{CStr, CString, c_int, c_void};
use std::path::Path;
use std::ptr;

fn env() -> (*mut lsm_env, lsm_env) {
    // SAFETY: a static structure; no test writes to it.
    (structure().as_ptr(), unsafe { structure().read() })
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

fn open(path: &CStr, flags: c_int) -> Result<*mut lsm_file, c_int> {
    let (at, env) = env();
    let mut file = ptr::dangling_mut();
    // SAFETY: a C string, and room for a pointer.
    match unsafe { env.xOpen.unwrap()(at, path.as_ptr(), flags, &mut file) } {
        0 => Ok(file),
        code => {
            assert!(file.is_null(), "a file that was not opened is NULL");
            Err(code)
        }
    }
}

fn close(file: *mut lsm_file) {
    // SAFETY: NULL, or an open file that is not used again.
    assert_eq!(unsafe { env().1.xClose.unwrap()(file) }, 0);
}

fn write(file: *mut lsm_file, at: i64, bytes: &[u8]) -> c_int {
    let len = bytes.len() as c_int;
    // SAFETY: an open file, and bytes with their length.
    unsafe { env().1.xWrite.unwrap()(file, at, bytes.as_ptr().cast(), len) }
}

fn read(file: *mut lsm_file, at: i64, len: usize) -> Result<Vec<u8>, c_int> {
    let mut out = vec![0xEE; len];
    // SAFETY: an open file, and room for as many bytes.
    let code = unsafe { env().1.xRead.unwrap()(file, at, out.as_mut_ptr().cast(), len as c_int) };
    if code == 0 { Ok(out) } else { Err(code) }
}

fn remap(file: *mut lsm_file, least: i64) -> Result<(*mut u8, i64), c_int> {
    let (mut at, mut size) = (ptr::dangling_mut::<c_void>(), -1);
    // SAFETY: an open file whose last map is not used again, and room for the answers.
    match unsafe { env().1.xRemap.unwrap()(file, least, &mut at, &mut size) } {
        0 => Ok((at.cast(), size)),
        code => {
            assert!(at.is_null() && size == 0);
            Err(code)
        }
    }
}

#[test]
fn every_member_is_there() {
    let members = env().1;
    macro_rules! all {
        ($($member:ident)*) => { $(assert!(members.$member.is_some());)* };
    }
    all!(xFullpath xOpen xRead xWrite xTruncate xSync xSectorSize xRemap xFileid xClose xUnlink xLock
         xTestLock xShmMap xShmBarrier xShmUnmap xMalloc xRealloc xFree xSize xMutexStatic xMutexNew
         xMutexDel xMutexEnter xMutexTry xMutexLeave xMutexHeld xMutexNotHeld xSleep);
    assert_eq!((members.nByte, members.iVersion), (264, 1));
    assert_eq!(crate::environment::lsm_default_env(), structure().as_ptr());
}

#[test]
#[cfg(not(miri))]
fn files_are_read_written_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = c_path(&directory.path().join("file"));
    assert_eq!(open(&path, 1), Err(266));
    assert_eq!(open(&c_path(&directory.path().join("no/file")), 0), Err(266));
    let file = open(&path, 0).unwrap();
    assert_eq!(write(file, 3, b"abc"), 0);
    assert_eq!(read(file, 0, 8), Ok(b"\0\0\0abc\0\0".to_vec()));
    let reader = open(&path, 1).unwrap();
    assert_eq!(write(reader, 0, b"x"), 8);
    let members = env().1;
    // SAFETY: open files or NULL, bytes with their lengths; what is not so is refused before it is
    // looked at: negative lengths and NULL.
    unsafe {
        assert_eq!(members.xTruncate.unwrap()(file, 4), 0);
        assert_eq!(members.xTruncate.unwrap()(file, 400), 0);
        assert_eq!(read(reader, 0, 5), Ok(b"\0\0\0a\0".to_vec()));
        assert_eq!(members.xSync.unwrap()(file), 0);
        assert!(members.xSectorSize.unwrap()(file) >= 512);
        for (bad, code) in [((-1, 1), 21), ((0, -1), 21)] {
            let mut byte = 0u8;
            let out = (&raw mut byte).cast();
            assert_eq!(members.xRead.unwrap()(file, bad.0, out, bad.1), code);
            assert_eq!(members.xWrite.unwrap()(file, bad.0, out, bad.1), code);
        }
        assert_eq!(members.xRead.unwrap()(ptr::null_mut(), 0, ptr::null_mut(), 0), 21);
        assert_eq!(members.xRead.unwrap()(file, 0, ptr::null_mut(), 1), 21);
        assert_eq!(members.xTruncate.unwrap()(file, -1), 21);
        assert_eq!(members.xUnlink.unwrap()(ptr::null_mut(), path.as_ptr()), 0);
        assert_eq!(members.xUnlink.unwrap()(ptr::null_mut(), path.as_ptr()), 266);
        assert_eq!(members.xUnlink.unwrap()(ptr::null_mut(), ptr::null()), 21);
    }
    close(reader);
    close(file);
    close(ptr::null_mut());
}

#[test]
#[cfg(not(miri))]
fn sizes_are_asked_for_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = c_path(&directory.path().join("file"));
    let (at, members) = env();
    let full_path = members.xFullpath.unwrap();
    let mut size = 0;
    // SAFETY: a C string; with no room the size alone is told.
    assert_eq!(unsafe { full_path(at, path.as_ptr(), ptr::null_mut(), &mut size) }, 0);
    let mut room = vec![7; size as usize];
    size -= 1;
    // SAFETY: there is room for as many bytes as `size` says, and one more.
    assert_eq!(unsafe { full_path(at, path.as_ptr(), room.as_mut_ptr(), &mut size) }, 0);
    assert!(room.iter().all(|&byte| byte == 7), "nothing is written that does not fit");
    // SAFETY: as above; it ends with NUL then.
    assert_eq!(unsafe { full_path(at, path.as_ptr(), room.as_mut_ptr(), &mut size) }, 0);
    // SAFETY: `full_path` has written a C string.
    assert!(unsafe { CStr::from_ptr(room.as_ptr()) }.to_bytes().ends_with(b"/file"));
    // SAFETY: NULL for the size is refused.
    assert_eq!(unsafe { full_path(at, path.as_ptr(), room.as_mut_ptr(), ptr::null_mut()) }, 21);

    let file = open(&path, 0).unwrap();
    let file_id = members.xFileid.unwrap();
    let (mut size, mut id) = (0, [0u8; 16]);
    // SAFETY: an open file; with no room the size alone is told.
    assert_eq!(unsafe { file_id(file, ptr::null_mut(), &mut size) }, 0);
    assert_eq!(size, 16);
    // SAFETY: there is room for the 16 bytes that `size` says.
    assert_eq!(unsafe { file_id(file, id.as_mut_ptr().cast(), &mut size) }, 0);
    assert_ne!(id, [0; 16]);
    close(file);
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn locks_are_those_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = c_path(&directory.path().join("file"));
    let (one, two) = (open(&path, 0).unwrap(), open(&path, 0).unwrap());
    let members = env().1;
    // SAFETY: open files; any number and mode may be given.
    let lock = |file, number, mode| unsafe { members.xLock.unwrap()(file, number, mode) };
    let test =
        // SAFETY: as for `xLock`.
        |file, first, count, mode| unsafe { members.xTestLock.unwrap()(file, first, count, mode) };
    for number in [1, 29, 30, 32] {
        assert_eq!(lock(one, number, 2), 0);
        assert_eq!(lock(two, number, 1), 5);
        assert_eq!(lock(one, number, 0), 0);
        assert_eq!(lock(two, number, 1), 0);
    }
    assert_eq!((test(one, 28, 2, 2), test(one, 28, 2, 1), test(one, 2, 20, 2)), (5, 0, 0));
    for (number, mode) in [(0, 1), (33, 1), (-1, 1), (1, 3), (1, -1)] {
        assert_eq!(lock(one, number, mode), 21);
    }
    assert_eq!((test(one, 0, 1, 1), test(one, 1, -1, 1), test(one, 1, 1, 9)), (21, 21, 21));
    close(one);
    close(two);
}

#[test]
#[cfg(not(miri))]
fn memory_is_shared_and_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = c_path(&directory.path().join("file"));
    let (one, two) = (open(&path, 0).unwrap(), open(&path, 0).unwrap());
    let members = env().1;
    let map = |file, index, size| {
        let mut at = ptr::dangling_mut::<c_void>();
        // SAFETY: an open file, and room for a pointer.
        let code = unsafe { members.xShmMap.unwrap()(file, index, size, &mut at) };
        if code == 0 { Ok(at.cast::<u8>()) } else { Err(code) }
    };
    let (here, there) = (map(one, 2, 32768).unwrap(), map(two, 2, 32768).unwrap());
    // SAFETY: both files have mapped the chunk, of 32768 bytes, until they unmap it below; there is
    // no other thread.
    unsafe {
        here.add(32767).write(9);
        assert_eq!(there.add(32767).read(), 9);
    }
    for index in 3..40 {
        map(one, index, 32768).unwrap();
    }
    assert_eq!(map(one, 2, 32768), Ok(here));
    assert_eq!(
        (map(one, -1, 32768), map(one, 0, 4096), map(one, 0, -1)),
        (Err(21), Err(21), Err(21))
    );
    // SAFETY: an open file whose chunks are not used again.
    let unmap = |file, delete| unsafe { members.xShmUnmap.unwrap()(file, delete) };
    // SAFETY: it takes nothing.
    unsafe { members.xShmBarrier.unwrap()() };
    assert_eq!((unmap(two, 0), unmap(one, 1), unmap(one, 0)), (0, 0, 0));
    assert!(!directory.path().join("file-shm").exists());
    close(one);
    close(two);
}

#[test]
#[cfg(not(miri))]
fn a_whole_file_can_be_mapped() {
    let directory = tempfile::tempdir().unwrap();
    let path = c_path(&directory.path().join("file"));
    let file = open(&path, 0).unwrap();
    assert_eq!(remap(file, 0), Ok((ptr::null_mut(), 0)), "nothing to map");
    assert_eq!(write(file, 0, b"begin"), 0);
    let (at, size) = remap(file, 0).unwrap();
    // SAFETY: the map has five bytes, until the next `remap`.
    assert_eq!((size, unsafe { at.read() }), (5, b'b'));
    let (at, size) = remap(file, 6).unwrap();
    assert_eq!(size, 256 << 10);
    // SAFETY: the map has 256 KB and may be written to, until the next `remap`.
    unsafe { at.write(b'B') };
    assert_eq!(read(file, 0, 5), Ok(b"Begin".to_vec()));
    // SAFETY: an open file.
    assert_eq!(unsafe { env().1.xSync.unwrap()(file) }, 0);
    assert_eq!(remap(file, (2 << 20) + 1).unwrap().1, 3 << 20);
    assert_eq!(remap(file, -1), Ok((ptr::null_mut(), 0)));
    let reader = open(&path, 1).unwrap();
    let (at, size) = remap(reader, 0).unwrap();
    // SAFETY: the map is not empty, and stays until the next `remap`.
    assert_eq!((size, unsafe { at.read() }), (3 << 20, b'B'));
    assert_eq!(remap(reader, 4 << 20), Err(8));
    close(reader);
    close(file);
}

#[test]
#[cfg(all(unix, not(miri)))]
fn a_log_is_as_private_as_its_database() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("file");
    std::fs::write(&database, b"").unwrap();
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o600)).unwrap();
    let log = directory.path().join("file-log");
    close(open(&c_path(&log), 0).unwrap());
    assert_eq!(std::fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn mutexes_are_recursive_and_static_ones_stay() {
    let (at, members) = env();
    let mut mutex = ptr::null_mut();
    // SAFETY: mutexes that `xMutexNew` and `xMutexStatic` gave and that are not deleted yet, or
    // NULL where that is allowed; room for each answer but for the NULL that is refused.
    unsafe {
        assert_eq!(members.xMutexNew.unwrap()(at, &mut mutex), 0);
        members.xMutexEnter.unwrap()(mutex);
        assert_eq!(members.xMutexTry.unwrap()(mutex), 0);
        assert_eq!(members.xMutexHeld.unwrap()(mutex), 1);
        assert_eq!(members.xMutexNotHeld.unwrap()(mutex), 0);
        let elsewhere = mutex.addr();
        let attempt =
            move || members.xMutexTry.unwrap()(ptr::with_exposed_provenance_mut(elsewhere));
        mutex.expose_provenance();
        assert_ne!(std::thread::spawn(attempt).join().unwrap(), 0);
        members.xMutexLeave.unwrap()(mutex);
        members.xMutexLeave.unwrap()(mutex);
        assert_eq!(members.xMutexNotHeld.unwrap()(mutex), 1);
        members.xMutexDel.unwrap()(mutex);
        members.xMutexDel.unwrap()(ptr::null_mut());

        let (mut global, mut again, mut heap) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let give = members.xMutexStatic.unwrap();
        assert_eq!((give(at, 1, &mut global), give(at, 1, &mut again)), (0, 0));
        assert_eq!((give(at, 2, &mut heap), give(at, 3, &mut mutex)), (0, 21));
        assert!(ptr::eq(global, again) && !ptr::eq(global, heap));
        assert_eq!(give(at, 1, ptr::null_mut()), 21);
        assert_eq!(members.xSleep.unwrap()(at, -5), 0);
    }
}
