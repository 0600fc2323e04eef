//! Connections: levels, cursors beside writes, private states, codecs.

use super::{Connection, CursorId};
use crate::codec::{self, Codec};
use crate::env::Env;
use crate::error::{BusyRole, ErrorKind, Result};
use crate::options::Sharing;
use crate::sorted::Seek;
use crate::work::{WorkKind, WorkLimit};
use siltstone_memory::MemoryWorld;
use std::sync::Arc;

fn open(env: Arc<dyn Env>) -> Connection {
    let mut connection = Connection::new(env);
    connection.open(b"app.lsm").unwrap();
    connection
}

fn put(connection: &mut Connection, key: &str, value: &str) {
    connection.insert(key.as_bytes(), value.as_bytes()).unwrap();
}

/// All rows, as `key=value` with spaces between.
fn rows(connection: &mut Connection) -> String {
    let cursor = connection.open_cursor().unwrap();
    let rows = rest(connection, cursor, true);
    connection.close_cursor(cursor).unwrap();
    rows
}

/// The row under the cursor.
fn here(connection: &mut Connection, cursor: CursorId) -> Option<String> {
    let mut cursor = connection.cursor(cursor).unwrap();
    let key = String::from_utf8(cursor.key()?.to_vec()).unwrap();
    let value = cursor.value().unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap());
    Some(value.map_or_else(|| key.clone() + "!", |value| format!("{key}={value}")))
}

fn rest(connection: &mut Connection, cursor: CursorId, from_start: bool) -> String {
    let mut rows = Vec::new();
    if from_start {
        connection.cursor(cursor).unwrap().first().unwrap();
    }
    while let Some(row) = here(connection, cursor) {
        rows.push(row);
        connection.cursor(cursor).unwrap().next().unwrap();
    }
    rows.join(" ")
}

fn is_stale<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if *error.kind() == ErrorKind::Busy(BusyRole::StaleSnapshot))
}

fn is_misuse<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if error.code() == 21)
}

#[test]
fn levels_count_as_lsm_h_has_it() {
    let world = MemoryWorld::new();
    let mut connection = open(world.process());
    connection.begin(0).unwrap();
    assert_eq!(connection.level(), 0);
    connection.begin(1).unwrap();
    put(&mut connection, "a", "1");
    connection.begin(3).unwrap();
    put(&mut connection, "b", "2");
    connection.begin(2).unwrap();
    assert_eq!(connection.level(), 3);
    // Level 2 began where level 3 did.
    connection.rollback(2).unwrap();
    assert_eq!((connection.level(), rows(&mut connection).as_str()), (2, "a=1"));
    put(&mut connection, "c", "3");
    // No such level.
    connection.rollback(3).unwrap();
    connection.commit(2).unwrap();
    assert_eq!((connection.level(), rows(&mut connection).as_str()), (2, "a=1 c=3"));
    connection.commit(1).unwrap();
    assert_eq!(connection.level(), 1);
    // The outermost level is kept open by rolling back to it.
    connection.rollback(1).unwrap();
    assert_eq!((connection.level(), rows(&mut connection).as_str()), (1, ""));
    put(&mut connection, "d", "4");
    connection.commit(0).unwrap();
    assert_eq!((connection.level(), rows(&mut connection).as_str()), (0, "d=4"));
    connection.begin(1).unwrap();
    put(&mut connection, "e", "5");
    connection.rollback(0).unwrap();
    assert_eq!((connection.level(), rows(&mut connection).as_str()), (0, "d=4"));
    connection.close().unwrap();
}

#[test]
fn any_number_of_levels_costs_one_mark() {
    let world = MemoryWorld::new();
    let mut connection = open(world.process());
    connection.begin(u32::MAX).unwrap();
    put(&mut connection, "a", "1");
    connection.rollback(u32::MAX - 1).unwrap();
    assert_eq!(connection.level(), u32::MAX - 1);
    put(&mut connection, "b", "2");
    connection.commit(5).unwrap();
    connection.begin(7).unwrap();
    put(&mut connection, "c", "3");
    connection.rollback(6).unwrap();
    connection.commit(0).unwrap();
    assert_eq!(rows(&mut connection), "b=2");
}

#[test]
fn cursors_see_what_the_connection_writes_and_keep_their_place() {
    let world = MemoryWorld::new();
    let mut connection = open(world.process());
    for key in ["a", "c", "e"] {
        put(&mut connection, key, "old");
    }
    let cursor = connection.open_cursor().unwrap();
    connection.cursor(cursor).unwrap().seek(b"a", Seek::Exact).unwrap();
    put(&mut connection, "a", "new");
    assert_eq!(here(&mut connection, cursor).unwrap(), "a=new");
    connection.begin(1).unwrap();
    put(&mut connection, "b", "between");
    connection.remove(b"a").unwrap();
    // Gone, but the place is kept.
    assert_eq!(here(&mut connection, cursor).unwrap(), "a!");
    assert!(connection.cursor(cursor).unwrap().next().unwrap());
    assert_eq!(here(&mut connection, cursor).unwrap(), "b=between");
    connection.commit(0).unwrap();
    assert_eq!(here(&mut connection, cursor).unwrap(), "b=between");
    connection.remove_between(b"b", b"e").unwrap();
    assert!(connection.cursor(cursor).unwrap().next().unwrap());
    assert_eq!(here(&mut connection, cursor).unwrap(), "e=old");
    assert!(connection.cursor(cursor).unwrap().previous().unwrap());
    assert_eq!(here(&mut connection, cursor).unwrap(), "b=between");
    connection.close_cursor(cursor).unwrap();
    assert!(is_misuse(&connection.close_cursor(cursor)));
    assert!(is_misuse(&connection.cursor(cursor).map(|_| ())));
    connection.close().unwrap();
}

#[test]
fn a_rollback_shows_under_a_cursor_once_it_moves() {
    for level in [0, 1] {
        let world = MemoryWorld::new();
        let mut connection = open(world.process());
        put(&mut connection, "b", "old");
        connection.begin(1).unwrap();
        put(&mut connection, "a", "undone");
        put(&mut connection, "b", "undone");
        let cursor = connection.open_cursor().unwrap();
        connection.cursor(cursor).unwrap().first().unwrap();
        connection.rollback(level).unwrap();
        assert_eq!(here(&mut connection, cursor).unwrap(), "a=undone");
        assert!(connection.cursor(cursor).unwrap().next().unwrap());
        assert_eq!(here(&mut connection, cursor).unwrap(), "b=old");
        connection.cursor(cursor).unwrap().seek(b"b", Seek::AtMost).unwrap();
        assert!(!connection.cursor(cursor).unwrap().previous().unwrap());
        // Writing again is a change like any other.
        connection.cursor(cursor).unwrap().first().unwrap();
        put(&mut connection, "b", "newer");
        assert_eq!(here(&mut connection, cursor).unwrap(), "b=newer");
        connection.rollback(0).unwrap();
        connection.close_cursor(cursor).unwrap();
        connection.close().unwrap();
    }
}

#[test]
fn what_a_cursor_shows_can_be_written() {
    let world = MemoryWorld::new();
    let mut connection = open(world.process());
    connection.begin(1).unwrap();
    put(&mut connection, "a", "undone");
    let cursor = connection.open_cursor().unwrap();
    connection.cursor(cursor).unwrap().first().unwrap();
    connection.rollback(1).unwrap();
    let position = connection.cursor(cursor).unwrap().value().unwrap().unwrap().to_vec();
    connection.insert(b"b", &position).unwrap();
    // It has been written over what the cursor kept.
    assert_eq!(here(&mut connection, cursor).unwrap(), "a!");
    connection.commit(0).unwrap();
    assert_eq!(rest(&mut connection, cursor, true), "b=undone");
}

/// Two connections of one process, or of two.
fn pair(world: &MemoryWorld, processes: bool) -> (Connection, Connection) {
    let first = world.process();
    let second = if processes { world.process() } else { Arc::clone(&first) };
    (open(first), open(second))
}

#[test]
fn what_is_read_is_fixed_by_the_first_cursor() {
    for processes in [false, true] {
        let world = MemoryWorld::new();
        let (mut one, mut two) = pair(&world, processes);
        put(&mut one, "a", "1");
        let cursor = one.open_cursor().unwrap();
        put(&mut two, "b", "2");
        assert_eq!(rows(&mut one), "a=1");
        // Others have committed: only the newest state can be built upon.
        assert!(is_stale(&one.insert(b"c", b"3")));
        assert!(is_stale(&one.begin(1)));
        assert_eq!((one.level(), rest(&mut one, cursor, true).as_str()), (0, "a=1"));
        one.close_cursor(cursor).unwrap();
        assert_eq!(rows(&mut one), "a=1 b=2");

        // What was rolled back makes nothing stale, and neither does an empty transaction.
        let cursor = one.open_cursor().unwrap();
        two.begin(1).unwrap();
        put(&mut two, "z", "undone");
        let busy = one.insert(b"c", b"3");
        assert_eq!(*busy.unwrap_err().kind(), ErrorKind::Busy(BusyRole::Writer));
        two.rollback(0).unwrap();
        two.begin(1).unwrap();
        two.commit(0).unwrap();
        put(&mut one, "c", "3");
        assert_eq!(rest(&mut one, cursor, true), "a=1 b=2 c=3");
        assert!(is_misuse(&one.close()));
        one.close_cursor(cursor).unwrap();
        one.close().unwrap();
        assert_eq!(rows(&mut two), "a=1 b=2 c=3");
        two.close().unwrap();
    }
}

#[test]
fn an_open_cursor_never_makes_a_connection_busy_with_its_own_flushes() {
    for sharing in [Sharing::Shared, Sharing::Exclusive] {
        let world = MemoryWorld::new();
        let mut connection = Connection::new(world.process());
        let small = |options: crate::Options| {
            options.autoflush(16 << 10).page_size(512).block_size(1 << 16).sharing(sharing)
        };
        connection.configure(small).unwrap();
        connection.open(b"app.lsm").unwrap();
        connection.keep_work_events(true);
        let cursor = connection.open_cursor().unwrap();
        for n in 0..2000 {
            put(&mut connection, &format!("{:05}", n * 7919 % 2000), &format!("{n:064}"));
            if n % 97 == 0 {
                connection.begin(1).unwrap();
                put(&mut connection, "undone", "");
                connection.cursor(cursor).unwrap().last().unwrap();
                connection.rollback(0).unwrap();
            }
        }
        let count = rest(&mut connection, cursor, true).split(' ').count();
        assert_eq!(count, 2000);
        let events = connection.take_work_events();
        assert!(events.iter().any(|event| event.kind == WorkKind::Flush));
        assert!(events.iter().any(|event| event.kind == WorkKind::Merge));
        let written: u64 = events
            .iter()
            .filter(|event| event.kind != WorkKind::Checkpoint)
            .map(|event| event.bytes / 512)
            .sum();
        // The pages of b-trees are not in what the checkpoint counts.
        assert!(connection.pages_written() >= written);
        assert!(connection.pages_written() < written + written / 4);
        assert!(is_misuse(&connection.flush()));
        assert!(is_misuse(&connection.work(WorkLimit::ALL)));
        connection.checkpoint().unwrap();
        assert_eq!(connection.checkpoint().unwrap(), 0);
        connection.close_cursor(cursor).unwrap();
        connection.close().unwrap();
    }
}

#[test]
fn more_cursors_than_reader_slots_share_what_they_read() {
    let world = MemoryWorld::new();
    let mut connection = open(world.process());
    let mut cursors = Vec::new();
    for n in 0..20 {
        put(&mut connection, &format!("{n:02}"), "x");
        cursors.push(connection.open_cursor().unwrap());
        connection.cursor(cursors[n]).unwrap().last().unwrap();
    }
    for (n, &cursor) in cursors.iter().enumerate() {
        assert_eq!(here(&mut connection, cursor).unwrap(), format!("{n:02}=x"));
        assert_eq!(rest(&mut connection, cursor, false).split(' ').count(), 20 - n);
    }
}

#[test]
fn read_only_connections_and_writers_of_one_process_are_in_nobodys_way() {
    let world = MemoryWorld::new();
    let process = world.process();
    let mut reader = Connection::new(Arc::clone(&process) as Arc<dyn Env>);
    reader.configure(|options| options.read_only(true)).unwrap();
    // Missing: an empty one is made, as C lsm1 does.
    reader.open(b"app.lsm").unwrap();
    assert_eq!(rows(&mut reader), "");
    let mut writer = open(process.clone());
    put(&mut writer, "a", "1");
    assert_eq!(rows(&mut reader), "a=1");
    for outcome in [
        reader.begin(0),
        reader.insert(b"b", b""),
        reader.remove(b"b"),
        reader.remove_between(b"a", b"b"),
        reader.set_user_version(1),
        reader.flush(),
        reader.work(WorkLimit::ALL).map(|_| ()),
        reader.checkpoint().map(|_| ()),
    ] {
        assert_eq!(outcome.unwrap_err().code(), 8);
    }
    reader.remove_between(b"b", b"a").unwrap();
    reader.commit(0).unwrap();
    writer.set_user_version(7).unwrap();
    assert_eq!(reader.user_version().unwrap(), 7);
    reader.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_second_connection_takes_over_the_sharing_mode() {
    let world = MemoryWorld::new();
    let (mut first, process) = {
        let process = world.process();
        (open(Arc::clone(&process) as Arc<dyn Env>), process)
    };
    let mut second = Connection::new(process);
    second.configure(|options| options.sharing(Sharing::Exclusive)).unwrap();
    assert_eq!(second.is_shared(), None);
    second.open(b"app.lsm").unwrap();
    assert_eq!(second.is_shared(), Some(true));
    put(&mut second, "a", "1");
    assert_eq!(rows(&mut first), "a=1");
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_connection_may_move_between_threads() {
    fn may_move<T: Send>(_: &T) {}
    let connection = Connection::new(MemoryWorld::new().process());
    may_move(&connection);
}

#[test]
fn wrong_states_are_misuse() {
    let world = MemoryWorld::new();
    let mut connection = Connection::new(world.process());
    assert!(is_misuse(&connection.begin(1)));
    assert!(is_misuse(&connection.insert(b"a", b"")));
    assert!(is_misuse(&connection.remove_between(b"b", b"a")));
    assert!(is_misuse(&connection.open_cursor()));
    assert!(is_misuse(&connection.flush()));
    assert!(is_misuse(&connection.stats()));
    assert!(is_misuse(&connection.missing_codec()));
    assert!(is_misuse(&connection.configure(|options| options.automerge(1))));
    connection.commit(0).unwrap();
    connection.close().unwrap();
    // A failed opening can be repeated.
    let alone = crate::Options::new().sharing(Sharing::Exclusive);
    let alone = alone.open_with_env(world.process(), "app.lsm").unwrap();
    assert_eq!(connection.open(b"app.lsm").unwrap_err().code(), 5);
    assert!(!connection.is_open());
    alone.close().unwrap();
    connection.open(b"app.lsm").unwrap();
    assert!(is_misuse(&connection.open(b"app.lsm")));
    connection.begin(1).unwrap();
    assert!(is_misuse(&connection.close()));
    assert!(is_misuse(&connection.set_codec(None)));
    connection.commit(0).unwrap();
    connection.close().unwrap();
    connection.open(b"app.lsm").unwrap();
    connection.close().unwrap();
}

/// Turns every bit round.
#[derive(Debug)]
struct Inverse(u32);

impl Codec for Inverse {
    fn id(&self) -> u32 {
        self.0
    }

    fn bound(&self, page_len: usize) -> usize {
        page_len
    }

    fn compress(&self, page: &[u8], out: &mut Vec<u8>) -> codec::Result<()> {
        out.extend(page.iter().map(|byte| !byte));
        Ok(())
    }

    fn decompress(&self, record: &[u8], page: &mut [u8]) -> codec::Result<()> {
        page.iter_mut().zip(record).for_each(|(to, from)| *to = !from);
        Ok(())
    }
}

fn inverse(id: u32) -> Option<Arc<dyn Codec>> {
    Some(Arc::new(Inverse(id)))
}

#[test]
fn codecs_can_be_set_when_the_file_is_open() {
    let world = MemoryWorld::new();
    let process = world.process();
    let mut connection = open(Arc::clone(&process) as Arc<dyn Env>);
    assert_eq!(connection.file_codec_id().unwrap(), 0);
    connection.set_codec(inverse(20001)).unwrap();
    assert_eq!(rows(&mut connection), "");
    // The first to have it open decides, but nothing is written yet.
    let mut beside = open(Arc::clone(&process) as Arc<dyn Env>);
    assert_eq!(beside.open_cursor().unwrap_err().code(), 50);
    assert_eq!(beside.file_codec_id().unwrap(), 0);
    beside.close().unwrap();
    put(&mut connection, "a", "1");
    connection.flush().unwrap();
    assert_eq!(connection.file_codec_id().unwrap(), 20001);
    assert_eq!(rows(&mut connection), "a=1");
    connection.close().unwrap();

    let mut other = open(process);
    assert_eq!(other.missing_codec().unwrap(), Some(20001));
    assert_eq!(other.file_codec_id().unwrap(), 20001);
    assert_eq!(other.checkpoint().unwrap(), 0);
    for outcome in [
        other.open_cursor().map(|_| ()),
        other.insert(b"b", b""),
        other.begin(1),
        other.work(WorkLimit::ALL).map(|_| ()),
        other.stats().map(|_| ()),
    ] {
        assert_eq!(outcome.unwrap_err().code(), 50);
    }
    other.set_codec(inverse(20002)).unwrap();
    assert_eq!(other.missing_codec().unwrap(), Some(20001));
    // Beside another connection that has it open with its codec, too.
    connection.open(b"app.lsm").unwrap();
    assert_eq!(other.open_cursor().unwrap_err().code(), 50);
    other.set_codec(inverse(20001)).unwrap();
    assert_eq!(rows(&mut other), "a=1");
    other.close().unwrap();
    connection.close().unwrap();
}
