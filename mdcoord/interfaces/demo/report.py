"""The proof: what the files say, held against what the workers say was acknowledged, and against the work
done again.

Nothing here is taken from the run itself: `prove` reads the demo's folder and knows nothing else, so it can
be called at any time later, and it finds what was lost, doubled or changed meanwhile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from mdcoord.errors import MdcoordError
from mdcoord.interfaces.demo.jobs import Facts, result_of
from mdcoord.interfaces.demo.journal import Entry, read_all
from mdcoord.interfaces.demo.project import (
    CHANNEL,
    OLD_EVENTS,
    TRAINING,
    Plan,
    journal_folder,
    project_folder,
)
from mdcoord.records import Task
from mdcoord.workspace import Workspace

SHOWN: Final = 3
"""How many of several problems a line names."""


BROKEN: Final = (MdcoordError, OSError, LookupError, TypeError, ValueError)
"""What reading and comparing may raise when the evidence is not what a run leaves behind."""

WORKERS_LINE: Final = re.compile(r" \(attempt [0-9]+\)$")
"""How the lines end that workers write into the logs of their tasks."""


class Proof(NamedTuple):
    """One claim about the run: its name, whether it holds, and the figures or the problems, as a sentence."""

    name: str
    ok: bool
    text: str


class Evidence:
    """Everything that is left of a run: the plan, the journals, the files."""

    def __init__(self, folder: Path, w: Workspace) -> None:
        self.plan = Plan.load(folder)
        self.journal = read_all(journal_folder(folder))
        self.w = w
        self.tasks: dict[str, Task] = {job.id: w.tasks.get(job.id) for job in self.plan.jobs}

    def entries(self, what: str) -> list[Entry]:
        """The lines of all journals about one thing."""
        return [entry for entry in self.journal if entry.what == what]

    def killed(self) -> Entry | None:
        """The line about the kill."""
        return next(iter(self.entries("killed")), None)

    def attempts(self, what: str) -> Counter[tuple[str, int]]:
        """How often each attempt of each task was claimed, or completed."""
        return Counter((entry.facts["task"], entry.facts["attempt"]) for entry in self.entries(what))


def prove(folder: Path) -> list[Proof]:
    """Everything that can be shown about a demo's folder. One that cannot be read is a failed proof."""
    try:
        with Workspace.open(project_folder(folder), agent="report") as w:
            evidence = Evidence(folder, w)
            return [_proof(name, check, evidence) for name, check in CHECKS.items()]
    except BROKEN as error:
        return [Proof("readable", False, f"{type(error).__name__}: {error}")]


def _proof(name: str, check: Callable[[Evidence], Iterator[str]], evidence: Evidence) -> Proof:
    """A check yields problems, and last of all the sentence that holds when there were none."""
    try:
        *problems, sentence = check(evidence)
    except BROKEN as error:
        return Proof(name, False, f"{type(error).__name__}: {error}")
    if not problems:
        return Proof(name, True, sentence)
    more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
    return Proof(name, False, "; ".join(problems[:SHOWN]) + more)


def _each_task_once(evidence: Evidence) -> Iterator[str]:
    done = Counter(entry.facts["task"] for entry in evidence.entries("completed"))
    for id, task in evidence.tasks.items():
        if task.status != "completed":
            yield f"the file of task {id} says {task.status}"
        if done[id] != 1:
            yield f"{done[id]} completions of task {id} were acknowledged"
    yield from (
        f"{id} was completed and is no task of the plan" for id in done.keys() - evidence.tasks.keys()
    )
    yield f"{len(done)} tasks are completed in their files, {done.total()} completions were acknowledged"


def _each_attempt_once(evidence: Evidence) -> Iterator[str]:
    claims = evidence.attempts("claimed")
    yield from (
        f"attempt {n} of task {id} was claimed {count} times"
        for (id, n), count in claims.items()
        if count > 1
    )
    for id, task in evidence.tasks.items():
        claimed = sorted(n for other, n in claims if other == id)
        if claimed != [*range(1, task.attempt + 1)]:
            yield f"task {id} is at attempt {task.attempt}, and the attempts claimed are {claimed}"
    done = evidence.attempts("completed")
    yield from (f"attempt {n} of task {id} was completed unclaimed" for id, n in done.keys() - claims.keys())
    yield f"{claims.total()} claims were acknowledged, no attempt of a task to two workers"


def _recovered(evidence: Evidence) -> Iterator[str]:
    killed = evidence.killed()
    if killed is None or killed.facts.get("status") != "in_progress":
        yield "no worker was killed in the middle of a task"
        yield ""
        return
    id, worker = killed.facts["task"], killed.facts["worker"]
    again = [entry for entry in evidence.entries("claimed") if entry.facts == {"task": id, "attempt": 2}]
    done = [entry for entry in evidence.entries("completed") if entry.facts == {"task": id, "attempt": 2}]
    if len(again) != 1 or len(done) != 1:
        yield f"task {id} was claimed {len(again)} and completed {len(done)} times as attempt 2"
    if any(entry.who == worker for entry in (*again, *done)):
        yield f"{worker}, which was killed, did task {id} again"
    if not any(event["previous_agent"] == worker for event in _recoveries(evidence, id)):
        yield f"no event says that task {id} was taken from {worker}"
    when = f"{again[0].who} had it {1000 * (again[0].at - killed.at):.0f} ms later" if again else ""
    yield f"{worker} was killed amid task {id}; {when} and did it as attempt 2"


def _recoveries(evidence: Evidence, id: str) -> list[Any]:
    ids = {id, evidence.tasks[id].id}
    events = evidence.w.query("events", "name = 'task_recovered'", channel="tasks")
    return [event for event in events if event["task_id"] in ids]


def _results_right(evidence: Evidence) -> Iterator[str]:
    results: dict[str, Facts] = {}
    for job in evidence.plan.jobs:  # those that others depend on come first
        results[job.id] = result_of(job.type, job.id, {other: results[other] for other in job.depends_on})
        if evidence.tasks[job.id].result != results[job.id]:
            yield f"the result of task {job.id} is not what its work gives"
    yield f"{len(results)} results were worked out again, the files hold the same"


def _no_event_lost(evidence: Evidence) -> Iterator[str]:
    published = {entry.facts["id"]: entry.facts for entry in evidence.entries("published")}
    tailed = [*evidence.w.events.tail(CHANNEL)]
    count = Counter(event.id for event in tailed)
    found = {event.id: event for event in tailed}
    yield from (f"event {id} occurs {times} times" for id, times in count.items() if times > 1)
    for id, facts in published.items():
        if id not in found:
            yield f"event {id} ({facts['name']}) is lost"
        elif (found[id].name, dict(found[id].data)) != (facts["name"], facts["data"]):
            yield f"event {id} is not as it was published"
    yield from _surplus(evidence, len(found.keys() - published.keys()) - OLD_EVENTS, "events")
    acknowledged = f"{len(published)} were acknowledged and tailed once each"
    yield f"{acknowledged}, after the {OLD_EVENTS} of the hand-written log"


def _hand_edit_kept(evidence: Evidence) -> Iterator[str]:
    added = evidence.plan.added
    task = evidence.tasks[TRAINING]
    text = evidence.w.tasks.text(TRAINING)
    saves = len(evidence.entries("saved"))
    if saves != 1:
        yield f"a person saved the file {saves} times"
    for what in ("comment", "prose"):
        times = text.splitlines().count(added[what])
        if times != 1:
            yield f"the {what} of the person is there {times} times"
    if task.get(added["key"]) != added["value"]:
        yield f"the key {added['key']} of the person is {task.get(added['key'])!r}"
    yield f"comment, key and prose of a stale save are in {Path(str(task.path)).name}"


def _no_update_lost(evidence: Evidence) -> Iterator[str]:
    updates: dict[str, list[Entry]] = {id: [] for id in evidence.tasks}
    for entry in evidence.entries("progress"):
        updates.setdefault(entry.facts["task"], []).append(entry)
    surplus = 0
    for id, task in evidence.tasks.items():
        noted = Counter(entry.facts["log"] for entry in updates[id])
        kept = Counter(line["message"] for line in task.logs if WORKERS_LINE.search(line["message"]))
        surplus += len(kept.keys() - noted.keys())
        yield from (
            f"task {id} has {line!r} {kept[line]} times" for line in noted if kept[line] != noted[line]
        )
        for name, value in updates[id][-1].facts["metadata"].items() if updates[id] else ():
            if task.metadata.get(name) != value:
                yield f"task {id} has {name} = {task.metadata.get(name)!r}, last acknowledged was {value!r}"
    yield from _surplus(evidence, surplus, "updates")
    total, beside = sum(map(len, updates.values())), len(updates[TRAINING])
    yield f"{total} acknowledged updates are in the files, {beside} of them beside the hand edit"


def _surplus(evidence: Evidence, count: int, what: str) -> Iterator[str]:
    """Only a killed worker may have written one thing more than it could note down."""
    allowed = 1 if evidence.killed() else 0
    if not 0 <= count <= allowed:
        yield f"there are {count} more {what} than were acknowledged"


def _all_files_parse(evidence: Evidence) -> Iterator[str]:
    findings = evidence.w.check()
    yield from (f"{finding.path}: {finding.message}" for finding in findings)
    files = [*Path(str(evidence.w.root)).glob("*.md")]
    yield f"{len(files)} files were read, nothing is wrong with any"


CHECKS: Final[dict[str, Callable[[Evidence], Iterator[str]]]] = {
    "each task done exactly once": _each_task_once,
    "each attempt claimed once": _each_attempt_once,
    "killed worker's task recovered": _recovered,
    "every result right": _results_right,
    "no event lost or doubled": _no_event_lost,
    "hand edit intact": _hand_edit_kept,
    "no update lost": _no_update_lost,
    "all files parse": _all_files_parse,
}


class Moment(NamedTuple):
    """One line of what happened: seconds since the beginning, and the sentence."""

    at: float
    text: str


def timeline(folder: Path, started: float) -> list[Moment]:
    """The moments worth telling, of all that the journals hold; none when those cannot be read."""
    try:
        entries = read_all(journal_folder(folder))
    except MdcoordError:
        return []
    told = ((entry.at - started, sentence(entry)) for entry in entries)
    return [Moment(round(at, 2), text) for at, text in told if text]


def sentence(entry: Entry) -> str | None:
    """What a line of a journal means for somebody who watches; None when it is not worth telling."""
    facts = entry.facts
    task, attempt = facts.get("task"), facts.get("attempt")
    if entry.what == "laid_out":
        return f"{facts['tasks']} tasks laid out; {len(facts['old'])} files are hand-written"
    if entry.what == "started":
        return "processes started: " + ", ".join(f"{name} ({pid})" for name, pid in facts["workers"].items())
    if entry.what == "ended":
        return "nothing is left to do; the workers ended"
    if entry.what == "claimed" and (task == TRAINING or attempt != 1):
        return f"{entry.who} claimed task {task}, attempt {attempt}"
    if entry.what == "completed" and task in (TRAINING, "122"):
        return f"{entry.who} completed task {task}, attempt {attempt}"
    if entry.what == "opened":
        return f"a person opened {facts['file']} in an editor"
    if entry.what == "saved":
        return f"the person saved {facts['file']}, a text older than the worker's last update"
    if entry.what == "killed":
        return f"{facts['worker']} was killed (SIGKILL) at {facts['progress']:.0%} of task {task}"
    if entry.what == "published" and facts["name"] == "training_started" and facts["data"]["from_step"]:
        return f"{entry.who} goes on from the checkpoint at step {facts['data']['from_step']}"
    return None
