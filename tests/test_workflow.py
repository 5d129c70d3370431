"""Workflows on a workspace: made once, linked, waited for; what they gave; by several at once; cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.fakes import FakeHost
from contract.suite import in_threads

from mdcoord import Definition, Phase, TaskDef, Workspace
from mdcoord.backends.base import Backend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import (
    AlreadyExists,
    BackendUnavailable,
    Conflict,
    InvalidDocument,
    NotFound,
    NothingReady,
    TimedOut,
    UsageError,
)
from mdcoord.model import Key, Record
from mdcoord.rules.acceptance import criteria

RELEASE = Definition(
    "release",
    [
        Phase("build", [TaskDef("Compile", needs=["c"], priority=5), "Write the notes"]),
        Phase("check", ["Test"]),
        Phase("ship", [TaskDef("Publish", instructions="docs/publish.md", project="proj-2")]),
    ],
    "Release 1.0",
    "proj-1",
)


@pytest.fixture
def w(backend: Backend) -> Iterator[Workspace]:
    with Workspace(backend, agent="ada", host=FakeHost()) as workspace:
        yield workspace


def work(w: Workspace, *names: str, result: Any = "done") -> None:
    for name in names:
        w.tasks.claim(name, heartbeat=False).complete(result=result)


def kill(w: Workspace, name: str, error: str = "out of memory") -> None:
    """Let a task die of an error."""
    w.tasks.update(name, {"retry_limit": 1})
    w.tasks.claim(name, heartbeat=False).fail(error)
    assert w.tasks.get(name).status == "dead"


def needed(w: Workspace) -> dict[str, list[Any]]:
    return {task.id: task.depends_on for task in w.tasks.list()}


def names(w: Workspace) -> list[str]:
    return [event.name for event in w.events.tail("workflows")]


# -- making


def test_running_makes_the_tasks_phase_by_phase(w: Workspace) -> None:
    found = w.workflows.run(RELEASE)
    assert found.made.tasks == [
        *("release-compile", "release-write-the-notes", "release-test", "release-publish")
    ]
    assert needed(w) == {
        "release-compile": [],
        "release-write-the-notes": [],
        "release-test": ["release-compile", "release-write-the-notes"],
        "release-publish": ["release-test"],
    }
    compile, publish = w.tasks.get("release-compile"), w.tasks.get("release-publish")
    assert (compile.workflow, compile.phase, compile.needs, compile.priority) == (
        *("release", "build", ["c"]),
        5,
    )
    assert (compile.project_id, publish.project_id) == ("proj-1", "proj-2")
    assert publish.instructions == "docs/publish.md"
    assert (found.name, found.title, found.status, found.over) == ("release", "Release 1.0", "pending", False)
    stored = w.backend.read(Key("progress", "release")).fields
    assert [stored[name] for name in ("status", "phase", "progress", "steps_done", "steps_total")] == [
        *("pending", "build", 0.0),
        *(0, 4),
    ]
    assert "- [ ] build (pending, 0/2)" in w.progress.text("release")
    assert names(w) == ["workflow_started"]


def test_running_again_changes_nothing(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    work(w, "release-compile")
    w.tasks.remove("release-compile")
    before = {task.id: task.version for task in w.tasks.list()}
    stored = w.progress.refresh("release")[0].version
    again = w.workflows.run(RELEASE)
    assert (again.made.tasks, again.made.differences, again.made.begun) == ([], [], [])
    assert {task.id: task.version for task in w.tasks.list()} == before
    assert w.progress.get("release").version == stored
    assert names(w) == ["workflow_started"]


def test_what_was_cut_off_is_shown_and_made_up_for(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    w.backend.delete(Key("task", "release-test"))
    found = w.workflows.get("release")
    assert found.blockers == ("task release-test is missing: run the workflow again",)
    assert w.workflows.run(RELEASE).made.tasks == ["release-test"]
    assert w.tasks.get("release-test").depends_on == ["release-compile", "release-write-the-notes"]


def test_many_run_it_at_once_and_each_task_is_made_once(w: Workspace) -> None:
    made: list[str] = []
    in_threads(4, lambda _: made.extend(w.workflows.run(RELEASE).made.tasks))
    assert sorted(made) == sorted(needed(w))
    assert len(made) == 4


def test_a_changed_definition_is_told_and_new_tasks_are_made(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    work(w, "release-compile")
    changed = Definition(
        "release",
        [
            Phase("build", [TaskDef("Compile", priority=7), TaskDef("Sign", needs=["key"])]),
            Phase("check", ["Test", "Measure"]),
            *RELEASE.phases[2:],
        ],
    )
    again = w.workflows.run(changed)
    assert again.made.tasks == ["release-sign", "release-measure"]
    assert [difference.describe() for difference in again.made.differences] == [
        "task release-compile has priority 5, the definition 7",
        "task release-write-the-notes is not in this definition",
    ]
    first = ["release-compile", "release-write-the-notes", "release-sign"]
    assert needed(w)["release-test"] == needed(w)["release-measure"] == first
    assert needed(w)["release-publish"] == ["release-test", "release-measure"]
    assert w.workflows.run(changed).made.differences == again.made.differences


def test_a_difference_that_was_settled_is_told_no_more(w: Workspace) -> None:
    w.workflows.run(Definition("w", [Phase("a", ["One"])]))
    changed = Definition("w", [Phase("a", [TaskDef("One", acceptance=["fast"], timeout="1h")])])
    assert len(w.workflows.run(changed).made.differences) == 2
    w.tasks.update("w-one", {"acceptance": ["[x] fast"], "timeout": 3600})
    assert w.workflows.run(changed).made.differences == []
    w.tasks.update("w-one", {"title": "By hand"})
    assert w.workflows.run(changed).made.differences == []


def test_pending_tasks_become_what_a_changed_definition_says(w: Workspace) -> None:
    first = TaskDef("One", priority=4, acceptance=["x", "y"], context=["a.md"], needs=["c"], timeout="1h")
    w.workflows.run(Definition("w", [Phase("a", [first, "Two", "Three"]), Phase("b", ["Four"])]))
    w.tasks.accept("w-one", "y")
    work(w, "w-two")
    w.tasks.claim("w-three", heartbeat=False)
    one = TaskDef("The one", "one", acceptance=["y", "z"], needs=["d"], fields={"extra": {"k": 0}})
    rest = [TaskDef("Two", priority=1), TaskDef("Three", priority=1)]
    four = TaskDef("Four", depends_on=["one"], priority=2)
    changed = Definition("w", [Phase("a", [one, *rest]), Phase("b", [four])])
    left = w.workflows.run(changed).made
    assert left.changed == []
    made = w.workflows.run(changed, update=True).made
    assert {(found.task_id, found.field) for found in made.changed} == {
        *(("w-one", name) for name in ("title", "priority", "acceptance", "context", "needs", "timeout")),
        *(("w-one", "extra"), ("w-four", "priority")),
    }
    assert [(found.task_id, found.field) for found in made.differences] == [
        ("w-two", "priority"),
        ("w-three", "priority"),
    ]
    task = w.tasks.get("w-one")
    assert (task.title, task.priority, task.context, task.needs) == ("The one", 0, [], ["c", "d"])
    assert (task.fields["extra"], "timeout" in task.fields) == ({"k": 0}, False)
    assert [(one.text, one.done) for one in criteria(task.fields)] == [("y", True), ("z", False)]
    assert w.workflows.run(changed, update=True).made.changed == []
    w.tasks.release("w-three")
    w.tasks.update("w-two", {"priority": 1})
    assert [found.task_id for found in w.workflows.run(changed, update=True).made.changed] == ["w-three"]
    w.tasks.update("w-one", {"priority": 9})
    assert w.workflows.run(changed).made.differences == []  # on purpose: the definition is the same
    named = Definition("w", changed.phases, title="All of it")
    assert [found.settled for found in w.workflows.run(named, update=True).made.changed] == [0]
    assert w.workflows.get("w").title == "All of it"


def test_a_task_stays_in_its_phase_and_phases_stay_in_their_order(w: Workspace) -> None:
    w.workflows.run(Definition("w", [Phase("a", ["One", "Two"]), Phase("b", ["Three"])]))
    moved = Definition("w", [Phase("a", ["One"]), Phase("b", ["Three", "Two"])])
    for update in (False, True):
        again = w.workflows.run(moved, update=update)
        assert [found.describe() for found in again.made.differences] == [
            'task w-two has phase "a", the definition "b"'
        ]
        assert [phase.tasks for phase in again.outlook.phases] == [("w-one", "w-two"), ("w-three",)]
    assert needed(w) == {"w-one": [], "w-two": [], "w-three": ["w-one", "w-two"]}
    early = TaskDef("New", depends_on=["three"])
    with pytest.raises(UsageError, match="which is in a later phase"):
        w.workflows.run(Definition("w", [Phase("a", ["One", "Three", early]), Phase("b", ["Two"])]))
    with pytest.raises(UsageError, match="in the order a, b, the definition b, a"):
        w.workflows.run(Definition("w", [Phase("b", ["Three"]), Phase("n", ["New"]), Phase("a", ["One"])]))
    assert len(w.tasks.list()) == 3


def test_a_task_of_an_earlier_phase_that_comes_too_late_is_told(w: Workspace) -> None:
    w.workflows.run(Definition("w", [Phase("a", ["One"]), Phase("b", ["Two", "Three"])]))
    work(w, "w-one", "w-two")
    late = w.workflows.run(Definition("w", [Phase("a", ["One", "Late"]), Phase("b", ["Two", "Three"])]))
    assert (late.made.tasks, late.made.begun) == (["w-late"], ["w-two"])
    assert needed(w)["w-three"] == ["w-one", "w-late"]


def test_documents_of_others_are_left_alone(w: Workspace) -> None:
    w.tasks.create("Compile by hand", id="release-compile")
    with pytest.raises(AlreadyExists, match="not part of release"):
        w.workflows.run(RELEASE)
    assert len(w.tasks.list()) == 1
    w.progress.set("other", progress=0.5)
    with pytest.raises(AlreadyExists, match="not the document of a workflow"):
        w.workflows.run(Definition("other", [Phase("a", ["One"])]))
    assert w.progress.get("other").progress == 0.5
    assert w.workflows.list() == []


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (Definition("w", [Phase("a", [])]), "has no tasks"),
        (Definition("w", [Phase("a", [TaskDef("x", depends_on=["nothing"])])]), "does not exist"),
        (Definition("w", [Phase("a", [TaskDef("x", depends_on=["outside"])]), Phase("b", ["y"])]), "later"),
        (Definition("../w", [Phase("a", ["x"])]), "usable name"),
        (Definition("w", [Phase("a", ["x"]), Phase("a", ["z"])]), "two phases are called 'a'"),
        (Definition("w", ["a"]), "'a' is no phase with a list of tasks"),
        (Definition("w", [Phase("a", "Compile")]), "is no phase with a list of tasks"),
        (Definition("w", [Phase("a", [5])]), "5 is no title"),
        (5, "5 is no definition"),
    ],
)
def test_a_definition_that_cannot_be_makes_nothing(w: Workspace, definition: Any, message: str) -> None:
    w.tasks.create("Outside", id="outside", depends_on=["w-y"])
    with pytest.raises(UsageError, match=message):
        w.workflows.run(definition)
    assert len(w.tasks.list()) == 1
    assert len(w.progress.list()) == 0


def test_a_definition_in_markdown(w: Workspace) -> None:
    text = "---\nworkflow: w-${n}\nparams: {n: 1}\ntasks: [One, Two]\n---\n"
    assert w.workflows.run(text, params={"n": 2}, where="w.md").made.tasks == ["w-2-one", "w-2-two"]
    with pytest.raises(InvalidDocument):
        w.workflows.run("---\nworkflow: [\n---\n")
    with pytest.raises(InvalidDocument) as told:
        w.workflows.run("release.md")
    assert "not the name of a file" in told.value.hint
    with pytest.raises(UsageError):
        w.workflows.run(RELEASE, params={"n": 2})


class Failing(MemoryBackend):
    """Refuses its n-th change, as if the process had been killed there."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def create(self, *args: Any, **rest: Any) -> Record:
        self._count()
        return super().create(*args, **rest)

    def write(self, *args: Any, **rest: Any) -> Record:
        self._count()
        return super().write(*args, **rest)

    def _count(self) -> None:
        self.number -= 1
        if self.number == 0:
            raise BackendUnavailable("killed")


def interrupted(steps: Callable[[Workspace], Any], before: Callable[[Workspace], Any]) -> Iterator[Workspace]:
    """Workspaces in which these steps were cut off before their first change, their second, …"""
    for number in range(1, 100):
        backend = Failing(0)
        w = Workspace(backend, agent="ada", host=FakeHost())
        before(w)
        backend.number = number
        try:
            steps(w)
        except BackendUnavailable:
            yield w
        else:
            return
    raise AssertionError("it does not come to an end")


def do_all(w: Workspace) -> None:
    """Work until nothing is ready."""
    while True:
        try:
            w.tasks.claim(can=["c"], heartbeat=False).complete()
        except NothingReady:
            return


def test_wherever_a_run_is_cut_off_running_again_ends_it(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    whole, count = needed(w), 0
    for half in interrupted(lambda one: one.workflows.run(RELEASE), lambda one: None):
        count += 1
        do_all(half)
        assert all(found.status == "blocked" for found in half.workflows.list() if len(needed(half)) < 4)
        half.workflows.run(RELEASE)
        assert needed(half) == whole
        do_all(half)
        assert half.workflows.get("release").status == "completed"
    assert count == 6  # the progress document, four tasks, the progress document again


def test_wherever_adding_is_cut_off_adding_again_ends_it() -> None:
    def add(w: Workspace) -> None:
        w.workflows.add("release", "Sign", "build")

    count = 0
    for half in interrupted(add, lambda one: one.workflows.run(RELEASE)):
        count += 1
        do_all(half)
        if count > 1:  # before its first change nothing had happened: now it is too late
            assert half.workflows.get("release").status == ("blocked" if count < 4 else "completed")
            add(half)
            do_all(half)
            assert "release-sign" in needed(half)["release-test"]
        assert half.workflows.get("release").status == "completed"
    assert count == 4  # the link of the next phase, the name in the progress document, the task, the counts


# -- adding


def test_adding_to_a_phase_makes_the_next_one_wait(w: Workspace) -> None:
    found = w.workflows.run(RELEASE)
    made = found.add("Sign", "build")
    assert (made.id, made.phase, made.depends_on) == ("release-sign", "build", [])
    assert "release-sign" in needed(w)["release-test"]
    work(w, "release-compile", "release-write-the-notes", "release-sign")
    assert found.add(TaskDef("Measure", depends_on=["test"])).phase == "check"
    assert needed(w)["release-measure"][:2] == ["release-test", "release-compile"]
    assert needed(w)["release-publish"] == ["release-test", "release-measure"]
    assert w.workflows.get("release").tasks[-2:] == ["release-measure", "release-publish"]


def test_adding_the_same_again_gives_what_is_there(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    first = w.workflows.add("release", "Sign", "build")
    assert w.workflows.add("release", "Sign", "build").version == first.version
    with pytest.raises(AlreadyExists, match="release-sign has priority 0, the definition 3"):
        w.workflows.add("release", TaskDef("Sign", priority=3), "build")


def test_where_no_task_can_be_added(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    with pytest.raises(NotFound, match="no phase 'bild'"):
        w.workflows.add("release", "Sign", "bild")
    with pytest.raises(NotFound, match="no workflow"):
        w.workflows.add("nothing", "Sign")
    with pytest.raises(UsageError, match="later phase"):
        w.workflows.add("release", TaskDef("Sign", depends_on=["publish"]), "build")
    work(w, "release-compile", "release-write-the-notes", "release-test")
    with pytest.raises(Conflict, match="the phase 'build' of release is over: release-test has begun"):
        w.workflows.add("release", "Sign", "build")
    assert len(w.tasks.list()) == 4


def test_a_workflow_that_was_complete_goes_on_when_a_task_is_added(w: Workspace) -> None:
    w.workflows.fan_out("w", ["One"])
    work(w, "w-one")
    assert w.workflows.wait("w").status == "completed"
    w.workflows.add("w", "Two")
    assert w.workflows.get("w").status == "in_progress"


def test_adding_at_once_to_two_phases(w: Workspace) -> None:
    w.workflows.run(Definition("w", [Phase("a", ["One"]), Phase("b", ["Two"])]))
    in_threads(8, lambda n: w.workflows.add("w", f"New {n}", "ab"[n % 2]) and None)
    tasks = needed(w)
    first = {"w-one", *(f"w-new-{n}" for n in (0, 2, 4, 6))}
    assert all({*tasks[id]} == first for id in ("w-two", *(f"w-new-{n}" for n in (1, 3, 5, 7))))
    assert sorted(w.workflows.get("w").tasks) == sorted(tasks)


def test_tasks_made_by_hand_count_and_are_linked_by_the_next_run(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    w.tasks.create("By hand", id="mine", fields={"workflow": "release", "phase": "build"})
    assert w.workflows.get("release").outlook.steps_total == 5
    w.workflows.add("release", "Sign", "build")
    assert "mine" in needed(w)["release-test"]


# -- waiting and results


def test_results_of_all_and_why_some_failed(w: Workspace) -> None:
    found = w.workflows.fan_out("lint", ["A", "B", "C", "D"])
    work(w, "lint-a", result={"warnings": 2})
    kill(w, "lint-b", "syntax error\nin line 3")
    w.tasks.update("lint-c", {"status": "cancelled"})
    results = found.results()
    assert results.values == {"a": {"warnings": 2}}
    assert results.failures == {"b": "syntax error\nin line 3", "c": "its status is cancelled"}
    assert (results.open, results.complete) == (("d",), False)
    assert results.as_dict()["open"] == ["d"]
    work(w, "lint-d", result=None)
    end = found.wait()
    assert (end.status, end.results().open) == ("failed", ())
    assert end.blockers == ("task lint-b is dead: syntax error", "task lint-c is cancelled")


def test_phases_go_on_by_themselves(w: Workspace) -> None:
    found = w.workflows.run(RELEASE)
    order = []
    while not w.workflows.get("release").over:
        with w.tasks.claim(can=["c"], heartbeat=False) as claim:
            order.append(claim.id)
            claim.complete(result=len(order))
    assert order == ["release-compile", "release-write-the-notes", "release-test", "release-publish"]
    assert found.wait().status == "completed"
    assert found.results().values == {"compile": 1, "write-the-notes": 2, "test": 3, "publish": 4}
    assert found.results().complete
    assert names(w) == ["workflow_started", "workflow_completed"]


def test_a_dead_task_blocks_the_next_phase_and_a_retry_lets_it_go_on(w: Workspace) -> None:
    found = w.workflows.run(RELEASE)
    work(w, "release-compile")
    kill(w, "release-write-the-notes")
    assert found.wait().status == "blocked"
    assert found.blockers == ("task release-write-the-notes is dead: out of memory",)
    assert w.tasks.why("release-test") == [
        "it is blocked: it depends on task release-write-the-notes, which is dead"
    ]
    w.tasks.retry("release-write-the-notes")
    assert w.workflows.get("release").status == "in_progress"
    assert names(w) == ["workflow_started", "workflow_blocked"]


def test_failures_that_are_allowed_hold_nobody_up(w: Workspace) -> None:
    found = w.workflows.run(Definition("w", [Phase("a", ["One"], allow_failures=True), Phase("b", ["Two"])]))
    kill(w, "w-one")
    assert w.tasks.why("w-two") == []
    assert w.tasks.get("w-two").ready
    work(w, "w-two")
    assert found.wait().status == "completed"
    assert found.results().failures == {"one": "out of memory"}


def test_waiting_no_longer_than_asked(w: Workspace) -> None:
    found = w.workflows.fan_out("w", ["One", "Two"])
    work(w, "w-one")
    with pytest.raises(TimedOut, match="the workflow w is not over: 1 of 2 tasks are done"):
        found.wait(timeout=0)
    with pytest.raises(TimedOut):
        w.workflows.wait("w", 0.03)
    with pytest.raises(NotFound):
        w.workflows.wait("nothing", 0)


def test_waiting_while_others_work(w: Workspace) -> None:
    found = w.workflows.run(RELEASE)

    def agent() -> None:
        for name in ("release-compile", "release-write-the-notes", "release-test", "release-publish"):
            work(w, name)

    thread = threading.Thread(target=agent)
    thread.start()
    assert found.wait(timeout=60).status == "completed"
    thread.join()


def test_waiting_looks_at_one_task_while_it_is_open(w: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = w.workflows.fan_out("w", [f"T{n}" for n in range(5)])
    claim = w.tasks.claim("w-t3", heartbeat=False)
    listed: list[str] = []
    original = w.backend.list
    monkeypatch.setattr(w.backend, "list", lambda kind, **rest: listed.append(kind) or original(kind, **rest))
    waiting = type(found).wait.steps(found)  # type: ignore[attr-defined]
    for _ in range(10):
        next(waiting)
    assert listed == ["task"]
    claim.complete()
    next(waiting)
    assert listed == ["task", "task"]


def test_everything_for_asyncio(w: Workspace) -> None:
    async def agent() -> None:
        for name in ("w-a", "w-b"):
            async with w.aio.tasks.claim(name) as claim:
                await claim.complete(result=name)

    async def main() -> None:
        found = await w.aio.workflows.fan_out("w", ["A", "B"])
        many = [asyncio.ensure_future(found.wait(timeout=60)) for _ in range(20)]
        stuck = asyncio.ensure_future((await w.aio.workflows.fan_out("v", ["A"])).wait())
        await agent()
        assert [end.status for end in await asyncio.gather(*many)] == ["completed"] * 20
        assert (await found.results()).values == {"a": "w-a", "b": "w-b"}
        assert (await w.aio.workflows.wait("w")).name == "w"
        with pytest.raises(TimedOut):
            await w.aio.workflows.wait("v", 0)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck

    asyncio.run(main())


# -- what is shown and what is stored


def test_progress_is_shown_as_it_is_and_written_when_asked(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    w.progress.set("other", progress=0.5)
    work(w, "release-compile")
    stored = w.progress.text("release")
    assert "steps_done: 0" in stored
    for found in (w.progress.get("release"), w.progress.show("release"), w.progress.list()[1]):
        assert (found.status, found.steps_done, found.progress) == ("in_progress", 1, 0.25)
    (row,) = w.query("progress", "steps_done = 1", select="project_id,progress")
    assert row == {"project_id": "release", "progress": 0.25}
    assert w.progress.text("release") == stored
    assert [one.id for one in w.progress.refresh()] == ["release"]
    assert "steps_done: 1" in w.progress.text("release")
    assert "- **Current**: 25% (1/4 steps)" in w.progress.text("release")
    assert w.progress.refresh() == w.progress.refresh("other") == []
    with pytest.raises(NotFound):
        w.progress.refresh("nothing")


def test_notes_of_people_in_the_progress_document_stay(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    w.progress.update("release", {"owner": "ada"}, append={"blockers": ["the licence is missing"]})
    kill(w, "release-compile")
    (found,) = w.progress.refresh("release")
    assert found.blockers == ["the licence is missing", "task release-compile is dead: out of memory"]
    w.tasks.retry("release-compile")
    (found,) = w.progress.refresh("release")
    assert (found["owner"], found.blockers) == ("ada", ["the licence is missing"])


def test_workflows_are_listed_with_their_tasks(w: Workspace) -> None:
    w.workflows.run(RELEASE)
    w.workflows.fan_out("lint", ["A"])
    assert [found.name for found in w.workflows.list()] == ["lint", "release"]
    assert repr(w.workflows.get("release")) == "<Workflow release pending 0/4>"
    assert [task.id for task in w.workflows.tasks("release")] == w.workflows.get("release").tasks
    assert w.workflows.get("lint").as_dict()["_id"] == "lint"
    with pytest.raises(NotFound):
        w.workflows.get("nothing")
    w.progress.set("plain", progress=0.5)
    with pytest.raises(NotFound):
        w.workflows.get("plain")


def test_a_task_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        w.workflows.run(RELEASE)
        path = Path(w.tasks.get("release-test").path or "")
        path.write_text("---\nstatus: [\n---\n")
        os.utime(path, (1, 1))
        found = w.workflows.get("release")
        assert found.blockers == ("task release-test is stuck: its status is unreadable",)
        assert w.workflows.run(RELEASE).made.tasks == []


# -- processes

RUN = """if True:
    import sys
    from mdcoord import Definition, Phase, Workspace
    with Workspace.open(sys.argv[1]) as w:
        print("ready", flush=True)
        sys.stdin.readline()
        phases = [Phase(f"p{n}", [f"Task {n} {m}" for m in range(8)]) for n in range(12)]
        found = w.workflows.run(Definition("big", phases))
        print(len(found.made.tasks))
"""


def runner(project: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def start(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()


def test_processes_that_run_it_at_once_and_one_that_is_killed(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        doomed = runner(tmp_path)
        start(doomed)
        while len(os.listdir(w.root or tmp_path)) < 20:
            pass
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait(60)
        cut_off = w.workflows.get("big")
        there = len(w.tasks.list())
        assert there > 0
        assert cut_off.outlook.steps_total == 96
        children = [runner(tmp_path) for _ in range(3)]
        for child in children:
            start(child)
        made = []
        for child in (*children, doomed):
            text, _ = child.communicate(timeout=60)
            made.append(int(text) if text else 0)
        assert sum(made[:3]) == 96 - there
        tasks = needed(w)
        assert len(tasks) == 96
        assert all(len({*tasks[f"big-task-{n}-{m}"]}) == (8 if n else 0) for n in range(12) for m in range(8))
