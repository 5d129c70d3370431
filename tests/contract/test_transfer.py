"""A workspace that is copied from any store to any other, and from there into a third one, stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from redis_servers import Server

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown import fileio, log, reader
from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.values import Copy
from mdcoord.formats.eventids import identity_of
from mdcoord.model import DOCUMENTS
from mdcoord.moving.transfer import Transfer

from .fakes import FakeHost
from .roundtrip import RAW, files, fill, workspaces

HOST = FakeHost()

Make = Callable[[], AbstractContextManager[Backend]]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> dict[str, Make]:
    @contextmanager
    def redis() -> Iterator[Backend]:
        from mdcoord.backends.redis.store import RedisBackend

        server: Server = request.getfixturevalue("server")
        with RedisBackend(server.new_url()) as backend:
            yield backend

    return {"memory": MemoryBackend, "markdown": files, "redis": redis}


def all_of(backend: Backend) -> dict[str, object]:
    """All that a store holds, but for what only tells places."""
    copies = [
        (copy.key, copy.text, copy.archived, copy.lease and (copy.lease.attempt, copy.lease.ops))
        for kind in DOCUMENTS
        for archived in (False, True)
        for copy in backend.copies(kind, archived=archived)
        if isinstance(copy, Copy)
    ]
    channels = {
        name: [(identity_of(one.id), *one[1:4], one.text) for one in backend.history(name)]
        for name in backend.channels()
    }
    logs = {name: len([*backend.tail(name)]) for name in channels}
    memos = {topic: dict(backend.memos(topic)) for topic in backend.topics()}
    return {"copies": copies, "channels": channels, "logs": logs, "memos": memos}


def moved(source: Backend, target: Backend) -> Transfer:
    transfer = Transfer(source, target, HOST, archive=True)
    transfer.everything()
    transfer.verify()
    transfer.changes()
    transfer.memos()
    transfer.verify_changes()
    return transfer


@pytest.mark.parametrize("there", ["memory", "markdown", "redis"])
@pytest.mark.parametrize("back", ["memory", "markdown", "redis"])
def test_what_is_copied_is_the_same(
    make: dict[str, Make], there: str, back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((fileio, "_SETTLE"), (log, "_SETTLE"), (reader, "_PATIENCE")):
        monkeypatch.setattr(module, name, 0.0)  # nobody is saving a file while we look

    @settings(max_examples=8)
    @given(workspaces)
    def travel(content: tuple) -> None:
        with ExitStack() as opened:
            origin = opened.enter_context(files())
            first, second = (opened.enter_context(make[kind]()) for kind in (there, back))
            fill(origin, content)
            before = all_of(origin)
            moved(origin, first)
            assert all_of(first) == before
            moved(first, second)
            assert all_of(second) == before
            moved(origin, second)  # nothing is left to do
            assert all_of(second) == before
            assert all_of(origin) == before

    travel()


@pytest.mark.parametrize("there", ["memory", "markdown", "redis"])
def test_what_changes_follows(make: dict[str, Make], there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one workspace to quite another one, over what was copied before.

    Files that cannot be read are not replaced; `Migration` puts them out of the way.
    """
    for module, name in ((fileio, "_SETTLE"), (log, "_SETTLE"), (reader, "_PATIENCE")):
        monkeypatch.setattr(module, name, 0.0)
    readable = [text for text in RAW if text.strip() and "not closed" not in text and "[\n" not in text]

    @settings(max_examples=12)
    @given(workspaces, workspaces)
    def follow(first: tuple, second: tuple) -> None:
        with files() as origin, files() as other, make[there]() as target:
            for store, drawn in ((origin, first[0]), (other, second[0])):
                fill(store, ([one for one in drawn if not isinstance(one[2], str) or one[2] in readable], {}))
            moved(origin, target)
            transfer = Transfer(other, target, HOST)
            transfer.everything()
            transfer.verify()
            wanted = {copy.key: copy.text for kind in DOCUMENTS for copy in other.copies(kind)}
            assert {copy.key: copy.text for kind in DOCUMENTS for copy in target.copies(kind)} == wanted

    follow()
