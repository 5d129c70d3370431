"""People with editors in the mirror of a workspace, tools on its server, and a mirror that is killed all the
time.

The people are those of `humans`, and so are the marks by which each save is found in the end; the tools
write to the server. Everything that was saved or acknowledged must be on both sides, each event once.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from humans import DOCUMENTS, TOOLS, Person
from processes import run_all

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.errors import Busy, Conflict
from mdcoord.host import Host
from mdcoord.model import Change, Key
from mdcoord.moving.mirroring import Mirroring

TIME = "2026-01-31T09:30:00.000Z"


def storm(base: Path, url: str, seed: int, seconds: float) -> dict[str, Any]:
    """The whole storm below an empty folder."""
    folder = base / "copy"
    folder.mkdir()
    with RedisBackend(url) as server:
        for number in range(DOCUMENTS):
            server.create("task", {"title": f"Task {number}", "status": "pending"}, name=str(number))
        running(server, folder).once()
    until = time.monotonic() + seconds

    def person(number: int) -> dict[str, Any]:
        who = Person(folder, number, seed)
        who.work(until)
        return who.report()

    jobs: list[Callable[[], dict[str, Any]]] = [
        *(partial(person, number) for number in range(DOCUMENTS)),
        *(partial(tool, url, number, seed, until) for number in range(TOOLS)),
        # The last mirror goes on until people have seen what they saved.
        partial(mirrors, folder, url, seed, until, until + 2),
    ]
    reports = run_all(jobs, base)
    people, tools = reports[:DOCUMENTS], reports[DOCUMENTS:-1]
    with RedisBackend(url) as server:
        for _ in range(2):
            running(server, folder).once()
        return {
            "seed": seed,
            "saves": sum(sum(one["kinds"].values()) for one in people),
            "writes": sum(one["writes"] for one in tools),
            "kills": reports[-1]["kills"],
            "violations": list(violations(server, folder, people, tools)),
        }


def running(server: Backend, folder: Path) -> Mirroring:
    return Mirroring(server, MarkdownBackend(folder, durability="none"), Host())


def mirrors(folder: Path, url: str, seed: int, until: float, end: float) -> dict[str, Any]:
    """One mirror after the other: each is killed after a moment, the last one when nothing is left to do."""
    chance = random.Random(f"{seed}/mirrors")
    kills = 0
    while time.monotonic() < end:
        late = time.monotonic() >= until
        pid = os.fork()
        if not pid:
            try:
                with RedisBackend(url) as server:
                    for _ in running(server, folder).rounds(0.02):
                        pass
            finally:
                os._exit(1)
        time.sleep(end - time.monotonic() if late else chance.uniform(0.02, 0.7))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
    return {"kills": kills}


def tool(url: str, number: int, seed: int, until: float) -> dict[str, Any]:
    """Writes counters of its own to all documents, and events, until the end."""
    chance = random.Random(f"{seed}/tool/{number}")
    acknowledged: dict[str, int] = {}
    n = 0
    with RedisBackend(url) as server:
        while time.monotonic() < until:
            key = Key("task", str(chance.randrange(DOCUMENTS)))
            n += 1
            try:
                server.write(key, Change(set={(f"tool_{number}",): n, ("progress",): n % 100 / 100}))
            except (Busy, Conflict):
                continue
            acknowledged[key.name] = n
            server.append("work", "step", {"tool": number, "n": n}, time=TIME)
            time.sleep(chance.uniform(0, 0.02))
    return {"tool": number, "acknowledged": acknowledged, "writes": n}


def violations(
    server: Backend, folder: Path, people: list[dict[str, Any]], tools: list[dict[str, Any]]
) -> Iterator[str]:
    """What is missing, or there twice."""
    copied = MarkdownBackend(folder, durability="none")
    for person in people:
        name = person["document"]
        key = Key.of("task", name)
        text, fields = server.text(key), server.read(key).fields
        if copied.text(key) != text:
            yield f"{name}: the copy is another one"
        for way, number in person["saved"].items():
            if fields.get(f"by_{way}") != number:
                yield f"{name}: field by_{way} is {fields.get(f'by_{way}')}, saved {number}"
            for words in (f"note of {way}: {number}!", f"# {way} {number}!"):
                if words not in text:
                    yield f"{name}: {words} is missing"
        yield from (f"{name}: {line} is missing" for line in person["appended"] if line not in text)
        for report in tools:
            field, wanted = f"tool_{report['tool']}", report["acknowledged"].get(name)
            if wanted is not None and fields.get(field) != wanted:
                yield f"{name}: {field} is {fields.get(field)}, acknowledged {wanted}"
    there = Counter(event.id for event in server.history("work"))
    here = Counter(event.id for event in copied.history("work"))
    if there != here or max(here.values()) > 1:
        yield f"events: {len(there)} on the server, {here.total()} in the copy"
    yield from (f"left over: {path}" for path in folder.glob(".mdc-*"))
    yield from (f"put aside: {path}" for path in [*folder.glob(".state/kept/*"), *folder.glob("archive/*")])
