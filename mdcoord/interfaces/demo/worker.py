"""What one worker process does: claim the best task it can do, work on it, write down the result, and again.

    python -m mdcoord.interfaces.demo.worker --root FOLDER --name ai-engineer --journals FOLDER --seconds 60

Everything goes through the library as any agent would use it. After each call that came back the worker notes
it in its journal.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mdcoord.errors import ClaimLost, NotFound, NothingReady
from mdcoord.interfaces.demo.jobs import JOBS, STEPS, TOTAL_STEPS, Facts, train
from mdcoord.interfaces.demo.journal import Journal
from mdcoord.interfaces.demo.project import CHANNEL, PROJECT, skills_of
from mdcoord.records import Task
from mdcoord.workspace import Claim, Workspace

TTL: Final = 30.0
"""Seconds that a claim lasts. Nobody waits for its end here: a dead process is noticed at once."""

PAUSE: Final = 0.05
"""Seconds between two questions for work."""

PHASES: Final = {"122": ("training", 0.3), "123": ("evaluation", 0.7), "export-report": ("done", 1.0)}
"""What the project is at when one of these tasks is done, and how far it is then."""

CHECKPOINT: Final = "proj1-training-checkpoint"
"""The context that holds the last checkpoint."""


class Worker:
    """One agent at work. Ends when all tasks are done, at the deadline, or when its parent is gone."""

    def __init__(self, workspace: Workspace, name: str, journal: Journal, deadline: float) -> None:
        self._w = workspace
        self._name = name
        self._can = skills_of(name)
        self._journal = journal
        self._deadline = deadline
        self._parent = os.getppid()
        self._tasks_done = 0

    def run(self) -> None:
        """Work until nothing is left."""
        self._w.agents.register(self._name, can=self._can, type=self._name, pid=os.getpid(), active_tasks=[])
        while self._may_go_on():
            try:
                claim = self._w.tasks.claim(can=self._can, ttl=TTL)
            except NothingReady as nothing:
                if not {"pending", "in_progress"} & set(nothing.details["tasks"]):
                    break
                time.sleep(PAUSE)
                continue
            self._journal.note("claimed", task=job_id(claim.task), attempt=claim.attempt)
            try:
                with claim:
                    self._work(claim)
            except ClaimLost:
                self._journal.note("lost", task=job_id(claim.task), attempt=claim.attempt)
        self._w.agents.set(self._name, status="offline")

    def _work(self, claim: Claim) -> None:
        task, name = claim.task, job_id(claim.task)
        self._show(busy=task)
        facts = self._train(claim) if task.type == "train" else self._compute(claim)
        claim.complete(result=facts)
        self._journal.note("completed", task=name, attempt=claim.attempt)
        self._tasks_done += 1
        self._publish("task_completed", task_id=name, agent=self._name, attempt=claim.attempt)
        if task.type == "process":
            self._w.context.set("proj1-dataset", facts, by=self._name)
        if name in PHASES:
            phase, progress = PHASES[name]
            self._w.progress.set(PROJECT, phase=phase, progress=progress)
        self._w.metrics.record("performance", agent=self._name, task_id=name, done=self._tasks_done)
        self._show(busy=None)

    def _compute(self, claim: Claim) -> Facts:
        task = claim.task
        steps = STEPS.get(str(task.type), 1)
        inputs = {other: self._w.tasks.get(other).result for other in task.depends_on}
        result: Facts = {}
        for step, facts in enumerate(JOBS[str(task.type)](job_id(task), inputs), 1):
            self._progress(claim, step, steps, f"Part {step} of {steps} done")
            result = facts
        return result

    def _train(self, claim: Claim) -> Facts:
        """Train from the last checkpoint on. Each goes into a context: another worker may go on from it."""
        before = self._checkpoint()
        start = before["step"] if before else 0
        self._publish("training_started", agent=self._name, attempt=claim.attempt, from_step=start)
        facts: Facts = {}
        for facts in train(job_id(claim.task), {}, before):
            self._w.context.set(CHECKPOINT, facts, project=PROJECT, domain="training", by=self._name)
            step, loss = facts["step"], facts["loss"]
            self._progress(claim, step, TOTAL_STEPS, f"Checkpoint saved at step {step}", loss=loss)
            self._publish("checkpoint_saved", step=step, loss=loss, agent=self._name)
            if claim.attempt == 1 and step == claim.task.get("hold_at_step"):
                self._validate_until_killed(claim, step, loss)
        return facts

    def _validate_until_killed(self, claim: Claim, step: int, loss: float) -> None:
        """Stay amid the task. Real training takes hours; here the kill has to find the worker at it."""
        passes = 0
        while self._may_go_on():
            passes += 1
            claim.heartbeat()
            self._progress(claim, step, TOTAL_STEPS, f"Validation pass {passes}", loss=loss, passes=passes)
            time.sleep(PAUSE)

    def _checkpoint(self) -> Mapping[str, Any] | None:
        try:
            return self._w.context.get(CHECKPOINT).data
        except NotFound:
            return None

    def _progress(self, claim: Claim, step: int, total: int, log: str, **metadata: Any) -> None:
        """Report progress with a line for the task's log that occurs once only."""
        metadata = {"step": step, "total_steps": total, **metadata}
        line = f"{log} (attempt {claim.attempt})"
        claim.progress(step / total, log=line, **metadata)
        self._journal.note(
            "progress", task=job_id(claim.task), value=step / total, metadata=metadata, log=line
        )

    def _publish(self, name: str, **data: Any) -> None:
        event = self._w.events.publish(CHANNEL, name, **data)
        self._journal.note("published", channel=CHANNEL, id=event.id, name=name, data=data)

    def _show(self, *, busy: Task | None) -> None:
        """Keep the agent's own file up to date."""
        active = (
            [{"task_id": busy.task_id, "title": busy.title, "started_at": busy.started_at}] if busy else []
        )
        counts = {"metrics.succeeded": self._tasks_done, "metrics.total_tasks": self._tasks_done}
        self._w.agents.set(self._name, status="busy" if busy else "idle", active_tasks=active, **counts)

    def _may_go_on(self) -> bool:
        return time.monotonic() < self._deadline and os.getppid() == self._parent


def job_id(task: Task) -> str:
    """The id of the task in the plan, whatever its file's name."""
    return str(task.task_id).removeprefix("task-")


def main(arguments: Sequence[str]) -> int:
    """Run one worker."""
    parser = argparse.ArgumentParser(prog="mdcoord.interfaces.demo.worker")
    parser.add_argument("--root", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--journals", required=True, type=Path)
    parser.add_argument("--seconds", required=True, type=float)
    given = parser.parse_args(arguments)
    deadline = time.monotonic() + given.seconds
    session = f"{given.name}-{os.getpid()}"
    with Workspace.open(given.root, agent=given.name, session=session) as w:
        Worker(w, given.name, Journal(given.journals, given.name), deadline).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
