//! Locks and shared memory between real processes, and what fork does to them.
//!
//! The second process is this test program again: it runs the test `helper` alone, which opens the
//! file it is told and obeys commands from its standard input, one per line.
#![cfg(all(unix, not(miri)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use siltstone_env::{Access, Env, EnvError, File, LockId, LockMode};
use siltstone_native::{LockStyle, NativeEnv};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use support::{load, store};

use LockMode::{Exclusive, Shared, Unlock};

const PATH: &str = "SILTSTONE_HELPER_PATH";
const STYLE: &str = "SILTSTONE_HELPER_STYLE";
/// Marks the helper's answers among what the test harness prints.
const ANSWER: &str = "@@";

fn open(env: &Arc<NativeEnv>, path: &Path) -> Arc<dyn File> {
    support::open(env, path, Access::ReadWriteCreate).unwrap()
}

fn mode(word: &str) -> LockMode {
    match word {
        "shared" => Shared,
        "exclusive" => Exclusive,
        _ => Unlock,
    }
}

#[test]
fn helper() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let style = match std::env::var(STYLE).as_deref() {
        Ok("process") => LockStyle::Process,
        _ => LockStyle::Best,
    };
    let env = NativeEnv::separate(style);
    let file = open(&env, Path::new(&path));
    let memory = file.shared_memory().unwrap().unwrap();
    println!("{ANSWER} ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let lock = || LockId::from_number(words[1].parse().unwrap()).unwrap();
        let number = |word: usize| words[word].parse::<u32>().unwrap();
        let answer = match words[0] {
            "store" => {
                store(&memory, number(1), number(2) as usize, number(3));
                "stored".to_owned()
            }
            "load" => load(&memory, number(1), number(2) as usize).to_string(),
            "release" => format!("{:?}", memory.release(words[1] == "deleting")),
            "current" => format!("{:?}", memory.is_current()),

            "lock" => format!("{:?}", file.lock(lock(), mode(words[2]))),
            "test" => format!("{:?}", file.test_lock(lock(), 1, mode(words[2]))),
            // Opens and closes the file once more.
            "visit" => format!("{:?}", open(&env, Path::new(&path)).size()),
            "write" => format!("{:?}", file.write_at(0, words[1].as_bytes())),
            other => format!("unknown command {other}"),
        };
        println!("{ANSWER} {answer}");
    }
}

struct Helper {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Helper {
    fn start(path: &Path, style: LockStyle) -> Helper {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "helper", "--nocapture"])
            .env(PATH, path)
            .env(STYLE, if style == LockStyle::Process { "process" } else { "best" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut helper = Helper { child, answers };
        assert_eq!(helper.answer(), "ready");
        helper
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the helper ended");
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.trim().to_owned();
            }
        }
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    fn granted(&mut self, command: &str) {
        assert_eq!(self.ask(command), "Ok(())", "{command}");
    }

    fn refused(&mut self, command: &str) {
        assert_eq!(self.ask(command), "Err(Busy)", "{command}");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const STYLES: [LockStyle; 2] = [LockStyle::Best, LockStyle::Process];

/// A fresh file opened here and in a helper, for every pair of lock styles.
fn for_each_pair(check: impl Fn(Arc<dyn File>, Helper, &Path, &Arc<NativeEnv>)) {
    for ours in STYLES {
        for theirs in STYLES {
            println!("here {ours:?}, in the other process {theirs:?}");
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("db");
            let env = NativeEnv::separate(ours);
            let file = open(&env, &path);
            check(file, Helper::start(&path, theirs), &path, &env);
        }
    }
}

#[test]
fn locks_of_both_kinds_conflict_both_ways() {
    for_each_pair(|file, mut helper, _, _| {
        for lock in (1..=LockId::COUNT).filter_map(LockId::from_number) {
            let number = lock.number();
            file.lock(lock, Exclusive).unwrap();
            helper.refused(&format!("lock {number} shared"));
            assert_eq!(helper.ask(&format!("test {number} shared")), "Ok(false)");
            file.lock(lock, Shared).unwrap();
            helper.granted(&format!("lock {number} shared"));
            assert_eq!(file.lock(lock, Exclusive), Err(EnvError::Busy));
            assert_eq!(file.test_lock(lock, 1, Exclusive), Ok(false));
            assert_eq!(file.test_lock(lock, 1, Shared), Ok(true));
            file.lock(lock, Unlock).unwrap();
            helper.granted(&format!("lock {number} exclusive"));
            assert_eq!(file.lock(lock, Shared), Err(EnvError::Busy));
            helper.granted(&format!("lock {number} unlock"));
            assert_eq!(file.test_lock(lock, 1, Exclusive), Ok(true));
        }
    });
}

#[test]
fn closing_one_handle_keeps_the_locks_of_another() {
    for_each_pair(|file, mut helper, path, env| {
        file.lock(LockId::WRITER, Exclusive).unwrap();
        for _ in 0..3 {
            drop(open(env, path));
        }
        helper.refused("lock 4 shared");
        helper.granted("lock 5 exclusive");
        assert_eq!(helper.ask("visit"), "Ok(0)");
        assert_eq!(file.lock(LockId::WORKER, Shared), Err(EnvError::Busy));
        let other = open(env, path);
        drop(file);
        helper.granted("lock 4 exclusive");
        assert_eq!(other.test_lock(LockId::WRITER, 1, Shared), Ok(false));
    });
}

#[test]
fn a_killed_process_holds_nothing() {
    for_each_pair(|file, mut helper, path, env| {
        helper.granted("lock 4 exclusive");
        assert_eq!(helper.ask("write half"), "Ok(())");
        assert_eq!(file.lock(LockId::WRITER, Shared), Err(EnvError::Busy));
        drop(helper);
        file.lock(LockId::WRITER, Exclusive).unwrap();
        assert_eq!(open(env, path).size(), Ok(4));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn children_do_not_inherit_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let _file = open(&NativeEnv::separate(LockStyle::Best), &path);
    let child = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(!listing.contains(path.to_str().unwrap()), "{listing}");
}

#[test]
fn a_forked_child_is_told_and_unlocks_nothing() {
    for style in STYLES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let env = NativeEnv::separate(style);
        let file = open(&env, &path);
        file.lock(LockId::WRITER, Exclusive).unwrap();
        let name = path.as_os_str().as_bytes().to_vec();
        println!("{style:?}");
        let file = in_child(file, |file| {
            let refused = [
                file.write_at(0, b"x").err(),
                file.read_at(0, &mut [0]).err(),
                file.lock(LockId::WRITER, Unlock).err(),
                file.sync().err(),
                file.map().err(),
                env.canonical_path(&name).err(),
            ];
            refused.iter().all(|error| *error == Some(EnvError::Forked))
        });
        assert_eq!(file.size(), Ok(0));
        let mut helper = Helper::start(&path, LockStyle::Best);
        helper.refused("lock 4 shared");
    }
}

#[test]
fn closing_releases_even_while_a_child_has_the_descriptor() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let file = open(&NativeEnv::separate(LockStyle::Best), &path);
    file.lock(LockId::WRITER, Exclusive).unwrap();
    let mut helper = Helper::start(&path, LockStyle::Best);
    // SAFETY: the child does nothing but wait for its end.
    let child = match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => loop {
            nix::unistd::pause();
        },
        nix::unistd::ForkResult::Parent { child } => child,
    };
    drop(file);
    let answer = helper.ask("lock 4 exclusive");
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(child, None).unwrap();
    assert_eq!(answer, "Ok(())");
}

#[test]
fn processes_see_one_memory() {
    for_each_pair(|file, mut helper, path, env| {
        let ours = file.shared_memory().unwrap().unwrap();
        store(&ours, 0, 3, 1);
        assert_eq!(helper.ask("load 0 3"), "1");
        assert_eq!(helper.ask("store 2 8191 77"), "stored");
        assert_eq!(load(&ours, 2, 8191), 77);
        let kept = ours.chunk(1).unwrap();
        for round in 0..100 {
            assert_eq!(helper.ask(&format!("store 1 5 {round}")), "stored");
            assert_eq!(kept.words()[5].swap(round + 1000, SeqCst), round);
            assert_eq!(helper.ask("load 1 5"), (round + 1000).to_string());
        }
        drop(helper);
        assert_eq!(load(&ours, 2, 8191), 77, "a killed process takes nothing with it");
        let again = open(env, path).shared_memory().unwrap().unwrap();
        assert_eq!(load(&again, 0, 3), 1);
    });
}

#[test]
fn a_deletion_in_another_process_is_noticed() {
    for_each_pair(|file, mut helper, _, _| {
        let ours = file.shared_memory().unwrap().unwrap();
        store(&ours, 0, 0, 1);
        assert_eq!(helper.ask("current"), "Ok(true)");
        assert_eq!(helper.ask("load 0 0"), "1");
        helper.granted("release deleting");
        assert_eq!(ours.is_current(), Ok(false));
        assert_eq!(helper.ask("load 0 0"), "0");
        assert_eq!(helper.ask("current"), "Ok(true)");
        assert_eq!(ours.is_current(), Ok(false));
        ours.release(true).unwrap();
        assert_eq!(helper.ask("current"), "Ok(true)");
    });
}

/// Gives things to a check in a forked child, which must be true and drops them there; here they
/// are given back.
fn in_child<T>(things: T, check: impl FnOnce(T) -> bool) -> T {
    // SAFETY: the child makes a few calls that take no lock another thread may hold (memory
    // allocation is safe after fork on the systems supported) and leaves by `_exit`.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            let good = check(things);
            // SAFETY: ends the child at once, as `fork` asks for.
            unsafe { nix::libc::_exit(i32::from(!good)) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            let status = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
            things
        }
    }
}

#[test]
fn a_forked_child_leaves_the_memory_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let env = NativeEnv::separate(LockStyle::Best);
    let name = support::canonical(&env, &path).unwrap();
    let file = open(&env, &path);
    let memory = file.shared_memory().unwrap().unwrap();
    store(&memory, 0, 0, 1);
    let chunk = memory.chunk(0).unwrap();
    let forked = Some(EnvError::Forked);
    let things = in_child((env, file, memory, chunk), |(env, file, memory, _chunk)| {
        let refused = [
            memory.chunk(0).err(),
            memory.chunk(5).err(),
            memory.release(true).err(),
            memory.release(false).err(),
            memory.is_current().err(),
            file.shared_memory().err(),
            env.open_beside(&name, Access::ReadWriteCreate, &name).err(),
            env.is_current(&name, &*file).err(),
            env.spawn("child", Box::new(|| ())).err(),
        ];
        !memory.is_writable() && refused.iter().all(|error| *error == forked)
    });
    let (_env, _file, memory, chunk) = things;
    assert_eq!(memory.is_current(), Ok(true));
    store(&memory, 0, 1, 2);
    assert_eq!((chunk.words()[0].load(SeqCst), chunk.words()[1].load(SeqCst)), (1, 2));
    assert_eq!(support::files(directory.path()), ["db", "db-shm"]);
    assert_eq!(std::fs::metadata(directory.path().join("db-shm")).unwrap().len(), 32_768);
}

#[test]
fn a_forked_child_does_not_wait_for_threads() {
    let env = NativeEnv::separate(LockStyle::Best);
    for join in [true, false] {
        let (allow, allowed) = std::sync::mpsc::channel::<()>();
        let (report, reported) = std::sync::mpsc::channel();
        let body = move || {
            allowed.recv().unwrap();
            report.send(5).unwrap();
        };
        let thread = env.spawn("siltstone worker", Box::new(body)).unwrap();
        let thread = in_child(thread, |thread| {
            if join {
                thread.join();
            }
            true
        });
        allow.send(()).unwrap();
        thread.join();
        assert_eq!(reported.try_recv(), Ok(5));
    }
}
