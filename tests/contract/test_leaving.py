"""What a store does that a workspace can move away from, sentence by sentence of `mdcoord.backends.base`."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from redis_servers import Server

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.values import Copy
from mdcoord.errors import Moved
from mdcoord.model import Key

from .moving import TEXT, UNREADABLE, copies
from .suite import EVENT_TIME, LEASE, TASK, ContractBase, Factory, in_threads, set_


class LeavingContract(ContractBase):
    """The moment in which nobody writes, and what there is to know before."""

    def test_one_document_is_copied_as_all_are(self, backend: Backend) -> None:
        for name in ("one", "two"):
            backend.create("task", {"title": name}, name=name)
        backend.write(TASK, lambda _: set_(n=1)._replace(lease=LEASE))
        assert [backend.copy(copy.key) for copy in copies(backend)] == copies(backend)
        assert backend.copy(Key("task", "three")) is None

    def test_some_documents_are_copied_as_all_are(self, backend: Backend) -> None:
        for name in ("two", "one", "three"):
            backend.create("task", {"title": name}, name=name)
        backend.put(Copy(Key("task", "four"), UNREADABLE, lease=LEASE))
        backend.create("agent", {}, name="one")
        assert backend.ids("task") == ["four", "one", "three", "two"]
        assert backend.ids("metrics") == []
        found = copies(backend)
        assert [*backend.copies_of("task", ["four", "gone", "two"])] == [found[0], found[3]]
        assert backend.digests("task", ["gone", *backend.ids("task")]) == {
            copy.key.id: copy.digest for copy in found
        }

    def test_marks_tell_what_has_changed(self, backend: Backend) -> None:
        for name in ("one", "two", "three"):
            backend.create("task", {"title": name}, name=name)
        before = backend.marks("task")
        backend.write(TASK, lambda _: set_()._replace(lease=LEASE))
        backend.write(Key("task", "two"), set_(n=1))
        after = backend.marks("task")
        assert sorted(after) == ["one", "three", "two"]
        for name in ("one", "two"):
            assert after[name] is None or after[name] != before[name]
        backend.delete(TASK)
        assert sorted(backend.marks("task")) == ["three", "two"]
        assert backend.marks("agent") == {}

    def test_leases_outlive_their_documents(self, backend: Backend) -> None:
        for name in ("one", "two", "three"):
            backend.put(Copy(Key("task", name), TEXT, lease=LEASE))
        backend.put(Copy(Key("task", "four"), TEXT))
        backend.delete(TASK)
        backend.archive(Key("task", "two"))
        backend.delete(Key("task", "four"))
        assert backend.left_leases("task") == {"one": LEASE, "two": LEASE}
        assert backend.left_leases("agent") == {}

    def test_topics(self, backend: Backend) -> None:
        assert list(backend.topics()) == []
        for topic in ("b", "a"):
            backend.keep(topic, "x", lambda _: 1)
        backend.keep("c", "x", lambda _: 1)
        backend.keep("c", "x", lambda _: None)
        assert list(backend.topics()) == ["a", "b"]

    def test_nobody_writes_while_it_is_moved(self, backend: Backend) -> None:
        backend.create("task", {"n": 0}, name="one")
        backend.append("work", "old", {}, time=EVENT_TIME)
        outcome: list[Exception] = []

        def work(number: int) -> None:
            steps = [
                lambda: backend.write(TASK, set_(n=1)),
                lambda: backend.create("task", {}, name="two"),
                lambda: backend.append("work", "new", {}, time=EVENT_TIME),
                lambda: backend.append("other", "new", {}, time=EVENT_TIME),
                lambda: backend.keep("a", "b", lambda _: 1),
                lambda: backend.put_all([Copy(Key("task", "three"), TEXT)]),
                lambda: backend.rotate("work", 0),
                lambda: backend.delete(TASK),
            ]
            with pytest.raises(Moved) as raised:
                steps[number]()
            outcome.append(raised.value)

        with backend.moving() as gate:
            done = threading.Thread(target=lambda: in_threads(8, work))
            done.start()
            done.join(0.1)
            gate.keep()
            assert not outcome
            assert backend.read(TASK).fields["n"] == 0
            assert [event.name for event in backend.tail("work")] == ["old"]
            gate.leave("redis://user:secret@elsewhere:1/2?prefix=x:")
        done.join()
        assert len(outcome) == 8
        assert not [error for error in outcome if "secret" in str(error)]
        reads = [
            lambda: backend.read(TASK),
            lambda: backend.list("task"),
            lambda: backend.lease(TASK),
            lambda: [*backend.tail("work")],
            lambda: backend.channels(),
            lambda: backend.memo("a", "b"),
        ]
        for read in reads:
            with pytest.raises(Moved) as raised:
                read()
            assert raised.value.place == "redis://user:secret@elsewhere:1/2?prefix=x:"

    def test_when_nothing_comes_of_it_all_goes_on(self, backend: Backend) -> None:
        backend.create("task", {"n": 0}, name="one")
        with pytest.raises(KeyError), backend.moving():
            raise KeyError
        assert backend.write(TASK, set_(n=1)).fields["n"] == 1


class TestLeavingMarkdown(LeavingContract):
    @pytest.fixture
    def factory(self, tmp_path: Path) -> Factory:
        return lambda: MarkdownBackend(tmp_path, durability="none")


class TestLeavingRedis(LeavingContract):
    @pytest.fixture
    def factory(self, server: Server) -> Factory:
        from mdcoord.backends.redis.store import RedisBackend

        return lambda: RedisBackend(server.new_url())
