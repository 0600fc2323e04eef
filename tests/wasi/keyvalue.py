#!/usr/bin/env python3
"""The components for `wasi:keyvalue`, both drafts, called from Python; the files are checked by the
native command.

  tests/wasi/keyvalue.py FOLDER [TEST..]     (run by `cargo xtask wasi`)

FOLDER holds the components as `siltstone-keyvalue-draft.wasm` and `-draft2.wasm`, and the native
`siltstone`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from components import Component, Resource
from wasmtime import component

FOLDER = ""


class Drafts:
    """What both drafts have to do."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="siltstone-keyvalue-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.instance = self.new_instance([(self.folder, "/first", True)])

    def new_instance(self, directories):
        program = os.path.join(FOLDER, f"siltstone-keyvalue-{self.draft}.wasm")
        return Component(program, self.interface("store"), directories)

    def interface(self, name):
        return f"wasi:keyvalue/{name}@0.2.0-{self.draft}"

    def open(self, identifier="bucket", instance=None):
        instance = instance or self.instance
        answer = instance.call("open", identifier)
        return self.or_failure(answer, lambda: Resource(instance, "bucket", answer))

    def or_failure(self, answer, otherwise):
        return answer if isinstance(answer, component.Variant) else otherwise()

    def atomics(self, name, *arguments):
        return self.instance.call(name, *arguments, interface=self.interface("atomics"))

    def batch(self, name, *arguments):
        return self.instance.call(name, *arguments, interface=self.interface("batch"))

    def native(self, *words):
        command = [os.path.join(FOLDER, "siltstone"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_store(self):
        bucket = self.open("")
        self.assertIsNone(bucket.get("a"))
        self.assertIsNone(bucket.set("a", b"1"))
        self.assertIsNone(bucket.set("", b"\xff\0"))
        self.assertEqual((bucket.get("a"), bucket.get("")), (b"1", b"\xff\0"))
        self.assertTrue(bucket.exists("a"))
        bucket.delete("a")
        bucket.delete("never there")
        self.assertFalse(bucket.exists("a"))
        bucket.drop()
        self.native("check", self.path("default"))
        self.assertEqual(os.listdir(self.folder), ["default"])

    def test_names(self):
        refused = ["a/b", "/a", "..", ".", "a\\b", "a\0b", "bucket-log", "bucket-lock", "bucket-shm"]
        for name in refused:
            self.assertEqual(self.open(name).tag, "access-denied", name)
        self.assertEqual(os.listdir(self.folder), [])
        without = self.open(instance=self.new_instance([]))
        self.assertEqual(without.tag, "other")
        self.assertTrue(without.payload.startswith("CannotOpen: "), without.payload)
        read_only = self.new_instance([(self.folder, "/first", False)])
        self.assertEqual(self.open(instance=read_only).tag, "access-denied")
        # The first of several directories, whatever they are called.
        second = tempfile.mkdtemp(prefix="siltstone-keyvalue-")
        self.addCleanup(shutil.rmtree, second)
        several = self.new_instance([(self.folder, "/x/y", True), (second, "/x", True)])
        bucket = self.open("é", instance=several)
        self.assertEqual(os.listdir(second), [])
        other = self.open("é")
        self.assertTrue(other.payload.startswith("Busy: "), other.payload)
        bucket.drop()

    def pages(self, bucket):
        pages, cursor = [], None
        while True:
            answer = bucket.list_keys(cursor)
            pages.append(answer.keys)
            cursor = answer.cursor
            if cursor is None:
                return pages, [len(page) for page in pages]

    def test_lists(self):
        bucket = self.open()
        self.assertEqual(self.pages(bucket), ([[]], [0]))
        keys = [f"key {i:05}" for i in range(2500)]
        for begin in range(0, 2500, 500):
            self.batch("set-many", bucket, [(key, b"v") for key in keys[begin:begin + 500]])
        bucket.drop()
        # Another interface writes what no string can be.
        self.native("put", "--hex", self.path("bucket"), "6b65792030303030ff", "00")
        self.native("put", "--hex", self.path("bucket"), "ff", "00")
        bucket = self.open()
        pages, lengths = self.pages(bucket)
        self.assertEqual(sum(pages, []), keys)
        self.assertEqual(lengths, [1000, 1000, 500])
        self.batch("delete-many", bucket, keys[1:] + ["never there"])
        self.assertEqual(self.pages(bucket)[0], [keys[:1]])
        for key in ("x", "y", "z"):
            bucket.set(key * 400_000, b"")
        self.assertEqual(self.pages(bucket)[1], [3, 1])
        bucket.drop()
        self.native("check", self.path("bucket"))

    def test_batches(self):
        bucket = self.open()
        self.assertIsNone(self.batch("set-many", bucket, [("a", b"1"), ("b", b"2"), ("a", b"3")]))
        found = self.batch("get-many", bucket, ["b", "missing", "a"])
        self.assertEqual(found, self.found([("b", b"2"), ("missing", None), ("a", b"3")]))
        self.assertIsNone(self.batch("delete-many", bucket, ["a", "missing"]))
        self.assertFalse(bucket.exists("a"))
        bucket.drop()

    def test_numbers(self):
        bucket = self.open()
        self.assertEqual(self.atomics("increment", bucket, "n", 5), 5)
        self.assertEqual(self.atomics("increment", bucket, "n", 7), 12)
        self.assertEqual(bucket.get("n"), (12).to_bytes(8, "little"))
        failed = self.atomics("increment", bucket, "n", self.largest)
        self.assertIn("overflow", failed.payload)
        self.assertEqual(bucket.get("n"), (12).to_bytes(8, "little"))
        bucket.set("text", b"many")
        failed = self.atomics("increment", bucket, "text", 1)
        self.assertEqual((failed.tag, bucket.get("text")), ("other", b"many"))
        bucket.drop()


class Draft(Drafts, unittest.TestCase):
    draft = "draft"
    largest = (1 << 64) - 1

    def found(self, entries):
        return [(key, value) if value is not None else None for key, value in entries]

    def test_cursor_is_a_number(self):
        bucket = self.open()
        self.batch("set-many", bucket, [(key, b"") for key in "abc"])
        self.assertEqual(bucket.list_keys(2).keys, ["c"])
        self.assertEqual(bucket.list_keys(1 << 63).keys, [])
        bucket.drop()


class Draft2(Drafts, unittest.TestCase):
    draft = "draft2"
    largest = (1 << 63) - 1

    def found(self, entries):
        return entries

    def test_numbers_have_signs(self):
        bucket = self.open()
        self.assertEqual(self.atomics("increment", bucket, "n", -5), -5)
        self.assertIn("overflow", self.atomics("increment", bucket, "n", -(1 << 63)).payload)
        bucket.drop()

    def test_cursor_is_a_key(self):
        bucket = self.open()
        self.batch("set-many", bucket, [(key, b"") for key in "abc"])
        bucket.delete("b")
        self.assertEqual(bucket.list_keys("b").keys, ["c"])
        self.assertEqual(bucket.list_keys("a").keys, ["c"])
        bucket.drop()

    def cas(self, bucket, key):
        return self.atomics("[static]cas.new", bucket, key)

    def current(self, cas):
        return self.atomics("[method]cas.current", cas)

    def test_swap(self):
        bucket = self.open()
        self.assertIsNone(self.current(cas := self.cas(bucket, "a")))
        self.assertIsNone(self.atomics("swap", cas, b"1"))
        cas, late = self.cas(bucket, "a"), self.cas(bucket, "a")
        self.assertEqual(self.current(cas), b"1")
        self.assertIsNone(self.atomics("swap", cas, b"2"))
        again = self.atomics("swap", late, b"3")
        self.assertEqual((self.current(again), bucket.get("a")), (b"2", b"2"))
        bucket.delete("a")
        again = self.atomics("swap", again, b"3")
        self.assertIsNone(self.current(again))
        # A handle keeps the bucket open.
        bucket.drop()
        self.assertIsNone(self.atomics("swap", again, b"4"))
        self.assertEqual(os.listdir(self.folder), ["bucket"])
        self.assertIn("4", self.native("get", self.path("bucket"), "a"))


if __name__ == "__main__":
    FOLDER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
