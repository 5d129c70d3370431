"""Typed records: what a document says, whatever people wrote into it."""

from __future__ import annotations

from typing import Any

import pytest
from contract.fakes import FakeHost

from mdcoord.model import Key, Record
from mdcoord.records import TYPES, Agent, EventRecord, Metrics, Task
from mdcoord.rules.leases import Claimant, take


def task(**fields: Any) -> Task:
    return Task(Record(Key("task", "train"), fields, "the body\n", "v1", "task-train.md"))


def test_fields_are_attributes_and_keys() -> None:
    found = task(title="Train", priority=5, needs=["gpu"], metadata={"loss": 0.4}, progress=0.5, colour="red")
    assert (found.title, found.priority, found.needs, found.metadata) == ("Train", 5, ["gpu"], {"loss": 0.4})
    assert found["colour"] == "red"
    assert found.get("missing") is None
    assert (found.id, found.key, found.body, found.version, found.path) == (
        "train",
        Key("task", "train"),
        "the body\n",
        "v1",
        "task-train.md",
    )
    with pytest.raises(KeyError):
        found["missing"]
    with pytest.raises(AttributeError):
        found.colour  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_not_said() -> None:
    found = task()
    assert (found.status, found.priority, found.attempt) == ("pending", 0, 0)
    assert found.title is found.progress is found.assigned_agent is found.result is found.holder is None
    assert (found.needs, found.metadata, found.ready, found.stale) == ([], {}, False, False)


def test_values_of_another_type_read_as_absent() -> None:
    found = task(title=3, priority="high", needs="gpu", metadata=[1], progress=True, attempt="2")
    assert (found.title, found.priority, found.needs, found.metadata) == (None, 0, [], {})
    assert (found.progress, found.attempt) == (None, 0)
    assert found["priority"] == "high"
    assert task(priority=True).priority == 0


def test_a_default_is_not_shared() -> None:
    task().needs.append("x")
    assert task().needs == []


def test_own_facts_stand_beside_the_fields() -> None:
    record = Record(Key("task", "train"), {"title": "Train"}, "body", "v1", "task-train.md")
    found = Task(record, {"_ready": lambda _: True, "_stale": lambda _: False})
    assert found.ready
    assert not found.stale
    assert found.as_dict() == {
        "title": "Train",
        "_kind": "task",
        "_id": "train",
        "_version": "v1",
        "_path": "task-train.md",
        "_ready": True,
        "_stale": False,
    }
    assert found["_body"] == "body"
    assert len(found) == len(list(found)) == 7


def test_the_facts_win_over_fields_of_their_names() -> None:
    found = Task(task(_id="by hand", _body="x", _ready="x", _mine=1).record, {"_ready": lambda _: True})
    facts = {"_id": "train", "_body": "the body\n", "_ready": True, "_mine": 1}
    assert {name: found[name] for name in facts} == facts
    assert found.as_dict() == dict(found)
    assert found.as_dict().items() >= facts.items()
    assert len(found) == len(list(found)) == len(found.as_dict())


def test_facts_are_worked_out_when_asked_for() -> None:
    def fail(_: Record) -> bool:
        raise AssertionError

    found = Task(task().record, {"_ready": fail})
    assert found["_kind"] == "task"
    with pytest.raises(AssertionError):
        found["_ready"]


def test_equality_is_of_what_was_read() -> None:
    assert task(a=1) == task(a=1)
    assert task(a=1) != task(a=2)
    assert task() != {}


def test_the_holder_is_read_with_the_claim() -> None:
    lease = take(None, Claimant("ada", "s"), floor=0, ttl=1, host=FakeHost())
    record = Record(Key("task", "train"), {}, "", "v", lease=lease)
    assert Task(record).holder == lease.holder


def test_the_figures_of_metrics_do_not_hide_the_methods_of_a_mapping() -> None:
    record = Record(Key("metrics", "perf"), {"values": {"loss": 1}, "samples": [1]}, "", "v")
    found = Metrics(record)
    assert found.latest == {"loss": 1}
    assert {"loss": 1} in list(found.values())
    assert Metrics(Record(Key("metrics", "perf"), {"values": 3}, "", "v")).latest == {}


def test_every_kind_has_its_class() -> None:
    assert sorted(TYPES) == ["agent", "context", "message", "metrics", "progress", "task"]
    assert not Agent(Record(Key("agent", "a"), {}, "", "v")).stale


def test_they_can_be_shown() -> None:
    assert repr(task(title="Train")) == "<Task train Train>"
    assert repr(task(status="dead")) == "<Task train dead>"


def event(**data: Any) -> EventRecord:
    return EventRecord("training", "saved", "2026-01-31T09:30:00.000Z", data, id="e1", cursor="c1")


def test_an_event_is_a_mapping_of_its_own_and_its_data() -> None:
    found = event(loss=0.4, name="of the data")
    assert (found["name"], found["time"], found["loss"]) == ("saved", "2026-01-31T09:30:00.000Z", 0.4)
    assert "loss" in found
    assert "missing" not in found
    assert found.get("missing") is None
    assert (
        found.as_dict()
        == dict(found)
        == {
            "_kind": "events",
            "_channel": "training",
            "_id": "e1",
            "_cursor": "c1",
            "name": "saved",
            "time": "2026-01-31T09:30:00.000Z",
            "data": {"loss": 0.4, "name": "of the data"},
        }
    )
    assert len(found) == 7
    assert "saved" in repr(found)
