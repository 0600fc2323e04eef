"""The Python package lsm-db on our library: dictionary, slices, cursors, transactions, settings."""

import ctypes
import multiprocessing
import os
import tempfile

import lsm

# The extension is linked with ours: only that has this function.
library = ctypes.CDLL("liblsm.so.1")
library.siltstone_version.restype = ctypes.c_char_p
with open("/proc/self/maps") as maps:
    loaded = {line.split()[-1] for line in maps if "liblsm" in line}
assert len(loaded) == 1, loaded


def child(path, count):
    """What another process does with the same file."""
    database = lsm.LSM(path)
    assert len(list(database)) == count
    database["from the child"] = "1"
    database.close()


def main(folder):
    path = os.path.join(folder, "database.lsm")
    database = lsm.LSM(path)

    # A dictionary.
    database["a"] = "1"
    database["b"] = "2"
    database.update({"k%03d" % n: "v%d" % n for n in range(500)})
    assert database["a"] == b"1"
    assert "a" in database and "missing" not in database
    try:
        database["missing"]
    except KeyError:
        pass
    else:
        raise AssertionError("a missing key must be a KeyError")
    del database["b"]
    assert "b" not in database
    assert len(list(database)) == 501

    # Slices, forward and backward, with a limit.
    assert [key for key, _ in database["k010":"k013"]] == [b"k010", b"k011", b"k012", b"k013"]
    assert [key for key, _ in database["k013":"k010"]] == [b"k013", b"k012", b"k011", b"k010"]
    assert [key for key, _ in database["k498":]] == [b"k498", b"k499"]
    assert [key for key, _ in database[::True]][:2] == [b"k499", b"k498"]
    del database["k100":"k199"]
    assert len(list(database["k100":"k199"])) in (0, 2)

    # Seeks.
    assert database.fetch("k0005", lsm.SEEK_GE) == b"v1"
    assert database.fetch("k0005", lsm.SEEK_LE) == b"v0"
    with database.cursor() as cursor:
        cursor.seek("k490", lsm.SEEK_GE)
        assert cursor.key() == b"k490" and cursor.value() == b"v490"
        assert [key for key, _ in cursor] == [b"k%03d" % n for n in range(490, 500)]
    with database.cursor(reverse=True) as cursor:
        assert next(iter(cursor))[0] == b"k499"

    # Transactions and savepoints.
    before = list(database)
    with database.transaction():
        database["in"] = "1"
        with database.transaction() as inner:
            database["inner"] = "1"
            inner.rollback()
        assert "inner" not in database
    assert "in" in database
    try:
        with database.transaction():
            database["undone"] = "1"
            raise ValueError
    except ValueError:
        pass
    assert "undone" not in database
    del database["in"]
    assert list(database) == before

    # Work and numbers.
    database.flush()
    database.work(1, -1)
    database.checkpoint(0)
    assert database.pages_written() > 0
    assert database.tree_size() == (0, 0)
    database.autoflush = 64
    assert database.autoflush == 64
    database.transaction_log = False
    assert not database.transaction_log
    database.transaction_log = True

    # Another process on the same file.
    count = len(list(database))
    process = multiprocessing.get_context("spawn").Process(target=child, args=(path, count))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert database["from the child"] == b"1"
    database.close()

    # Sizes of a new file, and what a closed one keeps.
    with lsm.LSM(path) as database:
        assert len(list(database)) == count + 1
    small = lsm.LSM(os.path.join(folder, "small.lsm"), page_size=512, block_size=64)
    assert (small.page_size, small.block_size) == (512, 64)
    small.close()
    single = lsm.LSM(os.path.join(folder, "single.lsm"), multiple_processes=False)
    single["a"] = "1"
    single.close()
    assert sorted(os.listdir(folder)) == ["database.lsm", "single.lsm", "small.lsm"]
    version = library.siltstone_version().decode()
    print(f"lsm-db on liblsm of Siltstone {version}: all as it should be")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
