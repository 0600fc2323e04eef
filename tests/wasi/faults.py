#!/usr/bin/env python3
"""The command inside runtimes when things go wrong: each failure has its name, and the database is
intact afterwards, as the native command finds.

  tests/wasi/faults.py FOLDER [TEST..]     (run by `cargo xtask wasi`)

FOLDER holds the command as `siltstone-p1.wasm` and `siltstone-p2.wasm`, and the native `siltstone`.
Hosts: node:wasi and wasmtime with preview 1, wasmtime with preview 2. Exit statuses are those of the
native command, but a component tells only 0 and 1.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(HERE, "run-node.mjs")
WASMTIME = os.path.join(HERE, "run_wasmtime.py")
FOLDER = ""
ROWS = 3000


class Host:
    def __init__(self, name, runner, preview):
        self.name, self.runner, self.preview = name, runner, preview

    def program(self):
        return os.path.join(FOLDER, f"siltstone-{self.preview}.wasm")

    def __repr__(self):
        return self.name


HOSTS = [
    Host("node p1", NODE, "p1"), Host("wasmtime p1", WASMTIME, "p1"),
    Host("wasmtime p2", WASMTIME, "p2"),
]


def value(number):
    return f"value {number} " * 20


def may_mount():
    """Whether small file systems can be made here."""
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "none", tempfile.gettempdir()]
    try:
        return subprocess.run(probe, capture_output=True).returncode == 0
    except OSError:
        return False


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="siltstone-faults-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def guest(self, host, *words, directory=None, flag="--dir", limit=None, wrap=()):
        """Runs the command in a host; status, stdout, stderr."""

        def limited():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        given = ["--no-dir"] if directory == "" else [flag, f"{directory or self.folder}::/data"]
        line = [*wrap, host.runner, *given, host.program(), *words]
        ended = subprocess.run(
            line, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            preexec_fn=limited if limit is not None else None,
        )
        return ended.returncode, ended.stdout, ended.stderr

    def native(self, *words):
        ended = subprocess.run(
            [os.path.join(FOLDER, "siltstone"), *words], capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), words)
        return ended.stdout

    def fails(self, host, name, status, *words, **options):
        ended, out, err = self.guest(host, *words, **options)
        self.assertIn(f"error[{name}]", err, (host, words, ended))
        self.assertEqual(ended, status if host.preview == "p1" else 1, (host, words, err))
        return err

    def succeeds(self, host, *words, **options):
        ended, out, err = self.guest(host, *words, **options)
        self.assertEqual((ended, err), (0, ""), (host, words))
        return out

    def make(self, name="file.lsm"):
        """A database with a few entries, made natively."""
        path = self.path(name)
        with open(self.path("rows.csv"), "w", encoding="utf-8") as file:
            file.write("key,value\na,1\nb,2\n")
        self.native("import", path, self.path("rows.csv"))
        os.remove(self.path("rows.csv"))
        return path

    def untouched(self, path):
        """Afterwards the file must hold the same bytes."""
        with open(path, "rb") as file:
            before = file.read()

        def compare():
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)

        return compare

    def test_main_job_goes_on_inside_and_outside(self):
        with open(self.path("rows.csv"), "w", encoding="utf-8") as file:
            file.write("key,value\n")
            file.writelines(f"key{n:05},{value(n)}\n" for n in range(ROWS))
        scans = set()
        for host in HOSTS:
            path = self.path(f"{host.preview}-{os.path.basename(host.runner)}.lsm")
            inside = "/data/" + os.path.basename(path)
            self.succeeds(host, "create", inside)
            self.succeeds(host, "import", inside, "/data/rows.csv")
            self.assertEqual(self.succeeds(host, "get", inside, "key00007"), value(7))
            self.fails(host, "NotFound", 1, "get", inside, "none")
            scans.add(self.succeeds(host, "scan", inside))
            self.assertIn("sound", self.succeeds(host, "check", inside))
            scans.add(self.native("scan", path))
            self.native("put", path, "outside", "1")
            self.assertEqual(self.succeeds(host, "get", inside, "outside"), "1")
            self.succeeds(host, "delete", inside, "outside")
            self.succeeds(host, "compact", inside)
            report = json.loads(self.native("check", path, "--json"))
            self.assertEqual((report["sound"], report["entries"]), (True, ROWS))
            scans.add(self.native("scan", path))
            left = [name for name in os.listdir(self.folder) if os.path.basename(path) + "-" in name]
            self.assertEqual(left, [], "log and owner file go with the last user")
        self.assertEqual(len(scans), 1)

    def test_no_directory(self):
        for host in HOSTS:
            err = self.fails(host, "CannotOpen", 14, "create", "/data/x.lsm", directory="")
            self.assertIn("--dir", err)

    def test_missing_directory(self):
        for host in HOSTS:
            self.fails(host, "Io", 10, "create", "/data/none/x.lsm")
            self.fails(host, "Io", 10, "get", "/data/none/x.lsm", "a")
        self.assertEqual(os.listdir(self.folder), [])

    def test_names_that_lead_out(self):
        inner = self.path("inner")
        os.mkdir(inner)
        compare = self.untouched(self.make())
        for host in HOSTS:
            for name in ("/data/../file.lsm", "../file.lsm", "/etc/passwd", self.path("file.lsm")):
                self.fails(host, "CannotOpen", 14, "get", name, "a", directory=inner)
                self.fails(host, "CannotOpen", 14, "put", name, "a", "b", directory=inner)
        compare()
        self.assertEqual(os.listdir(inner), [])

    def test_links_are_not_followed(self):
        inner = self.path("inner")
        os.mkdir(inner)
        compare = self.untouched(self.make())
        os.symlink("../file.lsm", os.path.join(inner, "out.lsm"))
        os.symlink("there.lsm", os.path.join(inner, "in.lsm"))
        self.native("create", os.path.join(inner, "there.lsm"))
        for host in HOSTS:
            for name in ("/data/out.lsm", "/data/in.lsm"):
                err = self.fails(host, "Io", 14, "put", name, "a", "b", directory=inner)
                self.assertIn("not a regular file", err)
        compare()

    def test_directories_are_no_databases(self):
        os.mkdir(self.path("folder.lsm"))
        for host in HOSTS:
            self.fails(host, "Io", 14, "put", "/data/folder.lsm", "a", "b")
        self.assertEqual(os.listdir(self.folder), ["folder.lsm"])

    def test_read_only_directory(self):
        path = self.make()
        compare = self.untouched(path)
        for host in HOSTS[1:]:
            options = {"flag": "--read-only-dir"}
            self.assertEqual(self.succeeds(host, "get", "/data/file.lsm", "a", **options), "1")
            self.assertEqual(self.succeeds(host, "scan", "/data/file.lsm", **options), "a\t1\nb\t2\n")
            self.fails(host, "ReadOnly", 8, "put", "/data/file.lsm", "a", "b", **options)
            self.fails(host, "ReadOnly", 8, "create", "/data/new.lsm", **options)
        compare()
        self.assertEqual(os.listdir(self.folder), ["file.lsm"])

    def test_read_only_with_a_log_shows_what_was_committed(self):
        fixtures = os.path.join(os.path.dirname(HERE), "fixtures", "c-lsm1")
        for suffix in ("", "-log"):
            shutil.copy(os.path.join(fixtures, "live-log.lsm" + suffix), self.folder)
        with open(os.path.join(fixtures, "live-log.expect.txt"), encoding="utf-8") as file:
            wanted = file.read()
        compare = self.untouched(self.path("live-log.lsm"))
        for host in HOSTS[1:]:
            out = self.succeeds(
                host, "scan", "/data/live-log.lsm", "--format", "hex", flag="--read-only-dir"
            )
            self.assertEqual(out, wanted)
        compare()

    def test_stale_owner_file(self):
        path = self.make()
        owner = path + "-lock"
        compare = self.untouched(path)
        for host in HOSTS:
            for left in (b"", b"garbage", b"SLTLOCK1" + bytes(24)):
                with open(owner, "wb") as file:
                    file.write(left)
                for words in (["put", "/data/file.lsm", "a", "b"], ["get", "/data/file.lsm", "a"]):
                    err = self.fails(host, "Busy", 5, *words, "--wait", "0")
                    self.assertIn("siltstone unlock", err)
                with open(owner, "rb") as file:
                    self.assertEqual(file.read(), left)
                self.assertEqual(self.succeeds(host, "unlock", "/data/file.lsm"), "owner file removed\n")
                self.assertFalse(os.path.exists(owner))
            os.mkdir(owner)
            self.fails(host, "Busy", 5, "put", "/data/file.lsm", "a", "b", "--wait", "0")
            os.rmdir(owner)
            self.assertEqual(self.succeeds(host, "get", "/data/file.lsm", "a"), "1")
        compare()

    def test_second_instance(self):
        self.make()
        for host in HOSTS:
            line = [host.runner, "--dir", f"{self.folder}::/data", host.program()]
            line += ["import", "/data/file.lsm", "-", "--format", "csv"]
            first = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )
            owner = self.path("file.lsm-lock")
            while not os.path.exists(owner) and first.poll() is None:
                time.sleep(0.01)
            for other in HOSTS:
                self.fails(other, "Busy", 5, "get", "/data/file.lsm", "a", "--wait", "0")
                self.fails(other, "Busy", 5, "put", "/data/file.lsm", "a", "b", "--wait", "0")
            ended = subprocess.run(
                [os.path.join(FOLDER, "siltstone"), "get", self.path("file.lsm"), "a", "--wait", "0"],
                capture_output=True, text=True,
            )
            self.assertEqual(ended.returncode, 5, ended.stderr)
            first.communicate("key,value\nc,3\n")
            self.assertEqual(first.returncode, 0)
            self.assertEqual(self.native("get", self.path("file.lsm"), "c"), "3")
            self.assertFalse(os.path.exists(owner))

    def test_lock_held_outside(self):
        path = self.make()
        hold = [os.path.join(FOLDER, "siltstone"), "hold-lock", "--wait", "0", path, "--"]
        for host in HOSTS:
            # Both runners pass their variables on, so the guest makes no owner file.
            with open(path + "-lock", "wb"):
                pass
            self.assertEqual(self.guest(host, "get", "/data/file.lsm", "a", wrap=hold)[0], 5)
            os.remove(path + "-lock")
            self.succeeds(host, "put", "/data/file.lsm", "a", "1", wrap=hold)
            self.assertEqual(self.succeeds(host, "get", "/data/file.lsm", "a", wrap=hold), "1")
            inner = [*hold, "sh", "-c", f"touch {path}-lock && exec \"$0\" \"$@\""]
            self.assertEqual(self.succeeds(host, "get", "/data/file.lsm", "a", wrap=inner), "1")
            os.remove(path + "-lock")

    def fill(self, host, directory, **options):
        """Imports until nothing fits any more; how many entries are there afterwards, and that all
        is well with them."""
        with open(self.path("rows.csv"), "w", encoding="utf-8") as file:
            file.write("key,value\n")
            file.writelines(f"key{n:05},{value(n)}\n" for n in range(ROWS))
        words = ["import", "/data/full.lsm", "-", "--format", "csv", "--batch", "25"]
        given = [host.runner, "--dir", f"{directory}::/data", host.program(), *words]
        given += ["--autoflush", "32K", "--autocheckpoint", "64K", "--block-size", "64K"]

        def limited():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit = options["limit"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        with open(self.path("rows.csv"), encoding="utf-8") as rows:
            ended = subprocess.run(
                given, stdin=rows, capture_output=True, text=True,
                preexec_fn=limited if "limit" in options else None,
            )
        self.assertIn("error[Full]", ended.stderr, (host, options))
        self.assertEqual(ended.returncode, 13 if host.preview == "p1" else 1)
        path = os.path.join(directory, "full.lsm")
        self.assertFalse(os.path.exists(path + "-lock"), "an error is no crash")
        return path

    def judge(self, path):
        """What is there is a prefix of what was imported, and sound."""
        kept = 0
        if os.path.exists(path):
            report = json.loads(self.native("check", path, "--json"))
            self.assertEqual(report["problems"], [])
            rows = self.native("scan", path).splitlines()
            kept = len(rows)
            self.assertEqual(rows, [f"key{n:05}\t{value(n)}" for n in range(kept)])
            self.assertEqual(kept % 25, 0, "no transaction by half")
        return kept

    def test_file_size_limit(self):
        for host, step in zip(HOSTS, (16_384, 65_536, 65_536)):
            most = 0
            for limit in range(0, 262_144, step):
                path = self.fill(host, self.folder, limit=limit + 100)
                most = max(most, self.judge(path))
                if os.path.exists(path):
                    self.native("put", path, "zz", "1")
                for suffix in ("", "-log"):
                    if os.path.exists(path + suffix):
                        os.remove(path + suffix)
            self.assertGreater(most, 0)

    @unittest.skipUnless(may_mount(), "no small file system can be mounted here")
    def test_full_disk(self):
        script = os.path.abspath(__file__)
        ended = subprocess.run(
            ["unshare", "-m", sys.executable, script, FOLDER, "--on-small-disks"],
            capture_output=True, text=True,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)


class OnSmallDisks(Faults):
    """In a name space of its own, where file systems may be mounted."""

    def test_every_size(self):
        disk = self.path("disk")
        os.mkdir(disk)
        for host, step in zip(HOSTS, (8, 64, 64)):
            most = 0
            for size in range(8, 264, step):
                mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk]
                subprocess.run(mount, check=True)
                try:
                    path = self.fill(host, disk)
                    # What was committed is there while the disk is full, and can be gone on with
                    # when there is room again.
                    most = max(most, self.judge(path))
                    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
                    if os.path.exists(path):
                        self.assertEqual(self.judge(path) % 25, 0)
                        self.native("put", path, "zz", "1")
                finally:
                    subprocess.run(["umount", disk], check=True)
            self.assertGreater(most, 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    FOLDER = os.path.abspath(sys.argv[1])
    if sys.argv[2:] == ["--on-small-disks"]:
        unittest.main(argv=[sys.argv[0], "OnSmallDisks.test_every_size"])
    else:
        tests = [f"Faults.test_{name}" for name in sys.argv[2:]] or ["Faults"]
        unittest.main(argv=[sys.argv[0], *tests], verbosity=2)
