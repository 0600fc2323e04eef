//! The command line: options every command takes. Each command's own are in its file.

use crate::codecs::CodecName;
use crate::commands::Command;
use crate::sizes::{parse_bytes, parse_bytes_32, parse_duration};
use clap::{Args, Parser, ValueEnum};
use std::time::Duration;

/// Create, query, import, inspect, check and repair Siltstone and SQLite lsm1 databases.
#[derive(Debug, Parser)]
#[command(
    name = "siltstone",
    version,
    propagate_version = true,
    subcommand_required = true,
    after_help = "Commands may run at the same time on one database, beside each other and beside any programs \
                  that\nuse it; `watch` shows them, --exclusive keeps them out.\n\nExit status: 0 done, 1 not found or damage found, 2 usage or unreadable input, \
                  130 interrupted;\notherwise the code of the error: 5 busy, 7 out of memory, 8 \
                  read-only, 10 I/O, 11 corrupt, 13 full,\n14 cannot open, 15 protocol, 21 misuse, \
                  50 codec mismatch."
)]
pub(crate) struct Arguments {
    /// Options every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Key arguments and printed keys are hexadecimal
    #[arg(long, global = true)]
    pub(crate) hex: bool,
    /// Answer in JSON, one document per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say on stderr what recovery, flushes, merges and checkpoints do
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// What a commit survives
    #[arg(long, global = true, value_enum, default_value_t = DurabilityName::Normal)]
    pub(crate) durability: DurabilityName,
    /// Codec of a new database's pages; existing ones say what they need
    #[arg(long, global = true, value_enum)]
    pub(crate) codec: Option<CodecName>,
    /// How long to wait for others who write, merge or have the file for themselves: 5, 500ms, 1m
    #[arg(long, visible_alias = "busy-timeout", global = true, value_name = "SECONDS", default_value = "5", value_parser = parse_duration)]
    pub(crate) wait: Duration,
    /// Have the file alone: other processes are locked out meanwhile
    ///
    /// Otherwise any number of processes, programs with SQLite's lsm1 among them, use it together.
    #[arg(long, global = true)]
    pub(crate) exclusive: bool,
    /// Size of the in-memory tree that starts a flush
    #[arg(long, global = true, value_name = "SIZE", default_value = "1M", value_parser = parse_bytes, help_heading = "Tuning")]
    pub(crate) autoflush: u64,
    /// Bytes written that start a checkpoint; 0 = never
    #[arg(long, global = true, value_name = "SIZE", default_value = "2M", value_parser = parse_bytes, help_heading = "Tuning")]
    pub(crate) autocheckpoint: u64,
    /// How many segments of one age are merged
    #[arg(long, global = true, value_name = "N", default_value_t = 4, help_heading = "Tuning")]
    pub(crate) automerge: u32,
    /// Cap of the page cache
    #[arg(long, global = true, value_name = "SIZE", default_value = "2M", value_parser = parse_bytes, help_heading = "Tuning")]
    pub(crate) cache_size: u64,
    /// Cap of the in-memory trees
    #[arg(long, global = true, value_name = "SIZE", default_value = "1G", value_parser = parse_bytes, help_heading = "Tuning")]
    pub(crate) memory_limit: u64,
}

/// Shape of a database that is made.
#[derive(Debug, Args)]
pub(crate) struct NewFile {
    /// Bytes of a page: a power of two, 256 to 64K [default: 4K]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes_32)]
    pub(crate) page_size: Option<u32>,
    /// Bytes of a block: a power of two, 64K to 64M [default: 1M]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes_32)]
    pub(crate) block_size: Option<u32>,
}

/// Durability on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityName {
    /// Nothing is synced
    None,
    /// Checkpoints are synced: power loss may take the last commits, never consistency
    Normal,
    /// Each commit is synced: power loss takes nothing acknowledged
    Full,
}

impl DurabilityName {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DurabilityName::None => "none",
            DurabilityName::Normal => "normal",
            DurabilityName::Full => "full",
        }
    }
}

impl From<DurabilityName> for siltstone::Durability {
    fn from(name: DurabilityName) -> Self {
        match name {
            DurabilityName::None => siltstone::Durability::None,
            DurabilityName::Normal => siltstone::Durability::Normal,
            DurabilityName::Full => siltstone::Durability::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let line = ["siltstone", "get", "app.lsm", "6b", "--hex", "--wait", "2", "--exclusive"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert!(arguments.global.hex);
        assert!(arguments.global.exclusive);
        assert_eq!(arguments.global.wait, Duration::from_secs(2));
        let line = ["siltstone", "get", "app.lsm", "6b", "--busy-timeout", "200ms"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert_eq!(arguments.global.wait, Duration::from_millis(200));
    }
}
