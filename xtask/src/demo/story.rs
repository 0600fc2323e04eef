//! What the demo does, chapter by chapter. Any answer that differs from the source data ends it.

use super::data::Entries;
use super::siltstone::{Siltstone, length, with_prefix};
use crate::tools::Outcome;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

/// The database.
const FILE: &str = "cities.lsm";
/// Entries per transaction of the import that is killed.
const BATCH: u64 = 100;
/// Lines it is given before each kill.
const GIVEN: u64 = 40_000;

/// Tells it.
pub(super) fn tell(folder: &Path, binary: &Path, mut entries: Entries) -> Outcome {
    for name in ["cities.lsm", "compressed.lsm", "backup.lsm"] {
        for file in [name.to_owned(), format!("{name}-log"), format!("{name}-shm")] {
            let _ = fs::remove_file(folder.join(file));
        }
    }
    let _ = fs::remove_file(folder.join("copy.csv"));
    let siltstone = Siltstone { binary: binary.to_owned(), folder: folder.to_owned() };
    import(&siltstone, &entries)?;
    query(&siltstone, &entries)?;
    delete(&siltstone, &mut entries)?;
    crash(&siltstone, &mut entries)?;
    compact(&siltstone, &entries)?;
    copies(&siltstone, &entries)?;
    println!("\nEvery answer agreed with the source data: {} entries in the end.", entries.len());
    Ok(())
}

fn chapter(title: &str) {
    println!("\n== {title}");
}

fn agree(what: &str, found: u64, expected: u64) -> Outcome {
    if found == expected {
        println!("   {what}: {found}, as in the source data");
        return Ok(());
    }
    Err(format!("{what}: {found}, but the source data has {expected}"))
}

fn import(siltstone: &Siltstone, entries: &Entries) -> Outcome {
    chapter("Import");
    let start = Instant::now();
    let answer = siltstone.json(&["import", FILE, "cities.ndjson"])?;
    let seconds = start.elapsed().as_secs_f64();
    let lines = answer["entries"].as_u64().unwrap_or_default();
    let rate = lines as f64 / seconds;
    println!("   {lines} lines in {seconds:.2} s, {rate:.0} a second, transactions of 10000");
    let count = siltstone.json(&["scan", FILE, "--count"])?;
    agree("entries", count["entries"].as_u64().unwrap_or_default(), entries.len() as u64)?;
    let scanned = siltstone.expect(FILE, &[], entries.iter())?;
    println!("   a full scan: {scanned} entries, every byte as in the source data");
    let scanned = siltstone.expect(FILE, &["--reverse"], entries.iter().rev())?;
    println!("   and backward: {scanned}");
    Ok(())
}

fn query(siltstone: &Siltstone, entries: &Entries) -> Outcome {
    chapter("Query");
    let city = with_prefix(entries, "city/CH/BE/Bern/").next();
    let (key, value) = city.ok_or("the source data has no Bern")?;
    let key = String::from_utf8_lossy(key).into_owned();
    let answer = siltstone.answer(&["get", FILE, &key])?;
    println!("   {answer}");
    if answer.as_bytes() != *value {
        return Err(format!("{key} should be {}", String::from_utf8_lossy(value)));
    }
    let missing = siltstone.run(&["get", FILE, "city/XX/nowhere"])?;
    if missing.status.code() != Some(1) {
        return Err(format!("a missing key ended with {}", missing.status));
    }
    println!("   {}", String::from_utf8_lossy(&missing.stderr).trim());

    chapter("Prefix scan: the cities of Iceland");
    let options = ["--prefix", "city/IS/"];
    let found = siltstone.expect(FILE, &options, with_prefix(entries, "city/IS/"))?;
    let sample = siltstone.answer(&["scan", FILE, "--prefix", "city/IS/", "--limit", "3"])?;
    print!("{sample}");
    println!("   {found} cities, all as in the source data");

    chapter("Range scan: what lies around the Eiffel tower (geohash u09t..u09w)");
    let range = entries.range(b"near/u09t".to_vec()..b"near/u09w".to_vec());
    let options = ["--from", "near/u09t", "--to", "near/u09w"];
    let found = siltstone.expect(FILE, &options, range.clone())?;
    let backward = ["--from", "near/u09t", "--to", "near/u09w", "--reverse", "--limit", "5"];
    siltstone.expect(FILE, &backward, range.rev().take(5))?;
    println!("   {found} places, forward and the last five backward");
    Ok(())
}

fn delete(siltstone: &Siltstone, entries: &mut Entries) -> Outcome {
    chapter("Delete a range: every city key of the United States");
    let doomed: Vec<Vec<u8>> = with_prefix(entries, "city/US/").map(|(k, _)| k.clone()).collect();
    let answer = siltstone.json(&["delete-range", FILE, "--prefix", "city/US/", "--count"])?;
    agree("deleted", answer["deleted"].as_u64().unwrap_or_default(), doomed.len() as u64)?;
    for key in doomed {
        entries.remove(&key);
    }
    let none = siltstone.expect(FILE, &["--prefix", "city/US/"], std::iter::empty())?;
    agree("left of them", none, 0)?;
    let scanned = siltstone.expect(FILE, &[], entries.iter())?;
    println!("   everything else is there: {scanned} entries");
    Ok(())
}

/// What the writer that gets killed writes.
fn visit(number: u64) -> (String, String) {
    (format!("visit/{number:09}"), format!("the {number}th visitor liked it here"))
}

fn crash(siltstone: &Siltstone, entries: &mut Entries) -> Outcome {
    let mut committed: u64 = 0;
    for round in 1..=3 {
        chapter(&format!("Crash {round}: kill -9 in the middle of an import"));
        let start = committed;
        let mut writer = start_writer(siltstone)?;
        let given = feed(&mut writer, start)?;
        // SIGKILL on unix: no handler, no destructor, nothing is flushed.
        writer.kill().map_err(|error| format!("killing the import: {error}"))?;
        let status = writer.wait().map_err(|error| error.to_string())?;
        let log = length(&siltstone.folder.join(format!("{FILE}-log")));
        println!("   killed ({status}) after {given} lines; {log} bytes of log are left");
        if status.success() {
            return Err("the import ended before it was killed".to_owned());
        }
        let count = siltstone.json(&["scan", FILE, "--prefix", "visit/", "--count"])?;
        committed = count["entries"].as_u64().unwrap_or_default();
        let new = committed.checked_sub(start).ok_or("committed visits were lost")?;
        println!("   reopened: {new} new visits, {} transactions of {BATCH}", new / BATCH);
        if new % BATCH != 0 || new > given {
            return Err(format!("{new} visits are no whole transactions of {BATCH}"));
        }
        // The pipe and the reader's buffer hold far less than half of what was given.
        if new < given / 2 {
            return Err(format!(
                "only {new} of {given} lines survived, though the process had them"
            ));
        }
        for number in start..committed {
            let (key, value) = visit(number);
            entries.insert(key.into_bytes(), value.into_bytes());
        }
        let scanned = siltstone.expect(FILE, &[], entries.iter())?;
        println!("   exactly what was committed is there: {scanned} entries");
        check(siltstone, FILE, entries)?;
    }
    Ok(())
}

fn start_writer(siltstone: &Siltstone) -> Result<Child, String> {
    let batch = BATCH.to_string();
    let mut command = siltstone.command(&["import", FILE, "-", "--batch", &batch]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().map_err(|error| format!("starting the import: {error}"))
}

/// Gives the writer lines and leaves the last one unfinished, the pipe open.
fn feed(writer: &mut Child, start: u64) -> Result<u64, String> {
    let input = writer.stdin.as_mut().ok_or("no pipe to the import")?;
    let mut text = String::new();
    for number in start..start + GIVEN {
        let (key, value) = visit(number);
        text.push_str(&format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}\n"));
    }
    text.push_str("{\"key\":\"visit/unfin");
    let failed = |error| format!("the import stopped reading: {error}");
    input.write_all(text.as_bytes()).and_then(|()| input.flush()).map_err(failed)?;
    Ok(GIVEN)
}

fn check(siltstone: &Siltstone, file: &str, entries: &Entries) -> Outcome {
    let report = siltstone.json(&["check", file])?;
    agree(
        "checked, sound, entries",
        report["entries"].as_u64().unwrap_or_default(),
        entries.len() as u64,
    )
}

fn compact(siltstone: &Siltstone, entries: &Entries) -> Outcome {
    chapter("Levels, compaction");
    let path = siltstone.folder.join(FILE);
    print!("{}", siltstone.answer(&["levels", FILE])?);
    let before = length(&path);
    print!("{}", siltstone.answer(&["compact", FILE])?);
    print!("{}", siltstone.answer(&["levels", FILE])?);
    let payload: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
    let after = length(&path);
    let ratio = after as f64 / payload as f64;
    println!("   {before} bytes before, {after} after: {ratio:.2} times keys and values");
    siltstone.expect(FILE, &[], entries.iter())?;
    check(siltstone, FILE, entries)
}

fn copies(siltstone: &Siltstone, entries: &Entries) -> Outcome {
    chapter("Backup; export to CSV and import into a compressed database");
    siltstone.answer(&["backup", FILE, "backup.lsm"])?;
    siltstone.expect("backup.lsm", &[], entries.iter())?;
    siltstone.answer(&["export", FILE, "copy.csv"])?;
    siltstone.answer(&["import", "compressed.lsm", "copy.csv", "--codec", "zstd"])?;
    siltstone.answer(&["compact", "compressed.lsm"])?;
    let scanned = siltstone.expect("compressed.lsm", &[], entries.iter())?;
    check(siltstone, "compressed.lsm", entries)?;
    let plain = length(&siltstone.folder.join(FILE));
    let small = length(&siltstone.folder.join("compressed.lsm"));
    println!("   {scanned} entries in both copies; {small} bytes with zstd, {plain} without");
    Ok(())
}
