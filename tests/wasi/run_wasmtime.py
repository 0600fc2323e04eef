#!/usr/bin/env python3
"""Runs a WASI program under wasmtime: a preview 1 command or a preview 2 component, as the bytes say.

As cargo's runner, and by hand:

  tests/wasi/run_wasmtime.py [--dir HOST::GUEST].. [--read-only-dir HOST::GUEST].. [--no-dir]
                             [--fuel N] [--memory BYTES] PROGRAM.wasm [ARGUMENT..]

Without directories the program gets a fresh one as /data and, since tests read fixtures, the
repository under its own path. The exit status is the program's (a component tells only 0 or 1), 134
if it trapped, 137 if it ran out of fuel. Needs the PyPI package wasmtime: `cargo xtask wasi` puts it
into target/wasi-python, and this script finds it there.
"""

import os
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTHON = os.path.join(
    ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "wasi-python", "bin", "python"
)

try:
    import wasmtime
except ImportError:
    if not os.path.exists(PYTHON) or os.environ.get("SILTSTONE_WASI_PYTHON") == PYTHON:
        sys.exit("the Python package wasmtime is missing; `cargo xtask wasi` installs it")
    os.environ["SILTSTONE_WASI_PYTHON"] = PYTHON
    os.execv(PYTHON, [PYTHON, *sys.argv])

from wasmtime import component

TRAPPED = 134
OUT_OF_FUEL = 137


class Program:
    """A compiled program. `fuel` says whether its runs count instructions."""

    def __init__(self, path, fuel=False):
        config = wasmtime.Config()
        config.cache = True
        # It would use files of its own, which limits on the size of files meet as well.
        config.memory_init_cow = False
        config.consume_fuel = fuel
        self.fuel = fuel
        self.engine = wasmtime.Engine(config)
        with open(path, "rb") as file:
            binary = file.read()
        # Version 1 and layer 0 are a core module; a component has layer 1.
        self.is_component = binary[4:8] != b"\x01\x00\x00\x00"
        kind = component.Component if self.is_component else wasmtime.Module
        self.code = kind(self.engine, binary)
        if self.is_component:
            self.linker = component.Linker(self.engine)
            self.linker.add_wasip2()
        else:
            self.linker = wasmtime.Linker(self.engine)
            self.linker.define_wasi()

    def store(self, arguments=(), directories=(), environment=None, fuel=None, memory=None, out=None):
        """A store for one run. A directory is (host, guest, writable); `out` a file for stdout."""
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["siltstone", *arguments]
        wasi.env = list((environment or {}).items())
        wasi.inherit_stdin()
        if out is None:
            wasi.inherit_stdout()
        else:
            wasi.stdout_file = out
        wasi.inherit_stderr()
        for host, guest, writable in directories:
            wasi.preopen_dir(host, guest, fs_mutable=writable)
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasi)
        if self.fuel:
            store.set_fuel(fuel if fuel is not None else 1 << 62)
        if memory is not None:
            store.set_limits(memory_size=memory)
        return store

    def run(self, store):
        """Runs `main`; the exit status, and what the trap said."""
        try:
            instance = self.linker.instantiate(store, self.code)
            if self.is_component:
                return self._run_component(store, instance), ""
            instance.exports(store)["_start"](store)
            return 0, ""
        except wasmtime.ExitTrap as exit:
            return exit.code, ""
        except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
            text = str(trap)
            return (OUT_OF_FUEL if "all fuel consumed" in text else TRAPPED), text

    def _run_component(self, store, instance):
        # The newest minor version that the runtime and the component agree on.
        for minor in range(30, -1, -1):
            run = instance.get_export_index(store, f"wasi:cli/run@0.2.{minor}")
            if run is not None:
                main = instance.get_func(store, instance.get_export_index(store, "run", run))
                result = main(store)
                return 1 if isinstance(result, component.Variant) and result.tag == "err" else 0
        raise wasmtime.WasmtimeError("the component is no command: it exports no wasi:cli/run")


def directory(text, writable):
    host, _, guest = text.partition("::")
    return os.path.abspath(host), guest or host, writable


def main():
    words = sys.argv[1:]
    directories, given, fuel, memory = [], False, None, None
    while words and words[0].startswith("--"):
        flag = words.pop(0)
        if flag in ("--dir", "--read-only-dir"):
            directories.append(directory(words.pop(0), flag == "--dir"))
            given = True
        elif flag == "--no-dir":
            given = True
        elif flag == "--fuel":
            fuel = int(words.pop(0))
        elif flag == "--memory":
            memory = int(words.pop(0))
        else:
            sys.exit(f"run_wasmtime: unknown flag {flag}")
    if not words:
        sys.exit("run_wasmtime: name a program")
    scratch = None if given else tempfile.mkdtemp(prefix="siltstone-wasi-")
    if scratch:
        directories = [(scratch, "/data", True), (ROOT, ROOT, True)]
    program = Program(words[0], fuel is not None)
    environment = {**os.environ, "TMPDIR": "/data"}
    store = program.store(words[1:], directories, environment, fuel, memory)
    status, trap = program.run(store)
    if trap:
        print(f"run_wasmtime: {words[0]} trapped: {trap}", file=sys.stderr)
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)
    return status


if __name__ == "__main__":
    # A file size limit is then an error of the write and not the end of this process.
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.exit(main())
