"""Bars between tasks that never run at the same time, on values alone."""

from __future__ import annotations

from typing import Any

import pytest
from contract.fakes import FakeHost

from mdcoord.model import Key, Record
from mdcoord.rules.conflicts import (
    UNDER_WAY,
    announced,
    barred,
    rivals_among,
    standing_bars,
    under_way,
    withdrawn,
)
from mdcoord.rules.leases import MAX_SKEW, Bar, Lease


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def stand(lease: Lease | None, host: FakeHost, attempt: int = 0, runs: bool = False) -> list[str]:
    """The bars on `one` that stand, where all others are at this attempt and do or do not run."""
    return standing_bars(lease, "one", lambda _: attempt, lambda _: runs, host)


def test_a_bar_stands_while_its_claim_is_under_way_and_while_its_task_runs(host: FakeHost) -> None:
    lease = barred(None, "other", 3, "c1", host)
    assert stand(lease, host, attempt=2) == ["other"]
    assert stand(lease, host, attempt=3, runs=True) == ["other"]
    assert stand(lease, host, attempt=3) == [], "it ran, and is over"
    host.forward(UNDER_WAY + 0.1)
    assert stand(lease, host, attempt=2) == [], "it was given up"
    assert stand(lease, host, attempt=4, runs=True) == ["other"], "a later attempt is as good"
    assert stand(None, host) == []


def test_a_tasks_own_bar_is_no_obstacle_but_its_announcement(host: FakeHost) -> None:
    lease = barred(Lease(1), "one", 2, "c1", host)
    assert stand(lease, host) == []
    assert announced(lease, "one", 2, "c1", host)
    for attempt, by in ((3, "c1"), (2, "c2")):
        assert not announced(lease, "one", attempt, by, host)
    host.forward(UNDER_WAY + 0.1)
    assert not announced(lease, "one", 2, "c1", host)
    assert not announced(None, "one", 2, "c1", host)


def test_one_claim_of_a_task_announces_itself_at_a_time(host: FakeHost) -> None:
    first = barred(None, "one", 2, "c1", host)
    assert first is not None
    assert barred(first, "one", 2, "c2", host) is None, "the first one goes on"
    assert barred(first, "one", 1, "c2", host) is None, "a claimer that was held up"
    assert barred(first, "one", 2, "c1", host) == first
    later = barred(first, "one", 3, "c2", host)
    assert later is not None
    assert later.bars["one"].by == "c2"
    host.forward(UNDER_WAY + 0.1)
    assert barred(first, "one", 2, "c2", host) is not None, "the first one was given up"


def test_only_ones_own_bar_is_withdrawn(host: FakeHost) -> None:
    lease = barred(barred(None, "one", 2, "c1", host), "two", 1, "c2", host)
    assert lease is not None
    gone = withdrawn(lease, "one", "c1")
    assert gone is not None
    assert set(gone.bars) == {"two"}
    assert (
        withdrawn(lease, "one", "c2") is withdrawn(None, "one", "c1") is withdrawn(gone, "one", "c1") is None
    )


def test_another_machines_clock_is_not_ones_own(host: FakeHost) -> None:
    far = FakeHost("there", "boot-9", now=host.now() + MAX_SKEW)
    bar = barred(None, "one", 1, "c1", far).bars["one"]  # type: ignore[union-attr]
    assert under_way(bar, host)
    host.jump(2 * MAX_SKEW + UNDER_WAY + 1)
    assert not under_way(bar, host)
    assert under_way(bar, far)


def test_bars_are_stored_with_the_lease(host: FakeHost) -> None:
    lease = barred(Lease(4), "other", 3, "c1", host)
    assert lease is not None
    assert Lease.from_dict(lease.as_dict()) == lease
    assert lease.bars["other"] == Bar(3, host.boot, host.uptime(), host.now(), "c1")
    assert "bars" not in Lease(4).as_dict()


def test_a_conflict_is_one_of_both_sides() -> None:
    def record(name: str, **fields: Any) -> Record:
        return Record(Key("task", name), fields, "", "v")

    tasks = [
        record("a", conflicts_with=["task-22", "gone", "a"], status="in_progress"),
        record("b", task_id="task-22", status="in_progress"),
        record("c", conflicts_with="a"),
        record("d"),
    ]
    found = rivals_among(tasks, lambda task: task.fields.get("status") == "in_progress")
    assert found == {"a": ["b"], "b": ["a"], "22": ["a"], "c": ["a"]}
    assert rivals_among(tasks[3:], lambda task: True) == {}
