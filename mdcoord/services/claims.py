"""Claiming tasks and what their holders do: each verb is one atomic write of the document and its lease."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mdcoord.errors import (
    ClaimLost,
    UsageError,
)
from mdcoord.model import Change, Path, Record, Value, normalise_name
from mdcoord.records import Task
from mdcoord.rules.leases import OVERDUE, Claimant, Lease
from mdcoord.rules.lifecycle import (
    LONGEST_TTL,
    complete,
    fail,
    hold,
    progress,
    release,
    retry,
)
from mdcoord.services.beater import Beater
from mdcoord.services.claim import Claim
from mdcoord.services.documents import Documents, texts
from mdcoord.services.env import Env
from mdcoord.services.events import TASKS, announce
from mdcoord.services.others import Others
from mdcoord.services.queue import Queue
from mdcoord.services.roster import Roster
from mdcoord.services.taking import Taking


class Claims(Documents[Task]):
    """The verbs of claims.

    `agent`, `session` and `token` say who acts; without them the caller of the workspace does. With a token,
    the token alone decides; without one, the session must be the claim's, and the agent if it is named. `op`
    names the operation: repeating it with the same id, after a lost answer, does not do it again.
    """

    kind = "task"

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._queue = Queue(env)
        self._roster = Roster(env)
        self._others = Others(env)
        self._beater = Beater()

    def claim(
        self,
        id: str | None = None,
        *,
        agent: str | None = None,
        session: str | None = None,
        can: Iterable[str] | None = None,
        ttl: float | None = None,
        pid: int | None = None,
        op: str | None = None,
        heartbeat: bool = True,
        wait: float | None = None,
    ) -> Claim:
        """Claim this task, or without an id the best one that is ready: highest priority, then oldest.

        `can` are the agent's capabilities: a task with other `needs` is not for it. Without `can`, those that
        the agent registered count; a task claimed by its id needs none. A registered agent may hold so many
        tasks as its document (else the configuration) says, and none while its breaker is open. The claim
        lasts `ttl` seconds from its last renewal (None: as the task or the configuration says). With
        `heartbeat` it is renewed in the background (and lasts 24 s if nobody says otherwise), and is over as
        soon as this process is gone; without (15 minutes), it is over with the process `pid`, if one is
        given. `wait` bounds (in seconds) the waiting for locks.

        Raises NothingReady; NotReady for a task by id; Busy.
        """
        if ttl is not None and not (isinstance(ttl, int | float) and 0 < ttl <= LONGEST_TTL):
            raise UsageError(
                f"a ttl of {ttl!r} seconds is not possible", hint="more than 0, at most 7 days", option="ttl"
            )
        if pid is None and heartbeat:
            pid = os.getpid()
        wait = self._env.lock_timeout if wait is None else wait
        normalise_name(self._env.named(agent))  # one that could not be registered holds nothing
        who = self._env.claimant(self._env.named(agent), session, None, pid)
        wanted = None if can is None else frozenset(can)
        taking = Taking(
            *(self._env, self._queue, self._roster, self, who),
            can=wanted,
            ttl=ttl,
            renewed=heartbeat,
            op=_op("claim", op),
        )
        record = taking.by_id(self._key(id), wait) if id is not None else taking.next(wait)
        return Claim(
            self, self._typed(record), who, self._env.rules.heartbeat, self._beater if heartbeat else None
        )

    def heartbeat(
        self,
        id: str,
        *,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Task:
        """Renew the claim for its full ttl, without touching the document.

        Raises ClaimLost, NotFound, Busy.
        """
        who = self._env.claimant(agent, session, token)
        return self._held(id, who, None, lambda record, lease: Change(lease=lease))

    def progress(
        self,
        id: str,
        value: float | None = None,
        /,
        *,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        log: str | None = None,
        **metadata: Value,
    ) -> Task:
        """Note how far the task is (0 to 1), facts about it (`step=3500`) and a line for its log.

        Raises ClaimLost.
        """
        return self.note(id, value, metadata, log, token=token, agent=agent, session=session)

    def note(
        self,
        id: str,
        value: float | None,
        metadata: Mapping[str, Value],
        log: str | None = None,
        *,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Task:
        """`progress`, with the facts as a mapping, whatever their names."""
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise UsageError(f"a progress of {value!r} is not possible", hint="from 0 to 1, as in 0.35")
        changes: dict[Path, Value] = {("metadata", name): fact for name, fact in metadata.items()}
        if value is not None:
            changes["progress",] = value
        host = self._env.host
        who = self._env.claimant(agent, session, token)
        return self._held(id, who, None, lambda record, lease: progress(record, lease, host, changes, log))

    def complete(
        self,
        id: str,
        *,
        result: Value = None,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        op: str | None = None,
    ) -> Task:
        """End the task well, with its result (any JSON value).

        Raises ClaimLost, NotFound, Busy; NotAccepted while an acceptance criterion is open that has to be
        met, and GateNotPassed before the quality gate that it requires has passed: the claim stays then.
        """
        host, op = self._env.host, _op("complete", op)
        who = self._env.claimant(agent, session, token)
        task = self._held(id, who, op, lambda record, lease: complete(record, lease, host, result, op))
        self._queue.completed(task.id)
        self._roster.succeeded(who.agent or str(task.record.fields.get("assigned_agent") or ""))
        self._routine("task_completed", task, who, op)
        return task

    def fail(
        self,
        id: str,
        error: str,
        *,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        op: str | None = None,
    ) -> Task:
        """End this attempt badly.

        The task is pending again, not to be claimed before a pause that grows with each failure, or dead
        after its last attempt. Raises ClaimLost, NotFound, Busy.
        """
        env, op = self._env, _op("fail", op)
        who = env.claimant(agent, session, token)
        failed: list[str] = []

        def step(record: Record, lease: Lease) -> Change:
            failed[:] = [lease.holder.agent] if lease.holder else []
            return fail(record, lease, env.host, env.rules, error, op)

        task = self._held(id, who, op, step)
        self._queue.forget()
        name = "task_dead" if task.status == "dead" else "task_failed"
        story = {**_story(task, who), **({"agent": failed[0]} if failed else {}), "error": error}
        announce(env, TASKS, name, story, op)
        for name in failed:
            self._roster.failed(name)
        return task

    def release(
        self,
        id: str,
        *,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        op: str | None = None,
        reason: str | None = None,
        lacks: Sequence[str] = (),
    ) -> Task:
        """Give the task back; the attempt does not count against the retry limit.

        `reason` goes into the task's log. `lacks` are capabilities that the task needs and its holder has
        not: they are added to what the task needs, and it is not handed to this agent again.
        Raises ClaimLost, NotFound, Busy.
        """
        host, op, lacks = self._env.host, _op("release", op), texts(lacks, "lacks")
        who = self._env.claimant(agent, session, token)
        task = self._held(
            id,
            who,
            op,
            lambda record, lease: release(record, lease, host, op, reason=reason, lacks=lacks),
        )
        self._queue.forget()
        self._routine("task_released", task, who, op)
        return task

    def retry(self, id: str, *, op: str | None = None) -> Task:
        """Make an ended task pending again, with a fresh set of attempts.

        A pending one that waits to be tried again need not wait any longer. Raises Conflict for one in
        progress.
        """
        env, op = self._env, _op("retry", op)
        task = self._typed(self._env.write(self._key(id), lambda record: retry(record, env.host, op)))
        self._queue.forget()
        announce(env, TASKS, "task_retried", {"task_id": task.id, "attempt": task.attempt}, op)
        return task

    def taken_back(self, event: str, data: Mapping[str, Value]) -> None:
        """Announce that a task was taken from its holder. Who was alive and too slow has failed."""
        announce(self._env, TASKS, event, data)
        if str(data.get("reason")).startswith(OVERDUE):
            self._roster.failed(str(data.get("previous_agent") or ""))

    def claimed(self, record: Record, who: Claimant, op: str | None) -> None:
        """Announce a claim where routine events are wanted."""
        if self._env.all_events:
            self._routine("task_claimed", self._typed(record), who, op)

    def refresh(self) -> None:
        """Let the next claim look at all tasks anew, instead of a list that may be half a second old."""
        self._queue.forget()

    def close(self) -> None:
        """End the heartbeats in the background."""
        self._beater.close()

    def _held(self, id: str, who: Claimant, op: str | None, step: Callable[[Record, Lease], Change]) -> Task:
        env = self._env
        held: list[Lease] = []

        def decide(record: Record) -> Change | None:
            lease: Lease | None = record.lease
            held.clear()
            if lease and lease.did(op):
                return None
            held.append(hold(record, who, env.host, env.rules))
            return step(record, held[0])

        try:
            record = env.write(self._key(id), decide)
        except ClaimLost:
            env.tally.add("claims_lost")
            raise
        if held and not (record.lease and record.lease.holder):
            self._roster.ended(record.key, held[0])
        return self._typed(record)

    def _routine(self, name: str, task: Task, who: Claimant, op: str | None = None) -> None:
        if self._env.all_events:
            announce(self._env, TASKS, name, _story(task, who), op)


def _op(verb: str, op: str | None) -> str | None:
    """An operation id of one verb: the same id may serve for several."""
    return None if op is None else f"{verb}:{op}"


def _story(task: Task, who: Claimant) -> dict[str, Any]:
    lease: Lease | None = task.record.lease
    return {
        "task_id": task.id,
        "agent": who.agent or task.record.fields.get("assigned_agent"),
        "attempt": lease.attempt if lease else task.attempt,
    }
