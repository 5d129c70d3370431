"""A workspace that moves away: nobody writes to what it left behind, and no write falls between."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from mdcoord.backends.addresses import shown
from mdcoord.backends.markdown.home import Home
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import BackendUnavailable, Busy, MdcoordError, Moved
from mdcoord.model import Change, Key, Record

TASK = Key("task", "one")
PLACE = "redis://user:secret@db.example:6379/0?prefix=team:"
SHOWN = "redis://db.example:6379/0?prefix=team:"
TIME = "2026-01-31T09:30:00.000Z"


@pytest.fixture
def store(tmp_path: Path) -> MarkdownBackend:
    store = opened(tmp_path)
    store.create("task", {"title": "x", "n": 0}, name="one")
    store.archive(store.create("task", {"title": "done"}, name="old").key)
    store.append("work", "begun", {}, time=TIME)
    store.keep("notes", "mine", lambda _: 1)
    return store


def opened(root: Path, **rest: Any) -> MarkdownBackend:
    return MarkdownBackend(root, durability="none", **rest)


READS: dict[str, Callable[[MarkdownBackend], Any]] = {
    "read": lambda store: store.read(TASK),
    "read nothing": lambda store: store.read(Key("task", "no")),
    "text": lambda store: store.text(TASK),
    "list": lambda store: store.list("task"),
    "lease": lambda store: store.lease(TASK),
    "exists": lambda store: store.exists(TASK),
    "resolve": lambda store: store.resolve("task", "one"),
    "archived": lambda store: store.archived(),
    "copies": lambda store: [*store.copies("task")],
    "tail": lambda store: [*store.tail("work")],
    "tail nothing": lambda store: store.tail("no"),
    "last": lambda store: store.last("work", 1),
    "start": lambda store: store.start("work"),
    "channels": lambda store: store.channels(),
    "history": lambda store: [*store.history("work")],
    "problems": lambda store: store.problems("work"),
    "memo": lambda store: store.memo("notes", "mine"),
    "memos": lambda store: store.memos("notes"),
}

WRITES: dict[str, Callable[[MarkdownBackend], Any]] = {
    "create": lambda store: store.create("task", {}, name="two"),
    "write": lambda store: store.write(TASK, Change(set={("n",): 9})),
    "lease only": lambda store: store.write(TASK, Change(lease=None)),
    "delete": lambda store: store.delete(TASK),
    "archive": lambda store: store.archive(TASK),
    "restore": lambda store: store.restore("task-old"),
    "append": lambda store: store.append("work", "more", {}, time=TIME),
    "append first": lambda store: store.append("new", "more", {}, time=TIME),
    "extend": lambda store: store.extend("work", []),
    "rotate": lambda store: store.rotate("work", 0),
    "keep": lambda store: store.keep("notes", "mine", lambda _: 2),
}


@pytest.mark.parametrize("step", [*READS.values(), *WRITES.values()], ids=[*READS, *WRITES])
def test_who_comes_after_the_move_is_told(
    store: MarkdownBackend, tmp_path: Path, step: Callable[[MarkdownBackend], Any]
) -> None:
    Home.of(tmp_path / ".state").remember(PLACE)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.md")}
    with pytest.raises(Moved) as raised:
        step(store)
    assert raised.value.place == PLACE
    told = json.dumps(raised.value.as_dict()) + str(raised.value) + repr(raised.value)
    assert SHOWN in told
    assert "secret" not in told
    assert {path: path.read_bytes() for path in tmp_path.glob("*.md")} == before


def test_one_who_comes_back_is_at_home(store: MarkdownBackend) -> None:
    store.home.remember(PLACE)
    store.home.remember("markdown")
    assert store.write(TASK, Change(set={("n",): 1})).fields["n"] == 1


def test_who_knows_of_the_move_may_work_there(store: MarkdownBackend, tmp_path: Path) -> None:
    store.home.remember(PLACE)
    knowing = opened(tmp_path, elsewhere=True)
    knowing.write(TASK, Change(set={("n",): 1}))
    assert knowing.read(TASK).fields["n"] == 1


def test_the_place_is_for_its_owner_only(store: MarkdownBackend, tmp_path: Path) -> None:
    store.home.remember(PLACE)
    assert (tmp_path / ".state/home").stat().st_mode & 0o077 == 0


def test_a_repository_that_comes_later_does_not_see_the_place(tmp_path: Path) -> None:
    (tmp_path / "own.md").touch()
    Home.of(tmp_path / ".state").remember(PLACE)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    seen = subprocess.run(["git", "ls-files"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert seen.stdout == "own.md\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"closing": true}'])
def test_a_home_that_says_nothing_stops_everybody(store: MarkdownBackend, tmp_path: Path, text: str) -> None:
    (tmp_path / ".state/home").write_text(text)
    os.utime(tmp_path / ".state/home", (1, 1))
    for step in (READS["read"], WRITES["write"]):
        with pytest.raises(BackendUnavailable, match="does not say where"):
            step(store)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (PLACE, SHOWN),
        ("markdown", "markdown"),
        ("unix://u:p@/run/x.sock?db=1", "unix:///run/x.sock?db=1"),
        ("redis://h:1?username=u&password=p&db=0&prefix=a:", "redis://h:1?db=0&prefix=a:"),
        ("rediss://h/0?ssl_p%61ssword=p", "rediss://h/0"),
        *((f"redis://:p{odd}w@h:1/0", "redis://…") for odd in "/?#["),
    ],
)
def test_passwords_are_not_shown(place: str, said: str) -> None:
    assert shown(place) == said


# -- the moment in which nobody writes


@pytest.mark.parametrize("step", WRITES.values(), ids=WRITES)
def test_nobody_writes_while_it_is_closed(
    store: MarkdownBackend, tmp_path: Path, step: Callable[[MarkdownBackend], Any]
) -> None:
    outcome: list[MdcoordError] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        with pytest.raises(Moved) as raised:
            step(opened(tmp_path))
        outcome.append(raised.value)

    with store.home.closed(5) as home:
        before = {path: path.read_bytes() for path in tmp_path.glob("*.md")}
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        thread.join(0.05)
        assert not outcome
        assert store.read(TASK).fields["n"] == 0  # reads go on
        home.remember(PLACE)
    thread.join()
    assert len(outcome) == 1
    assert {path: path.read_bytes() for path in tmp_path.glob("*.md")} == before


def test_who_does_not_wait_is_told_so(store: MarkdownBackend) -> None:
    with store.home.closed(5), pytest.raises(Busy):
        store.write(TASK, Change(set={("n",): 1}), wait=0)


def test_when_nothing_came_of_it_all_goes_on(store: MarkdownBackend) -> None:
    with pytest.raises(KeyError), store.home.closed(5):
        raise KeyError
    assert store.write(TASK, Change(set={("n",): 1})).fields["n"] == 1
    assert store.home.place() == "markdown"


def test_only_one_moves_it(store: MarkdownBackend, tmp_path: Path) -> None:
    with store.home.closed(5), pytest.raises(Busy), opened(tmp_path).home.closed(0):
        pass


def test_a_mover_that_was_killed_stops_nobody(store: MarkdownBackend, tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        with store.home.closed(5):
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert json.loads((tmp_path / ".state/home").read_text())["closing"]
    assert store.write(TASK, Change(set={("n",): 1}), wait=0).fields["n"] == 1
    assert "closing" not in json.loads((tmp_path / ".state/home").read_text())


# -- what the fence is for


def lost_in_between(root: Path, move: Callable[[MarkdownBackend], AbstractContextManager[Any]]) -> bool:
    """Whether a write that was acknowledged is missing in what a mover copied.

    The write has begun before the mover comes, and ends when the mover copies, if that lets it.
    """
    store, writing, copying = opened(root), threading.Event(), threading.Event()
    acknowledged: list[Record] = []

    def decide(record: Record) -> Change:
        writing.set()
        copying.wait(0.2)
        return Change(set={("n",): record.fields["n"] + 1})

    def work() -> None:
        try:
            acknowledged.append(opened(root).write(TASK, decide))
        except Moved:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    writing.wait()
    with move(store):
        copied = store.read(TASK).fields["n"]
        copying.set()
        thread.join(0.5)
        store.home.remember(PLACE)
    thread.join()
    return bool(acknowledged) and acknowledged[0].fields["n"] != copied


def test_no_write_falls_between(store: MarkdownBackend, tmp_path: Path) -> None:
    assert not lost_in_between(tmp_path, lambda store: store.home.closed(5))


def test_without_a_fence_one_does(store: MarkdownBackend, tmp_path: Path) -> None:
    assert lost_in_between(tmp_path, lambda store: nullcontext())


def test_without_waiting_for_those_who_began_one_does(
    store: MarkdownBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdcoord.backends.markdown.fileio.FileIO.locked_names", lambda _: [])
    assert lost_in_between(tmp_path, lambda store: store.home.closed(5))
