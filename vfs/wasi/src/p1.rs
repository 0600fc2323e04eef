//! Preview 1: calls of the host, by the crate `wasi` 0.11.
//!
//! Its functions are declared unsafe because they take pointers and numbers of descriptors. The
//! pointers here are always those of live slices with their own lengths; the descriptors are those
//! the host gave, each owned by one `Open`, or the preopened ones, which are never closed.
#![allow(unsafe_code, reason = "every function of preview 1 is declared unsafe")]

use crate::host::{Answer, Descriptor, Host, How, Kind, Place, Refusal, Stat};

/// Descriptors before this one are stdin, stdout and stderr.
const FIRST_DIRECTORY: wasi::Fd = 3;

/// The host.
#[derive(Debug)]
pub(crate) struct Preview1 {
    names: Vec<String>,
    /// Descriptors of the directories, in the same order.
    directories: Vec<wasi::Fd>,
}

/// An open file.
#[derive(Debug)]
struct Open {
    descriptor: wasi::Fd,
    how: How,
}

impl Preview1 {
    pub(crate) fn new() -> Self {
        let (mut names, mut directories) = (Vec::new(), Vec::new());
        for descriptor in FIRST_DIRECTORY.. {
            // SAFETY: no pointers; a number that is no descriptor is answered with an error.
            let Ok(preopened) = (unsafe { wasi::fd_prestat_get(descriptor) }) else { break };
            if preopened.tag != wasi::PREOPENTYPE_DIR.raw() {
                continue;
            }
            // SAFETY: the tag says that the union holds a directory.
            let length = unsafe { preopened.u.dir.pr_name_len };
            let mut name = vec![0; length];
            // SAFETY: pointer and length are those of `name`.
            let named =
                unsafe { wasi::fd_prestat_dir_name(descriptor, name.as_mut_ptr(), name.len()) };
            // A name that is no text cannot be written down in a path.
            if let (Ok(()), Ok(name)) = (named, String::from_utf8(name)) {
                // Some hosts count a closing NUL byte in.
                names.push(name.trim_end_matches('\0').to_owned());
                directories.push(descriptor);
            }
        }
        Preview1 { names, directories }
    }

    fn directory(&self, number: usize) -> Answer<wasi::Fd> {
        self.directories.get(number).copied().ok_or(Refusal::NotFound)
    }
}

fn refusal(errno: wasi::Errno) -> Refusal {
    match errno {
        wasi::ERRNO_NOENT => Refusal::NotFound,
        wasi::ERRNO_EXIST => Refusal::Exists,
        wasi::ERRNO_NOSPC | wasi::ERRNO_DQUOT | wasi::ERRNO_FBIG => Refusal::Full,
        wasi::ERRNO_ROFS
        | wasi::ERRNO_PERM
        | wasi::ERRNO_ACCES
        | wasi::ERRNO_NOTCAPABLE
        | wasi::ERRNO_BADF => Refusal::NotPermitted,
        wasi::ERRNO_ISDIR | wasi::ERRNO_LOOP | wasi::ERRNO_NAMETOOLONG => Refusal::NotAFile,
        wasi::ERRNO_NOTDIR => Refusal::NotFound,
        wasi::ERRNO_NOMEM => Refusal::OutOfMemory,
        wasi::ERRNO_INTR | wasi::ERRNO_AGAIN => Refusal::Interrupted,
        wasi::ERRNO_NOTSUP | wasi::ERRNO_NOSYS | wasi::ERRNO_INVAL => Refusal::Unsupported,
        other => Refusal::Other(other.raw()),
    }
}

fn stat(found: &wasi::Filestat) -> Stat {
    let kind = if found.filetype == wasi::FILETYPE_REGULAR_FILE { Kind::File } else { Kind::Other };
    // Hosts that cannot tell say 0.
    let identity = (found.ino != 0).then_some((found.dev, found.ino));
    Stat { kind, size: found.size, identity }
}

/// What is going to be done with a file. Hosts enforce it, and some open a file for writing if
/// asked for more than reading.
fn rights(how: How) -> wasi::Rights {
    let reading = wasi::RIGHTS_FD_READ
        | wasi::RIGHTS_FD_SEEK
        | wasi::RIGHTS_FD_TELL
        | wasi::RIGHTS_FD_SYNC
        | wasi::RIGHTS_FD_FILESTAT_GET;
    let writing =
        wasi::RIGHTS_FD_WRITE | wasi::RIGHTS_FD_DATASYNC | wasi::RIGHTS_FD_FILESTAT_SET_SIZE;
    if how.writes() { reading | writing } else { reading }
}

impl Host for Preview1 {
    fn directories(&self) -> &[String] {
        &self.names
    }

    fn open(&self, place: &Place, how: How) -> Answer<Box<dyn Descriptor>> {
        let directory = self.directory(place.directory)?;
        let flags = match how {
            How::Read | How::Write => 0,
            How::Create => wasi::OFLAGS_CREAT,
            How::CreateNew => wasi::OFLAGS_CREAT | wasi::OFLAGS_EXCL,
        };
        // SAFETY: the path is a live slice; without the flag to follow links none is followed.
        let opened =
            unsafe { wasi::path_open(directory, 0, &place.path, flags, rights(how), 0, 0) };
        Ok(Box::new(Open { descriptor: opened.map_err(refusal)?, how }))
    }

    fn stat(&self, place: &Place) -> Answer<Stat> {
        let directory = self.directory(place.directory)?;
        // SAFETY: the path is a live slice.
        let found = unsafe { wasi::path_filestat_get(directory, 0, &place.path) };
        found.map(|found| stat(&found)).map_err(refusal)
    }

    fn unlink(&self, place: &Place) -> Answer<()> {
        let directory = self.directory(place.directory)?;
        // SAFETY: the path is a live slice.
        unsafe { wasi::path_unlink_file(directory, &place.path) }.map_err(refusal)
    }

    fn sync_directory(&self, directory: usize) -> Answer<()> {
        let directory = self.directory(directory)?;
        // SAFETY: no pointers.
        unsafe { wasi::fd_sync(directory) }.map_err(refusal)
    }

    fn random(&self, buffer: &mut [u8]) -> Answer<()> {
        // SAFETY: pointer and length are those of `buffer`.
        unsafe { wasi::random_get(buffer.as_mut_ptr(), buffer.len()) }.map_err(refusal)
    }
}

impl Descriptor for Open {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
        let slices = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
        // SAFETY: the one slice is `buffer`, which nobody else uses meanwhile.
        let read = unsafe { wasi::fd_pread(self.descriptor, &slices, offset) }.map_err(refusal)?;
        Ok(read.min(buffer.len()))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<usize> {
        let slices = [wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
        // SAFETY: the one slice is `bytes`, which is only read.
        let written = unsafe { wasi::fd_pwrite(self.descriptor, &slices, offset) };
        Ok(written.map_err(refusal)?.min(bytes.len()))
    }

    fn sync(&self) -> Answer<()> {
        // The size belongs to the data. Asking for it would need the right to write.
        let done = if self.how.writes() {
            // SAFETY: no pointers.
            unsafe { wasi::fd_datasync(self.descriptor) }
        } else {
            // SAFETY: no pointers.
            unsafe { wasi::fd_sync(self.descriptor) }
        };
        done.map_err(refusal)
    }

    fn stat(&self) -> Answer<Stat> {
        // SAFETY: no pointers.
        let found = unsafe { wasi::fd_filestat_get(self.descriptor) };
        found.map(|found| stat(&found)).map_err(refusal)
    }

    fn set_size(&self, size: u64) -> Answer<()> {
        // SAFETY: no pointers.
        unsafe { wasi::fd_filestat_set_size(self.descriptor, size) }.map_err(refusal)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's own and not used again.
        let _ = unsafe { wasi::fd_close(self.descriptor) };
    }
}
