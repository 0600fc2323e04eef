//! The commands. To add one: a file with a `run`, a line in [`TABLE`].

mod asan;
mod bench;
mod c_library;
mod crash;
mod debian;
mod demo;
mod deny;
mod dist_c;
mod dist_wasi;
mod edges;
mod fuzz;
mod hostile;
mod loom;
mod miri;
mod processes;
mod soak;
mod test;
mod tsan;
mod valgrind;
mod wasi;

use crate::tools::Outcome;

/// A command.
pub(crate) struct Command {
    /// What one types.
    pub(crate) name: &'static str,
    /// One line of help.
    pub(crate) about: &'static str,
    /// Does it.
    pub(crate) run: fn(&[String]) -> Outcome,
}

/// All of them, in the order of the help.
pub(crate) const TABLE: &[Command] = &[
    Command {
        name: "demo",
        about: "the main job on real data, every answer verified",
        run: demo::run,
    },
    Command {
        name: "test",
        about: "everything CI runs [--list] [--only STEP..] [--skip STEP..]",
        run: test::run,
    },
    Command {
        name: "edges",
        about: "refuse wrong dependencies, platform names, long files",
        run: edges::run,
    },
    Command {
        name: "deny",
        about: "licences, bans and sources of dependencies (installs cargo-deny)",
        run: deny::run,
    },
    Command {
        name: "soak",
        about: "100,000 random histories against the model [COUNT]",
        run: soak::run,
    },
    Command {
        name: "processes",
        about: "20,000 rounds of real processes on one database, C among them [ROUNDS]",
        run: processes::run,
    },
    Command {
        name: "dist-c",
        about: "the C library, its headers and a tarball, in dist",
        run: dist_c::run,
    },
    Command {
        name: "c-library",
        about: "the C library before its users: C programs, sqlite3, Python",
        run: c_library::run,
    },
    Command { name: "crash", about: "1,000,000 crash images [COUNT]", run: crash::run },
    Command {
        name: "hostile",
        about: "every byte of every fixture changed three ways",
        run: hostile::run,
    },
    Command {
        name: "fuzz",
        about: "cargo-fuzz on one target [TARGET] [ARGUMENTS..]",
        run: fuzz::run,
    },
    Command {
        name: "loom",
        about: "the sharing protocols in every order [FILTER]",
        run: loom::run,
    },
    Command { name: "miri", about: "the unsafe rooms under Miri (nightly)", run: miri::run },
    Command {
        name: "tsan",
        about: "the tests with threads under ThreadSanitizer (nightly) [FILTER..]",
        run: tsan::run,
    },
    Command {
        name: "wasi",
        about: "engine, command and components inside runtimes of WASI [components|rounds [COUNT]]",
        run: wasi::run,
    },
    Command {
        name: "dist-wasi",
        about: "the command and the components for WASI, small, into target/dist/wasi",
        run: dist_wasi::run,
    },
    Command {
        name: "bench",
        about: "side by side with C lsm1 and others [processes|syscalls|count] [ARGUMENTS..]",
        run: bench::run,
    },
    Command {
        name: "asan",
        about: "the C programs under AddressSanitizer (nightly) [FILTER..]",
        run: asan::run,
    },
    Command {
        name: "valgrind",
        about: "the C programs under valgrind [FILTER..]",
        run: valgrind::run,
    },
];
