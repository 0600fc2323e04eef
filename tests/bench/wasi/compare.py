#!/usr/bin/env python3
"""Siltstone and redb natively, under node:wasi and under wasmtime, by turns: `cargo xtask bench wasi`.

  compare.py FOLDER [--rounds N] [--rows N]

FOLDER holds the program three times: native, p1.wasm, p2.wasm. Prints medians of operations per
second, their ratio to the same engine natively, and Siltstone's to redb in the same place.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ENGINES = ("siltstone", "redb")
WORKLOADS = ("batches", "durable", "first_scan", "scans", "gets")


def places(folder):
    """The names of the places and the commands that run a program there on a directory."""
    node = ["node", "--no-warnings", os.path.join(ROOT, "tests/wasi/run-node.mjs")]
    wasmtime = [sys.executable, os.path.join(ROOT, "tests/wasi/run_wasmtime.py")]
    p1, p2 = (os.path.join(folder, name) for name in ("p1.wasm", "p2.wasm"))
    return {
        "native": lambda scratch: ([os.path.join(folder, "native")], scratch),
        "node p1": lambda scratch: ([*node, "--dir", f"{scratch}::/data", p1], "/data"),
        "wasmtime p1": lambda scratch: ([*wasmtime, "--dir", f"{scratch}::/data", p1], "/data"),
        "wasmtime p2": lambda scratch: ([*wasmtime, "--dir", f"{scratch}::/data", p2], "/data"),
    }


def measure(place, engine, rows):
    """Operations per second of each workload."""
    with tempfile.TemporaryDirectory(prefix="siltstone-bench-") as scratch:
        command, inside = place(scratch)
        done = subprocess.run(
            [*command, engine, inside, str(rows)], check=True, capture_output=True, text=True
        )
    lines = (line.split() for line in done.stdout.splitlines())
    return {name: int(count) * 1e9 / int(took) for name, count, took in lines}


def main():
    arguments = argparse.ArgumentParser(description="engines inside runtimes of WASI")
    arguments.add_argument("folder")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--rows", type=int, default=100_000)
    given = arguments.parse_args()
    found = {}
    for number in range(given.rounds):
        for name, place in places(given.folder).items():
            for engine in ENGINES:
                try:
                    speeds = measure(place, engine, given.rows)
                except subprocess.CalledProcessError as failed:
                    sys.exit(f"{engine}, {name}: {failed.stderr}")
                for workload, speed in speeds.items():
                    found.setdefault((workload, name, engine), []).append(speed)
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    middle = {what: statistics.median(speeds) for what, speeds in found.items()}
    print(f"{given.rows} rows of 16 + 100 bytes, medians of {given.rounds} rounds by turns\n")
    print("| workload | place | Siltstone/s | of native | redb/s | of native | Siltstone : redb |")
    print("|---|---|---|---|---|---|---|")
    for workload in WORKLOADS:
        for name in places(given.folder):
            ours, theirs = (middle[workload, name, engine] for engine in ENGINES)
            own = ours / middle[workload, "native", "siltstone"]
            other = theirs / middle[workload, "native", "redb"]
            print(
                f"| {workload} | {name} | {ours:,.0f} | {own:.2f} | {theirs:,.0f} | {other:.2f} "
                f"| {ours / theirs:.2f} |"
            )


if __name__ == "__main__":
    main()
