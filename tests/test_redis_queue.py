"""The queue that Redis keeps: in the order of ranks, never too short, put right where it shows too much."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mdcoord.backends.values import Copy
from mdcoord.errors import MdcoordError, NothingReady
from mdcoord.model import Change, Key
from mdcoord.rules.readiness import rank
from mdcoord.workspace import Workspace


@pytest.fixture
def w(url: str) -> Iterator[Workspace]:
    with Workspace.open(url, agent="ada") as workspace:
        yield workspace


def claim(w: Workspace) -> str:
    return w.tasks.claim(heartbeat=False).id


def shown(w: Workspace) -> list[str]:
    """What stands in the queue, read anew."""
    shelf = w.backend.shelf()
    assert shelf
    return [record.key.id for record in shelf.open()]


def test_the_order_is_that_of_ranks(w: Workspace) -> None:
    chance = random.Random(7)
    for number in range(120):
        fields = {
            "priority": chance.choice([None, 0, 1, 2, -3, 2.5, "high"]),
            "created_at": chance.choice([None, "2026-01-31T09:30:00.000Z", "2026-01-30T09:30:00.000Z"]),
        }
        given = {name: value for name, value in fields.items() if value is not None}
        w.backend.create("task", {"status": "pending", **given}, name=f"n{number:03}")
    records = sorted(w.backend.list("task").records, key=lambda record: rank(record.fields))
    assert shown(w) == [record.key.id for record in records]


def test_reading_goes_on_where_the_last_one_was_though_it_is_gone(w: Workspace) -> None:
    for number in range(40):
        w.tasks.create("x", id=f"n{number:02}")
    shelf, found = w.backend.shelf(), []
    assert shelf
    for record in shelf.open():
        found.append(record.key.id)
        w.backend.write(record.key, Change(set={("status",): "cancelled"}))
    assert found == [f"n{number:02}" for number in range(40)]


def test_every_claim_gets_the_best_of_what_is_there(w: Workspace) -> None:
    chance, waiting = random.Random(3), []
    for number in range(60):
        priority = chance.randrange(5)
        w.tasks.create("x", id=f"n{number:02}", priority=priority)
        waiting.append((-priority, f"n{number:02}"))
        if chance.random() < 0.4:
            waiting.sort()
            assert claim(w) == waiting.pop(0)[1]


def test_who_is_offered_several_keeps_others_from_them_for_a_moment(w: Workspace, url: str) -> None:
    for number in range(30):
        w.tasks.create("x", id=f"n{number:02}")
    mine = [claim(w) for _ in range(4)]
    with Workspace.open(url, agent="bob") as other:
        theirs = [claim(other) for _ in range(26)]  # and when nothing else is left, those, too
        assert sorted(mine + theirs) == [f"n{number:02}" for number in range(30)]
        with pytest.raises(NothingReady) as caught:
            claim(other)
        assert caught.value.details["tasks"] == {"in_progress": 30}


def test_a_task_that_waits_for_others_is_put_aside(w: Workspace, others: Any, url: str) -> None:
    for name in ("a", "b"):
        w.tasks.create("x", id=name, assign="somebody")
    w.tasks.create("x", id="both", depends_on=["a", "b"], priority=9)
    for name in ("a", "b"):
        with pytest.raises(NothingReady):
            claim(w)
        assert "both" not in shown(w)
        w.tasks.claim(name, agent="somebody", heartbeat=False).complete()
    assert claim(w) == "both"


def test_a_dependency_by_its_id_field(w: Workspace) -> None:
    w.backend.create("task", {"task_id": "task-122", "status": "pending", "assigned_agent": "x"}, name="data")
    w.tasks.create("x", id="train", depends_on=["task-122"])
    with pytest.raises(NothingReady):
        claim(w)
    assert shown(w) == ["data"]
    w.backend.write(Key("task", "data"), Change(set={("status",): "done"}))
    assert claim(w) == "train"


def test_a_dependency_that_is_made_later(w: Workspace) -> None:
    needs = {"depends_on": ["data", "no such name!"]}
    w.backend.create("task", {"status": "pending", "priority": 9, **needs}, name="train")
    w.tasks.create("x", id="next", depends_on=["data"])
    with pytest.raises(NothingReady):
        claim(w)
    assert shown(w) == []
    w.backend.put(Copy(Key("task", "data"), "---\ntask_id: data\nstatus: completed\n---\n"))
    assert claim(w) == "next"
    with pytest.raises(NothingReady):
        claim(w)


def test_what_is_completed_just_now_is_waited_for_no_more(w: Workspace) -> None:
    w.tasks.create("x", id="data")
    w.tasks.create("x", id="train", depends_on=["data"])
    before = w.backend.read(Key("task", "train"))
    w.tasks.claim("data", heartbeat=False).complete()
    shelf = w.backend.shelf()
    assert shelf
    shelf.wait_for(before, "data")
    assert shown(w) == ["train"]


def test_it_is_so_for_a_name_in_an_id_field_too(w: Workspace) -> None:
    w.backend.create("task", {"task_id": "task-122", "status": "completed"}, name="data")
    w.tasks.create("x", id="train", depends_on=["122"])
    shelf = w.backend.shelf()
    assert shelf
    shelf.wait_for(w.backend.read(Key("task", "train")), "122")
    assert shown(w) == ["train"]


def test_a_task_stands_where_its_priority_puts_it_when_it_comes_back(w: Workspace) -> None:
    w.tasks.create("x", id="data", priority=99)
    w.tasks.create("x", id="middle", priority=5)
    w.tasks.create("x", id="train", priority=9, depends_on=["data"])
    w.tasks.create("x", id="only", assign="bob")
    held = w.tasks.claim("data", heartbeat=False)
    assert shown(w)[0] == "train"
    assert claim(w) == "middle"
    w.tasks.update("train", {"priority": 1})
    w.tasks.create("x", id="other", priority=3)
    held.complete()
    assert [claim(w), claim(w)] == ["other", "train"]


def test_a_task_that_has_changed_is_not_put_aside(w: Workspace) -> None:
    w.tasks.create("x", id="data")
    w.tasks.create("x", id="train", depends_on=["data"])
    before = w.backend.read(Key("task", "train"))
    w.tasks.update("train", delete=["depends_on"])
    shelf = w.backend.shelf()
    assert shelf
    shelf.wait_for(before, "data")
    shelf.wait_until(before, time.time() + 3600)
    assert shown(w) == ["data", "train"]


def test_a_task_that_waits_for_a_time(w: Workspace) -> None:
    w.tasks.create("x", id="later", not_before="2126-01-31T09:30:00Z")
    with pytest.raises(NothingReady):
        claim(w)
    shelf = w.backend.shelf()
    assert shelf
    assert shown(w) == []
    w.tasks.update("later", {"not_before": "2026-01-31T09:30:00.000Z"})
    record = w.backend.read(Key("task", "later"))
    shelf.wait_until(record, w.host.now() - 1)
    assert claim(w) == "later"


def test_what_does_not_belong_there_goes(w: Workspace, others: Any, url: str) -> None:
    w.tasks.create("x", id="one")
    queue = others.keys(f"{url.rpartition('=')[2]}tasks:priority_queue")[0]
    for name in ("nothing", "one"):
        others.zadd(queue, {json.dumps({"id": name, "created_at": "", "priority": 5}): 5})
    w.tasks.claim("one", heartbeat=False)
    assert others.zcard(queue) == 2
    with pytest.raises(NothingReady):
        claim(w)
    assert others.zcard(queue) == 0


def test_the_tally_is_that_of_the_documents(w: Workspace) -> None:
    chance = random.Random(5)
    steps = ["create", "claim", "complete", "fail", "retry", "archive", "restore", "delete", "cancel", "text"]
    for _ in range(300):
        name, step = f"n{chance.randrange(12)}", chance.choice(steps)
        key = Key("task", name)
        try:
            if step == "create":
                w.tasks.create("x", id=name, depends_on=[f"n{chance.randrange(12)}"][: chance.randrange(2)])
            elif step == "claim":
                claim(w)
            elif step in ("complete", "fail"):
                getattr(w.tasks, step)(name, **({"error": "no"} if step == "fail" else {}))
            elif step == "retry":
                w.tasks.retry(name)
            elif step == "archive":
                w.backend.archive(key)
            elif step == "restore":
                w.backend.restore(key.name)
            elif step == "delete":
                w.backend.delete(key)
            elif step == "cancel":
                w.backend.write(key, Change(set={("status",): "cancelled"}))
            else:
                text = w.backend.text(key)
                w.backend.put(Copy(key, text.replace("x", "y")), w.backend.read(key).version)
        except MdcoordError:
            pass
    records = w.backend.list("task").records
    shelf = w.backend.shelf()
    assert shelf
    assert shelf.tally() == Counter(str(record.fields["status"]) for record in records)
    running = [record.key.id for record in records if record.fields["status"] == "in_progress"]
    assert sorted(record.key.id for record in shelf.held()) == running
    ready = {record.key.id for record in records if record.fields["status"] == "pending"}
    assert set(shown(w)) <= ready
    assert {task.id for task in w.tasks.list("_ready = true")} <= set(shown(w))
