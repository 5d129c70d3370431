"""Append and tail on a short and on a long log, against the system calls that any durable append needs.

The floor opens a lock file, takes flock, opens the log, writes the same block once, fsyncs it (`full`) and
closes both. All cases take turns in one run; the table shows medians, and of each round's pair the ratio.

    python tests/benchmarks/bench_log.py [--short 100] [--long 100000] [--times 50] [--rounds 41]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.log import EventLog
from mdcoord.formats import eventlog, loghead

TIME = "2025-10-12T14:30:00.000Z"
DATA = {"workflow": "voice-clone-training-proj-1", "step": 3500, "loss": 0.42, "learning_rate": 0.0004}
BLOCK = eventlog.render_event("5f0c9a3be1d24876", "training_step", TIME, DATA)[0]


def make_log(root: str, channel: str, events: int, durability: str) -> EventLog:
    files = FileIO(root, os.path.join(root, ".state"), durability)
    files.prepare()
    blocks = (
        eventlog.render_event(f"id-{number:012}", "training_step", TIME, DATA)[0] for number in range(events)
    )
    with open(os.path.join(root, f"events-{channel}.md"), "wb") as file:
        file.write(loghead.new_log(channel) + b"".join(blocks))
    return EventLog(files, root)


def floor(root: str, durability: str) -> None:
    lock = os.open(os.path.join(root, "floor.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    log = os.open(
        os.path.join(root, "floor.md"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666
    )
    os.write(log, BLOCK)
    if durability != "none":
        os.fsync(log)
    os.close(log)
    os.close(lock)


def cases(root: str, short: int, long: int, durability: str) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {"floor": lambda: floor(root, durability)}
    for channel, events in (("short", short), ("long", long)):
        log = make_log(root, channel, events, durability)
        cursor = log.append(channel, "training_step", DATA, time=TIME).cursor
        found[f"append {channel}"] = lambda log=log, channel=channel: log.append(  # type: ignore[misc]
            channel, "training_step", DATA, time=TIME
        )
        if durability == "none":
            quiet = make_log(root, f"quiet-{channel}", events, durability)
            cursor = quiet.append(f"quiet-{channel}", "training_step", DATA, time=TIME).cursor
            found[f"poll {channel}"] = lambda log=quiet, name=f"quiet-{channel}", cursor=cursor: list(  # type: ignore[misc]
                log.tail(name, cursor)
            )
            found[f"last {channel}"] = lambda log=quiet, name=f"quiet-{channel}": log.last(name, 10)  # type: ignore[misc]
    return found


def measure(work: dict[str, Callable[[], object]], times: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds a call, of each case in each round."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _round in range(rounds):
        for name, call in work.items():
            start = time.perf_counter()
            for _ in range(times):
                call()
            taken[name].append((time.perf_counter() - start) / times * 1e6)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", type=int, default=100)
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    for durability in ("none", "full"):
        with tempfile.TemporaryDirectory() as root:
            work = cases(root, options.short, options.long, durability)
            taken = measure(work, options.times, options.rounds)
        print(f"\ndurability {durability}; µs a call, median of {options.rounds} rounds")
        for name, values in taken.items():
            other = name.replace("long", "short") if "long" in name else "floor"
            ratio = statistics.median(mine / its for mine, its in zip(values, taken[other], strict=True))
            print(f"  {name:14} {statistics.median(values):8.1f}   {ratio:5.2f} × {other}")


if __name__ == "__main__":
    main()
