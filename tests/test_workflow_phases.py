"""Phases as dependencies, and how a workflow stands: pure functions, against a simple model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.errors import UsageError
from mdcoord.formats.workflowdef import Definition, Phase, TaskDef
from mdcoord.rules.outlook import outlook
from mdcoord.rules.phases import (
    Stage,
    awaited,
    begun_after,
    entries,
    links,
    merged,
    plan,
    short,
    stages_of,
    stages_of_plan,
    task_of,
    with_members,
)
from mdcoord.rules.readiness import obstacles, status_for_others, statuses

NOW = "2026-01-31T09:30:00.000Z"
Tasks = dict[str, dict[str, Any]]


def definition(*phases: list[TaskDef | str], allow: frozenset[int] = frozenset()) -> Definition:
    return Definition("w", [Phase(f"p{n}", tasks, n in allow) for n, tasks in enumerate(phases)])


def made(found: Definition) -> tuple[list[Stage], Tasks]:
    """The phases and the tasks as a run makes them."""
    planned = plan(found)
    stages = stages_of_plan(found, planned)
    tasks: Tasks = {
        one.id: {
            "task_id": one.id,
            "status": "pending",
            "depends_on": [*dict.fromkeys([*one.depends_on, *awaited(stages, one.phase)])],
            **({"allow_failure": True} if one.allow_failure else {}),
        }
        for one in planned
    }
    return stages, tasks


def look(stages: list[Stage], tasks: Tasks, *archived: str) -> Any:
    return outlook(stages, tasks, archived.__contains__)


def ready(tasks: Tasks, id: str) -> bool:
    known = {name: status_for_others(fields) for name, fields in tasks.items()}
    return not obstacles(tasks[id], known.get, NOW)


# -- the plan


def test_a_phase_waits_for_all_of_the_one_before_that_has_any() -> None:
    stages, tasks = made(definition(["a", "b"], [], ["c", TaskDef("d", depends_on=["c"])], ["e"]))
    assert {id: fields["depends_on"] for id, fields in tasks.items()} == {
        "w-a": [],
        "w-b": [],
        "w-c": ["w-a", "w-b"],
        "w-d": ["w-c", "w-a", "w-b"],
        "w-e": ["w-c", "w-d"],
    }
    assert awaited(stages, "p0") == awaited(stages, "unknown") == ()


def test_names_within_a_workflow_go_before_others() -> None:
    planned = plan(
        definition([TaskDef("a"), TaskDef("b", depends_on=["A", "task-other"], conflicts_with=["a", "x"])])
    )
    assert planned[1].depends_on == ("w-a", "other")
    assert planned[1].conflicts_with == ("w-a", "x")


def test_ids_there_and_back() -> None:
    assert task_of("w", "a") == "w-a"
    assert task_of("task-w", "a") == "w-a"
    assert short("w", "w-a") == short("task-w", "w-a") == "a"
    assert short("w", "other") == "other"


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([["a", TaskDef("b", id="A")]], "two tasks are called 'a'"),
        ([["a"], ["a"]], "two tasks are called 'a'"),
        ([[TaskDef("a", depends_on=["b"])], ["b"]], "would wait for w-b, which is in a later phase"),
        ([[TaskDef("a", depends_on=["a"])]], "would wait for w-a, itself"),
        (
            [
                [
                    TaskDef("a", depends_on=["c"]),
                    TaskDef("b", depends_on=["a"]),
                    TaskDef("c", depends_on=["b"]),
                ]
            ],
            "w-[abc] → w-[abc] → w-[abc] → w-[abc]",
        ),
    ],
)
def test_plans_that_cannot_be(phases: list[list[TaskDef | str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(definition(*phases))


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Up to four phases of up to four tasks, which depend on earlier ones here and there."""
    phases: list[list[TaskDef | str]] = []
    known: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        tasks: list[TaskDef | str] = []
        for _ in range(draw(st.integers(0, 4))):
            name = f"t{len(known)}"
            needed = draw(st.lists(st.sampled_from(known), max_size=2)) if known else []
            tasks.append(TaskDef(name, depends_on=needed, allow_failure=draw(st.booleans())))
            known.append(name)
        phases.append(tasks)
    allow = draw(st.frozensets(st.integers(0, len(phases) - 1)))
    return definition(*phases, allow=allow)


@settings(max_examples=100)
@given(definitions(), st.data())
def test_whoever_works_and_whatever_fails_no_phase_starts_too_early(
    found: Definition, data: st.DataObject
) -> None:
    """Tasks are done in any order that their dependencies allow, well or badly, until nothing is ready."""
    stages, tasks = made(found)
    place = {id: number for number, stage in enumerate(stages) for id in stage.tasks}
    while candidates := [id for id in tasks if ready(tasks, id)]:
        id = data.draw(st.sampled_from(candidates))
        before = [other for other in tasks if place[other] < place[id]]
        assert all(tasks[other]["status"] in ("completed", "dead") for other in before)
        assert all(tasks[other].get("allow_failure") for other in before if tasks[other]["status"] == "dead")
        now = look(stages, tasks)
        assert not now.over
        assert now.witness in candidates
        tasks[id]["status"] = data.draw(st.sampled_from(["completed", "completed", "dead"]))
    end = look(stages, tasks)
    bad = [id for id, task in tasks.items() if task["status"] == "dead" and not task.get("allow_failure")]
    left = [id for id, task in tasks.items() if task["status"] == "pending"]
    if tasks:
        assert end.status == ("blocked" if left else "failed" if bad else "completed")
        assert end.steps_done == len(tasks) - len(bad) - len(left)
        assert end.witness is None
    assert bool(end.blockers) == bool(bad)
    assert all(any(f"task {id} is dead" in blocker for blocker in end.blockers) for id in bad)


# -- keeping phases in a document


def test_phases_are_kept_with_what_people_wrote_beside_them() -> None:
    fields = {"phases": [{"phase": "a", "tasks": ["w-1"], "owner": "ada"}, {"phase": 2}, "x", {"tasks": []}]}
    stages = stages_of(fields)
    assert stages == [Stage("a", ("w-1",)), Stage("2")]
    assert entries(fields, [Stage("a", ("w-1", "w-2"), True), Stage("b")]) == [
        {"phase": "a", "tasks": ["w-1", "w-2"], "owner": "ada", "allow_failures": True},
        {"phase": "b", "tasks": []},
    ]
    assert stages_of({}) == stages_of({"phases": "a"}) == []


def test_a_changed_definition_takes_nothing_out() -> None:
    kept = [Stage("a", ("1",)), Stage("b", ("2",)), Stage("c", ("3",))]
    assert merged(kept, kept) == kept
    assert merged(kept, [Stage("b", ("4",))]) == [kept[0], Stage("b", ("2", "4")), kept[2]]
    assert merged(kept, [Stage("new", ("5",)), Stage("c", ("3",), True)]) == [
        kept[0],
        kept[1],
        Stage("new", ("5",)),
        Stage("c", ("3",), True),
    ]


@given(st.lists(st.sampled_from("abcde"), unique=True), st.lists(st.sampled_from("abcde"), unique=True))
def test_merging_keeps_all_phases_and_the_new_order(old: list[str], new: list[str]) -> None:
    names = [stage.name for stage in merged([Stage(name) for name in old], [Stage(name) for name in new])]
    assert sorted(names) == sorted({*old, *new})
    assert [name for name in names if name in new] == new


def test_tasks_that_name_a_workflow_belong_to_it() -> None:
    tasks = {
        "w-a": {"workflow": "w", "phase": "p0"},
        "b": {"workflow": "w", "phase": "p0"},
        "c": {"workflow": "w", "phase": "late"},
        "d": {"workflow": "w"},
        "e": {"workflow": "v"},
    }
    assert with_members([Stage("p0", ("w-a",)), Stage("p1")], "w", tasks) == [
        *(Stage("p0", ("w-a", "b")), Stage("p1"), Stage("late", ("c",)), Stage("", ("d",)))
    ]


def test_links_that_are_missing() -> None:
    stages, tasks = made(definition(["a"], ["b", "c"]))
    assert [*links(stages, tasks)] == []
    stages[0] = Stage("p0", ("w-a", "w-new", "w-coming"))
    tasks["w-new"] = {"status": "pending"}
    tasks["w-c"]["status"] = "in_progress"
    assert [*links(stages, tasks)] == [("w-b", ["w-new"])]
    assert [*links(stages, tasks, {"w-coming"})] == [("w-b", ["w-new", "w-coming"])]
    assert begun_after(stages, "p0", tasks) == ["w-c"]
    assert begun_after(stages, "p1", tasks) == []


# -- how it stands


def test_a_workflow_that_goes_on() -> None:
    stages, tasks = made(definition(["a", "b"], ["c"]))
    assert (look(stages, tasks).status, look(stages, tasks).phase) == ("pending", "p0")
    tasks["w-a"] |= {"status": "in_progress", "progress": 0.5}
    now = look(stages, tasks)
    assert (now.status, now.phase, now.progress, now.witness) == ("in_progress", "p0", 0.16, "w-a")
    tasks["w-a"]["status"] = tasks["w-b"]["status"] = "completed"
    now = look(stages, tasks)
    assert (now.status, now.phase, now.steps_done, now.steps_total) == ("in_progress", "p1", 2, 3)
    assert [(phase.name, phase.status) for phase in now.phases] == [("p0", "completed"), ("p1", "pending")]
    tasks["w-c"]["status"] = "completed"
    now = look(stages, tasks)
    assert (now.status, now.phase, now.progress, now.over) == ("completed", "p1", 1.0, True)


def test_a_failure_blocks_what_waits_for_it_and_nothing_else() -> None:
    stages, tasks = made(definition(["a", "b"], ["c"]))
    tasks["w-a"] |= {"status": "dead", "error": "out of memory\nat step 3"}
    now = look(stages, tasks)
    assert (now.status, now.blockers) == ("in_progress", ("task w-a is dead: out of memory",))
    tasks["w-b"]["status"] = "completed"
    now = look(stages, tasks)
    assert (now.status, [phase.status for phase in now.phases]) == ("blocked", ["failed", "blocked"])
    tasks["w-a"]["status"] = "pending"
    assert look(stages, tasks).status == "in_progress"


def test_a_failure_that_is_allowed_is_as_good_as_none() -> None:
    stages, tasks = made(definition(["a"], ["b"], allow=frozenset({0})))
    tasks["w-a"]["status"] = "dead"
    assert ready(tasks, "w-b")
    assert look(stages, tasks).status == "in_progress"
    tasks["w-b"]["status"] = "completed"
    assert look(stages, tasks).status == "completed"
    record: Any = type("R", (), {"fields": tasks["w-a"], "key": type("K", (), {"id": "w-a"})})
    assert statuses([record]) == {"w-a": "completed"}


def test_tasks_that_are_not_there() -> None:
    stages, tasks = made(definition(["a"], ["b"]))
    a = tasks.pop("w-a")
    now = look(stages, tasks)
    assert (now.status, now.blockers) == ("blocked", ("task w-a is missing: run the workflow again",))
    now = look(stages, tasks, "w-a")
    assert now.steps_done == 1
    assert now.blockers == ("task w-a is missing: task w-b waits for it",)
    tasks["w-b"]["status"] = "completed"
    assert look(stages, tasks, "w-a").status == "completed"
    tasks["w-a"] = a | {"status": "unreadable"}
    assert look(stages, tasks).blockers == ("task w-a is stuck: its status is unreadable",)


def test_tasks_outside_are_looked_at_too() -> None:
    stages, tasks = made(definition([TaskDef("a", depends_on=["far"])]))
    assert look(stages, tasks).blockers == ("task far is missing: task w-a waits for it",)
    tasks["file"] = {"task_id": "task-FAR", "status": "pending"}
    now = look(stages, tasks)
    assert (now.status, now.witness, now.blockers) == ("pending", "file", ())
    tasks["file"]["status"] = "cancelled"
    assert look(stages, tasks).blockers == ("task file is cancelled: task w-a waits for it",)
    tasks["file"] |= {"status": "pending", "depends_on": ["gone"]}
    assert look(stages, tasks).blockers == ("task w-a is stuck: task file, for which it waits, cannot start",)


def test_circles_made_by_hand_are_told() -> None:
    stages, tasks = made(definition(["a", TaskDef("b", depends_on=["a"])]))
    tasks["w-a"]["depends_on"] = ["w-b"]
    now = look(stages, tasks)
    assert now.status == "blocked"
    assert now.blockers[0] == "task w-a is stuck: it waits for itself: w-a → w-b → w-a"


def test_blockers_of_people_stay_and_many_are_counted() -> None:
    stages, tasks = made(definition([f"t{n}" for n in range(30)]))
    for task in tasks.values():
        task["status"] = "failed"
    noted = look(stages, tasks).fields({"blockers": ["the licence is missing", "task w-x is dead: old"]})
    assert noted["blockers"][0] == "the licence is missing"
    assert noted["blockers"][1] == "task w-t0 is failed"
    assert noted["blockers"][-1] == "10 more tasks are failed, dead, missing or stuck"
    assert len(noted["blockers"]) == 22
    assert look(stages, tasks).fields(noted) == noted
