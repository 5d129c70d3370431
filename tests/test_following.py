"""A store that goes along when the workspace moves."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
from contract.fakes import FakeHost

from mdcoord.backends.base import Backend
from mdcoord.backends.following import follow
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import BackendUnavailable, Moved, NotFound
from mdcoord.host import Host
from mdcoord.model import Change, Key

TASK = Key("task", "one")
TIME = "2026-01-31T09:30:00.000Z"


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
            if not name.startswith("_") and name not in ("name", "location", "close", "waits", "clock"):
                raise Moved("there", "there")
            return super().__getattribute__(name)

    class Asked(Exception):
        pass

    class There(MemoryBackend):
        def __getattribute__(self, name: str) -> object:
            if not name.startswith("_") and name not in ("name", "location", "close"):
                raise Asked(name)
            return super().__getattribute__(name)

    methods = {
        name: method
        for name, method in inspect.getmembers(Backend, inspect.isfunction)
        if not name.startswith("_") and name not in ("close", "clock")
    }
    assert len(methods) > 25
    for name, method in methods.items():
        store = follow(Gone(), lambda place: There())
        needed = [one for one in inspect.signature(method).parameters.values() if one.default is one.empty]
        named = {one.name: "x" for one in needed if one.kind is one.KEYWORD_ONLY}
        with pytest.raises(Asked, match=f"^{name}$"):
            getattr(store, name)(*["x" for one in needed if one.kind is not one.KEYWORD_ONLY][1:], **named)


def test_the_step_that_finds_it_gone_is_done_there(left: MarkdownBackend) -> None:
    there, asked = MemoryBackend(), []
    there.create("task", {"n": 5}, name="one")

    def reopen(place: str) -> Backend:
        asked.append(place)
        return there

    store = follow(left, reopen)
    left.home.remember("redis://somewhere")
    assert store.write(TASK, lambda record: Change(set={("n",): record.fields["n"] + 1})).fields["n"] == 6
    assert (store.name, asked) == ("memory", ["redis://somewhere"])


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
