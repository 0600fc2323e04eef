//! The suite every world must pass.
//!
//! A backend implements [`World`] for its tests and calls [`run_all`]. Each rule of the contract
//! is one public function of a submodule, so that a failing one can be run alone; a broken rule
//! panics with a sentence saying which. Rules about what a world does not claim in its
//! [`Capabilities`](crate::Capabilities) are skipped.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a suite reports by panicking"
)]

use crate::{Access, Env, EnvError, File, FilePath};
use std::fmt::Debug;
use std::sync::Arc;

pub mod files;
pub mod locks;
pub mod maps;
pub mod names;
pub mod registry;
pub mod shared_memory;
pub mod threads;
pub mod time;

/// What the suite needs to know of a backend: a place for files and processes to use it.
pub trait World {
    /// Starts a process. The first call must succeed; later ones give `None` where a second
    /// process cannot be had.
    fn process(&self) -> Option<Arc<dyn Env>>;

    /// A name for a file in a directory that exists and is writable. Equal for equal `name`.
    fn path(&self, name: &str) -> Vec<u8>;
}

/// One rule.
pub type Check = fn(&dyn World);

macro_rules! checks {
    ($($module:ident :: $check:ident),* $(,)?) => {
        /// All rules with their names.
        pub const CHECKS: &[(&str, Check)] =
            &[$((concat!(stringify!($module), "::", stringify!($check)), $module::$check)),*];
    };
}

checks![
    names::a_missing_file_is_not_found,
    names::creation_is_visible_to_everybody,
    names::canonical_paths_are_stable,
    names::a_missing_directory_is_not_found,
    names::a_directory_is_not_a_file,
    names::removal_takes_the_name_away,
    names::removal_leaves_open_handles_usable,
    names::a_recreated_file_is_empty,
    names::directory_sync_succeeds,
    names::files_beside_a_database_open_like_any,
    names::removal_and_replacement_are_noticed,
    files::a_new_file_is_empty,
    files::writes_are_read_back,
    files::reads_past_the_end_are_zero_filled,
    files::holes_read_as_zero,
    files::empty_transfers_do_nothing,
    files::writes_are_visible_through_other_handles,
    files::writes_are_visible_to_other_processes,
    files::vectored_writes_are_contiguous,
    files::many_slices_are_written_whole,
    files::truncate_cuts,
    files::truncate_never_grows,
    files::growth_after_truncate_reads_as_zero,
    files::allocation_changes_no_byte,
    files::sync_succeeds_and_changes_nothing,
    files::a_read_only_handle_refuses_writes,
    files::absurd_offsets_fail_cleanly,
    files::sector_size_is_a_power_of_two,
    files::contents_survive_closing,
    files::handles_outlive_the_environment,
    files::positions_of_threads_do_not_mix,
    locks::exclusive_excludes_other_processes,
    locks::shared_admits_shared_only,
    locks::locks_are_independent,
    locks::upgrade_and_downgrade_happen_in_place,
    locks::a_refused_upgrade_keeps_the_shared_lock,
    locks::relocking_and_stray_unlocking_succeed,
    locks::testing_takes_nothing,
    locks::testing_ignores_own_locks,
    locks::testing_covers_the_whole_range,
    locks::closing_releases,
    locks::closing_another_handle_releases_nothing,
    locks::locks_leave_bytes_alone,
    locks::locks_follow_the_file_not_the_name,
    locks::ranges_lock_like_bytes,
    locks::single_process_locks_always_succeed,
    shared_memory::present_exactly_where_claimed,
    shared_memory::chunks_begin_zeroed,
    shared_memory::handles_and_processes_see_one_memory,
    shared_memory::chunk_addresses_are_stable,
    shared_memory::release_keeps_the_contents,
    shared_memory::deletion_starts_anew,
    shared_memory::databases_do_not_share,
    shared_memory::a_removed_name_is_noticed,
    shared_memory::other_memory_of_the_name_is_left_alone,
    shared_memory::readers_make_no_memory,
    maps::absent_where_not_claimed,
    maps::a_map_shows_the_file,
    maps::a_map_shows_later_writes,
    maps::a_map_outlives_its_handle,
    maps::an_empty_file_maps_empty,
    time::the_clock_never_goes_back,
    time::sleep_moves_the_clock_or_returns,
    time::random_bytes_differ,
    time::mutexes_exclude,
    threads::a_thread_runs_and_join_waits_for_it,
    threads::a_dropped_thread_runs_on,
    registry::a_process_has_one_table,
    registry::processes_have_tables_of_their_own,
    registry::the_same_file_has_the_same_id,
];

/// Runs every rule, each in a fresh world. The name of a failing rule is in the panic's output.
///
/// # Panics
/// When a rule is broken.
pub fn run_all(make: &dyn Fn() -> Box<dyn World>) {
    for (name, check) in CHECKS {
        let witness = Witness(name);
        check(&*make());
        std::mem::forget(witness);
    }
}

/// Says which rule was running when a check panics.
struct Witness(&'static str);

impl Drop for Witness {
    fn drop(&mut self) {
        eprintln!("broken rule: {}", self.0);
    }
}

/// A process, or the suite cannot run at all.
fn process(world: &dyn World) -> Arc<dyn Env> {
    world.process().expect("a world must have at least one process")
}

/// Canonical path of the suite's file `name`.
fn path(env: &dyn Env, world: &dyn World, name: &str) -> FilePath {
    rule("canonical_path succeeds in an existing directory", env.canonical_path(&world.path(name)))
}

/// Opens (creates) the suite's file `name`.
fn open(env: &dyn Env, world: &dyn World, name: &str) -> Arc<dyn File> {
    let path = path(env, world, name);
    rule("open with ReadWriteCreate succeeds", env.open(&path, Access::ReadWriteCreate))
}

/// The same file opened in a second process, where a second one can be had and gets in.
fn open_elsewhere(world: &dyn World, name: &str) -> Option<(Arc<dyn Env>, Arc<dyn File>)> {
    let env = world.process()?;
    let path = path(&*env, world, name);
    match env.open(&path, Access::ReadWriteCreate) {
        Ok(file) => Some((env, file)),
        Err(EnvError::Busy) if env.capabilities().process_locks => None,
        Err(error) => panic!("a second process opens the file, or is told Busy: got {error:?}"),
    }
}

/// Unwraps, naming the rule.
fn rule<T, E: Debug>(rule: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("rule broken: {rule}: got {error:?}"),
    }
}

/// Whole file as bytes.
fn contents(file: &dyn File) -> Vec<u8> {
    let size = rule("size succeeds", file.size());
    let mut bytes = vec![0xAA; usize::try_from(size).expect("a small file")];
    let held = rule("read_at succeeds", file.read_at(0, &mut bytes));
    assert_eq!(held, bytes.len(), "rule broken: read_at gives as many bytes as size says");
    bytes
}
