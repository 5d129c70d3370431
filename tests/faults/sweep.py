"""One call after the other fails, in every verb, until the verb runs through; and what must hold each
time.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from faulty import KILLS, LATE, LINE, Faults, Interruption
from verbs import Content, Verb, World, base, locks_of

from mdcoord.errors import MdcoordError, NotDurable

INTERRUPTS = ("SIGINT", LATE, LINE, "ENOMEM", *KILLS)
"""Failures that may leave a temporary file, for the next write of the same document to deal with."""

LONGEST = 400
"""More calls than any verb makes."""


def prepared(verb: Verb, folder: Path, durability: str = "full") -> World:
    """The workspace in which the verb is to act."""
    world = base(folder, "none")
    verb.prepare(world)
    return World(folder, durability)


def sweep(
    verb: Verb, kind: str, scratch: Path, start: int = 1, step: int = 1, enough: int = 1000
) -> tuple[int, list[str]]:
    """Let the calls of a verb fail one after the other, each or some, until `enough` problems are found.

    Returns how many did, and what was wrong after it.
    """
    template = prepared(verb, scratch / "template")
    found: list[str] = []
    for tried, number in enumerate(range(start, LONGEST, step)):
        faults = Faults(kind, number)
        found += _after(verb, template, faults, number)
        if faults.failed is None or len(found) >= enough:
            return tried, found
    raise AssertionError(f"{verb.name} does not come to an end")


def sweep_lines(verb: Verb, scratch: Path, start: int = 1, step: int = 1) -> tuple[int, list[str]]:
    """Interrupt a verb at its lines, each or some. Returns how many, and what was wrong after it."""
    template = prepared(verb, scratch / "template")
    found: list[str] = []
    for tried, number in enumerate(range(start, 100_000, step)):
        interruption = Interruption(number)
        found += _after(verb, template, interruption, number)
        if interruption.failed is None:
            return tried, found
    raise AssertionError(f"{verb.name} does not come to an end")


def _after(verb: Verb, template: World, faults: Faults | Interruption, number: int) -> list[str]:
    before = template.content()
    world = template.copy(template.folder.with_name("world"))
    problems = list(_check(verb, world, faults, before))
    shutil.rmtree(world.folder)
    world.folder.with_name("said").unlink(missing_ok=True)
    return [f"{verb.name}, {faults.kind} at {number} ({faults.failed}): {problem}" for problem in problems]


def _check(verb: Verb, world: World, faults: Faults | Interruption, before: Content) -> Iterator[str]:
    descriptors = _descriptors()
    outcome = _act(verb, world, faults)
    content = World(world.folder, "none").content()
    yield from invalid(content)
    done = verb.done(content)
    if outcome in ("done", "NotDurable"):
        if not done:
            yield f"{outcome}, but it is not there: {content}"
    elif outcome in INTERRUPTED:
        if not done and content != before:
            yield f"neither old nor new: {content}"
    elif outcome.startswith("refused"):
        if content != before:
            yield f"{outcome}, but it was changed: {content}"
    else:
        yield f"not an error of ours: {outcome}"
    if not world.temporaries:
        yield from _lost(verb, world)
    yield from (f"lock held: {path.name}" for path in locks_of(world.folder) if not is_free(path))
    yield from _leaked(descriptors, faults)
    if faults.kind not in INTERRUPTS and faults.failed != "unlink" and len(world.said) < 2:
        yield from (f"left over: {path}" for path in world.temporaries)
    yield from afterwards([verb], world)
    yield from _lost(verb, world)
    if "rotate" not in verb.name:  # a line that was added to a log in the worst moment is put aside
        yield from (f"put aside: {path}" for path in world.put_aside)


INTERRUPTED = ("KeyboardInterrupt", "MemoryError", "killed")


def _lost(verb: Verb, world: World) -> Iterator[str]:
    there = World(world.folder, "none").words()
    yield from (f"{words!r} is lost" for words in (*verb.kept, *world.said) if words not in there)


def _act(verb: Verb, world: World, faults: Faults | Interruption) -> str:
    faults.meanwhile = [partial(world.does, *step) for step in verb.meanwhile]
    if faults.kind in KILLS:
        return _act_in_child(verb, world, faults)
    try:
        with faults.active():
            verb.act(world)
    except NotDurable:
        return "NotDurable"
    except MdcoordError as error:
        return f"refused ({error!r})"
    except (KeyboardInterrupt, MemoryError) as error:
        return type(error).__name__
    except BaseException as error:
        return repr(error)
    return "done"


def _act_in_child(verb: Verb, world: World, faults: Faults | Interruption) -> str:
    pid = os.fork()
    if not pid:
        try:
            with faults.active():
                verb.act(world)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        faults.failed = f"call {faults.at}"
        return "killed"
    return "done"


def invalid(content: Content) -> Iterator[str]:
    """What cannot be read."""
    yield from (
        f"{name} cannot be read: {value}" for name, value in content.items() if isinstance(value, str)
    )


def afterwards(verbs: Sequence[Verb], world: World) -> Iterator[str]:
    """Normal writes to the same places work, and clear up; first where the last verb wrote."""
    for verb in reversed(verbs):
        try:
            verb.again(World(world.folder, "none"))
        except Exception as error:
            yield f"a later write fails: {error!r}"
            return
    if world.temporaries:
        World(world.folder, "none").work.recover()
    content = World(world.folder, "none").content()
    yield from invalid(content)
    yield from (f"left over after a later write: {path}" for path in world.temporaries)
    log: Any = content["task-one"].get("log") if "task-one" in content else None
    if log is not None and log != [0, 1, 2]:
        yield f"an earlier write is lost: {log}"


def is_free(path: Path) -> bool:
    """Whether a lock can be taken now."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _leaked(before: set[int], faults: Faults | Interruption) -> Iterator[str]:
    """Descriptors that stayed open.

    One may when Ctrl-C comes just as it was opened. It does no harm: it only reads, or it has no lock and
    its file is gone.
    """
    leaked = _descriptors() - before
    if leaked:
        gc.collect()  # what an exception's traceback held
        leaked = _descriptors() - before
    for descriptor in leaked:
        reads = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        opened = (faults.kind, faults.failed) == (LATE, "open") or (faults.kind == LINE and reads)
        if not opened:
            yield f"descriptor leaked: {os.readlink(f'/proc/self/fd/{descriptor}')}"
        os.close(descriptor)


def _descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}
