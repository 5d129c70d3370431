"""A store that goes along when the workspace moves."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from contract.fakes import FakeHost

from mdcoord.backends.base import Backend, Changes, Shelf
from mdcoord.backends.following import follow
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import BackendUnavailable, Moved, NotFound
from mdcoord.host import Host
from mdcoord.model import Change, Key, Record

TASK = Key("task", "one")
TIME = "2026-01-31T09:30:00.000Z"
FACTS = ("name", "location", "durability", "forkable")


@pytest.fixture
def left(tmp_path: Path) -> MarkdownBackend:
    store = MarkdownBackend(tmp_path, durability="none")
    store.create("task", {"n": 0}, name="one")
    for number in range(3):
        store.append("work", "old", {"n": number}, time=TIME, id=f"id{number}")
    return store


def test_before_the_move_it_is_the_store(left: MarkdownBackend) -> None:
    store = follow(left, reopen=pytest.fail)
    assert (store.name, store.location, store.waits) == ("markdown", left.location, left.waits)
    assert store.write(TASK, Change(set={("n",): 1})).fields["n"] == left.read(TASK).fields["n"] == 1
    assert store.resolve("task", "one") == TASK
    assert store.create("task", {}, name="two").key.id == "two"
    with pytest.raises(NotFound):
        store.tail("no")


def test_every_method_of_the_contract_goes_along() -> None:
    class Gone(MemoryBackend):
        def __getattribute__(self, name: str) -> object:
            if not name.startswith("_") and name not in (*FACTS, "close", "waits", "clock"):
                raise Moved("there", "there")
            return super().__getattribute__(name)

    class Asked(Exception):
        pass

    class There(MemoryBackend):
        def __getattribute__(self, name: str) -> object:
            if not name.startswith("_") and name not in (*FACTS, "close"):
                raise Asked(name)
            return super().__getattribute__(name)

    methods = {
        name: method
        for name, method in inspect.getmembers(Backend, inspect.isfunction)
        if not name.startswith("_") and name not in ("close", "clock", "shelf", "changes")
    }
    assert len(methods) > 25
    for name, method in methods.items():
        store = follow(Gone(), lambda place: There())
        needed = [one for one in inspect.signature(method).parameters.values() if one.default is one.empty]
        named = {one.name: "x" for one in needed if one.kind is one.KEYWORD_ONLY}
        with pytest.raises(Asked, match=f"^{name}$"):
            getattr(store, name)(*["x" for one in needed if one.kind is not one.KEYWORD_ONLY][1:], **named)


def test_the_step_that_finds_it_gone_is_done_there(left: MarkdownBackend) -> None:
    class Lasting(MemoryBackend):
        durability = "appendonly"

    there, asked = Lasting(), []
    there.create("task", {"n": 5}, name="one")

    def reopen(place: str) -> Backend:
        asked.append(place)
        return there

    store = follow(left, reopen)
    left.home.remember("redis://somewhere")
    assert store.write(TASK, lambda record: Change(set={("n",): record.fields["n"] + 1})).fields["n"] == 6
    assert (store.name, asked) == ("memory", ["redis://somewhere"])
    assert (store.location, store.durability) == (there.location, "appendonly")


def test_many_threads_go_after_it_once(left: MarkdownBackend) -> None:
    there, asked = MemoryBackend(), []
    there.create("task", {"n": 0}, name="one")
    store = follow(left, lambda place: asked.append(place) or there)
    left.home.remember("redis://somewhere")
    threads = [
        threading.Thread(
            target=lambda: store.write(TASK, lambda one: Change(set={("n",): one.fields["n"] + 1}))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (there.read(TASK).fields["n"], len(asked)) == (8, 1)


def test_a_listener_goes_on_where_it_was(left: MarkdownBackend) -> None:
    there = MarkdownBackend(Path(left.location, "there"), durability="none")
    there.extend("work", [*left.history("work")])
    there.append("work", "new", {}, time=TIME, id="new")
    store = follow(left, lambda place: there)
    events = store.tail("work", limit=4)
    got = [next(events).id]
    left.home.remember("redis://somewhere")
    got += [event.id for event in events]
    assert got == ["id0", "id1", "id2", "new"]


def test_one_that_never_stays_is_given_up(left: MarkdownBackend) -> None:
    store = follow(left, lambda place: left)
    left.home.remember("redis://somewhere")
    with pytest.raises(BackendUnavailable, match="5 times"):
        store.read(TASK)


def test_the_clock_is_that_of_the_place(left: MarkdownBackend) -> None:
    class Server(MemoryBackend):
        def clock(self, host: Host) -> Host:
            return FakeHost("server", "boot-server")

    machine = FakeHost("here", "boot-here")
    store = follow(left, lambda place: Server())
    clock = store.clock(machine)
    assert (clock.boot, clock.now(), clock.name) == ("boot-here", machine.now(), "here")
    left.home.remember("redis://somewhere")
    store.channels()
    assert (clock.boot, clock.name) == ("boot-server", "here")
    assert clock.uptime() == FakeHost("server", "boot-server").uptime()


class Telling(MemoryBackend):
    """A store that keeps the queue itself, and tells of changes when it is asked to."""

    class Told(Changes):
        count = 0

        def __init__(self, ring: Callable[[], None]) -> None:
            self.ring, self.closed = ring, False

        def close(self) -> None:
            self.closed = True

    class Queue(Shelf):
        def __init__(self, backend: Telling) -> None:
            self.backend = backend

        def open(self) -> Iterator[Record]:
            self.backend.require_here()
            yield self.backend.read(TASK)
            self.backend.require_here()

        def held(self) -> Sequence[Record]:
            self.backend.require_here()
            return []

        def tally(self) -> Mapping[str, int]:
            self.backend.require_here()
            return {"pending": 1}

        def wait_until(self, record: Record, moment: float) -> None:
            self.backend.require_here()

        def wait_for(self, record: Record, other: str) -> None:
            self.backend.require_here()

        def forget(self) -> None:
            self.backend.require_here()

    def __init__(self) -> None:
        super().__init__()
        self.gone = False
        self.told: list[Telling.Told] = []

    def require_here(self) -> None:
        if self.gone:
            raise Moved("there", "there")

    def channels(self) -> Sequence[str]:
        self.require_here()
        return super().channels()

    def shelf(self) -> Shelf:
        return Telling.Queue(self)

    def changes(self, ring: Callable[[], None], channel: str | None = None) -> Changes:
        self.told.append(Telling.Told(ring))
        return self.told[-1]


def test_who_is_told_of_changes_is_told_there() -> None:
    old, new, rung = Telling(), Telling(), threading.Event()
    store = follow(old, lambda place: new)
    changes = store.changes(rung.set)
    assert changes is not None
    old.told[0].ring()
    assert (rung.is_set(), changes.count) == (True, 1)
    rung.clear()
    old.gone = True
    store.channels()
    assert old.told[0].closed
    new.told[0].ring()
    assert (rung.is_set(), changes.count) == (True, 2)
    changes.close()
    assert new.told[0].closed


def test_where_nobody_tells_one_looks_again_and_again() -> None:
    old, rung = Telling(), threading.Event()
    store = follow(old, lambda place: MemoryBackend())
    changes = store.changes(rung.set)
    old.gone = True
    store.channels()
    assert rung.wait(10)
    assert changes is not None
    changes.close()
    assert store.changes(rung.set) is None


@pytest.mark.parametrize("there", [MemoryBackend, Telling])
def test_the_queue_goes_along(there: Callable[[], Backend]) -> None:
    old, new = Telling(), there()
    for store in (old, new):
        store.create("task", {"title": "x"}, name="one")
    new.create("task", {"status": "in_progress"}, name="two")
    shelf = follow(old, lambda place: new).shelf()
    assert shelf is not None
    offered = shelf.open()
    assert next(offered).key == TASK
    old.gone = True
    assert [record.key for record in offered] == [TASK]  # a second time: it is a hint only
    assert shelf.tally()["pending"] == 1
    assert [record.key.id for record in shelf.held()] == ([] if there is Telling else ["two"])
    shelf.wait_until(new.read(TASK), 1.0)
    shelf.wait_for(new.read(TASK), "two")
    shelf.forget()
    assert follow(MemoryBackend(), lambda place: new).shelf() is None
