#!/usr/bin/env python3
"""The component `siltstone:kv` called from Python: every operation, every error that can be had, and
resources dropped in any order; the files are checked by the native command.

  tests/wasi/component.py FOLDER [TEST..]     (run by `cargo xtask wasi`)

FOLDER holds the component as `siltstone-kv.wasm`, and the native `siltstone`.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from components import Component, Failed, bound, change, options

FOLDER = ""


def native(*words):
    ended = subprocess.run(
        [os.path.join(FOLDER, "siltstone"), *words], capture_output=True, text=True
    )
    return ended.returncode, ended.stdout, ended.stderr


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="siltstone-component-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def instance(self, writable=True, directory=None):
        given = [] if directory == "" else [(directory or self.folder, "/data", writable)]
        program = os.path.join(FOLDER, "siltstone-kv.wasm")
        return Component(program, "siltstone:kv/store@0.1.0", given)

    def path(self, name):
        return os.path.join(self.folder, name)

    def open(self, name="app.lsm", instance=None, **given):
        instance = instance or self.instance()
        given.setdefault("durability", "none")  # power stays on here
        return instance.static("database", "open", f"/data/{name}", options(**given))

    def refused(self, kind, call, *arguments):
        """The call fails with this kind; its message."""
        with self.assertRaises(Failed) as failed:
            call(*arguments)
        error = failed.exception
        self.assertEqual(error.kind, kind, error)
        # `not-a-database` and `NotADatabase` are one name.
        self.assertEqual(error.name.lower(), kind.replace("-", ""))
        return error

    def is_sound(self, name="app.lsm"):
        status, out, err = native("check", self.path(name))
        self.assertEqual(status, 0, out + err)
        self.assertFalse(os.path.exists(self.path(name + "-lock")))

    def test_single_calls(self):
        database = self.open(**{"page-size": 1024, "block-size": 65536, "durability": "full"})
        for key, value in [(b"", b""), (b"b\xff\0", b"bytes"), (b"c", b"3"), (b"d", b"4")]:
            database.put(key, value)
        self.assertEqual(database.get(b""), b"")
        self.assertIsNone(database.get(b"a"))
        self.assertEqual(database.get_many([b"c", b"a", b"b\xff\0"]), [b"3", None, b"bytes"])
        self.assertTrue(database.contains_key(b"b\xff\0"))
        database.delete(b"")
        database.delete(b"never there")
        self.assertFalse(database.contains_key(b""))
        database.delete_range(bound("excluded", b"c"), bound())
        self.assertEqual(database.get_many([b"c", b"d"]), [b"3", None])
        large = bytes(range(256)) * 1024
        database.put(b"large", large)
        self.assertEqual(database.get(b"large"), large)
        stats = database.stats()
        self.assertEqual((getattr(stats, "page-size"), getattr(stats, "block-size")), (1024, 65536))
        database.close()
        self.is_sound()
        status, out, _ = native("scan", "--format", "hex", self.path("app.lsm"))
        self.assertEqual(status, 0)
        self.assertEqual(len(out.splitlines()), 3)

    def test_batches_and_care(self):
        database = self.open(autoflush=65536)
        for begin in range(0, 2000, 500):
            rows = [(b"%06d" % i, b"v" * 100) for i in range(begin, begin + 500)]
            database.apply([change("put", row) for row in rows])
        database.apply([
            change("put", (b"x", b"1")), change("delete", b"x"),
            change("delete-range", (bound("included", b"000100"), bound("included", b"000199"))),
        ])
        database.flush()
        report = database.work(100_000)
        self.assertGreaterEqual(getattr(report, "bytes-written"), 0)
        self.assertTrue(database.work(None).finished)
        self.assertTrue(database.compact().finished)
        database.put(b"y", b"")
        database.flush()
        self.assertGreater(database.checkpoint(), 0)
        self.assertEqual(database.checkpoint(), 0)
        report = database.check()
        self.assertEqual((report.problems, report.entries), ([], 1901))
        self.assertEqual(getattr(database.stats(), "level-count"), 2)
        self.assertEqual(database.backup("/data/copy.lsm"), 1901)
        self.refused("cannot-open", database.backup, "/data/copy.lsm")
        database.close()
        self.is_sound()
        self.is_sound("copy.lsm")

    def test_cursors(self):
        database = self.open()
        database.apply([change("put", (b"%02d" % i, b"v%d" % i)) for i in range(0, 40, 2)])
        snapshot = database.snapshot()
        database.delete_range(bound(), bound())
        self.assertIsNone(database.get(b"04"))
        self.assertEqual(snapshot.get(b"04"), b"v4")
        self.assertEqual(snapshot.get_many([b"04", b"05"]), [b"v4", None])
        self.assertFalse(snapshot.contains_key(b"05"))
        self.assertFalse(database.cursor().first())
        cursor = snapshot.cursor()
        self.assertIsNone(cursor.key())
        self.assertIsNone(cursor.value())
        for key, mode, found in [
            (b"05", "exact", None), (b"06", "exact", b"06"), (b"05", "at-most", b"04"),
            (b"05", "at-least", b"06"), (b"", "at-most", None), (b"99", "at-least", None),
        ]:
            self.assertEqual(cursor.seek(key, mode), found is not None)
            self.assertEqual(cursor.key(), found)
        self.assertTrue(cursor.seek(b"05", "at-most-fast"))
        self.assertGreaterEqual(cursor.key(), b"04")
        self.refused("misuse", cursor.value)
        self.refused("misuse", cursor.next)
        self.assertTrue(cursor.last())
        self.assertEqual((cursor.key(), cursor.value()), (b"38", b"v38"))
        self.assertTrue(cursor.previous())
        self.assertTrue(cursor.next())
        self.assertFalse(cursor.next())
        self.assertTrue(cursor.first())
        read = []
        while batch := cursor.read_batch(7, 1 << 20):
            self.assertLessEqual(len(batch), 7)
            read += batch
        self.assertEqual(read, [(b"%02d" % i, b"v%d" % i) for i in range(0, 40, 2)])
        cursor.last()
        self.assertEqual([key for key, _ in cursor.read_batch_back(3, 100)], [b"38", b"36", b"34"])
        self.assertEqual(len(cursor.read_batch_back(100, 0)), 1)
        self.refused("misuse", cursor.read_batch, 0, 100)
        for held in (cursor, snapshot):
            self.refused("busy", database.close)
            held.drop()

    def test_transactions_and_savepoints(self):
        database = self.open()
        database.put(b"a", b"1")
        transaction = database.begin()
        self.refused("busy", database.begin)
        self.refused("busy", database.put, b"x", b"")
        self.refused("busy", database.apply, [])
        transaction.put(b"b", b"2")
        transaction.apply([change("put", (b"c", b"3")), change("delete", b"a")])
        self.assertEqual(database.get(b"a"), b"1")
        self.assertFalse(transaction.contains_key(b"a"))
        outer = transaction.savepoint()
        transaction.delete_range(bound("included", b"b"), bound("excluded", b"c"))
        inner = transaction.savepoint()
        transaction.delete(b"c")
        cursor = transaction.cursor()
        self.assertFalse(cursor.first())
        inner.restore()
        self.assertEqual(transaction.get(b"c"), b"3")
        self.assertTrue(cursor.first())
        transaction.put(b"d", b"4")
        inner.release()
        self.refused("misuse", inner.rollback)
        inner.drop()
        self.assertEqual(transaction.get(b"d"), b"4")
        outer.rollback()
        self.assertEqual([transaction.get(key) for key in (b"b", b"c", b"d")], [b"2", b"3", None])
        dropped = transaction.savepoint()
        transaction.put(b"e", b"")
        dropped.drop()
        self.assertFalse(transaction.contains_key(b"e"))
        kept = transaction.savepoint()
        transaction.put(b"f", b"6")
        transaction.commit()
        for call, *arguments in [
            (transaction.commit,), (transaction.rollback,), (transaction.get, b"a"),
            (transaction.put, b"a", b""), (transaction.cursor,), (transaction.savepoint,),
            (cursor.key,), (cursor.value,), (cursor.first,), (cursor.next,),
            (cursor.seek, b"a", "exact"), (cursor.read_batch, 1, 1), (kept.release,), (kept.restore,),
        ]:
            self.assertIn("app.lsm", self.refused("misuse", call, *arguments).path)
        kept.drop()
        transaction.drop()
        self.assertEqual(database.get_many([b"a", b"b", b"c", b"f"]), [None, b"2", b"3", b"6"])
        undone = database.begin()
        undone.put(b"z", b"")
        undone.rollback()
        undone = database.begin()
        undone.put(b"z", b"")
        undone.drop()
        self.assertIsNone(database.get(b"z"))
        database.close()
        self.is_sound()

    def test_dropping_in_any_order(self):
        """Whichever goes first: what is left works or is misuse, and the last one closes the file."""
        calls = {
            "database": ("get", b"a"), "snapshot": ("get", b"a"), "transaction": ("get", b"a"),
            "savepoint": ("restore",), "inside": ("first",), "outside": ("first",),
        }
        names = list(calls)
        rotations = [names[shift:] + names[:shift] for shift in range(len(names))]
        for order in rotations + [rotation[::-1] for rotation in rotations]:
            held = {"database": self.open()}
            held["database"].put(b"a", b"1")
            held["snapshot"] = held["database"].snapshot()
            held["transaction"] = held["database"].begin()
            held["savepoint"] = held["transaction"].savepoint()
            held["inside"] = held["transaction"].cursor()
            held["outside"] = held["snapshot"].cursor()
            held["transaction"].put(b"b", b"2")
            for name in order:
                held.pop(name).drop()
                for other, resource in held.items():
                    method, *arguments = calls[other]
                    if other in ("savepoint", "inside") and "transaction" not in held:
                        self.refused("misuse", getattr(resource, method), *arguments)
                    else:
                        self.assertNotEqual(getattr(resource, method)(*arguments), False)
            self.is_sound()
        self.assertEqual(native("scan", self.path("app.lsm"))[1].count("\n"), 1)

    def test_two_instances_and_broken_locks(self):
        instance, other = self.instance(), self.instance()
        # Owners look whether they still are when they sync.
        first = self.open(instance=instance, durability="normal")
        again = self.open(instance=instance)
        again.put(b"a", b"1")
        self.assertEqual(first.get(b"a"), b"1")
        error = self.refused("busy", lambda: self.open(instance=other, **{"busy-timeout": 0}))
        self.assertIn("siltstone unlock", error.message)
        self.refused("busy", instance.call, "break-lock", "/data/app.lsm")
        # What must not be done: the owner lives. It notices, and writes no more.
        self.assertTrue(other.call("break-lock", "/data/app.lsm"))
        self.assertFalse(other.call("break-lock", "/data/app.lsm"))
        second = self.open(instance=other)
        first.put(b"b", b"2")
        first.flush()
        self.refused("io", first.checkpoint)
        self.refused("poisoned", first.put, b"c", b"3")
        second.drop()
        again.drop()

    def test_after_close(self):
        database = self.open()
        database.close()
        for call, *arguments in [
            (database.get, b"a"), (database.put, b"a", b""), (database.begin,), (database.cursor,),
            (database.snapshot,), (database.flush,), (database.work, None), (database.check,),
            (database.stats,), (database.close,),
        ]:
            self.refused("misuse", call, *arguments)

    def test_openings_that_fail(self):
        def fails(kind, name="app.lsm", instance=None, **given):
            return self.refused(kind, lambda: self.open(name, instance, **given))

        fails("io", create=False)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertIn("page_size 1000", fails("misuse", **{"page-size": 1000}).message)
        for name, number in [
            ("block-size", 1), ("autoflush", 1 << 31), ("autocheckpoint", 1 << 41), ("automerge", 1),
            ("cache-size", 1), ("memory-limit", 1),
        ]:
            fails("misuse", **{name: number})
        fails("cannot-open", name="../app.lsm")
        fails("cannot-open", instance=self.instance(directory=""))
        with open(self.path("text"), "w") as file:
            file.write("no database at all\n" * 1000)
        fails("not-a-database", name="text")
        database = self.open(codec="lz4")
        database.put(b"a", b"1")
        database.close()
        fails("cannot-open", **{"create-new": True})
        self.assertEqual(native("create", "--codec", "zstd", self.path("zstd.lsm"))[0], 0)
        native("put", self.path("zstd.lsm"), "a", "1")
        self.assertIn("10003", fails("mismatch", name="zstd.lsm").message)
        self.is_sound()

    def test_reading_only(self):
        database = self.open(**{"use-log": False, "autowork": False, "automerge": 3})
        database.put(b"a", b"1")
        database.close()
        for instance in (self.instance(), self.instance(writable=False)):
            reader = self.open(instance=instance, **{"read-only": True})
            self.assertEqual(reader.get(b"a"), b"1")
            self.refused("read-only", reader.put, b"a", b"2")
            self.refused("read-only", reader.begin)
            reader.close()
        self.refused("read-only", lambda: self.open(instance=self.instance(writable=False)))
        self.is_sound()

    def test_no_memory_and_no_space(self):
        database = self.open(**{"memory-limit": 1 << 20})
        transaction = database.begin()
        rows = [change("put", (b"%06d" % i, b"v" * 1000)) for i in range(2000)]
        self.refused("out-of-memory", transaction.apply, rows)
        transaction.drop()
        database.put(b"a", b"1")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
        try:
            for _ in range(4):
                self.refused("full", database.apply, rows[:200])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        database.put(b"b", b"2")
        self.assertEqual(database.check().entries, 2)
        database.close()
        self.is_sound()

    def test_damage(self):
        for codec, kind in [("none", "corrupt"), ("checksum", "corrupt"), ("lz4", "corrupt")]:
            name = codec + ".lsm"
            database = self.open(name, codec=codec)
            rows = [(b"%06d" % i, b"%d" % (i * i * 7919) * 20) for i in range(2000)]
            database.apply([change("put", row) for row in rows])
            database.compact()
            database.close()
            with open(self.path(name), "r+b") as file:
                file.seek(3 << 12)
                file.write(b"\xa5" * (8 << 12))
            database = self.open(name, **{"read-only": True})
            self.refused(kind, database.get_many, [key for key, _ in rows])
            self.assertNotEqual(database.check().problems, [])
            database.close()


if __name__ == "__main__":
    FOLDER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
