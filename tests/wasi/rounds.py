#!/usr/bin/env python3
"""Guests that die in the middle of writing, reopened and judged natively after each death.

  tests/wasi/rounds.py ROUNDS FOLDER      (or `cargo xtask wasi rounds [ROUNDS]`)

FOLDER holds the guest as `p1.wasm` and `p2.wasm` and its native twin `judge`. Three kinds of death
take turns: the guest runs out of fuel at a random instruction, in preview 1 and in preview 2 (what
happens is a function of the seed), and the process of the host is killed by SIGKILL at a random
moment after a random commit (when is not). The next round finds the owner file and breaks it. Every
acknowledged transaction must be there, at most one more, none by half, and the file must be sound.
SILTSTONE_SEED repeats one seed.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from run_wasmtime import OUT_OF_FUEL, Program

HERE = os.path.dirname(os.path.abspath(__file__))
# Deaths of one database, before a fresh one.
LIVES = 12
COMMITS = 1000


class Judge:
    """The native twin, which opens what guests left."""

    def __init__(self, program):
        self.child = subprocess.Popen(
            [program, "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, seed, acknowledged, path):
        self.child.stdin.write(f"{seed} {acknowledged} {path}\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().strip()
        if not answer.isdigit():
            raise SystemExit(f"rounds: FAILED: {answer or 'the judge died'}; SILTSTONE_SEED={seed}")
        return int(answer)


def acknowledged(lines):
    """The last transaction the guest said it had committed; None before it had opened the file."""
    numbers = [line for line in lines if line.isdigit()]
    return int(numbers[-1]) if numbers else None


def starve(program, folder, seed, chance):
    """Runs out of fuel, sometimes while opening."""
    fuel = int(10 ** chance.uniform(5.0, 7.6))
    out = os.path.join(folder, "out.txt")
    store = program.store(
        ["write", "/data/file.lsm", str(seed), str(COMMITS)], [(folder, "/data", True)],
        fuel=fuel, out=out,
    )
    status, trap = program.run(store)
    if status not in (0, OUT_OF_FUEL):
        raise SystemExit(f"rounds: FAILED: the guest ended with {status}: {trap}; seed {seed}")
    # Closing the store closes its files.
    store.close()
    with open(out, encoding="utf-8") as file:
        return status, file.read().split()


def kill(wasm, folder, seed, chance):
    """Kills the host's process."""
    words = [os.path.join(HERE, "run-node.mjs"), "--dir", f"{folder}::/data", wasm]
    words += ["write", "/data/file.lsm", str(seed), str(COMMITS)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    lines = []
    for _ in range(chance.randrange(1, 60)):
        lines.append(child.stdout.readline().strip())
    time.sleep(chance.uniform(0, 0.004))
    os.killpg(child.pid, signal.SIGKILL)
    lines += child.stdout.read().split()
    child.wait()
    # The last line may have been cut.
    return OUT_OF_FUEL if child.returncode == -signal.SIGKILL else child.returncode, lines


def run(rounds, folder):
    judge = Judge(os.path.join(folder, "judge"))
    programs = [Program(os.path.join(folder, f"{kind}.wasm"), fuel=True) for kind in ("p1", "p2")]
    given = os.environ.get("SILTSTONE_SEED")
    counts = {"p1 out of fuel": 0, "p2 out of fuel": 0, "host killed": 0, "owner files broken": 0,
              "died while opening": 0, "ended by themselves": 0, "transactions": 0}
    done = 0
    first = int(given) if given else 0
    begun = time.monotonic()
    seed = first
    while done < rounds:
        scratch = tempfile.mkdtemp(prefix="siltstone-rounds-", dir=folder)
        path = os.path.join(scratch, "file.lsm")
        chance = random.Random(seed)
        held = 0
        for life in range(min(LIVES, rounds - done)):
            way = chance.choice(["p1", "p2", "p1", "p2", "kill"])
            counts["owner files broken"] += os.path.exists(path + "-lock")
            if way == "kill":
                status, lines = kill(os.path.join(folder, "p1.wasm"), scratch, seed, chance)
                counts["host killed"] += status == OUT_OF_FUEL
            else:
                status, lines = starve(programs[way == "p2"], scratch, seed, chance)
                counts[f"{way} out of fuel"] += status == OUT_OF_FUEL
            if status not in (0, OUT_OF_FUEL):
                raise SystemExit(f"rounds: FAILED: the guest ended with {status}; seed {seed}")
            counts["ended by themselves"] += status == 0
            counts["died while opening"] += "open" not in lines
            last = acknowledged(lines)
            last = held if last is None else last
            if last < held:
                raise SystemExit(f"rounds: FAILED: commit {last} after {held}; seed {seed}")
            if os.path.exists(path):
                # Half of them are judged as a copy, so that guests recover, too.
                judged = path
                if life % 2 == 0:
                    judged = os.path.join(scratch, "copy.lsm")
                    for suffix in ("", "-log"):
                        if os.path.exists(judged + suffix):
                            os.remove(judged + suffix)
                        if os.path.exists(path + suffix):
                            shutil.copyfile(path + suffix, judged + suffix)
                held = judge.say(seed, last, judged)
            elif last:
                raise SystemExit(f"rounds: FAILED: the file is gone; seed {seed}")
            done += 1
            if done % 1000 == 0:
                print(f"rounds: {done} deaths, {time.monotonic() - begun:.0f} s", flush=True)
        counts["transactions"] += held
        shutil.rmtree(scratch)
        if given:
            break
        seed += 1
    seconds = time.monotonic() - begun
    shown = ", ".join(f"{number} {what}" for what, number in counts.items())
    print(f"rounds: {done} deaths, seeds {first} to {seed - 1}, {seconds:.0f} s: {shown}")
    for what, number in counts.items():
        # A guest that is not stopped in time is no failure, and rare.
        if done >= 300 and number == 0 and what != "ended by themselves":
            raise SystemExit(f"rounds: FAILED: nothing counted as: {what}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    run(int(sys.argv[1]), os.path.abspath(sys.argv[2]))
