"""What tasks' documents tell about agents, on values alone."""

from __future__ import annotations

from typing import Any

from mdcoord.model import Key, Record
from mdcoord.rules.outcomes import Figures, activities, completions, current, outcomes

DONE = {
    "status": "completed",
    "assigned_agent": "ada",
    "started_at": "2026-01-31T09:00:00.000Z",
    "completed_at": "2026-01-31T09:30:00.000Z",
    "type": "train",
    "title": "Train",
}
FAILED = {
    "at": "2026-01-31T08:00:00.000Z",
    "message": "m",
    "outcome": "failed",
    "agent": "bob",
    "duration_sec": 60,
}


def record(name: str, **fields: Any) -> Record:
    return Record(Key("task", name), fields, "", "v")


def test_a_document_tells_of_all_its_attempts() -> None:
    found = outcomes(
        [record("one", task_id="task-1", logs=[FAILED, {"message": "a person's"}, "text"], **DONE)]
    )
    assert [(one.task, one.agent, one.kind, one.duration, one.type) for one in found] == [
        ("1", "bob", "failed", 60.0, "train"),
        ("1", "ada", "completed", 1800.0, "train"),
    ]
    assert [one.success for one in found] == [False, True]
    assert len(outcomes([record("one", logs=[FAILED], **DONE)], since=found[1].ended)) == 1


def test_what_makes_no_sense_tells_nothing() -> None:
    broken = [
        {**DONE, "assigned_agent": None},
        {**DONE, "completed_at": "soon"},
        {"status": "in_progress", "assigned_agent": "ada"},
        {"logs": "none"},
        {"logs": [{**FAILED, "agent": 7}, {**FAILED, "at": None}, {**FAILED, "outcome": "lucky"}]},
    ]
    assert outcomes([record(f"n{number}", **fields) for number, fields in enumerate(broken)]) == []
    (odd,) = outcomes([record("odd", logs=[{**FAILED, "duration_sec": True}])])
    assert odd.duration is None
    (unknown,) = outcomes([record("odd", **{**DONE, "started_at": None})])
    assert unknown.duration is None


def test_figures() -> None:
    lost = {**FAILED, "outcome": "lost", "duration_sec": 540}
    found = Figures.of(outcomes([record("one", logs=[FAILED, lost], **DONE), record("two", **DONE)]))
    assert (found.total, found.success_rate, found.average) == (4, 0.5, 1800.0)
    assert found.as_dict() == {
        "completed": 2,
        "failed": 1,
        "lost": 1,
        "success_rate": 0.5,
        "avg_duration_sec": 1800.0,
        "tasks_per_hour": 1.7143,
    }
    assert set(Figures().as_dict().values()) == {0, None}


def test_what_each_agent_does() -> None:
    found = activities(
        [
            record("a", status="in_progress", assigned_agent="ada", assigned_at="2026-01-02", title="A", x=1),
            record("b", assigned_agent="ada", assigned_at="2026-01-03"),
            record("c", **DONE),
            record("d", logs=[FAILED]),
            record("e", status="in_progress"),
        ],
        since=0.0,
    )
    assert set(found) == {"ada", "bob"}
    ada = found["ada"]
    assert ([task.key.id for task in ada.active], ada.waiting, ada.assigned_at) == (["a"], 1, "2026-01-03")
    assert current(ada.active) == [{"task_id": "a", "title": "A", "status": "in_progress"}]
    assert [one["task_id"] for one in completions(ada.ended)] == ["c"]
    assert completions(found["bob"].ended)[0]["success"] is False
