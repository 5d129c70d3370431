"""A mirror that is killed at a call of the system while people save what it writes, and so is the next one.

Saves fall into the very moment of the mirror's swap, and the server goes on after each kill. In the end
everybody's last value is on both sides.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faulty import Faults

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.backends.values import Copy
from mdcoord.model import Change, Key
from mdcoord.moving.mirror import Mirror

TASK = Key("task", "one")

Save = Callable[[Path, str], None]


def by_rename(path: Path, text: str) -> None:
    """As most editors do."""
    temp = path.with_name(".save")
    temp.write_text(text)
    temp.rename(path)


def in_place(path: Path, text: str) -> None:
    """As the others do."""
    path.write_text(text)


@dataclass(frozen=True)
class Scene:
    """What people do: Ada saves, from one buffer, just before the mirror's first, second … swap.

    A `stale` buffer is as old as two updates. After the first kill Ada saves `again`, or Ben (`later`) loads
    what is there then, and saves it.
    """

    name: str
    saves: tuple[Save, ...] = (by_rename,)
    stale: bool = False
    again: bool = False
    later: bool = False


SCENES = (
    Scene("a save by rename"),
    Scene("a save in place", (in_place,)),
    Scene("two saves", (by_rename, by_rename)),
    Scene("three saves", (by_rename, by_rename, by_rename)),
    Scene("a stale save", stale=True),
    Scene("two stale saves", (by_rename, in_place), stale=True),
    Scene("a save, and one more after the kill", again=True),
    Scene("a stale save, and one more after the kill", stale=True, again=True),
    Scene("a save, and somebody else's after the kill", later=True),
    Scene("a save after the kill", (), later=True),
)


class Stage:
    """A workspace on a server and its copy in a folder; what people save is noted beside it.

    `scratch` is an empty folder, `new_url` gives the address of a new workspace.
    """

    def __init__(self, scratch: Path, new_url: Callable[[], str]) -> None:
        self.folder = scratch / "copy"
        self._scratch = scratch
        self._template = scratch / "template"
        self._stale = scratch / "stale"
        self._saved = scratch / "saved"
        self._new_url = new_url
        self._text = self._prepared()

    def _prepared(self) -> str:
        """Make the copy of a task that was updated several times; the task's text on the server."""
        self._template.mkdir()
        with RedisBackend(self._new_url()) as server:
            notes = "Note of ada: 0\n\nNote of ben: 0\n"
            server.create("task", {"ada": 0, "ben": 0, "n": 0}, name=TASK.id, body=notes)
            mirror = Mirror(server, MarkdownBackend(self._template, durability="none"))
            for number in (1, 2):
                settle(mirror)
                shutil.copy(self._template / f"{TASK.name}.md", self._stale)
                server.write(TASK, Change(set={("n",): number}))
            settle(mirror)
            return server.text(TASK)

    def play(self, scene: Scene, kind: str, first: int, second: int) -> tuple[list[str], bool, bool]:
        """Kill a mirror at its call `first`, and the next one at `second`.

        What is wrong in the end, and whether the one and the other were killed: they make only so many calls.
        """
        url = self._new_url()
        shutil.copytree(self._template, self.folder)
        if scene.stale:
            shutil.copy(self._stale, self._buffer("ada"))
        faults = Faults(kind, first)
        faults.meanwhile = [partial(self._save, "ada", how) for how in scene.saves]
        with RedisBackend(url) as server:
            server.put(Copy(TASK, self._text))
            server.write(TASK, Change(set={("n",): 3}))
            one = self._mirror(url, faults)
            if scene.again:
                self._save("ada", by_rename)
            if scene.later:
                self._save("ben", by_rename)
            server.write(TASK, Change(set={("n",): 4}))
            two = self._mirror(url, Faults(kind, second))
            server.write(TASK, Change(set={("m",): 5}))
            settle(Mirror(server, MarkdownBackend(self.folder, durability="none")))
            wrong = [f"{scene.name}, {kind} at {first}, {second}: {it}" for it in self._violations(server)]
        shutil.rmtree(self.folder)
        for path in (self._saved, self._buffer("ada"), self._buffer("ben")):
            path.unlink(missing_ok=True)
        return wrong, one, two

    def _mirror(self, url: str, faults: Faults) -> bool:
        """A mirror in a process of its own, until both sides are the same; whether it was killed."""
        pid = os.fork()
        if pid:
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status) or not status
            return os.WIFSIGNALED(status)
        code = 1
        try:
            with RedisBackend(url) as server:
                mirror = Mirror(server, MarkdownBackend(self.folder, durability="none"))
                with faults.active():
                    settle(mirror)
            code = 0
        finally:
            os._exit(code)

    def _save(self, who: str, how: Save) -> None:
        """Somebody's next save: a number in a field and in a line of prose. We may be killed any time."""
        number, buffer = self._numbers().get(who, 0) + 1, self._buffer(who)
        text = (buffer if buffer.exists() else self.folder / f"{TASK.name}.md").read_text()
        text = text.replace(f"{who}: {number - 1}", f"{who}: {number}")
        buffer.write_text(text)
        how(self.folder / f"{TASK.name}.md", text)
        self._saved.write_text(json.dumps({**self._numbers(), who: number}))

    def _buffer(self, who: str) -> Path:
        return self._scratch / f"buffer-{who}"

    def _numbers(self) -> dict[str, int]:
        """The number of each person's last save."""
        return dict(json.loads(self._saved.read_text())) if self._saved.exists() else {}

    def _violations(self, server: Backend) -> Iterator[str]:
        text, fields = server.text(TASK), server.read(TASK).fields
        if (self.folder / f"{TASK.name}.md").read_text() != text:
            yield "the copy is another one"
        for name, number in {"n": 4, "m": 5, **self._numbers()}.items():
            if fields.get(name) != number:
                yield f"{name} is {fields.get(name)}, not {number}"
        notes = (f"Note of {who}: {number}\n" for who, number in self._numbers().items())
        yield from (f"{note!r} is missing" for note in notes if note not in text)
        yield from (f"left over: {path}" for path in self.folder.rglob(".mdc-*"))
        yield from (f"put aside: {path}" for path in self.folder.glob(".state/kept/*"))


def settle(mirror: Mirror) -> None:
    """Rounds until there is nothing to do."""
    for _ in range(20):
        mirror.round()
        if mirror.settled:
            return
    raise AssertionError("it does not settle")
