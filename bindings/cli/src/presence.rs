//! Who uses a database, as text: locks, clients, reader slots; below them sizes as `levels` draws
//! them. Every line says what is so at one moment.

use crate::drawing::{self, Picture, Style};
use crate::sizes;
use siltstone::env::{LockId, LockMode};
use siltstone::{Activity, MemoryActivity, Presence, SlotActivity};
use std::fmt::Write;

/// Characters in front of what a line says.
const LABEL: usize = 18;

/// Draws it; `picture` has the sizes.
pub(crate) fn draw(name: &str, activity: &Activity, picture: &Picture, style: Style) -> String {
    let mut text = format!("{name}: {}\n\n", summary(activity));
    let marks = Marks(style);
    let mut line = |label: &str, content: &str| {
        let _ = writeln!(text, "{label:<LABEL$}{content}");
    };
    let roles = |locks: &[(LockId, &str)]| {
        let role = |(lock, name): &(LockId, &str)| {
            format!("{} {name:<16}", marks.of(activity.held(*lock)))
        };
        locks.iter().map(role).collect::<String>().trim_end().to_owned()
    };
    line(
        "at work",
        &roles(&[
            (LockId::WRITER, "writer"),
            (LockId::WORKER, "worker"),
            (LockId::CHECKPOINTER, "checkpointer"),
            (LockId::DMS1, "coming or going"),
        ]),
    );
    line(
        "connected",
        &roles(&[
            (LockId::DMS2, "read-write"),
            (LockId::DMS3, "read-only"),
            (LockId::READ_ONLY_TRANSACTION, "private readers"),
        ]),
    );
    let clients = (0..LockId::CLIENT_SLOTS).filter_map(LockId::client);
    let clients = clients.map(|lock| marks.of(activity.held(lock))).collect::<String>();
    line("client locks", &clients);
    if let Some(memory) = &activity.memory {
        for slot in &memory.slots {
            let label = format!("reader slot {}", slot.number);
            let held = LockId::reader(slot.number).map_or(LockMode::Unlock, |id| activity.held(id));
            line(&label, &format!("{} {}", marks.of(held), said(slot)));
        }
    }
    let _ = writeln!(text, "{:LABEL$}{}\n", "", marks.legend());
    text.push_str(&drawing::draw_sizes(picture, style));
    let _ = writeln!(text, "{}", marks.rule());
    let _ = writeln!(text, "{}", state(activity));
    if let Some(memory) = &activity.memory {
        let _ = writeln!(text, "{}", log(memory));
    }
    text
}

/// Who is there, in words.
pub(crate) fn summary(activity: &Activity) -> String {
    let held = |lock| activity.held(lock) != LockMode::Unlock;
    match activity.presence {
        Presence::Exclusive => "one process has it for itself".to_owned(),
        Presence::Clients => {
            let number = match activity.clients() {
                0 => "clients".to_owned(),
                1 => "1 read-write client".to_owned(),
                16 => "16 read-write clients or more".to_owned(),
                more => format!("{more} read-write clients"),
            };
            let readers = if held(LockId::DMS3) { " and read-only ones" } else { "" };
            format!("shared by {number}{readers}")
        }
        Presence::Readers => "read-only clients have it open".to_owned(),
        _ if held(LockId::READ_ONLY_TRANSACTION) => "read-only clients read it".to_owned(),
        _ => "nobody is connected".to_owned(),
    }
}

fn said(slot: &SlotActivity) -> String {
    let SlotActivity { snapshot_id, chunk_id, .. } = slot;
    match (snapshot_id, slot.locked) {
        (0, false) => "empty".to_owned(),
        (0, true) => "being filled".to_owned(),
        (_, true) => format!("in use: snapshot {snapshot_id}, chunks from {chunk_id}"),
        (_, false) => format!("left by: snapshot {snapshot_id}, chunks from {chunk_id}"),
    }
}

fn state(activity: &Activity) -> String {
    let since = match activity.bytes_since_checkpoint {
        0 => "all of it on disk".to_owned(),
        bytes => format!("{} written since", sizes::bytes(bytes)),
    };
    let checkpoint = match activity.checkpoint_id {
        0 => "no checkpoint yet".to_owned(),
        id => format!("checkpoint {id}"),
    };
    let mut text = format!("snapshot {}, {checkpoint}, {since}", activity.snapshot_id);
    if let Some(memory) = &activity.memory {
        let _ = write!(text, "; transaction {}", memory.transaction);
        let alive = activity.held(LockId::WRITER) != LockMode::Unlock;
        text.push_str(match (memory.writing, alive) {
            (true, true) => ", the next one is open",
            (true, false) => ", left by a writer that died: the next one repairs",
            (false, _) => "",
        });
    }
    text
}

fn log(memory: &MemoryActivity) -> String {
    let used = memory.log_regions.iter().filter(|(start, end)| start < end);
    let regions: Vec<String> = used.map(|(start, end)| format!("{start}..{end}")).collect();
    let regions = if regions.is_empty() { "empty".to_owned() } else { regions.join(", ") };
    format!("log in use: {regions}; shared memory: {}", sizes::bytes(memory.memory_bytes))
}

/// How a lock is drawn.
struct Marks(Style);

impl Marks {
    fn of(&self, held: LockMode) -> char {
        match (held, self.0.ascii) {
            (LockMode::Unlock, true) => '-',
            (LockMode::Unlock, false) => '·',
            (LockMode::Shared, true) => 's',
            (LockMode::Shared, false) => '▒',
            (LockMode::Exclusive, true) => 'X',
            (LockMode::Exclusive, false) => '█',
        }
    }

    fn legend(&self) -> String {
        let [free, shared, one] =
            [LockMode::Unlock, LockMode::Shared, LockMode::Exclusive].map(|mode| self.of(mode));
        format!("({free} free  {shared} held by some  {one} held by one)")
    }

    fn rule(&self) -> String {
        if self.0.ascii { "-" } else { "─" }.repeat(self.0.width)
    }
}
