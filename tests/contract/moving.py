"""What every backend does for documents and events that move from store to store, sentence by sentence of
`mdcoord.backends.base`.
"""

from __future__ import annotations

import pytest

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Copy, Event
from mdcoord.errors import AlreadyExists, Conflict, InvalidDocument, InvalidName, NotFound
from mdcoord.model import ANY, Key

from .suite import BAD_NAMES, EVENT_DATA, EVENT_TIME, LEASE, TASK, ContractBase, Factory, in_threads, set_

TEXT = "---\r\n# mine\r\ntask_id: 'one'\r\nb: [2,  1]\r\n---\r\n\r\nMy  text, no end of line"
UNREADABLE = "---\na: [\n---\nnot closed\n"

EVENTS = [
    Event("a1", "loaded", EVENT_TIME, EVENT_DATA),
    Event("a2", "loaded", EVENT_TIME, {}),
    Event("b:3", "saved", "2026-01-31T09:30:01.000Z", {"n": 3}),
]

HAND = Event(
    "hand-f3ae0f3c8c0b-0",
    "noted",
    "2026-01-31T09:30:00.000Z",
    {"by": "me"},
    text="## Event: noted\n**Time**: 2026-01-31 09:30\n**By**: me\n\nSome *prose* below.\n\n",
)


def copies(backend: Backend, *, archived: bool = False) -> list[Copy]:
    """All tasks of a backend that are text."""
    return [copy for copy in backend.copies("task", archived=archived) if isinstance(copy, Copy)]


def said(event: Event) -> tuple[object, ...]:
    """What an event says, wherever it stands."""
    return event.id, event.name, event.time, event.data, event.text


class MovingContract(ContractBase):
    """Copies of documents, exact texts, events as they were."""

    # -- documents

    def test_an_empty_store_has_no_copies(self, backend: Backend) -> None:
        assert copies(backend) == [] == copies(backend, archived=True)

    def test_a_copy_is_the_document(self, backend: Backend) -> None:
        for name in ("two", "one", "three"):
            backend.create("task", {"title": name}, body="mine\n", name=name)
        backend.create("agent", {}, name="one")
        backend.write(TASK, lambda _: set_(n=1)._replace(lease=LEASE))
        found = copies(backend)
        assert [copy.key.id for copy in found] == ["one", "three", "two"]
        record = backend.read(TASK)
        assert found[0] == Copy(TASK, backend.text(TASK), record.fields, LEASE)
        assert found[1].lease is None

    def test_a_text_is_stored_exactly(self, backend: Backend) -> None:
        version = backend.put(Copy(TASK, TEXT))
        assert backend.text(TASK) == TEXT
        record = backend.read(TASK)
        assert (record.version, record.fields["b"], record.lease) == (version, [2, 1], None)
        assert [found.key for found in backend.list("task").records] == [TASK]
        assert copies(backend) == [Copy(TASK, TEXT, record.fields)]
        assert backend.write(TASK, set_(b=3)).fields["b"] == 3
        assert backend.text(TASK) == TEXT.replace("[2,  1]", "3")

    def test_a_lease_comes_along(self, backend: Backend) -> None:
        backend.put(Copy(TASK, TEXT, lease=LEASE))
        assert backend.lease(TASK) == LEASE == backend.read(TASK).lease == copies(backend)[0].lease

    def test_without_a_lease_the_one_that_is_there_stays(self, backend: Backend) -> None:
        backend.put(Copy(TASK, TEXT, lease=LEASE))
        backend.delete(TASK)
        backend.put(Copy(TASK, TEXT))
        assert backend.lease(TASK) == LEASE

    def test_a_text_that_cannot_be_read(self, backend: Backend) -> None:
        backend.put(Copy(TASK, UNREADABLE))
        assert backend.text(TASK) == UNREADABLE
        assert [found.key for found in backend.list("task").unreadable] == [TASK]
        with pytest.raises(InvalidDocument):
            backend.read(TASK)
        assert copies(backend) == [Copy(TASK, UNREADABLE)]

    def test_a_name_that_is_taken(self, backend: Backend) -> None:
        backend.create("task", {"title": "first"}, name="one")
        before = backend.text(TASK)
        with pytest.raises(AlreadyExists):
            backend.put(Copy(TASK, TEXT, lease=LEASE))
        assert (backend.text(TASK), backend.lease(TASK)) == (before, None)

    def test_many_at_once(self, backend: Backend) -> None:
        backend.create("task", {"title": "first"}, name="n3")
        before = backend.text(Key("task", "n3"))
        given = [Copy(Key("task", f"n{number}"), TEXT, lease=LEASE) for number in range(6)]
        assert list(backend.put_all(given)) == [True, True, True, False, True, True]
        assert list(backend.put_all(given)) == [False] * 6
        assert backend.text(Key("task", "n3")) == before
        assert [copy.text for copy in copies(backend) if copy.key.id != "n3"] == [TEXT] * 5
        assert list(backend.put_all([])) == []

    def test_a_name_twice_among_many(self, backend: Backend) -> None:
        names = ["a", "b", "a", "c", "a"]
        given = [Copy(Key("task", name), f"{TEXT} {place}") for place, name in enumerate(names)]
        assert list(backend.put_all(given)) == [True, True, False, True, False]
        assert [copy.text for copy in copies(backend)] == [f"{TEXT} {place}" for place in (0, 1, 3)]

    def test_one_of_many_wins(self, backend: Backend) -> None:
        won: list[int] = []

        def work(number: int) -> None:
            if backend.put_all([Copy(TASK, f"{TEXT} {number}")]) == [True]:
                won.append(number)

        in_threads(6, work)
        assert [backend.text(TASK)] == [f"{TEXT} {number}" for number in won]

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_names_that_no_file_can_have(self, backend: Backend, name: str) -> None:
        with pytest.raises(InvalidName):
            backend.put(Copy(Key("task", name), TEXT))
        with pytest.raises(InvalidName):
            backend.put(Copy(TASK, TEXT, archived=f"task-{name}/x"))
        assert copies(backend) == []

    def test_replacing_a_text(self, backend: Backend) -> None:
        version = backend.create("task", {"a": 1}, body="x\n", name="one").version
        backend.write(TASK, lambda _: set_()._replace(lease=LEASE))
        with pytest.raises(Conflict):
            backend.put(Copy(TASK, TEXT), "another")
        with pytest.raises(InvalidDocument):
            backend.put(Copy(TASK, UNREADABLE), version)
        assert backend.read(TASK).version == version
        later = backend.put(Copy(TASK, TEXT), version)
        assert backend.read(TASK).version == later
        assert (backend.text(TASK), backend.lease(TASK)) == (TEXT, LEASE)
        backend.put(Copy(TASK, TEXT + "!", lease=LEASE._replace(attempt=9)), ANY)
        assert backend.text(TASK) == TEXT + "!"
        assert backend.lease(TASK).attempt == 9
        with pytest.raises(NotFound):
            backend.put(Copy(Key("task", "two"), TEXT), ANY)

    # -- the archive

    def test_the_archive_is_copied(self, backend: Backend, factory: Factory) -> None:
        for number in range(2):
            backend.create("task", {"number": number}, name="one")
            backend.archive(TASK)
        backend.create("agent", {}, name="ada")
        backend.archive(Key("agent", "ada"))
        found = copies(backend, archived=True)
        assert [copy.archived for copy in found] == list(backend.archived())[1:]
        assert [copy.fields["number"] for copy in found if copy.fields] == [0, 1]
        assert {copy.key for copy in found} == {TASK}
        with factory() as other:
            for copy in found:
                other.put(copy)
            assert copies(other, archived=True) == found
            assert copies(other) == []
            with pytest.raises(AlreadyExists):
                other.put(found[0])
            assert other.restore(found[1].archived).fields["number"] == 1

    def test_the_lease_of_an_archived_document(self, backend: Backend) -> None:
        backend.put(Copy(TASK, TEXT, lease=LEASE, archived="task-one.3"))
        assert backend.archived() == ["task-one.3"]
        assert backend.lease(TASK) == LEASE
        assert copies(backend, archived=True)[0].lease == LEASE
        assert not backend.exists(TASK)

    # -- events

    def test_events_keep_what_they_are(self, backend: Backend) -> None:
        backend.extend("training", EVENTS[:2])
        backend.extend("Training", EVENTS[2:])
        for found in (list(backend.history("training")), list(backend.tail("training"))):
            assert [said(event) for event in found] == [said(event) for event in EVENTS]
        first = next(backend.tail("training"))
        assert [event.id for event in backend.tail("training", first.cursor)] == ["a2", "b:3"]
        assert backend.append("training", "saved", {}, time=EVENT_TIME, id="b:3").data == {"n": 3}

    def test_an_empty_channel(self, backend: Backend) -> None:
        with pytest.raises(NotFound):
            backend.history("training")
        backend.extend("training", [])
        assert list(backend.channels()) == ["training"]
        assert list(backend.history("training")) == [] == list(backend.tail("training"))
        backend.extend("training", EVENTS)
        assert [event.id for event in backend.history("training")] == ["a1", "a2", "b:3"]

    def test_history_knows_the_archive(self, backend: Backend) -> None:
        backend.extend("training", EVENTS)
        backend.rotate("training", 1)
        backend.append("training", "more", {}, time=EVENT_TIME, id="c4")
        backend.rotate("training", 1)
        assert [said(event) for event in backend.history("training")][:3] == [said(e) for e in EVENTS]
        assert [event.id for event in backend.history("training")] == ["a1", "a2", "b:3", "c4"]
        assert [event.id for event in backend.tail("training")] == ["c4"]

    def test_what_a_person_wrote_keeps_its_text(self, backend: Backend, factory: Factory) -> None:
        backend.extend("training", [HAND, *EVENTS])
        found = list(backend.history("training"))
        assert [event.text for event in found] == [HAND.text, None, None, None]
        assert [(event.name, event.time, event.data["by"]) for event in found[:1]] == [
            ("noted", HAND.time, "me")
        ]
        with factory() as other:
            other.extend("training", found)
            assert [said(event) for event in other.history("training")] == [said(e) for e in found]
            other.rotate("training", 2)
            assert [said(event) for event in other.history("training")] == [said(e) for e in found]
