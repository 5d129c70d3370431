"""How fast a workspace moves to Redis and back, against reading and parsing its files, and a bare pipe.

    python tests/benchmarks/bench_migrate.py [--documents 5000] [--rounds 3]

The moves are whole commands, with all that belongs to them: every record is read back and compared, and the
files are put into the archive. The first pass alone is what an export of the documents costs. Reading and
parsing is one process that does only this: with our own parser, and with python-frontmatter (whose YAML
loader is written in C). The pipe sends, from memory, the very bytes that the move sends, and reads the
answers without looking at them: what any client of this server could do at best.

Cases take turns; the table shows the medians of their wall times, CPU times (of all their processes, but not
the server) and largest processes.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis_servers import Server, some_program

from mdcoord import Workspace
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.host import Host
from mdcoord.layout import state_folder
from mdcoord.moving.transfer import Transfer

CHUNK = 1 << 20
BATCH = 1000
PIPED = 20_000
"""Documents for the comparison with the pipe: they are all in memory."""

OURS = """
import sys, pathlib
from mdcoord.formats.document import Document, decode
for path in sorted(pathlib.Path(sys.argv[1]).glob("task-*.md")):
    Document.parse(decode(path.read_bytes()))
"""
OTHERS = """
import sys, pathlib, frontmatter
for path in sorted(pathlib.Path(sys.argv[1]).glob("task-*.md")):
    frontmatter.load(str(path))
"""


class Spent(NamedTuple):
    """Seconds by the clock and of CPU, and megabytes of the largest process (0: not measured)."""

    wall: float
    cpu: float
    peak: float = 0.0


def make(root: Path, documents: int) -> None:
    """Tasks of about a kilobyte."""
    with Workspace(MarkdownBackend(root, state=state_folder(root), durability="none")) as w:
        for number in range(documents):
            w.tasks.create(
                f"Train model {number} on the second half of the data",
                id=f"train-{number:06}",
                priority=number % 10,
                needs=["training", "gpu"],
                instructions="Use the settings of the last run; stop when the loss does not fall any more.",
                fields={"labels": ["nightly", "model"], "metadata": {"step": number, "loss": 0.42}},
                body="What people wrote about it.\n\n" + "A line of words that say something.\n" * 3,
            )


def command(folder: Path, *arguments: str) -> Spent:
    """Run Python in a process of its own."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Spent(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def here(step: Callable[[], object]) -> Spent:
    """Take a step in this process, and those that it forks."""
    begun, before = time.perf_counter(), os.times()
    step()
    return Spent(time.perf_counter() - begun, sum(os.times()[:4]) - sum(before[:4]))


class Recorder:
    """Keeps what is sent to a server."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answers = 0

    def __enter__(self) -> Recorder:
        self._ask = ask = Link._ask

        def recording(link: Link, connection: Any, commands: Any) -> Any:
            self.sent += connection.pack_commands(commands)
            self.answers += len(commands)
            return ask(link, connection, commands)

        Link._ask = recording  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Link._ask = self._ask  # type: ignore[method-assign]


def piped(path: Path, data: bytes, answers: int) -> None:
    """Send bytes and get so many answers, of which each begins so."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        line.setblocking(False)
        head, rest, tail, found = b"*4\r\n$10\r\n", memoryview(data), b"", 0
        while rest or found < answers:
            readable, writable, _ = select.select([line], [line] if rest else [], [], 10)
            assert readable or writable, "the server is silent"
            if writable:
                rest = rest[line.send(rest[:CHUNK]) :]
            if readable:
                got = line.recv(CHUNK)
                found += (tail + got).count(head)
                tail = got[1 - len(head) :]


def store(target: RedisBackend, copies: list[Any]) -> None:
    for first in range(0, len(copies), BATCH):
        assert all(target.put_all(copies[first : first + BATCH]))


def rounds(server: Server, root: Path, documents: int, count: int) -> dict[str, list[Spent]]:
    """What each case spends, round by round."""
    source, target = MarkdownBackend(root, state=state_folder(root)), RedisBackend(server.url("bench:"))
    project, spent = root.parents[1], dict[str, list[Spent]]()

    def case(name: str, found: Spent) -> None:
        spent.setdefault(name, []).append(found)

    def emptied() -> None:
        target._link.call("FLUSHALL")

    for _ in range(count):
        case("reading and parsing", command(project, "-c", OURS, str(root)))
        case("the same with python-frontmatter", command(project, "-c", OTHERS, str(root)))
        transfer = Transfer(source, target, Host())
        case("first pass of a move", here(transfer.everything))
        case("comparing", here(transfer.verify))
        emptied()
        url = server.url("moved:")
        case("mdcoord migrate redis", command(project, "-m", "mdcoord", "migrate", "redis", url))
        case("mdcoord migrate markdown", command(project, "-m", "mdcoord", "migrate", "markdown"))
        emptied()
    copies = [*islice(source.copies("task"), PIPED)]
    with Recorder() as recorder:
        store(target, copies)
    data = b"".join(recorder.sent)
    for _ in range(max(count, 3)):
        emptied()
        case("storing what was read", here(lambda: store(target, copies)))
        emptied()
        case("the same bytes by a pipe", here(lambda: piped(server.socket, data, recorder.answers)))
    return spent


def table(spent: dict[str, list[Spent]], documents: int) -> None:
    """Print the medians."""
    medians = {
        name: Spent(*(statistics.median(column) for column in zip(*found, strict=True)))
        for name, found in spent.items()
    }
    ours, others = medians["reading and parsing"], medians["the same with python-frontmatter"]
    print(f"{documents} documents")
    print(f"{'':34}{'wall s':>8}{'CPU s':>8}{'MB':>6}{'x ours':>8}{'CPU':>7}{'x python-frontmatter':>22}")
    for name, found in medians.items():
        if name == "storing what was read":
            print(f"{min(documents, PIPED)} documents, the Redis side alone")
        print(f"{name:34}{found.wall:8.2f}{found.cpu:8.2f}{found.peak:6.0f}", end="")
        print(f"{found.wall / ours.wall:8.2f}{found.cpu / ours.cpu:7.2f}{found.wall / others.wall:22.2f}")
    share = medians["the same bytes by a pipe"].wall / medians["storing what was read"].wall
    print(f"storing: {share:.0%} of the pipe's rate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    server = Server(some_program())
    try:
        with tempfile.TemporaryDirectory() as folder, Workspace.create(folder) as workspace:
            assert workspace.root is not None
            make(workspace.root, given.documents)
            table(rounds(server, workspace.root, given.documents, given.rounds), given.documents)
    finally:
        server.close()


if __name__ == "__main__":
    main()
