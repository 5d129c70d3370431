"""Export against reading and parsing the same files, which is what it cannot do without; and import.

Reading and parsing is done twice: by our own parser of the usual YAML, and by PyYAML's loader in C.

Rounds take turns; the table shows the CPU time of the best round, and the memory that an export adds.

    python tests/benchmarks/bench_export.py [--documents 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import yaml

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.values import Copy
from mdcoord.formats.document import Document
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.model import Key
from mdcoord.rules.leases import Lease
from mdcoord.workspace import Workspace

STAMP = "2026-01-31T09:30:00.000Z"


def fill(backend: MarkdownBackend, count: int) -> None:
    """Tasks as agents write them; one in ten was claimed."""
    scribe = Scribe(Templates([]))
    fields = {
        "title": "Train the model on the new data",
        "status": "pending",
        "priority": 5,
        "needs": ["training", "gpu"],
        "depends_on": ["data", "schema"],
        "created_at": STAMP,
        "updated_at": STAMP,
        "instructions": "Fetch the data.\nTrain.\nSay what the loss was.",
        "metadata": {"loss": 0.42, "step": 3500},
    }
    for number in range(count):
        key = Key("task", f"n{number:06}")
        text = scribe.create(key, {**fields, "note": number}, "Some words of a person.\n").text
        backend.put(Copy(key, text, lease=Lease(attempt=3) if number % 10 == 0 else None))


def read_and_parse(folder: str) -> None:
    for path in sorted(Path(folder).glob("task-*.md")):
        Document.parse(path.read_bytes().decode(), where=str(path))


def read_with_pyyaml(folder: str) -> None:
    for path in sorted(Path(folder).glob("task-*.md")):
        head = path.read_bytes().decode().split("---\n", 2)[1]
        yaml.load(head, yaml.CSafeLoader)


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def added_memory(workspace: Workspace) -> float:
    tracemalloc.start()
    for _ in workspace.export():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        backend = MarkdownBackend(folder, durability="none")
        fill(backend, given.documents)
        workspace = Workspace(backend)
        lines = [*workspace.export()]
        work: dict[str, Callable[[], object]] = {
            "read and parse": lambda: read_and_parse(folder),
            "the same with PyYAML": lambda: read_with_pyyaml(folder),
            "export": lambda: [None for _ in workspace.export()],
            "import into memory": lambda: Workspace(MemoryBackend()).import_(lines),
        }
        rounds = [[cpu(step) for step in work.values()] for _ in range(given.rounds)]
        best = dict(zip(work, (min(column) for column in zip(*rounds, strict=True)), strict=True))
        print(f"{given.documents} documents, {sum(map(len, lines)) / 1e6:.0f} MB of lines")
        for name, seconds in best.items():
            ratio = seconds / best["read and parse"]
            print(f"{name:22}{seconds:8.2f} s {given.documents / seconds:8.0f}/s {ratio:6.2f}x")
        print(f"memory that an export adds: {added_memory(workspace):.1f} MB")


if __name__ == "__main__":
    main()
