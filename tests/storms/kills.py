"""Writers that are killed and stopped at random points, in one workspace; and the checks of what they
were told.

Each writer notes in a file of its own what it begins and what was acknowledged. In the end everything
that was acknowledged must be there, nobody's token may have been accepted after somebody else's claim,
and nothing may be locked, unreadable or left over.

Run as a script: `kills.py FOLDER SEED KILLS` prints a JSON report whose `violations` should be empty.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import ClaimLost, Conflict, MdcoordError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

SLOTS = 5
SHARED = 3
QUEUE = 8
CHANNEL = "work"
TTL = 0.05
TIME = "2026-01-31T09:30:00.000Z"

Note = dict[str, Any]


class Writer:
    """One writer, until it is killed."""

    def __init__(self, base: Path, slot: int, life: int, seed: int) -> None:
        self.slot = slot
        self.random = random.Random(f"{seed}/{slot}/{life}")
        self.number = life * 1_000_000
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.notes = os.open(base / f"notes-{slot}", flags, 0o666)
        self.work = opened(base / "work", f"agent-{slot}", f"{slot}/{life}")
        self.store = self.work.backend
        self.own: list[str] = []

    def run(self, parent: int) -> None:
        """Work until the process that started this one is gone."""
        ways = [self.write, self.write, self.append, self.append, self.claim, self.claim, self.make]
        ways += [self.archive, self.rotate]
        while os.getppid() == parent:
            self.number += 1
            try:
                self.random.choice(ways)()
            except MdcoordError as error:
                self.note("refused", error=type(error).__name__)

    def note(self, kind: str, **data: Any) -> None:
        line = json.dumps({"kind": kind, "slot": self.slot, "at": time.monotonic_ns(), **data})
        os.write(self.notes, line.encode() + b"\n")

    def doing(self, op: str, step: Callable[[], Any], **data: Any) -> Any:
        """Do something, and note that it begins and that it was acknowledged."""
        self.note("begin", op=op, **data)
        result = step()
        begun = time.monotonic_ns()
        self.note("done", op=op, **data, **_facts(result), returned=begun)
        return result

    def write(self) -> None:
        name, number = str(self.random.randrange(SHARED)), self.number
        change = Change(set={(f"slot_{self.slot}",): number})
        self.doing("write", lambda: self.store.write(Key("task", name), change), doc=name, number=number)

    def append(self) -> None:
        mark = f"{self.slot}-{self.number}"
        self.doing(
            "append", lambda: self.store.append(CHANNEL, "noted", {"mark": mark}, time=TIME), mark=mark
        )

    def rotate(self) -> None:
        self.store.rotate(CHANNEL, 5)

    def make(self) -> None:
        name = f"own-{self.slot}-{self.number}"
        self.doing("create", lambda: self.store.create("task", {"title": name}, name=name), doc=name)
        self.own.append(name)

    def archive(self) -> None:
        if not self.own:
            return
        name = self.own.pop()
        self.doing("archive", lambda: self.store.archive(Key("task", name)), doc=name)
        if self.random.random() < 0.5:
            self.doing("restore", lambda: self.store.restore(f"task-{name}"), doc=name)

    def claim(self) -> None:
        name = f"queue-{self.random.randrange(QUEUE)}"
        tasks = self.work.tasks
        if tasks.get(name).status in ("completed", "dead"):
            try:
                self.doing("retry", lambda: tasks.retry(name), task=name)
            except Conflict:
                return
        claim = self.doing("claim", lambda: tasks.claim(name, ttl=TTL, heartbeat=False), task=name)
        end = self.random.choice(["complete", "fail", "release", "nothing", "late"])
        if end == "nothing":
            return
        if end == "late":
            time.sleep(TTL * 1.5)
            end = "complete"
        ways = {
            "complete": claim.complete,
            "fail": lambda: claim.fail("so it goes"),
            "release": claim.release,
        }
        try:
            self.doing(end, ways[end], task=name, token=claim.token, held=claim.attempt)
        except ClaimLost:
            self.note("lost", task=name, token=claim.token)


def _facts(result: Any) -> dict[str, Any]:
    facts = {name: getattr(result, name) for name in ("attempt", "token") if hasattr(result, name)}
    return {} if "token" in facts and facts["token"] is None else facts


def opened(folder: Path, agent: str, session: str) -> Workspace:
    return Workspace(MarkdownBackend(folder, durability="none"), agent=agent, session=session)


# ---------------------------------------------------------------- the storm


def storm(base: Path, seed: int, kills: int) -> dict[str, Any]:
    """Start writers, kill and stop them, and say what was found in the end."""
    folder = base / "work"
    folder.mkdir()
    with opened(folder, "first", "first") as work:
        for number in range(SHARED):
            work.backend.create("task", {"title": f"shared {number}"}, name=str(number))
        for number in range(QUEUE):
            work.tasks.create(f"queued {number}", id=f"queue-{number}", retry_limit=3)
        first = work.backend.append(CHANNEL, "first", {}, time=TIME)
    chance = random.Random(seed)
    lives = [0] * SLOTS
    running = {slot: _start(base, slot, 0, seed) for slot in range(SLOTS)}
    stops = 0
    for _kill in range(kills):
        time.sleep(chance.uniform(0, 0.02))
        if chance.random() < 0.05:
            stops += 1
            _stop(running[chance.randrange(SLOTS)], chance.uniform(0, 4 * TTL))
        slot = chance.randrange(SLOTS)
        _kill_now(running[slot])
        lives[slot] += 1
        running[slot] = _start(base, slot, lives[slot], seed)
    for pid in running.values():
        _kill_now(pid)
    notes = [note for slot in range(SLOTS) for note in _read_notes(base / f"notes-{slot}")]
    return {
        "seed": seed,
        "kills": kills + SLOTS,
        "stops": stops,
        "acknowledged": dict(Counter(note["op"] for note in notes if note["kind"] == "done")),
        "refused": dict(Counter(note["error"] for note in notes if note["kind"] == "refused")),
        "lost": sum(note["kind"] == "lost" for note in notes),
        "violations": list(violations(folder, notes, first.cursor)),
    }


def _start(base: Path, slot: int, life: int, seed: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        Writer(base, slot, life, seed).run(parent)
    except BaseException:
        import traceback

        (base / f"failure-{slot}-{life}").write_text(traceback.format_exc())
    finally:
        os._exit(1)


def _kill_now(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "a writer ended by itself"


def _stop(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def _read_notes(path: Path) -> Iterator[Note]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            pass  # cut short by the kill


# ---------------------------------------------------------------- the checks


def violations(folder: Path, notes: list[Note], cursor: str) -> Iterator[str]:
    """What is wrong in the end."""
    yield from (f"a writer failed: {path.read_text()}" for path in folder.parent.glob("failure-*"))
    yield from (f"locked: {path.name}" for path in (folder / ".state/locks").iterdir() if not _is_free(path))
    with opened(folder, "last", "last") as work:
        work.recover()
        yield from (f"left over: {path}" for path in folder.rglob(".mdc-*"))
        store = work.backend
        yield from (f"unreadable: {found}" for found in store.list("task").unreadable)
        yield from (f"found by check: {finding}" for finding in work.check())
        yield from _writes(store, notes)
        yield from _events(store, notes, cursor)
        yield from _own(folder, notes)
        yield from _claims(work, notes)


def _is_free(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _writes(store: Any, notes: list[Note]) -> Iterator[str]:
    for kind in ("begin", "done"):
        last: dict[tuple[str, int], int] = {}
        for note in notes:
            if note["kind"] == kind and note["op"] == "write":
                last[note["doc"], note["slot"]] = note["number"]
        for (doc, slot), number in last.items():
            there = store.read(Key("task", doc)).fields.get(f"slot_{slot}", -1)
            if (there < number) if kind == "done" else (there > number):
                yield f"task {doc}: slot {slot} wrote {number} ({kind}), there is {there}"


def _events(store: Any, notes: list[Note], cursor: str) -> Iterator[str]:
    there = Counter(event.data.get("mark") for event in store.tail(CHANNEL, cursor))
    marks = {kind: {n["mark"] for n in notes if n["kind"] == kind and n["op"] == "append"} for kind in KINDS}
    yield from (f"event {mark} is lost" for mark in marks["done"] - there.keys())
    yield from (f"event {mark} is there {count} times" for mark, count in there.items() if count > 1)
    yield from (f"event {mark} was never sent" for mark in there.keys() - marks["begin"])


KINDS = ("begin", "done")


def _own(folder: Path, notes: list[Note]) -> Iterator[str]:
    places = {"create": "live", "restore": "live", "archive": "archived"}
    possible: dict[str, set[str]] = defaultdict(lambda: {"absent"})
    for note in notes:
        place = places.get(note.get("op", ""))
        if place and note["kind"] == "begin":
            possible[note["doc"]].add(place)
        elif place:
            possible[note["doc"]] = {place}
    for name, allowed in possible.items():
        live = (folder / f"task-{name}.md").exists()
        archived = (folder / "archive" / f"task-{name}.md").exists()
        there = "twice" if live and archived else "live" if live else "archived" if archived else "absent"
        if there not in allowed:
            yield f"{name} is {there}, should be {allowed}"


def _claims(work: Workspace, notes: list[Note]) -> Iterator[str]:
    claims = [note for note in notes if note["kind"] == "done" and note["op"] == "claim"]
    tokens = Counter(note["token"] for note in claims)
    yield from (f"token {token} was given {count} times" for token, count in tokens.items() if count > 1)
    attempts = Counter((note["task"], note["attempt"]) for note in claims)
    yield from (f"attempt {which} was given {count} times" for which, count in attempts.items() if count > 1)
    ends = [note for note in notes if note["kind"] == "done" and "held" in note]
    ended = Counter((note["task"], note["held"]) for note in ends)
    yield from (f"attempt {which} ended {count} times" for which, count in ended.items() if count > 1)
    begun = {(n["task"], n["token"]): n["at"] for n in notes if n["kind"] == "begin" and "token" in n}
    for end in ends:
        if end["attempt"] != end["held"]:
            yield f"an end of attempt {end['held']} was accepted in attempt {end['attempt']}: {end}"
        for claim in claims:
            later = claim["task"] == end["task"] and claim["attempt"] > end["held"]
            if later and claim["at"] < begun[end["task"], end["token"]]:
                yield f"a stale claim was accepted: {end} after {claim}"
    for name in {note["task"] for note in claims}:
        highest = max(note["attempt"] for note in claims if note["task"] == name)
        if work.tasks.get(name).attempt < highest:
            yield f"{name} went back to attempt {work.tasks.get(name).attempt} from {highest}"


if __name__ == "__main__":
    print(json.dumps(storm(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), indent=1))
