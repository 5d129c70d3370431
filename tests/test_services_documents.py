"""Agents, context, metrics, progress, and what all kinds of documents have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract.fakes import FakeHost
from contract.suite import in_threads

from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import Conflict, InvalidName, NotFound, QueryError, UsageError
from mdcoord.host import timestamp
from mdcoord.model import Key
from mdcoord.services.notes import SAMPLES
from mdcoord.workspace import Workspace


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def w(host: FakeHost) -> Iterator[Workspace]:
    with Workspace(MemoryBackend(), agent="ada", session="s1", host=host) as workspace:
        yield workspace


# -- tasks as documents


def test_a_task_says_what_was_given(w: Workspace, host: FakeHost) -> None:
    task = w.tasks.create(
        "Train model",
        id="train",
        priority=5,
        needs=["gpu"],
        depends_on=["task-data"],
        assign="bob",
        not_before="2026-03-01",
        project="proj-1",
        type="training",
        instructions="Use the GPU.",
        context=["read this", {"Dataset": "data/"}],
        acceptance=["loss below 0.3"],
        retry_limit=0,
        fields={"colour": "red", "metadata": {"owner": "x"}},
        body="## Notes\n",
    )
    found = w.tasks.get("train")
    assert found == task
    assert {key: value for key, value in found.fields.items() if key not in ("schema", "task_id")} == {
        "title": "Train model",
        "project_id": "proj-1",
        "type": "training",
        "status": "pending",
        "priority": 5,
        "assigned_agent": "bob",
        "needs": ["gpu"],
        "depends_on": ["data"],
        "not_before": "2026-03-01T00:00:00.000Z",
        "attempt": 0,
        "retry_limit": 0,
        "created_at": host.stamp(),
        "assigned_at": host.stamp(),
        "updated_at": host.stamp(),
        "instructions": "Use the GPU.",
        "context": ["read this", {"Dataset": "data/"}],
        "acceptance": ["loss below 0.3"],
        "colour": "red",
        "metadata": {"owner": "x"},
    }
    assert "## Notes\n" in found.body


def test_a_time_from_now(w: Workspace, host: FakeHost) -> None:
    task = w.tasks.create("x", not_before="1h30m")
    assert task["not_before"] == timestamp(host.now() + 5400)


def test_what_is_not_given_is_not_written(w: Workspace) -> None:
    assert set(w.tasks.create("x").fields) == {
        "schema",
        "task_id",
        "title",
        "status",
        "priority",
        "attempt",
        "created_at",
        "updated_at",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " "},
        {"retry_limit": -1},
        {"not_before": "soon"},
        {"needs": "gpu"},
        {"depends_on": "data"},
        {"depends_on": ["../x"]},
        {"priority": True},
        {"priority": "high"},
        {"priority": float("nan")},
    ],
)
def test_tasks_that_make_no_sense(w: Workspace, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        w.tasks.create(**{"title": "x", **wrong})  # type: ignore[arg-type]
    assert w.tasks.list() == []


def test_update(w: Workspace, host: FakeHost) -> None:
    w.tasks.create("x", id="one", fields={"metadata": {"a": 1, "b": 2}})
    host.forward(5)
    task = w.tasks.update(
        "task-one",
        {"title": "y", "metadata.loss": 0.4, ("metadata", "a.b"): 1},
        delete=["metadata.b"],
        append={"next_steps": ["write it up"]},
        body="words\n",
    )
    assert (task.title, task.metadata) == ("y", {"a": 1, "loss": 0.4, "a.b": 1})
    assert task.next_steps == ["write it up"]
    assert task.updated_at == host.stamp()
    assert "words" in task.body


def test_an_update_that_relies_on_a_version(w: Workspace) -> None:
    before = w.tasks.create("x", id="one")
    w.tasks.update("one", {"title": "y"}, expect=before.version)
    with pytest.raises(Conflict):
        w.tasks.update("one", {"title": "z"}, expect=before.version)
    assert w.tasks.get("one").title == "y"


def test_an_update_of_nothing_changes_nothing(w: Workspace, host: FakeHost) -> None:
    before = w.tasks.create("x", id="one")
    host.forward(5)
    assert w.tasks.update("one").version == before.version


@pytest.mark.parametrize("field", ["schema", "task_id", "attempt", "", "a..b", ".a"])
def test_fields_that_are_not_for_updates(w: Workspace, field: str) -> None:
    w.tasks.create("x", id="one")
    for change in ({"set": {field: 1}}, {"delete": [field]}, {"append": {field: [1]}}):
        with pytest.raises(UsageError):
            w.tasks.update("one", **change)  # type: ignore[arg-type]


def test_lists_are_filtered_sorted_and_cut(w: Workspace) -> None:
    for name, priority in (("a", 1), ("b", 3), ("c", 2)):
        w.tasks.create(name, id=name, priority=priority)
    assert [task.id for task in w.tasks.list()] == ["a", "b", "c"]
    assert [task.id for task in w.tasks.list("priority > 1", sort="-priority")] == ["b", "c"]
    assert [task.id for task in w.tasks.list(lambda task: task["priority"] < 3, limit=1)] == ["a"]
    assert [task.id for task in w.tasks.list("_ready = true", sort="priority", limit=2)] == ["a", "c"]
    with pytest.raises(QueryError):
        w.tasks.list("priority >")


def test_stale_tasks(w: Workspace, host: FakeHost) -> None:
    for name in ("pending", "silent", "beating"):
        w.tasks.create(name, id=name)
    w.tasks.claim("silent", heartbeat=False)
    claim = w.tasks.claim("beating", heartbeat=False)
    host.forward(3600)
    assert not any(task.stale for task in w.tasks.list())
    host.forward(1)
    claim.heartbeat()
    assert [task.id for task in w.tasks.list("_stale = true")] == ["silent"]
    assert w.tasks.get("silent").stale


# -- agents


def test_an_agent_registers(w: Workspace, host: FakeHost) -> None:
    agent = w.agents.register(can=["gpu"], type="ai-engineer", pid=7, max_concurrent_tasks=2)
    assert (agent.id, agent.agent_type, agent.status) == ("ada", "ai-engineer", "available")
    assert (agent.capabilities, agent.host, agent.pid, agent.session) == (["gpu"], host.name, 7, "s1")
    assert agent.registered_at == agent.last_updated == agent.last_heartbeat == host.stamp()
    assert agent.max_concurrent_tasks == 2
    assert [event.name for event in w.events.tail("agent:events")] == ["agent_registered"]


def test_registering_again_keeps_what_is_not_said(w: Workspace, host: FakeHost) -> None:
    first = w.agents.register("bob", can=["gpu"], notes="likes tea")
    host.forward(10)
    again = w.agents.register("bob", status="busy")
    assert (again.capabilities, again.notes, again.status) == (["gpu"], "likes tea", "busy")
    assert again.registered_at == first.registered_at
    assert again.last_updated == host.stamp()


def test_heartbeats_of_agents(w: Workspace, host: FakeHost) -> None:
    w.agents.register("bob")
    host.forward(3601)
    assert w.agents.get("bob").stale
    assert w.agents.heartbeat("bob").last_heartbeat == host.stamp()
    assert not w.agents.get("bob").stale
    with pytest.raises(NotFound):
        w.agents.heartbeat("nobody")


def test_a_change_of_status_is_published(w: Workspace) -> None:
    w.agents.register("bob")
    agent = w.agents.set("bob", status="busy", **{"metrics.workload_pct": 85})
    assert (agent.status, agent.metrics) == ("busy", {"workload_pct": 85})
    w.agents.set("bob", status="busy", notes="still")
    events = list(w.events.tail("agent"))
    assert [event.name for event in events] == ["agent_registered", "agent_status_updated"]
    assert dict(events[1].data) == {"agent_id": "bob", "status": "busy", "previous": "available"}
    with pytest.raises(UsageError):
        w.agents.set("bob", agent_id="other")


def test_agents_by_query(w: Workspace) -> None:
    w.agents.register("bob", can=["gpu"])
    w.agents.register("eve", can=["cpu"])
    assert [agent.id for agent in w.agents.list("capabilities contains 'gpu'")] == ["bob"]


def test_removed_agents_are_archived(w: Workspace) -> None:
    w.agents.register("bob")
    name = w.agents.remove("bob")
    assert w.agents.list() == []
    assert w.restore(name).id == "bob"


def test_an_agent_without_a_name() -> None:
    with pytest.raises(UsageError, match="no agent is named"):
        Workspace(MemoryBackend()).agents.register()


def test_capabilities_are_a_list(w: Workspace) -> None:
    with pytest.raises(UsageError):
        w.agents.register("bob", can="gpu")


# -- context


def test_context_is_merged(w: Workspace, host: FakeHost) -> None:
    first = w.context.set("proj1-dataset", {"path": "data/", "count": 1}, title="Dataset", project="proj-1")
    assert (first.title, first.project_id, first.created_by) == ("Dataset", "proj-1", "ada")
    host.forward(5)
    second = w.context.set("proj1-dataset", {"count": 2, "a.b": {"deep": [1]}}, by="bob")
    assert second.data == {"path": "data/", "count": 2, "a.b": {"deep": [1]}}
    assert (second.title, second.created_by) == ("Dataset", "ada")
    assert second.last_updated == host.stamp() != first.last_updated
    assert w.context.set("proj1-dataset", {"new": 1}, merge=False).data == {"new": 1}
    assert [context.id for context in w.context.list()] == ["proj1-dataset"]


def test_an_empty_context(w: Workspace) -> None:
    assert w.context.set("proj1-empty", {}).data == {}
    assert w.context.get("proj1-empty").fields["data"] == {}
    before = w.context.get("proj1-empty").version
    assert w.context.set("proj1-empty", {}).version == before


# -- metrics


def test_figures(w: Workspace, host: FakeHost) -> None:
    w.metrics.record("performance", loss=0.5, step=1)
    host.forward(5)
    found = w.metrics.record("performance", loss=0.4)
    assert found.latest == {"loss": 0.4, "step": 1}
    assert [{key: sample[key] for key in sample if key != "at"} for sample in found.samples] == [
        {"loss": 0.5, "step": 1},
        {"loss": 0.4},
    ]
    assert found.samples[1]["at"] == found.last_updated == host.stamp()
    assert w.metrics.show("metrics-performance") == found


def test_old_samples_go(w: Workspace) -> None:
    for step in range(2 * SAMPLES + 1):
        found = w.metrics.record("performance", step=step)
    assert [sample["step"] for sample in found.samples] == list(range(SAMPLES + 1, 2 * SAMPLES + 1))


def test_figures_recorded_at_the_same_time(w: Workspace) -> None:
    in_threads(6, lambda number: w.metrics.record("performance", **{f"n{number}": number}) and None)
    found = w.metrics.show("performance")
    assert found.latest == {f"n{number}": number for number in range(6)}
    assert len(found.samples) == 6


def test_no_figures(w: Workspace) -> None:
    with pytest.raises(UsageError):
        w.metrics.record("performance")
    with pytest.raises(InvalidName):
        w.metrics.record("..", loss=1)


# -- progress


def test_progress_of_a_project(w: Workspace, host: FakeHost) -> None:
    w.progress.set("proj-1", progress=0.1, phase="data", title="Voice clone")
    host.forward(5)
    found = w.progress.set("proj-1", progress=0.4, blockers=["no GPU"])
    assert (found.progress, found.phase, found.blockers) == (0.4, "data", ["no GPU"])
    assert found.last_updated == host.stamp()
    assert w.progress.show("proj-1") == found
    for wrong in (1.5, -1, "half"):
        with pytest.raises(UsageError):
            w.progress.set("proj-1", progress=wrong)


# -- documents that differ from their file's name


def test_documents_are_found_by_their_id_for_writing(w: Workspace) -> None:
    w.backend.create("agent", {"agent_id": "ml-engineer", "status": "idle"}, name="mary")
    w.agents.register("ml-engineer", can=["x"])
    assert [agent.id for agent in w.agents.list()] == ["mary"]
    assert w.agents.get("ml-engineer").capabilities == ["x"]
    assert not w.backend.exists(Key("agent", "ml-engineer"))


# -- events


def test_events(w: Workspace, host: FakeHost) -> None:
    first = w.events.publish("training:events", "saved", step=1, name="data of this name", channel="x")
    second = w.events.publish("Training", "saved", step=2)
    assert w.events.channels() == ["training"]
    assert (first.channel, first.name, first.time) == ("training", "saved", host.stamp())
    assert dict(first.data) == {"step": 1, "name": "data of this name", "channel": "x"}
    assert [event.id for event in w.events.tail("training")] == [first.id, second.id]
    assert [event["step"] for event in w.events.tail("training", first.cursor)] == [2]
    assert [event["step"] for event in w.events.last("events-training", 1)] == [2]
    with pytest.raises(NotFound):
        w.events.tail("nothing")


# -- what known fields can hold

BAD: list[dict[Any, Any]] = [
    {"priority": "high"},
    {"priority": True},
    {"progress": 7},
    {"progress": "half"},
    {"depends_on": "train"},
    {"depends_on": [["a"]]},
    {"needs": "gpu"},
    {"title": ["x"]},
    {"title": " "},
    {"title": None},
    {"status": "penidng"},
    {"status": ["pending"]},
    {"not_before": "soon"},
    {"retry_limit": -1},
    {"timeout": "long"},
    {"metadata": "text"},
    {"title.x": 1},
    {"_id": "other"},
    {"_mine.x": 1},
]


@pytest.mark.parametrize("wrong", BAD, ids=str)
def test_what_a_known_field_cannot_hold_is_refused(w: Workspace, wrong: dict[Any, Any]) -> None:
    before = w.tasks.create("Train", id="train")
    with pytest.raises(UsageError):
        w.tasks.update("train", {"colour": "red", **wrong})
    assert w.tasks.get("train") == before
    with pytest.raises(UsageError):
        w.tasks.create(
            "Other", id="other", fields={name.split(".")[0]: value for name, value in wrong.items()}
        )
    assert len(w.tasks.list()) == 1


def test_what_a_known_field_can_hold(w: Workspace) -> None:
    w.tasks.create("Train", id="train", fields={"colour": [1], "status": "done", "timeout": "30m"})
    fields = {
        "priority": 0.5,
        "progress": 1,
        "depends_on": [7],
        "title": "T",
        "metadata.loss": 1,
        "eta": None,
    }
    task = w.tasks.update("train", fields, append={"needs": ["gpu"]})
    assert (task["priority"], task.depends_on, task.needs) == (0.5, [7], ["gpu"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"title": " "}, "title is to be a text that is not empty, not ' '"),
        ({"title": None}, "a task needs a title"),
        ({"priority": True}, "priority is to be a number, not True"),
        ({"retry_limit": "3"}, "retry_limit is to be a whole number, 0 or more, not '3'"),
        ({"retry_limit": -1}, "retry_limit is to be a whole number, 0 or more, not -1"),
        ({"instructions": 3}, "instructions is to be a text, not 3"),
        ({"key": 3}, "an idempotency key is a text"),
        ({"key": " "}, "an idempotency key is a text"),
        ({"needs": "gpu"}, "needs is a list of texts"),
        ({"ttl": 1e9}, "a ttl of"),
        ({"not_before": "soon"}, "'soon' is no time"),
    ],
)
def test_no_task_is_made_of_what_no_task_can_have(w: Workspace, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        w.tasks.create(**{"title": "Train", "id": "train", **given})
    assert not w.tasks.list()


def test_what_is_refused_in_other_ways(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    w.agents.register("ada")
    with pytest.raises(UsageError, match="no agent can be called 'All'"):
        w.agents.register("All")
    with pytest.raises(InvalidName):
        w.tasks.assign("train", "../ada")
    with pytest.raises(UsageError, match="needs a title"):
        w.tasks.update("train", delete=["title"])
    with pytest.raises(UsageError, match="title is to be a text"):
        w.tasks.update("train", append={"title": ["x"]})
    with pytest.raises(UsageError, match="task_id"):
        w.tasks.create("x", id="one", fields={"task_id": "two"})
    with pytest.raises(UsageError, match="_presence"):
        w.agents.set("ada", _presence="online")
    with pytest.raises(UsageError, match="capabilities is to be a list"):
        w.agents.register("bob", capabilities="gpu")
    with pytest.raises(UsageError, match="blockers is to be a list"):
        w.progress.set("p", blockers="none")
    with pytest.raises(UsageError, match="_id"):
        w.messages.send("GENERAL", "x", to="bob", fields={"_id": 1})


def test_a_key_with_an_underscore_can_be_taken_out(w: Workspace) -> None:
    w.backend.create("task", {"title": "x", "_id": "mine"}, name="one")
    assert w.tasks.get("one")["_id"] == "one"
    assert "_id" not in w.tasks.update("one", delete=["_id"]).fields


# -- what is no name, no list, no number


def test_values_of_wrong_types_are_refused_in_words(w: Any) -> None:
    w.tasks.create("x", id="one")
    wrong: list[Callable[[], Any]] = [
        lambda: w.tasks.get(5),
        lambda: w.tasks.get(None),
        lambda: w.tasks.create(None),
        lambda: w.tasks.create("x", id=7),
        lambda: w.tasks.create("x", depends_on=5),
        lambda: w.tasks.claim(ttl="abc"),
        lambda: w.tasks.progress("one", "abc"),
        lambda: w.query("task", limit="x"),
        lambda: w.archive(older_than="bad"),
        lambda: w.tasks.claim("one", agent="Bad Name!"),
        lambda: w.tasks.create("x", assign="bad name/.."),
    ]
    for call in wrong:
        with pytest.raises((UsageError, InvalidName)):
            call()
    assert w.tasks.get("one").status == "pending"
    assert len(w.tasks.list()) == 1


def test_what_is_in_the_archive_is_said_to_be_there(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    w.tasks.remove("one")
    with pytest.raises(NotFound, match="task-one is in the archive") as caught:
        w.tasks.get("one")
    assert "archive restore task-one" in caught.value.hint
    with pytest.raises(NotFound, match="there is no two in the archive"):
        w.restore("two")
    assert w.restore("one").id == "one"
