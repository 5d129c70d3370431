"""Which tasks may be claimed, on values alone."""

from __future__ import annotations

from typing import Any

import pytest

from mdcoord.model import Key, Record
from mdcoord.rules.readiness import declined, dependencies, key_of, obstacles, rank, span, statuses, task_id

NOW = "2026-01-31T09:30:00.000Z"
STATUS = {"done": "completed", "old": "complete", "open": "pending", "off": "cancelled"}


def why(fields: dict[str, Any], **rest: Any) -> list[str]:
    return obstacles(fields, STATUS.get, NOW, **rest)


def test_a_plain_task_is_ready() -> None:
    assert why({}) == why({"status": "pending"}) == why({"status": None}) == []


@pytest.mark.parametrize("status", ["in_progress", "completed", "failed", "dead", "cancelled", "waiting", 7])
def test_other_statuses_are_not(status: Any) -> None:
    assert why({"status": status}) == [f"its status is {status}"]


@pytest.mark.parametrize(
    ("listed", "reasons"),
    [
        (None, []),
        ([], []),
        (["done", "task-done", "Task-OLD"], []),
        ("done", []),
        (["open"], ["it depends on task open, which is pending"]),
        (
            ["off", "none"],
            [
                "it is blocked: it depends on task off, which is cancelled",
                "it depends on task none, which does not exist",
            ],
        ),
        ([122], ["it depends on task 122, which does not exist"]),
    ],
)
def test_dependencies(listed: Any, reasons: list[str]) -> None:
    assert why({"depends_on": listed}) == reasons


@pytest.mark.parametrize(
    ("stamp", "ready"),
    [
        (None, True),
        ("2026-01-31T09:30:00Z", True),
        ("2026-01-31T09:30:01Z", False),
        ("2026-01-31T11:00:00+02:00", True),
        ("2026-01-31T08:00:00-02:00", False),
        ("2026-01-31", True),
        ("2026-02-01", False),
        ("soon", True),
    ],
)
def test_not_before(stamp: Any, ready: bool) -> None:
    assert (why({"not_before": stamp}) == []) == ready


def test_needs() -> None:
    task = {"needs": ["gpu", "training"]}
    assert why(task) == []
    assert why(task, can=["training", "gpu"]) == []
    assert why(task, can=[]) == ["it needs gpu, training"]
    assert why(task, can=["gpu"]) == ["it needs training"]


def test_assignments() -> None:
    assert why({"assigned_agent": "ada"}) == []
    assert why({"assigned_agent": "ada"}, agent="ada") == []
    assert why({"assigned_agent": "ada"}, agent="bob") == ["it is assigned to ada"]


def test_all_reasons_are_told() -> None:
    task = {"depends_on": ["open"], "needs": ["x"], "assigned_agent": "ada", "not_before": "2030-01-01"}
    assert len(why(task, can=[], agent="bob")) == 4


def test_the_order_of_tasks() -> None:
    tasks = [
        {"task_id": "b", "priority": 1, "created_at": "2026-01-01"},
        {"task_id": "a", "priority": 1, "created_at": "2026-01-01"},
        {"task_id": "c", "priority": 2.5, "created_at": "2026-01-02"},
        {"task_id": "d", "priority": -1, "created_at": "2025-01-01"},
        {"task_id": "e", "created_at": "2025-01-01"},
        {"task_id": "f", "priority": "high", "created_at": "2024-01-01"},
        {"task_id": "g", "priority": True, "created_at": "2023-01-01"},
    ]
    assert [task["task_id"] for task in sorted(tasks, key=rank)] == ["c", "a", "b", "g", "f", "e", "d"]


def test_ids_without_the_prefix() -> None:
    assert task_id({"task_id": "TASK-12"}) == "12"
    assert task_id({}) == ""
    assert dependencies({"depends_on": ["task-1", "Two", 3]}) == ["1", "two", "3"]
    assert key_of("task-1") == Key("task", "1")


def test_the_statuses_of_all_tasks() -> None:
    def record(name: str, **fields: Any) -> Record:
        return Record(Key("task", name), fields, "", "v")

    found = statuses(
        [
            record("train-model", task_id="task-123", status="completed"),
            record("123", task_id="other", status="dead"),
            record("plain"),
        ]
    )
    assert found["train-model"] == "completed"
    assert found["123"] == "dead", "the name of a file goes before the id field"
    assert found["other"] == "dead"
    assert found["plain"] == "pending"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30, 30.0),
        (0.5, 0.5),
        ("1h30m", 5400.0),
        ("90", 90.0),
        (0, None),
        (-1, None),
        (True, None),
        ("soon", None),
        (None, None),
        (float("inf"), None),
        (["1m"], None),
    ],
)
def test_durations_in_documents(value: Any, seconds: float | None) -> None:
    assert span(value) == seconds


def test_after_a_while_it_is_anybodys() -> None:
    task = {"needs": ["gpu"], "assigned_agent": "ada", "created_at": "2026-01-31T09:00:00Z"}
    assert len(why(task, can=[], agent="bob", fallback=1801)) == 2
    assert why(task, can=[], agent="bob", fallback=1800) == []
    for later in ("assigned_at", "not_before"):
        assert len(why({**task, later: "2026-01-31T09:10:00Z"}, can=[], agent="bob", fallback=1800)) == 2
    assert len(why({"needs": ["gpu"]}, can=[], fallback=1)) == 1, "nobody knows for how long it waits"
    assert why({**task, "status": "dead"}, can=[], agent="bob", fallback=1) == ["its status is dead"]


def test_rivals_are_in_its_way() -> None:
    task = {"task_id": "task-7", "conflicts_with": ["x"]}
    found = why(task, rivals=lambda id: ["x", "y"] if id == "7" else [])
    assert found == [f"it conflicts with task {name}, which is in progress" for name in "xy"]
    assert why(task, rivals=lambda id: []) == why(task) == []


def test_who_gave_it_back() -> None:
    assert declined({"declined_by": ["ada"]}, "ada")
    assert not declined({"declined_by": "ada"}, "ada")
    assert not declined({}, "ada")
