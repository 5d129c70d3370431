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
import gc
import select
import socket
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis_servers import Server, some_program
from spending import Spent, medians, reading, run, show, spent_by, tasks

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
    spent: dict[str, list[Spent]] = {}

    def case(name: str, found: Spent) -> None:
        spent.setdefault(name, []).append(found)

    def emptied() -> None:
        target._link.call("FLUSHALL")

    for _ in range(count):
        for name, found in reading(root).items():
            case(name, found)
        transfer = Transfer(source, target, Host())
        case("first pass of a move", spent_by(transfer.everything))
        case("comparing", spent_by(transfer.verify))
        emptied()
        url = server.url("moved:")
        case("mdcoord migrate redis", run(root, "-m", "mdcoord", "migrate", "redis", url))
        case("mdcoord migrate markdown", run(root, "-m", "mdcoord", "migrate", "markdown"))
        emptied()
    copies = [*islice(source.copies("task"), PIPED)]
    gc.freeze()  # in a move they are not all in memory, and the collector has not to look at them
    with Recorder() as recorder:
        store(target, copies)
    data = b"".join(recorder.sent)
    for _ in range(max(count, 3)):
        emptied()
        case("storing what was read", spent_by(lambda: store(target, copies)))
        emptied()
        case("the same bytes by a pipe", spent_by(lambda: piped(server.socket, data, recorder.answers)))
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    server = Server(some_program())
    try:
        with tempfile.TemporaryDirectory() as folder, Workspace.create(folder) as workspace:
            assert workspace.root is not None
            tasks(workspace.root, given.documents)
            found = medians(rounds(server, workspace.root, given.documents, given.rounds))
            print(f"{given.documents} documents; at the end {min(PIPED, given.documents)} of them")
            show(found)
            share = found["the same bytes by a pipe"].wall / found["storing what was read"].wall
            print(f"storing: {share:.0%} of the pipe's rate")
    finally:
        server.close()


if __name__ == "__main__":
    main()
