"""Claim and complete, against the system calls that any durable implementation needs.

The floor does, twice a task: flock, write a temporary file, fsync it, rename it over the task, fsync the
folder (`full`; `data` leaves the last one out). Floor and mdcoord take turns in one run; the table shows
medians and the ratio of each round's pair.

    python tests/benchmarks/bench_claims.py [--tasks 400] [--rounds 5] [--processes 1 8]
"""

from __future__ import annotations

import argparse
import fcntl
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from mdcoord import Workspace
from mdcoord.errors import NothingReady

CONTEXT = multiprocessing.get_context("fork")
BODY = b"x" * 900
SETTLED = 3.2
"""Seconds after which a file that was just made is old enough to be known by its stamp (see `catalog`)."""


Ended = "multiprocessing.sharedctypes.Synchronized[float]"


def floor_worker(folder: str, numbers: list[int], durability: str, barrier: Barrier, ended: Ended) -> None:
    barrier.wait()
    for number in numbers:
        for _step in ("claim", "complete"):
            lock = os.open(f"{folder}/lock-{number}", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(lock, fcntl.LOCK_EX)
            temp = os.open(f"{folder}/temp-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            os.write(temp, BODY)
            os.fsync(temp)
            os.close(temp)
            os.rename(f"{folder}/temp-{number}", f"{folder}/task-{number}.md")
            if durability == "full":
                directory = os.open(folder, os.O_RDONLY)
                os.fsync(directory)
                os.close(directory)
            os.close(lock)
    done(ended)


def claim_worker(folder: str, number: int, barrier: Barrier, ended: Ended) -> None:
    with Workspace.open(folder, agent=f"worker-{number}") as workspace:
        workspace.tasks.list(limit=1)  # a worker that has been at it for a while: it knows the folder
        barrier.wait()
        while True:
            try:
                claim = workspace.tasks.claim()
            except NothingReady:
                return  # the look that found nothing is not part of any task
            claim.complete()
            done(ended)


def done(ended: Ended) -> None:
    """Note that the last task so far was completed now."""
    ended.value = max(ended.value, time.perf_counter())


def run(target, arguments: list[tuple[object, ...]]) -> float:
    barrier = CONTEXT.Barrier(len(arguments) + 1)
    ended = CONTEXT.Value("d", 0.0)
    workers = [CONTEXT.Process(target=target, args=(*rest, barrier, ended)) for rest in arguments]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
    return ended.value - started


def floor(tasks: int, processes: int, durability: str) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for number in range(tasks):
            Path(folder, f"task-{number}.md").write_bytes(BODY)
        shares = [list(range(tasks))[start::processes] for start in range(processes)]
        return run(floor_worker, [(folder, share, durability) for share in shares])


def ours(tasks: int, processes: int, durability: str) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        os.environ["MDCOORD_DURABILITY"] = "none"
        with Workspace.create(folder) as workspace:
            for number in range(tasks):
                workspace.tasks.create(f"Task number {number}", id=str(number), priority=number % 5)
        os.environ["MDCOORD_DURABILITY"] = durability
        os.sync()
        time.sleep(SETTLED)
        taken = run(claim_worker, [(folder, number) for number in range(processes)])
        with Workspace.open(folder) as workspace:
            done = workspace.query("task", "status = 'completed' and attempt = 1")
            assert len(done) == tasks, len(done)
        return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    print(f"claim + complete of {options.tasks} tasks, {options.rounds} rounds, medians\n")
    print("| durability | processes | floor, µs a task | mdcoord, µs a task | ratio (min..max) |")
    print("|---|---:|---:|---:|---:|")
    for durability in ("full", "data"):
        for processes in options.processes:
            pairs = [
                (floor(options.tasks, processes, durability), ours(options.tasks, processes, durability))
                for _round in range(options.rounds)
            ]
            base, mine = (statistics.median(side) / options.tasks * 1e6 for side in zip(*pairs, strict=True))
            ratios = sorted(b / a for a, b in pairs)
            print(
                f"| {durability} | {processes} | {base:.0f} | {mine:.0f} | "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
