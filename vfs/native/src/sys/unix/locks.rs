//! Byte-range locks: by open file description where possible, by process elsewhere.
//!
//! The two kinds conflict with each other as they should, so peers may use either. What differs is
//! the owner. Locks of the open file description belong to one handle and go with it. POSIX locks
//! belong to the process: they do not keep two handles of one process apart (the engine's own
//! table does), and closing any descriptor of the file drops them (`handles` prevents that).

use crate::environment::LockStyle;
use crate::errno::from_errno;
use crate::handles::Identity;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use siltstone_env::{EnvError, LockMode, Result};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether this system has locks of the open file description at all.
const BY_DESCRIPTION: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The locks of one handle.
#[derive(Debug)]
pub(crate) struct Locks {
    /// Set for good once the file turns out not to take locks of the open file description.
    by_process: AtomicBool,
    /// What this handle took, to be given back when it goes.
    taken: Mutex<Vec<Range<u64>>>,
}

impl Locks {
    pub(crate) fn new(style: LockStyle, _identity: Identity) -> Self {
        let by_process = !BY_DESCRIPTION || style == LockStyle::Process;
        Locks { by_process: AtomicBool::new(by_process), taken: Mutex::default() }
    }

    /// Whether the locks belong to the process as a whole.
    pub(crate) fn owned_by_process(&self) -> bool {
        self.by_process.load(Ordering::SeqCst)
    }

    /// Runs `call`, again with POSIX locks if the file system knows no others.
    fn with_fallback(&self, mut call: impl FnMut(bool) -> nix::Result<()>) -> nix::Result<()> {
        loop {
            let by_process = self.owned_by_process();
            match call(by_process) {
                Err(Errno::EINTR) => {}
                Err(Errno::EINVAL | Errno::ENOSYS) if !by_process => {
                    self.by_process.store(true, Ordering::SeqCst);
                }
                done => return done,
            }
        }
    }

    /// Takes, changes or releases a range without waiting.
    pub(crate) fn set(&self, file: &File, range: Range<u64>, mode: LockMode) -> Result<()> {
        let lock = describe(&range, mode)?;
        let done = self.with_fallback(|by_process| set(file, &lock, by_process));
        match done {
            Ok(()) => {
                let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.retain(|held| *held != range);
                if mode != LockMode::Unlock {
                    taken.push(range);
                }
                Ok(())
            }
            Err(Errno::EACCES | Errno::EAGAIN) => Err(EnvError::Busy),
            // A write lock needs a descriptor open for writing.
            Err(Errno::EBADF) => Err(EnvError::ReadOnly),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Whether nobody else keeps the range from being locked.
    pub(crate) fn is_free(&self, file: &File, range: Range<u64>, mode: LockMode) -> Result<bool> {
        let mut answer = describe(&range, mode)?;
        let question = answer;
        self.with_fallback(|by_process| {
            answer = question;
            get(file, &mut answer, by_process)
        })
        .map_err(failed)?;
        Ok(answer.l_type == libc::F_UNLCK as libc::c_short)
    }

    /// Gives back what the handle took. Closing alone would not do: process locks belong to the
    /// process, and an open file description lives on for a moment in any child that another
    /// thread is just starting.
    pub(crate) fn release(&self, file: &File) {
        let taken = std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner));
        for range in taken {
            // Nobody is left to hear of a failure, and the process's end unlocks anyway.
            let _ = self.set(file, range, LockMode::Unlock);
        }
    }
}

/// File systems that know no locks say so in three ways.
fn failed(errno: Errno) -> EnvError {
    match errno {
        Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP => EnvError::CannotShare,
        other => from_errno(other),
    }
}

fn describe(range: &Range<u64>, mode: LockMode) -> Result<libc::flock> {
    let kind = match mode {
        LockMode::Unlock => libc::F_UNLCK,
        LockMode::Shared => libc::F_RDLCK,
        LockMode::Exclusive => libc::F_WRLCK,
    };
    let invalid = |_| EnvError::Io(Errno::EINVAL as i32);
    Ok(libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::try_from(range.start).map_err(invalid)?,
        l_len: libc::off_t::try_from(range.end.saturating_sub(range.start)).map_err(invalid)?,
        l_pid: 0,
        #[cfg(target_os = "freebsd")]
        l_sysid: 0,
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(file: &File, lock: &libc::flock, by_process: bool) -> nix::Result<()> {
    let call = if by_process { FcntlArg::F_SETLK(lock) } else { FcntlArg::F_OFD_SETLK(lock) };
    fcntl(file, call).map(|_| ())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn get(file: &File, lock: &mut libc::flock, by_process: bool) -> nix::Result<()> {
    let call = if by_process { FcntlArg::F_GETLK(lock) } else { FcntlArg::F_OFD_GETLK(lock) };
    fcntl(file, call).map(|_| ())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(file: &File, lock: &libc::flock, _by_process: bool) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(lock)).map(|_| ())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn get(file: &File, lock: &mut libc::flock, _by_process: bool) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_GETLK(lock)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_locks_are_told_from_failing_ones() {
        for missing in [Errno::ENOLCK, Errno::ENOSYS, Errno::EOPNOTSUPP] {
            assert_eq!(failed(missing), EnvError::CannotShare);
        }
        assert_eq!(failed(Errno::EIO), EnvError::Io(Errno::EIO as i32));
        let locks = Locks::new(LockStyle::Best, (0, 0));
        let asked = std::cell::RefCell::new(Vec::new());
        let lockless = |by_process| {
            asked.borrow_mut().push(by_process);
            Err(if by_process { Errno::ENOLCK } else { Errno::EINVAL })
        };
        assert_eq!(locks.with_fallback(lockless), Err(Errno::ENOLCK));
        assert_eq!(asked.into_inner().last(), Some(&true), "both kinds were tried");
    }
}
