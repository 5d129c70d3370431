"""Every verb that writes, each in a small workspace made for it, with what must hold before and after."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.values import Copy
from mdcoord.errors import Conflict, MdcoordError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

TASK = Key("task", "one")
TIME = "2026-01-31T09:30:00.000Z"
CHANNEL = "work"

Content = dict[str, Any]
"""What a workspace says: the fields of its documents, its events, its archive."""


class World:
    """A workspace in a folder, opened anew."""

    def __init__(self, folder: Path, durability: str = "full") -> None:
        self.folder = folder
        self.store = MarkdownBackend(folder, durability=durability)
        self.work = Workspace(self.store, agent="tester", session="here")

    def content(self) -> Content:
        """All that can be read; an exception's name where something cannot."""
        content: Content = {}
        for path in sorted(self.folder.glob("task-*.md")):
            record = _attempt(lambda path=path: self.store.read(Key.of("task", path.stem)))
            content[path.stem] = record if isinstance(record, str) else dict(record.fields)
        for channel in self.store.channels():
            events = _attempt(lambda channel=channel: list(self.store.tail(channel)))
            content[channel] = events if isinstance(events, str) else [event.data for event in events]
        # Between the two steps of a rotation events are in the archive and in the log.
        content["archive"] = [name for name in self.store.archived() if not name.startswith("events-")]
        return content

    def text(self) -> str:
        """The task's exact text."""
        return (self.folder / "task-one.md").read_text()

    def does(self, step: Callable[[World], None], words: str) -> None:
        """Somebody else does something that leaves these words; noted outside, as we may be killed."""
        step(self)
        with self.folder.with_name("said").open("a") as file:
            file.write(words + "\n")

    @property
    def said(self) -> list[str]:
        """What somebody else wrote meanwhile."""
        path = self.folder.with_name("said")
        return path.read_text().splitlines() if path.exists() else []

    def words(self) -> str:
        """All texts, what the documents mean, and what was put aside."""
        paths = [*self.folder.rglob("*.md"), *map(Path, self.put_aside)]
        texts = [path.read_text() for path in paths]
        fields = [value for value in self.content().values() if isinstance(value, dict)]
        return "\n".join([*texts, *(f"{name}: {value}" for one in fields for name, value in one.items())])

    @property
    def temporaries(self) -> list[str]:
        """What writers left."""
        return [str(path) for path in self.folder.rglob(".mdc-*") if path.parent.name != "kept"]

    @property
    def put_aside(self) -> list[str]:
        """What was kept because nobody could say what it is."""
        return [str(path) for path in self.folder.glob(".state/kept/*")]

    def copy(self, folder: Path) -> World:
        """The same workspace in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return World(folder, self.store._files.durability)


def _attempt(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except MdcoordError as error:
        return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Verb:
    """One operation: `prepare` makes the workspace ready, `act` does it, `done` tells whether it was done.

    `again` is a normal write afterwards, to what the operation wrote to. `meanwhile` is what somebody
    else does just before the first, second … swap of two files, and the words that must be there once he
    did. `kept` are words that must be there always.
    """

    name: str
    act: Callable[[World], Any]
    done: Callable[[Content], bool]
    prepare: Callable[[World], Any] = lambda world: None
    again: Callable[[World], Any] = lambda world: world.store.write(TASK, Change(set={("later",): 1}))
    meanwhile: tuple[tuple[Callable[[World], None], str], ...] = ()
    kept: tuple[str, ...] = ()


def base(folder: Path, durability: str = "full") -> World:
    """A workspace with one task that was written several times, and one channel with events."""
    folder.mkdir()
    world = World(folder, durability)
    world.store.create("task", {"title": "One", "status": "pending", "log": []}, name="one", body="A note.\n")
    for number in range(3):
        world.store.write(TASK, Change(append={("log",): [number]}))
        world.store.append(CHANNEL, "noted", {"number": number}, time=TIME)
    return world


NOTE = "A person's note."
SECOND = "A second note."
THIRD = "A third note."


def _noted(text: str) -> str:
    return text.replace("A note.", NOTE)


def _stale_save(world: World) -> None:
    old = world.text()
    world.store.write(TASK, Change(set={("tool",): 1}))
    (world.folder / "task-one.md").write_text(_noted(old))


def _save(world: World) -> None:
    """In place."""
    (world.folder / "task-one.md").write_text(_noted(world.text()))


def _save_by_rename(world: World) -> None:
    temp = world.folder / ".save"
    temp.write_text(_noted(world.text()))
    temp.rename(world.folder / "task-one.md")


def _save_again(world: World) -> None:
    """What the person had saved a moment ago, with one line more."""
    text = _noted(world.text().replace("done: 1\n", ""))
    temp = world.folder / ".save"
    temp.write_text(f"{text}\n{SECOND}\n")
    temp.rename(world.folder / "task-one.md")


def _save_a_third_time(world: World) -> None:
    temp = world.folder / ".save"
    temp.write_text(f"{world.text()}\n{THIRD}\n")
    temp.rename(world.folder / "task-one.md")


def _put(world: World) -> None:
    """Store a text that was made of the document elsewhere."""
    text = world.text()
    version = world.store.read(TASK).version
    world.store.put(Copy(TASK, text.replace("log:", "done: 1\nlog:")), version)


def _append_to_log(world: World) -> None:
    with (world.folder / "events-work.md").open("a") as file:
        file.write(f"\n{NOTE}\n")


def _torn_log(world: World) -> None:
    with (world.folder / "events-work.md").open("ab") as file:
        file.write(b"\n## Event: torn\n<!-- mdcoord:event 76387571d7d0f6")


def _refused(world: World) -> None:
    try:
        world.store.write(TASK, Change(set={("done",): 1}), "no version")
    except Conflict:
        pass


def _claimed(world: World) -> None:
    world.work.tasks.claim("one", heartbeat=False)


def _archived(world: World) -> None:
    world.store.archive(TASK)


def _written_or_restored(world: World) -> None:
    if world.store.exists(TASK):
        world.store.write(TASK, Change(set={("later",): 1}))
    else:
        world.store.restore("task-one")


def _one(content: Content, name: str) -> Any:
    fields = content.get("task-one")
    return fields.get(name) if isinstance(fields, dict) else None


def _events(content: Content) -> list[Any]:
    found = content.get(CHANNEL)
    return [data.get("number") for data in found] if isinstance(found, list) else []


def _append(number: int) -> Callable[[World], Any]:
    return lambda world: world.store.append(CHANNEL, "noted", {"number": number}, time=TIME)


VERBS: tuple[Verb, ...] = (
    Verb(
        "create",
        lambda world: world.store.create("task", {"title": "Two", "status": "pending"}, name="two"),
        lambda content: "task-two" in content,
        again=lambda world: (
            world.store.write(Key("task", "two"), Change(set={("later",): 1}))
            if world.store.exists(Key("task", "two"))
            else world.store.create("task", {"title": "Two"}, name="two")
        ),
    ),
    Verb(
        "write",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
    ),
    Verb(
        "write over a save",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        prepare=_save,
        kept=(NOTE,),
    ),
    Verb(
        "write over a stale save",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        prepare=_stale_save,
        kept=(NOTE, "tool: 1"),
    ),
    Verb(
        "write while somebody saves",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        meanwhile=((_save_by_rename, NOTE),),
    ),
    Verb(
        "write while somebody saves in place",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        meanwhile=((_save, NOTE),),
    ),
    Verb(
        "write while somebody saves twice",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        meanwhile=((_save_by_rename, NOTE), (_save_again, SECOND)),
    ),
    Verb(
        "write while somebody saves three times",
        lambda world: world.store.write(TASK, Change(set={("done",): 1})),
        lambda content: _one(content, "done") == 1,
        meanwhile=((_save_by_rename, NOTE), (_save_again, SECOND), (_save_a_third_time, THIRD)),
    ),
    Verb(
        "put in place of a save",
        _put,
        lambda content: _one(content, "done") == 1,
        prepare=_save,
        kept=(NOTE,),
    ),
    Verb(
        "refused write",
        _refused,
        lambda content: "task-one" in content,
    ),
    Verb(
        "claim",
        lambda world: world.work.tasks.claim("one", heartbeat=False),
        lambda content: _one(content, "status") == "in_progress",
        again=lambda world: world.store.write(TASK, Change(set={("later",): 1})),
    ),
    Verb(
        "complete",
        lambda world: world.work.tasks.complete("one"),
        lambda content: _one(content, "status") == "completed",
        prepare=_claimed,
    ),
    Verb(
        "release",  # nearly what the document was before the claim
        lambda world: world.work.tasks.release("one"),
        lambda content: _one(content, "status") == "pending",
        prepare=_claimed,
    ),
    Verb(
        "append",
        _append(3),
        lambda content: _events(content)[3:] == [3],
        again=_append(9),
    ),
    Verb(
        "append below a torn end",
        _append(3),
        lambda content: _events(content)[3:] == [3],
        prepare=_torn_log,
        again=_append(9),
    ),
    Verb(
        "first append",
        lambda world: world.store.append("new", "noted", {"number": 1}, time=TIME),
        lambda content: bool(content.get("new")),
        again=lambda world: world.store.append("new", "noted", {"number": 9}, time=TIME),
    ),
    Verb(
        "rotate",
        lambda world: world.store.rotate(CHANNEL, 1),
        lambda content: _events(content) == [2],
        again=lambda world: (_append(9)(world), world.store.rotate(CHANNEL, 1)),
    ),
    Verb(
        "rotate while somebody adds a line",
        lambda world: world.store.rotate(CHANNEL, 1),
        lambda content: _events(content) == [2],
        again=lambda world: (_append(9)(world), world.store.rotate(CHANNEL, 1)),
        meanwhile=((_append_to_log, NOTE),),
    ),
    Verb(
        "archive",
        lambda world: world.store.archive(TASK),
        lambda content: "task-one" in content["archive"],
        again=_written_or_restored,
    ),
    Verb(
        "restore",
        lambda world: world.store.restore("task-one"),
        lambda content: "task-one" in content,
        prepare=_archived,
        again=_written_or_restored,
    ),
    Verb(
        "delete",
        lambda world: world.store.delete(TASK),
        lambda content: "task-one" not in content,
        again=lambda world: (
            world.store.write(TASK, Change(set={("later",): 1}))
            if world.store.exists(TASK)
            else world.store.create("task", {"title": "One"}, name="one")
        ),
    ),
)

BY_NAME = {verb.name: verb for verb in VERBS}


def locks_of(folder: Path) -> list[Path]:
    """The lock files of a workspace."""
    return [Path(entry.path) for entry in os.scandir(folder / ".state" / "locks")]
