"""How fast a workspace moves to Redis: against reading and parsing its files, and against a bare pipe.

    python tests/benchmarks/bench_migrate.py [DOCUMENTS]

The pipe sends, from memory, the very bytes that the move sends, and reads the answers without looking at
them: what any client of this server could do at best. All rounds are interleaved; the medians count.
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import frontmatter
from redis_servers import Server, some_program

from mdcoord import Workspace
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.host import Host
from mdcoord.moving.crew import PAGE
from mdcoord.moving.transfer import Transfer

ROUNDS = 5
CHUNK = 1 << 20
HEAD = b"*4\r\n"
"""How an answer of the script begins."""


def make(folder: Path, documents: int) -> None:
    """Tasks of about a kilobyte."""
    with Workspace(MarkdownBackend(folder, durability="none")) as w:
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


def piped(path: Path, data: bytes, answers: int) -> float:
    """Seconds for sending bytes and getting so many answers."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        line.setblocking(False)
        begun, sent, tail, lines = time.perf_counter(), 0, b"", 0
        while sent < len(data) or lines < answers:
            if sent < len(data):
                try:
                    sent += line.send(memoryview(data)[sent : sent + CHUNK])
                except BlockingIOError:
                    pass
            try:
                got = line.recv(CHUNK)
                lines += (tail + got).count(HEAD)
                tail = got[1 - len(HEAD) :]
            except BlockingIOError:
                pass
        return time.perf_counter() - begun


def measure(documents: int) -> None:
    server = Server(some_program())
    try:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), documents)
            rounds(server, Path(folder), documents)
    finally:
        server.close()


def rounds(server: Server, folder: Path, documents: int) -> None:
    source = MarkdownBackend(folder, durability="none")
    target = RedisBackend(server.url("bench:"))
    copies = [*source.copies("task")]
    with Recorder() as recorder:
        store(target, copies)
    data = b"".join(recorder.sent)
    others, read, moved, own, stored, pipe = ([0.0] * 0 for _ in range(6))
    for _ in range(ROUNDS):
        target._link.call("FLUSHALL")
        others.append(timed(lambda: [frontmatter.load(str(path)) for path in folder.glob("task-*.md")]))
        read.append(timed(lambda: [*source.copies("task")]))
        transfer = Transfer(source, target, Host())
        begun = time.process_time()
        moved.append(timed(transfer.everything))
        own.append(time.process_time() - begun)
        target._link.call("FLUSHALL")
        stored.append(timed(lambda: store(target, copies)))
        target._link.call("FLUSHALL")
        pipe.append(piped(server.socket, data, documents))
    say("reading and parsing with python-frontmatter", others, documents)
    say("reading and parsing", read, documents)
    say("moving (before it is compared)", moved, documents)
    base = statistics.median(moved)
    print(f"  {base / statistics.median(read):.2f} x reading and parsing", end=" ")
    print(f"({statistics.median(own) / statistics.median(read):.2f} x without the server's part),", end=" ")
    print(f"{base / statistics.median(others):.2f} x with python-frontmatter")
    say("a bare pipe", pipe, documents)
    share = statistics.median(pipe) / statistics.median(stored)
    say("the Redis side alone", stored, documents)
    print(f"  {share:.0%} of the pipe's rate")


def store(target: RedisBackend, copies: list[Any]) -> None:
    for first in range(0, len(copies), PAGE):
        assert all(target.put_all(copies[first : first + PAGE]))


def timed(step: Any) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def say(what: str, seconds: list[float], documents: int) -> None:
    median = statistics.median(seconds)
    print(f"{what}: {documents / median:,.0f} documents/s ({median:.3f} s)")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
