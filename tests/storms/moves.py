"""Workers in processes of their own while their workspace is moved among servers and files, and movers are
killed.

Each worker notes in a file of its own what was acknowledged. In the end every task must have been claimed and
completed once, every event be there once and in its order, and every counter have every count.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from mdcoord import Workspace
from mdcoord.errors import Busy, NothingReady
from mdcoord.model import Change, Key

WORKERS = 3
COUNTER = Key("context", "counter")


def storm(folder: Path, places: Sequence[str], seed: int, *, moves: int, kills: int, tasks: int) -> list[str]:
    """Move a workspace in use from place to place, and say what is wrong in the end."""
    chance = random.Random(seed)
    with Workspace.create(folder) as w:
        for number in range(tasks):
            w.tasks.create("x", id=f"t{number:04}")
        w.backend.create("context", {"count": {}}, name=COUNTER.id)
        w.events.publish("work", "first")
    workers = [_forked(lambda slot=slot: _work(folder, slot)) for slot in range(WORKERS)]  # type: ignore[misc]
    for number in range(moves):
        place = places[number % len(places)]
        for _kill in range(kills):
            mover = _forked(lambda place=place: Workspace.migrate(place, folder))  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.6))
            os.kill(mover, signal.SIGKILL)
            os.waitpid(mover, 0)
        Workspace.migrate(place, folder)
        time.sleep(chance.uniform(0, 0.2))
    (folder / "stop").touch()
    for pid in workers:
        os.waitpid(pid, 0)
    return list(_wrong(folder, tasks))


def _forked(step: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        step()
    except BaseException:
        import traceback

        Path(os.environ["STORM"], f"failure-{os.getpid()}").write_text(traceback.format_exc())
    finally:
        os._exit(0)


def _work(folder: Path, slot: int) -> None:
    notes = os.open(folder / f"notes-{slot}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def note(**facts: Any) -> None:
        os.write(notes, json.dumps(facts).encode() + b"\n")

    with Workspace.open(folder, agent=f"agent-{slot}", session=f"s{slot}") as w:
        for number in count():
            _patient(partial(w.backend.write, COUNTER, partial(_counted, slot)))
            mark = f"{slot}-{number}"
            _patient(partial(w.backend.append, "work", "step", {"mark": mark}, time=w.host.stamp(), id=mark))
            note(mark=mark)
            try:
                claim = _patient(lambda: w.tasks.claim(heartbeat=False))
            except NothingReady:
                if (folder / "stop").exists():
                    return
                time.sleep(0.01)
                continue
            note(claimed=claim.task.id, attempt=claim.attempt)
            _patient(claim.complete)
            note(completed=claim.task.id)


def _patient(step: Callable[[], Any]) -> Any:
    """Do a step, again when the gate was closed for longer than a step waits: then it was not done."""
    while True:
        try:
            return step()
        except Busy:
            time.sleep(0.01)


def _counted(slot: int, record: Any) -> Change:
    path = ("count", f"slot{slot}")
    return Change(set={path: record.get(*path, default=0) + 1})


def _wrong(folder: Path, tasks: int) -> Iterator[str]:
    notes = [
        json.loads(line) for path in sorted(folder.glob("notes-*")) for line in path.read_bytes().splitlines()
    ]
    yield from (path.read_text() for path in folder.glob("failure-*"))
    with Workspace.open(folder) as w:
        yield from (f"found by check: {one}" for one in w.check())
        wanted = {f"t{number:04}": 1 for number in range(tasks)}
        for what in ("claimed", "completed"):
            told = Counter(note[what] for note in notes if what in note)
            yield from (f"{name} was {what} {told[name]} times" for name in wanted if told[name] != 1)
        for task in w.tasks.list():
            if (task.status, task.attempt) != ("completed", 1):
                yield f"{task.id} is {task.status} in attempt {task.attempt}"
        marks = [event.data["mark"] for event in w.backend.history("work") if "mark" in event.data]
        for slot in range(WORKERS):
            told = [note["mark"] for note in notes if note.get("mark", "").startswith(f"{slot}-")]
            there = [mark for mark in marks if mark.startswith(f"{slot}-")]
            if there != told:
                yield f"events of {slot}: {len(there)} there, {len(told)} acknowledged, or another order"
            number = w.backend.read(COUNTER).get("count", f"slot{slot}")
            if number != len(told):
                yield f"counter of {slot}: {number} there, {len(told)} acknowledged"
