//! Real disks and real processes: a file system that is full, writers killed with SIGKILL, a
//! directory that may not be written.
//!
//! The other process is this test program again: it runs the test `helper` alone, which does what
//! its environment variables say. What this machine does not allow is skipped with a message.

use siltstone::{Database, Durability, ErrorKind, Options};
use siltstone_tests::rng::Rng;
use siltstone_tests::variables::number;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TASK: &str = "SILTSTONE_HELPER_TASK";
const PATH: &str = "SILTSTONE_HELPER_PATH";

fn options() -> Options {
    Options::new()
        .durability(Durability::Full)
        .page_size(1024)
        .block_size(65536)
        .autoflush(16 << 10)
        .autocheckpoint(64 << 10)
        .busy_timeout(Duration::from_secs(5))
}

fn key(number: u64) -> String {
    format!("{number:08}")
}

fn value(number: u64) -> Vec<u8> {
    let mut rng = Rng::new(number);
    let length = rng.below(600);
    (0..length).map(|_| rng.next_u64() as u8).collect()
}

/// How many rows there are; they must be those of the first so many commits.
fn rows(database: &Database) -> u64 {
    let mut count = 0;
    for row in database.iter().unwrap() {
        let (found_key, found_value) = row.unwrap();
        assert_eq!(found_key, key(count).into_bytes());
        assert_eq!(found_value, value(count), "row {count}");
        count += 1;
    }
    assert!(database.check().unwrap().is_sound());
    count
}

fn command(task: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_helper(&mut command, task, path);
    command
}

fn as_helper(command: &mut Command, task: &str, path: &Path) {
    command.args(["native::helper", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).env(PATH, path).stdout(Stdio::piped()).stderr(Stdio::null());
}

/// Not a test by itself.
#[test]
fn helper() {
    let (Ok(task), Some(path)) = (std::env::var(TASK), std::env::var_os(PATH)) else { return };
    match task.as_str() {
        "write" => {
            let database = options().open(&path).unwrap();
            for number in rows(&database).. {
                database.insert(key(number), value(number)).unwrap();
                println!("@ {}", number + 1);
            }
        }
        "open" => match options().open(&path) {
            Ok(_) => println!("@ opened"),
            Err(error) => println!("@ {} {error}", error.name()),
        },
        other => println!("@ unknown task {other}"),
    }
}

#[test]
fn a_writer_killed_at_any_time_loses_nothing_acknowledged() {
    let seed = number("SILTSTONE_SEED").unwrap_or(5);
    let rounds = number("SILTSTONE_KILLS").unwrap_or(8);
    println!("kill: seed {seed}, {rounds} rounds");
    let mut rng = Rng::new(seed);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.lsm");
    let mut total = 0;
    for round in 0..rounds {
        let mut child = command("write", &path).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let commits = rng.between(1, 60);
        let mut lines = answers.lines().map_while(Result::ok).filter(|line| line.contains("@ "));
        let number = |line: &String| line.split("@ ").nth(1)?.trim().parse::<u64>().ok();
        let mut acknowledged = lines.by_ref().take(commits).filter_map(|line| number(&line)).last();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between our decision and its end counts too.
        acknowledged = lines.filter_map(|line| number(&line)).last().or(acknowledged);
        let acknowledged = acknowledged.expect("the child commits");
        if rng.chance(40) && round + 1 < rounds {
            // The next child recovers by itself.
            continue;
        }
        let database = options().open(&path).unwrap();
        let found = rows(&database);
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "round {round}: {acknowledged} acknowledged, {found} found"
        );
        total += found;
        database.close().unwrap();
    }
    println!("kill: {total} rows looked at");
}

/// A small file system, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(directory: &Path, bytes: u64) -> Option<SmallDisk> {
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory);
        let outcome = mount.stdout(Stdio::null()).stderr(Stdio::null()).status();
        outcome.is_ok_and(|status| status.success()).then(|| SmallDisk(directory.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(directory.path(), 2 << 20) else {
        println!("skipped: a small file system cannot be mounted here");
        return;
    };
    let ballast = directory.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let path = directory.path().join("app.lsm");
    let database = options().open(&path).unwrap();
    let mut count = 0;
    let error = loop {
        match database.insert(key(count), value(count)) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 100_000, "the disk never fills");
    };
    assert!(matches!(error.kind(), ErrorKind::Full(_)), "{error}");
    assert!(error.to_string().contains("free some"), "{error}");
    assert!(error.path().is_some());
    assert_eq!(rows(&database), count, "everything acknowledged, nothing else");
    // Still full: an error again, and still nothing lost.
    assert!(database.insert("x", vec![0; 1 << 20]).is_err());
    assert_eq!(rows(&database), count);
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..200 {
        database.insert(key(count), value(count)).unwrap();
        count += 1;
    }
    assert_eq!(rows(&database), count);
    database.close().unwrap();
    assert_eq!(rows(&options().open(&path).unwrap()), count);
}

#[test]
fn a_file_or_directory_without_permission_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.lsm");
    options().open(&path).unwrap().insert(key(0), value(0)).unwrap();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&path, 0o444);
    set(directory.path(), 0o555);
    // Root may write anything: become nobody where possible.
    let mut child = Command::new("setpriv");
    child.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    child.arg(std::env::current_exe().unwrap());
    as_helper(&mut child, "open", &path);
    let mut answers = Vec::new();
    for mut command in [child, command("open", &path)] {
        let Ok(output) = command.output() else { continue };
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        answers
            .extend(output.lines().filter_map(|line| line.split("@ ").nth(1)).map(str::to_owned));
        if !answers.is_empty() {
            break;
        }
    }
    let database = Options::new().read_only(true).open(&path).unwrap();
    assert_eq!(rows(&database), 1, "reading needs no permission to write");
    set(directory.path(), 0o755);
    let answer = answers.first().map_or("", String::as_str);
    if answer == "opened" {
        println!("skipped: this user may write anything and cannot become another one");
        return;
    }
    assert!(answer.starts_with("ReadOnly"), "{answer}");
    assert!(answer.contains("read-only") && answer.contains("app.lsm"), "{answer}");
}
