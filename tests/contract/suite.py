"""What every backend does, sentence by sentence of `mdcoord.backends.base`.

A backend's test file derives from these classes and says how to make an empty backend, and how a person
changes a file behind its back (see `test_memory`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.errors import (
    AlreadyExists,
    Busy,
    Conflict,
    InvalidDocument,
    InvalidName,
    NotFound,
    UsageError,
)
from mdcoord.model import ABSENT, ANY, Change, Key, Record
from mdcoord.rules.leases import Claimant, Lease, take

from .fakes import FakeHost

Factory = Callable[[], Backend]

TASK = Key("task", "one")
LEASE = Lease(attempt=7, ops=("claim:x",))

BAD_NAMES = [
    "",
    "  ",
    ".",
    "..",
    "../up",
    "a/b",
    "a\\b",
    ".hidden",
    "-dash",
    "a\0b",
    "ü",
    "x" * 101,
    "con",
    "a:b",
    "end.",
]

VALUES: dict[str, Any] = {
    "text": "plain",
    "empty": "",
    "number": 3,
    "float": 0.25,
    "negative": -1.5e-9,
    "yes": True,
    "no": False,
    "nothing": None,
    "looks_false": "no",
    "looks_octal": "0755",
    "looks_number": "1e3",
    "looks_date": "2026-01-31",
    "looks_time": "12:30:00",
    "looks_null": "null",
    "colon": "a: b # c",
    "quotes": 'it\'s "quoted"',
    "lines": "one\n\n  two\nthree\n",
    "fence": "---",
    "unicode": "naïve ☃ 漢字 😀",
    "list": [1, "two", [3, []], {"four": 4}],
    "mapping": {"deep": {"deeper": [None, True]}, "a b": 1},
    "empty_list": [],
    "empty_mapping": {},
}

EVENT_TIME = "2026-01-31T09:30:00.000Z"

EVENT_DATA: dict[str, Any] = {
    "loss": 0.42,
    "step": 3500,
    "path": "a: `b`\n\n---\n\n## Event: not_an_event\n**Time**: never",
    "empty": "",
    "digits": "0755",
    "flag": False,
    "nothing": None,
    "deep": {"list": [1, "two", None], "text": "naïve ☃"},
}


def set_(**values: Any) -> Change:
    """A change that sets top-level fields."""
    return Change(set={(name,): value for name, value in values.items()})


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0) … work(count - 1)` at the same time; what one of them raises is raised here."""
    gate = threading.Barrier(count)
    problems: list[BaseException] = []

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


@contextmanager
def being_written(backend: Backend, key: Key) -> Iterator[None]:
    """Another thread is inside a write of this document."""
    entered, leave = threading.Event(), threading.Event()

    def decide(record: Record) -> None:
        entered.set()
        leave.wait(30)

    thread = threading.Thread(target=backend.write, args=(key, decide))
    thread.start()
    assert entered.wait(30)
    try:
        yield
    finally:
        leave.set()
        thread.join()


class ContractBase:
    """What a backend's test file provides."""

    @pytest.fixture
    def factory(self) -> Iterator[Factory]:
        """Makes empty backends, each a store of its own."""
        raise NotImplementedError

    def save_by_hand(self, backend: Backend, key: Key, text: str) -> None:
        """What an editor does: replace the document's text behind the backend's back."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self, factory: Factory) -> Iterator[Backend]:
        with factory() as backend:
            yield backend


class DocumentContract(ContractBase):
    """Reading, creating, writing, deleting."""

    # -- create and read

    def test_reading_what_is_not_there(self, backend: Backend) -> None:
        assert not backend.exists(TASK)
        with pytest.raises(NotFound):
            backend.read(TASK)
        with pytest.raises(NotFound):
            backend.text(TASK)
        assert backend.lease(TASK) is None

    def test_a_created_document_is_read_as_it_was_given(self, backend: Backend) -> None:
        made = backend.create("task", VALUES, body="# Mine\n\ntext\n", name="one")
        assert made.key == TASK
        assert backend.exists(TASK)
        found = backend.read(TASK)
        assert {name: found.fields[name] for name in VALUES} == VALUES
        assert [type(found.fields[name]) for name in VALUES] == [type(value) for value in VALUES.values()]
        assert "# Mine\n\ntext\n" in found.body
        assert found == made

    def test_schema_and_id_come_first(self, backend: Backend) -> None:
        record = backend.create("agent", {"status": "busy"}, name="ml-engineer")
        assert list(record.fields)[:3] == ["schema", "agent_id", "status"]
        assert record.fields["schema"] == "mdcoord/agent/1"
        assert record.fields["agent_id"] == "ml-engineer"

    def test_a_given_id_field_stays(self, backend: Backend) -> None:
        record = backend.create("task", {"task_id": "task-123"}, name="train-model")
        assert record.key == Key("task", "train-model")
        assert record.fields["task_id"] == "task-123"

    def test_without_a_name_the_backend_chooses_one(self, backend: Backend) -> None:
        keys = {backend.create("task", {"title": "x"}).key for _ in range(20)}
        assert len(keys) == 20
        assert all(Key.of("task", key.id) == key and len(key.id) <= 16 for key in keys)
        assert {record.key for record in backend.list("task").records} == keys

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("One", "one"), (" two  words ", "two-words"), ("task-3", "3"), ("v1.2_x", "v1.2_x")],
    )
    def test_names_are_normalised(self, backend: Backend, given: str, expected: str) -> None:
        assert backend.create("task", {}, name=given).key == Key("task", expected)

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_names_that_no_file_can_have(self, backend: Backend, name: str) -> None:
        with pytest.raises(InvalidName):
            backend.create("task", {}, name=name)
        with pytest.raises(InvalidName):
            backend.resolve("task", name)
        assert not backend.list("task").records

    def test_a_taken_name(self, backend: Backend) -> None:
        made = backend.create("task", {"title": "first"}, name="one")
        with pytest.raises(AlreadyExists):
            backend.create("task", {"title": "second"}, name="ONE")
        assert backend.read(TASK) == made

    def test_one_of_many_creators_wins(self, backend: Backend) -> None:
        won: list[int] = []

        def work(number: int) -> None:
            try:
                backend.create("task", {"by": number}, name="one")
                won.append(number)
            except AlreadyExists:
                pass

        in_threads(8, work)
        assert len(won) == 1
        assert backend.read(TASK).fields["by"] == won[0]

    def test_a_record_is_no_way_into_the_store(self, backend: Backend) -> None:
        backend.create("task", {"list": [1]}, name="one")
        backend.read(TASK).fields["list"].append(2)
        assert backend.read(TASK).fields["list"] == [1]

    def test_the_text_holds_fields_and_body(self, backend: Backend) -> None:
        backend.create("task", {"title": "Find me"}, body="and me\n", name="one")
        text = backend.text(TASK)
        assert text.startswith("---")
        assert "Find me" in text
        assert "and me" in text

    # -- write

    def test_a_change_sets_deletes_and_appends(self, backend: Backend) -> None:
        backend.create("task", {"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}, name="one")
        change = Change(
            set={("a",): 10, ("b", "c"): 20, ("new", "deep"): True},
            delete=(("b", "d"), ("missing",)),
            append={("e",): [2, {"x": 3}], ("fresh",): ["first"]},
        )
        record = backend.write(TASK, change)
        fields = {name: value for name, value in record.fields.items() if name not in ("schema", "task_id")}
        assert fields == {
            "a": 10,
            "b": {"c": 20},
            "e": [1, 2, {"x": 3}],
            "new": {"deep": True},
            "fresh": ["first"],
        }
        assert backend.read(TASK) == record

    def test_a_new_body_replaces_the_old_text(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, body="old words\n", name="one")
        record = backend.write(TASK, Change(body="new words\n"))
        assert "new words" in record.body
        assert "old words" not in backend.text(TASK)
        assert record.fields["a"] == 1

    def test_writing_what_is_not_there(self, backend: Backend) -> None:
        with pytest.raises(NotFound):
            backend.write(TASK, set_(a=1))
        assert not backend.exists(TASK)

    def test_versions_follow_the_text(self, backend: Backend) -> None:
        first = backend.create("task", {"a": 1}, name="one")
        second = backend.write(TASK, set_(a=2))
        assert first.version != second.version == backend.read(TASK).version
        assert backend.write(TASK, set_(a=2)).version == second.version
        assert backend.write(TASK, lambda record: None) == second

    def test_a_write_that_relies_on_a_version(self, backend: Backend) -> None:
        first = backend.create("task", {"a": 1}, name="one")
        second = backend.write(TASK, set_(a=2), first.version)
        with pytest.raises(Conflict):
            backend.write(TASK, set_(a=3), first.version)
        with pytest.raises(Conflict):
            backend.write(TASK, set_(a=3), ABSENT)
        assert backend.read(TASK) == second
        assert backend.write(TASK, set_(a=4), ANY).fields["a"] == 4

    def test_one_of_many_writers_of_a_version_wins(self, backend: Backend) -> None:
        version = backend.create("task", {}, name="one").version
        won: list[int] = []

        def work(number: int) -> None:
            try:
                backend.write(TASK, set_(by=number), version)
                won.append(number)
            except Conflict:
                pass

        in_threads(8, work)
        assert won == [backend.read(TASK).fields["by"]]

    def test_deciding_under_the_lock(self, backend: Backend) -> None:
        """Every increment sees the one before: none is lost."""
        backend.create("task", {"count": 0}, name="one")

        def work(number: int) -> None:
            for _ in range(10):
                backend.write(TASK, lambda record: set_(count=record.fields["count"] + 1))

        in_threads(6, work)
        assert backend.read(TASK).fields["count"] == 60

    def test_a_decision_sees_the_current_record(self, backend: Backend) -> None:
        made = backend.create("task", {"a": 1}, name="one")
        seen: list[Record] = []

        def decide(record: Record) -> None:
            seen.append(record)

        backend.write(TASK, decide)
        assert seen == [made]

    def test_a_decision_may_refuse(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        before = backend.write(TASK, Change(lease=LEASE))

        def refuse(record: Record) -> Change:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            backend.write(TASK, refuse)
        assert backend.read(TASK) == before
        assert backend.write(TASK, set_(a=2), wait=0).fields["a"] == 2

    def test_a_decision_may_read(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        backend.create("task", {"a": 5}, name="two")
        other = Key("task", "two")
        record = backend.write(
            TASK, lambda _: set_(a=backend.read(other).fields["a"] + backend.read(TASK).fields["a"])
        )
        assert record.fields["a"] == 6

    # -- locks

    def test_a_locked_document_is_busy_and_the_others_are_not(self, backend: Backend) -> None:
        before = backend.create("task", {"a": 1}, name="one")
        backend.create("task", {"a": 1}, name="two")
        with being_written(backend, TASK):
            for wait in (0, 0.01):
                with pytest.raises(Busy):
                    backend.write(TASK, set_(a=2), wait=wait)
            assert backend.write(Key("task", "two"), set_(a=2), wait=0).fields["a"] == 2
        assert backend.read(TASK) == before

    def test_a_write_waits_for_the_lock(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        entered, leave = threading.Event(), threading.Event()

        def decide(record: Record) -> Change:
            entered.set()
            leave.wait(30)
            return set_(a=2)

        slow = threading.Thread(target=backend.write, args=(TASK, decide))
        slow.start()
        assert entered.wait(30)
        threading.Timer(0.02, leave.set).start()
        assert backend.write(TASK, lambda record: set_(b=record.fields["a"])).fields["b"] == 2
        slow.join()

    def test_reading_never_waits_for_a_lock(self, backend: Backend) -> None:
        record = backend.create("task", {"a": 1}, name="one")
        with being_written(backend, TASK):
            assert backend.read(TASK) == record
            assert backend.text(TASK)
            assert backend.lease(TASK) is None
            assert [found.key for found in backend.list("task").records] == [TASK]

    # -- delete

    def test_delete(self, backend: Backend) -> None:
        version = backend.create("task", {}, name="one").version
        with pytest.raises(Conflict):
            backend.delete(TASK, "another version")
        assert backend.exists(TASK)
        backend.delete(TASK, version)
        assert not backend.exists(TASK)
        assert not backend.list("task").records
        with pytest.raises(NotFound):
            backend.delete(TASK)

    def test_a_name_is_free_again_after_delete(self, backend: Backend) -> None:
        backend.create("task", {"a": 1, "b": 2}, name="one")
        backend.delete(TASK)
        record = backend.create("task", {"a": 3}, name="one")
        assert record.fields["a"] == 3
        assert "b" not in backend.write(TASK, set_(a=4)).fields

    def test_close_twice(self, factory: Factory) -> None:
        backend = factory()
        backend.close()
        backend.close()


class LeaseContract(ContractBase):
    """The volatile state beside a document."""

    def test_a_lease_is_kept_beside_the_document(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        text = backend.text(TASK)
        record = backend.write(TASK, Change(lease=LEASE))
        assert record.lease == LEASE == backend.lease(TASK) == backend.read(TASK).lease
        assert backend.text(TASK) == text

    def test_a_lease_with_all_its_parts(self, backend: Backend) -> None:
        host = FakeHost()
        host.living[77] = "a start"
        full = take(LEASE, Claimant("agent", "session", pid=77), floor=0, ttl=2.5, host=host, op="claim:y")
        full = Lease(full.attempt, full.holder, full.ops, {"another boot": ("token", 3, 12.25)})
        backend.create("task", {}, name="one")
        backend.write(TASK, Change(lease=full))
        assert backend.lease(TASK) == full

    def test_document_and_lease_change_together(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        record = backend.write(TASK, Change(set={("a",): 2}, lease=LEASE))
        assert (record.fields["a"], record.lease) == (2, LEASE)

    def test_a_decision_sees_the_lease(self, backend: Backend) -> None:
        """Every attempt is taken once, as it is for the fields."""
        backend.create("task", {}, name="one")

        def grow(record: Record) -> Change:
            return Change(lease=Lease(record.lease.attempt + 1 if record.lease else 1))

        in_threads(6, lambda number: [backend.write(TASK, grow) for _ in range(10)] and None)
        assert backend.lease(TASK) == Lease(60)

    def test_an_unnamed_lease_stays_and_none_removes_it(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        backend.write(TASK, Change(lease=LEASE))
        assert backend.write(TASK, set_(a=2)).lease == LEASE
        assert backend.write(TASK, Change(lease=None)).lease is None
        assert backend.lease(TASK) is None

    def test_a_failed_write_leaves_the_lease(self, backend: Backend) -> None:
        version = backend.create("task", {}, name="one").version
        backend.write(TASK, set_(a=1))
        with pytest.raises(Conflict):
            backend.write(TASK, Change(lease=LEASE), version)
        assert backend.lease(TASK) is None

    def test_the_mark_outlives_the_document(self, backend: Backend) -> None:
        """A number of an attempt is never given out twice, also not to a later task of the same name."""
        backend.create("task", {}, name="one")
        backend.write(TASK, Change(lease=LEASE))
        backend.delete(TASK)
        assert backend.lease(TASK) == LEASE
        backend.create("task", {}, name="one")
        assert backend.read(TASK).lease == LEASE
        backend.archive(TASK)
        assert backend.lease(TASK) == LEASE

    def test_listings_do_not_hold_leases(self, backend: Backend) -> None:
        backend.create("task", {}, name="one")
        backend.write(TASK, Change(lease=LEASE))
        assert backend.lease(backend.list("task").records[0].key) == LEASE


class ListingContract(ContractBase):
    """Listing, finding, and files that cannot be read."""

    BROKEN = "---\ntitle: one\ntitle: two\n---\nwords of a person\n"

    def test_a_listing_has_every_document_of_its_kind(self, backend: Backend) -> None:
        made = {
            name: backend.create("task", {"title": name}, body=f"body {name}\n", name=name) for name in "abc"
        }
        backend.create("agent", {}, name="a")
        listing = backend.list("task")
        assert {record.key.id: record.fields for record in listing.records} == {
            name: record.fields for name, record in made.items()
        }
        assert {record.key.id: record.version for record in listing.records} == {
            name: record.version for name, record in made.items()
        }
        assert all(f"body {record.key.id}" in record.body for record in listing.records)
        assert not listing.unreadable

    def test_a_listing_is_of_now(self, backend: Backend) -> None:
        assert not backend.list("task").records
        backend.create("task", {"a": 1}, name="one")
        assert backend.list("task").records[0].fields["a"] == 1
        backend.write(TASK, set_(a=2))
        assert backend.list("task").records[0].fields["a"] == 2
        self.save_by_hand(backend, TASK, backend.text(TASK).replace("a: 2", "a: 3"))
        assert backend.list("task").records[0].fields["a"] == 3
        backend.delete(TASK)
        assert not backend.list("task").records

    def test_an_old_listing_is_allowed_when_asked_for(self, backend: Backend) -> None:
        backend.create("task", {}, name="one")
        backend.list("task")
        assert [record.key for record in backend.list("task", max_age=3600).records] == [TASK]

    def test_a_file_that_cannot_be_read_is_in_nobodys_way(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        backend.create("task", {"a": 2}, name="two")
        self.save_by_hand(backend, TASK, self.BROKEN)
        listing = backend.list("task")
        assert [record.key.id for record in listing.records] == ["two"]
        assert [(found.key, found.line) for found in listing.unreadable] == [(TASK, 3)]
        assert listing.unreadable[0].message
        assert backend.exists(TASK)

    def test_a_file_that_cannot_be_read_is_left_as_it_is(self, backend: Backend) -> None:
        backend.create("task", {"a": 1}, name="one")
        self.save_by_hand(backend, TASK, self.BROKEN)
        for operation in (lambda: backend.read(TASK), lambda: backend.write(TASK, set_(a=2))):
            with pytest.raises(InvalidDocument) as caught:
                operation()
            assert caught.value.details["line"] == 3
        assert backend.text(TASK) == self.BROKEN
        with pytest.raises(AlreadyExists):
            backend.create("task", {}, name="one")

    def test_found_by_name_or_by_id_field(self, backend: Backend) -> None:
        train = backend.create("task", {"task_id": "task-123"}, name="train-model").key
        plain = backend.create("task", {}, name="task-124").key
        assert plain == Key("task", "124")
        for name in ("train-model", "task-train-model", "TRAIN model", "task-123", "123"):
            assert backend.resolve("task", name) == train
        for name in ("124", "task-124"):
            assert backend.resolve("task", name) == plain

    def test_the_name_of_the_file_goes_before_the_id_field(self, backend: Backend) -> None:
        backend.create("task", {"task_id": "two"}, name="one")
        two = backend.create("task", {}, name="two").key
        assert backend.resolve("task", "two") == two

    def test_nothing_is_found_where_nothing_or_too_much_is(self, backend: Backend) -> None:
        with pytest.raises(NotFound):
            backend.resolve("task", "one")
        backend.create("task", {"task_id": "same"}, name="one")
        backend.create("task", {"task_id": "same"}, name="two")
        backend.create("agent", {}, name="three")
        for name in ("same", "three"):
            with pytest.raises(NotFound):
                backend.resolve("task", name)


class TextContract(ContractBase):
    """The text belongs to people: what they wrote stays."""

    HAND_WRITTEN = (
        "---\r\n# how this task is judged\r\nschema: mdcoord/task/1\r\ntask_id: one\r\n"
        "weights: {a: 1,   b: 2}   # not to be re-ordered\r\n\r\nstatus:   'pending'\r\n"
        "colour: NO\r\nmode: 0755\r\n---\r\n\r\nA body   with blanks  \r\nand no last newline"
    )

    def test_a_write_leaves_everything_else_byte_for_byte(self, backend: Backend) -> None:
        backend.create("task", {}, name="one")
        self.save_by_hand(backend, TASK, self.HAND_WRITTEN)
        assert backend.read(TASK).fields["colour"] == "NO"
        backend.write(TASK, set_(mode="0644"))
        backend.write(TASK, set_(status="done"))
        changed = self.HAND_WRITTEN.replace("'pending'", "done").replace("0755", '"0644"')
        found = backend.text(TASK)
        assert found.replace("'", "").replace('"', "") == changed.replace("'", "").replace('"', "")
        assert backend.read(TASK).fields["mode"] == "0644"

    def test_a_hand_edit_counts_at_once(self, backend: Backend) -> None:
        version = backend.create("task", {"a": 1}, name="one").version
        self.save_by_hand(backend, TASK, backend.text(TASK).replace("a: 1", "a: 5"))
        assert backend.read(TASK).fields["a"] == 5
        with pytest.raises(Conflict):
            backend.write(TASK, set_(b=1), version)
        assert backend.write(TASK, lambda record: set_(b=record.fields["a"])).fields["b"] == 5

    def test_an_old_style_file_is_read_and_adopted_by_the_first_write(self, backend: Backend) -> None:
        text = (
            "# Task: Train model\n\n**Task ID**: task-123\n**Status**: in_progress\n"
            "**Assigned Agent**: ai-engineer\n\n## Notes\n\nof a person\n"
        )
        key = Key("task", "train-model")
        backend.create("task", {}, name="train-model")
        backend.delete(key)
        self.save_by_hand(backend, key, text)
        record = backend.read(key)
        assert record.fields["status"] == "in_progress"
        assert record.fields["assigned_agent"] == "ai-engineer"
        assert backend.resolve("task", "task-123") == key
        assert backend.text(key) == text
        after = backend.write(key, set_(priority=5))
        assert (after.fields["status"], after.fields["priority"]) == ("in_progress", 5)
        assert after.fields["task_id"] == record.fields["task_id"]
        assert backend.text(key).startswith("---\nschema: mdcoord/task/1\n")
        assert "## Notes\n\nof a person\n" in backend.text(key)

    def test_the_view_follows_the_fields(self, backend: Backend) -> None:
        backend.create("task", {"title": "Train", "status": "pending"}, name="one")
        backend.write(TASK, set_(status="in_progress"))
        body = backend.read(TASK).body
        assert "<!-- mdcoord:view task -->" in body
        assert "**Status**: in_progress" in body
        assert "**Status**: pending" not in body

    def test_words_outside_of_the_view_stay(self, backend: Backend) -> None:
        backend.create("task", {"title": "Train", "status": "pending"}, name="one")
        text = backend.text(TASK) + "\n## My notes\n\nkeep me  \n"
        self.save_by_hand(backend, TASK, text)
        backend.write(TASK, set_(status="completed"))
        assert backend.text(TASK).endswith("\n## My notes\n\nkeep me  \n")


class ArchiveContract(ContractBase):
    """Out of the way, and back."""

    def test_a_name_that_ends_like_a_number_in_the_archive(self, backend: Backend) -> None:
        for name in ("release-1", "release-1.2", "release-1.2"):
            backend.create("task", {"n": name}, name=name)
            backend.archive(Key("task", name))
        assert [*backend.archived()] == ["task-release-1", "task-release-1.2", "task-release-1.2.1"]
        copies = {one.archived: one.key.id for one in backend.copies("task", archived=True)}
        assert copies == {"task-release-1": "release-1"} | dict.fromkeys(
            ("task-release-1.2", "task-release-1.2.1"), "release-1.2"
        )
        assert backend.restore("task-release-1.2").key == Key("task", "release-1.2")
        assert backend.restore("task-release-1").key == Key("task", "release-1")

    def test_archive_and_restore(self, backend: Backend) -> None:
        made = backend.create("task", {"a": 1}, body="words\n", name="one")
        text = backend.text(TASK)
        assert backend.archived() == []
        name = backend.archive(TASK)
        assert list(backend.archived()) == [name]
        assert not backend.exists(TASK)
        assert not backend.list("task").records
        restored = backend.restore(name)
        assert (restored.key, restored.fields, restored.version) == (made.key, made.fields, made.version)
        assert backend.text(TASK) == text
        assert backend.archived() == []

    def test_several_of_one_name(self, backend: Backend) -> None:
        names = []
        for number in range(3):
            backend.create("task", {"number": number}, name="one")
            names.append(backend.archive(TASK))
        assert sorted(set(names)) == list(backend.archived())
        assert len(set(names)) == 3
        assert backend.restore(names[1]).fields["number"] == 1
        with pytest.raises(AlreadyExists):
            backend.restore(names[0])
        assert len(backend.archived()) == 2
        assert backend.read(TASK).fields["number"] == 1

    def test_a_check_may_refuse(self, backend: Backend) -> None:
        made = backend.create("task", {"a": 1}, name="one")

        def refuse(record: Record) -> Change:
            assert record == made
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            backend.archive(TASK, refuse)
        assert backend.read(TASK) == made
        assert backend.archived() == []

    def test_what_is_not_there(self, backend: Backend) -> None:
        with pytest.raises(NotFound):
            backend.archive(TASK)
        with pytest.raises(NotFound):
            backend.restore("task-one")


class EventContract(ContractBase):
    """Channels of events."""

    @staticmethod
    def publish(backend: Backend, count: int, channel: str = "training", first: int = 0) -> list[str]:
        return [
            backend.append(channel, f"e{n}", {"n": n}, time=EVENT_TIME).cursor
            for n in range(first, first + count)
        ]

    def test_an_event_is_returned_as_it_was_published(self, backend: Backend) -> None:
        event = backend.append("training", "saved", EVENT_DATA, time=EVENT_TIME, id="abc123")
        assert (event.id, event.name, event.time) == ("abc123", "saved", EVENT_TIME)
        assert event.cursor
        (found,) = backend.tail("training")
        assert found == event
        assert dict(found.data) == EVENT_DATA

    @pytest.mark.parametrize(
        ("name", "data", "time"),
        [
            ("", {}, EVENT_TIME),
            ("two\nlines", {}, EVENT_TIME),
            ("x", {"a": object()}, EVENT_TIME),
            ("x", {"a": float("nan")}, EVENT_TIME),
            ("x", {"a": (1, 2)}, EVENT_TIME),
            ("x", {1: 2}, EVENT_TIME),
            ("x", {}, "yesterday"),
        ],
    )
    def test_what_no_event_can_hold(self, backend: Backend, name: str, data: Any, time: str) -> None:
        with pytest.raises(UsageError):
            backend.append("training", name, data, time=time)
        assert list(backend.channels()) == []

    def test_a_repeated_append_adds_nothing(self, backend: Backend) -> None:
        self.publish(backend, 2)
        first = backend.append("training", "saved", {"n": 2}, time=EVENT_TIME, id="my-id")
        self.publish(backend, 3, first=3)
        assert backend.append("training", "saved", {"n": 2}, time=EVENT_TIME, id="my-id") == first
        assert [event.data["n"] for event in backend.tail("training")] == [0, 1, 2, 3, 4, 5]
        assert backend.append("other", "saved", {"n": 2}, time=EVENT_TIME, id="my-id").cursor != first.cursor

    def test_channels_are_made_by_publishing(self, backend: Backend) -> None:
        assert list(backend.channels()) == []
        for channel in ("b", "a", "b"):
            self.publish(backend, 1, channel)
        assert list(backend.channels()) == ["a", "b"]

    @pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "con"])
    def test_names_that_no_channel_can_have(self, backend: Backend, name: str) -> None:
        with pytest.raises(InvalidName):
            backend.append(name, "x", {}, time=EVENT_TIME)
        assert list(backend.channels()) == []

    def test_events_have_an_order_and_ids_of_their_own(self, backend: Backend) -> None:
        self.publish(backend, 5)
        events = list(backend.tail("training"))
        assert [event.name for event in events] == ["e0", "e1", "e2", "e3", "e4"]
        assert len({event.id for event in events}) == len({event.cursor for event in events}) == 5

    def test_tail_goes_on_after_a_cursor(self, backend: Backend) -> None:
        cursors = self.publish(backend, 5)
        for position, cursor in enumerate(cursors):
            assert [e.data["n"] for e in backend.tail("training", cursor)] == list(range(position + 1, 5))
        assert [e.data["n"] for e in backend.tail("training", cursors[1], 2)] == [2, 3]
        assert [e.data["n"] for e in backend.tail("training", limit=2)] == [0, 1]
        assert list(backend.tail("training", limit=0)) == []
        last = list(backend.tail("training"))[-1].cursor
        self.publish(backend, 1, first=5)
        assert [e.data["n"] for e in backend.tail("training", last)] == [5]

    def test_a_channel_that_is_not_there(self, backend: Backend) -> None:
        for operation in (
            lambda: backend.tail("none"),
            lambda: backend.last("none", 3),
            lambda: backend.rotate("none", 3),
        ):
            with pytest.raises(NotFound):
                operation()

    @pytest.mark.parametrize("cursor", ["", "x", "training:x", "-1", "training:-1", "\0"])
    def test_a_text_that_never_was_a_cursor(self, backend: Backend, cursor: str) -> None:
        self.publish(backend, 2)
        with pytest.raises(UsageError):
            list(backend.tail("training", cursor))

    def test_a_cursor_of_another_channel(self, backend: Backend) -> None:
        (cursor,) = self.publish(backend, 1, "other")
        self.publish(backend, 2)
        with pytest.raises(UsageError):
            list(backend.tail("training", cursor))

    def test_the_newest_events(self, backend: Backend) -> None:
        self.publish(backend, 5)
        assert [event.data["n"] for event in backend.last("training", 3)] == [2, 3, 4]
        assert [event.data["n"] for event in backend.last("training", 9)] == [0, 1, 2, 3, 4]
        assert list(backend.last("training", 0)) == []
        assert list(backend.last("training", 2)) == list(backend.tail("training"))[-2:]

    def test_publishing_at_the_same_time(self, backend: Backend) -> None:
        def work(number: int) -> None:
            for n in range(10):
                backend.append("training", f"w{number}", {"n": n}, time=EVENT_TIME)

        in_threads(6, work)
        events = list(backend.tail("training"))
        assert len(events) == 60
        for number in range(6):
            assert [event.data["n"] for event in events if event.name == f"w{number}"] == list(range(10))

    def test_rotation_keeps_the_newest(self, backend: Backend) -> None:
        self.publish(backend, 10)
        assert backend.rotate("training", 10) == 0
        assert backend.archived() == []
        assert backend.rotate("training", 3) == 7
        assert [event.data["n"] for event in backend.tail("training")] == [7, 8, 9]
        assert [event.data["n"] for event in backend.last("training", 10)] == [7, 8, 9]
        assert backend.rotate("training", 3) == 0
        assert len(backend.archived()) == 1

    def test_no_cursor_is_lost_by_rotation(self, backend: Backend) -> None:
        cursors = self.publish(backend, 10)
        backend.rotate("training", 6)
        cursors += self.publish(backend, 4, first=10)
        backend.rotate("training", 2)
        for position, cursor in enumerate(cursors):
            assert [e.data["n"] for e in backend.tail("training", cursor)] == list(range(position + 1, 14))
        assert [e.data["n"] for e in backend.tail("training", cursors[0], 3)] == [1, 2, 3]

    def test_rotation_may_empty_a_log(self, backend: Backend) -> None:
        cursors = self.publish(backend, 3)
        assert backend.rotate("training", 0) == 3
        assert list(backend.tail("training")) == []
        self.publish(backend, 1, first=3)
        assert [event.data["n"] for event in backend.tail("training")] == [3]
        assert [event.data["n"] for event in backend.tail("training", cursors[1])] == [2, 3]

    def test_the_place_before_the_oldest_event(self, backend: Backend) -> None:
        self.publish(backend, 3)
        backend.rotate("training", 2)
        start = backend.start("training")
        assert [event.data["n"] for event in backend.tail("training", start)] == [1, 2]
        self.publish(backend, 3, first=3)
        backend.rotate("training", 1)
        assert [event.data["n"] for event in backend.tail("training", start)] == [1, 2, 3, 4, 5]
        assert [event.data["n"] for event in backend.tail("training", start, 1)] == [1]
        assert [event.data["n"] for event in backend.tail("training", backend.start("training"))] == [5]

    def test_the_place_before_the_first_event_of_a_channel_that_is_not_there(self, backend: Backend) -> None:
        start = backend.start("training")
        assert list(backend.channels()) == []
        with pytest.raises(NotFound):
            backend.tail("training", start)
        self.publish(backend, 5)
        assert [event.data["n"] for event in backend.tail("training", start)] == [0, 1, 2, 3, 4]
        backend.rotate("training", 1)
        backend.rotate("training", 0)
        empty = backend.start("training")
        assert list(backend.tail("training", empty)) == []
        self.publish(backend, 2, first=5)
        assert [event.data["n"] for event in backend.tail("training", start)] == [0, 1, 2, 3, 4, 5, 6]
        assert [event.data["n"] for event in backend.tail("training", empty)] == [5, 6]

    def test_a_good_log_has_no_problems(self, backend: Backend) -> None:
        self.publish(backend, 3)
        assert list(backend.problems("training")) == []


class BackendContract(
    DocumentContract, LeaseContract, ListingContract, TextContract, ArchiveContract, EventContract
):
    """The whole contract."""
