"""Claiming tasks and what their holders do: each verb is one atomic write of the document and its lease."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mdcoord.conflicts import barred, standing_bars, under_way, withdrawn
from mdcoord.errors import (
    Busy,
    ClaimLost,
    InvalidDocument,
    MdcoordError,
    NotDurable,
    NotFound,
    NothingReady,
    NotReady,
    UsageError,
)
from mdcoord.leases import OVERDUE, Claimant, Lease
from mdcoord.lifecycle import (
    LONGEST_TTL,
    Unannounced,
    claim,
    complete,
    fail,
    hold,
    not_ready,
    progress,
    recovery,
    release,
    retry,
)
from mdcoord.model import Change, Key, Path, Record, Value, normalise_name
from mdcoord.readiness import conflicts, status_for_others
from mdcoord.records import Task
from mdcoord.services.beater import Beater
from mdcoord.services.claim import Claim
from mdcoord.services.documents import Documents, texts
from mdcoord.services.env import Env
from mdcoord.services.events import TASKS, announce
from mdcoord.services.queue import Queue, Snapshot
from mdcoord.services.roster import Member, Roster
from mdcoord.standing import IN_PROGRESS, Standing, attempt_of, standing, status_of


class Claims(Documents[Task]):
    """The verbs of claims.

    `agent`, `session` and `token` say who acts; without them the caller of the workspace does.
    With a token, the token alone decides; without one, the session must be the claim's, and the agent if it
    is named.
    `op` names the operation: repeating it with the same id, after a lost answer, does not do it again.
    """

    kind = "task"

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._queue = Queue(env)
        self._roster = Roster(env)
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
        `heartbeat` it is renewed in the background, and is over as soon as this
        process is gone; without, it is over with the process `pid`, if one is given. `wait` bounds (in
        seconds) the waiting for locks.

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
        taking = _Taking(self, who, wanted, ttl, _op("claim", op))
        record = taking.by_id(self._key(id), wait) if id is not None else taking.next(self._queue, wait)
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
        """End the task well, with its result (any JSON value). Raises ClaimLost, NotFound, Busy."""
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

    def refresh(self) -> None:
        """Let the next claim look at all tasks anew, instead of a list that may be half a second old."""
        self._queue.forget()

    def close(self) -> None:
        """End the heartbeats in the background."""
        self._beater.close()

    def _held(self, id: str, who: Claimant, op: str | None, step: Callable[[Record, Lease], Change]) -> Task:
        env = self._env

        def decide(record: Record) -> Change | None:
            lease: Lease | None = record.lease
            if lease and lease.did(op):
                return None
            return step(record, hold(record, who, env.host, env.rules))

        try:
            return self._typed(env.write(self._key(id), decide))
        except ClaimLost:
            env.tally.add("claims_lost")
            raise

    def _status(self, task: str) -> str | None:
        """The status of a dependency as it is now, None when there is no such task."""
        try:
            return status_for_others(self._backend.read(self._backend.resolve("task", task)).fields)
        except NotFound:
            return None
        except MdcoordError as error:
            return f"not readable ({error.message})"

    def _runs(self, task: str) -> bool:
        """Whether a task is in progress under a claim that is not over."""
        try:
            record = self._backend.read(self._backend.resolve("task", task))
        except MdcoordError:
            return False
        return runs(self._env, record)

    def _bars(self, record: Record) -> list[str]:
        """The tasks whose bars on this one stand (see `conflicts`)."""
        return standing_bars(record.lease, record.key.id, self._attempt, self._runs, self._env.host)

    def _attempt(self, task: str) -> int:
        lease: Lease | None = self._backend.lease(Key("task", task))
        return lease.attempt if lease else 0

    def _routine(self, name: str, task: Task, who: Claimant, op: str | None = None) -> None:
        if self._env.all_events:
            announce(self._env, TASKS, name, _story(task, who), op)


class _Taking:
    """One attempt of one agent to claim something."""

    def __init__(
        self, claims: Claims, who: Claimant, can: frozenset[str] | None, ttl: float | None, op: str | None
    ) -> None:
        self._claims = claims
        self._env = claims._env
        self._backend = claims._env.backend
        self._who = who
        self._can = can
        self._ttl = ttl
        self._op = op
        self._roster = claims._roster
        self._before = Standing()
        self._mark = ""

    def by_id(self, key: Key, wait: float) -> Record:
        """Claim this very task. Raises NotReady."""
        lease: Lease | None = self._backend.lease(key) if self._op else None
        member = None if lease and lease.did(self._op) else self._roster.member(self._who.agent)
        if member and (refusal := self._roster.refusal(member)):
            raise self._unwilling(key, refusal)
        record = self._take(key, wait)
        if record is None:
            raise NotReady(
                f"{key.name} cannot be claimed: its last attempt ended and it is dead now",
                hint="retry makes it pending again",
                task=key.name,
                reasons=["its status is dead"],
            )
        if refusal := self._beyond(member, record):
            raise self._unwilling(key, refusal)
        return record

    def next(self, queue: Queue, wait: float) -> Record:
        """Claim the first task that can be had.

        Raises NothingReady, or Busy when all that is left stays locked.
        """
        done = self._done_before()
        if done is not None:
            return done
        member = self._roster.member(self._who.agent)
        if member and (refusal := self._roster.refusal(member)):
            raise self._nothing(queue.snapshot().tally, refusal)
        if self._can is None and member and member.capabilities:
            self._can = member.capabilities
        begun = time.monotonic()
        while True:
            snapshot = queue.snapshot()
            busy: Busy | None = None
            for candidate in self._offers(snapshot, begun, member):
                try:
                    record = self._try(candidate)
                except Busy as error:
                    busy = error
                    continue
                snapshot.gone.add(candidate.key)
                if record is not None:
                    if refusal := self._beyond(member, record):
                        raise self._nothing(snapshot.tally, refusal)
                    return record
            if snapshot.made < begun:
                queue.refresh()
            elif busy is None:
                raise self._nothing(snapshot.tally)
            elif time.monotonic() - begun > wait:
                raise busy
            else:
                time.sleep(0.001 + os.urandom(1)[0] / 50_000)

    def _offers(self, snapshot: Snapshot, begun: float, member: Member | None) -> Iterator[Record]:
        """The candidates of a list, those last whose attempts have gone on since it was made.

        Nearly always somebody else has them. They are looked at closely only when nothing else is left, and
        the list is of now: in a document that git brought back, attempts stand still.
        """
        for candidate in snapshot.candidates(self._who.agent, self._can, self._env, member):
            lease: Lease | None = self._backend.lease(candidate.key)
            if lease and lease.attempt > attempt_of(candidate.fields):
                snapshot.gone.add(candidate.key)
                snapshot.passed.append(candidate)
            elif self._free(candidate, lease):
                yield candidate
            else:
                snapshot.gone.add(candidate.key)
        if snapshot.made >= begun:
            yield from (late for late in snapshot.passed if self._free(late, self._backend.lease(late.key)))

    def _free(self, candidate: Record, lease: Lease | None) -> bool:
        return lease is None or standing(candidate, lease, self._env.host, self._env.rules).free

    def _try(self, candidate: Record) -> Record | None:
        """Claim one candidate; None when it cannot be had."""
        try:
            return self._take(candidate.key, 0)
        except (NotReady, ClaimLost, NotFound, InvalidDocument):
            self._env.tally.add("races_lost")
            return None  # somebody was faster, or edited it

    def _take(self, key: Key, wait: float) -> Record | None:
        record = self._written(key, wait)
        if self._before.ended:
            self._claims.taken_back(*recovery(record, self._before))
        if status_of(record.fields) == "dead":
            return None
        self._claims._routine("task_claimed", self._claims._typed(record), self._who, self._op)
        return record

    def _written(self, key: Key, wait: float) -> Record:
        """The task after the claim; the bars of one with conflicts are set before."""
        try:
            return self._backend.write(key, self._decide, wait=wait)
        except Unannounced as found:
            record, attempt = found.record, found.attempt
        self._mark, barring = os.urandom(6).hex(), sorted({key, *self._rivals(record)})
        try:
            for other in barring:
                self._bar(other, record, attempt, wait)
            return self._backend.write(key, self._decide, wait=wait)
        except Unannounced:
            self._withdraw(barring, key.id)
            raise not_ready(record, [_FASTER]) from None
        except NotDurable:
            raise  # the claim is made
        except MdcoordError:
            self._withdraw(barring, key.id)
            raise

    def _bar(self, key: Key, record: Record, attempt: int, wait: float) -> None:
        """Put the bar of a task with conflicts into a lease, or raise NotReady where that cannot be."""
        env = self._env

        def decide(found: Record) -> Change:
            blocking = self._claims._bars(found) if key == record.key else _taken(found, env)
            reasons = [f"it conflicts with task {other}, which is in progress" for other in blocking]
            lease = None if reasons else barred(found.lease, record.key.id, attempt, self._mark, env.host)
            if lease is None:
                raise not_ready(record, reasons or [_FASTER])
            return Change(lease=lease)

        self._backend.write(key, decide, wait=wait)

    def _withdraw(self, keys: Iterable[Key], name: str) -> None:
        """Take the bars back of a claim that was not made. Those that cannot be are over soon."""

        def decide(found: Record) -> Change | None:
            lease = withdrawn(found.lease, name, self._mark)
            return None if lease is None else Change(lease=lease)

        for key in keys:
            try:
                self._backend.write(key, decide, wait=1.0)
            except MdcoordError:
                continue

    def _rivals(self, record: Record) -> list[Key]:
        """The tasks that this one conflicts with, as far as they exist."""
        found = []
        for other in conflicts(record.fields):
            try:
                found.append(self._backend.resolve("task", other))
            except MdcoordError:
                continue
        return found

    def _beyond(self, member: Member | None, record: Record) -> str | None:
        """Why a claim that was just made goes beyond what the agent may hold; it is given back then."""
        lease: Lease | None = record.lease
        refusal = self._roster.enrol(member, record.key, lease.attempt) if member and lease else None
        if refusal is None:
            return None
        env, who = self._env, self._who
        self._backend.write(
            record.key,
            lambda found: release(found, hold(found, who, env.host, env.rules), env.host, None),
            wait=env.lock_timeout,
        )
        self._claims.refresh()
        return refusal

    def _decide(self, record: Record) -> Change | None:
        self._before = Standing()
        env = self._env
        change = claim(
            record,
            self._who,
            env.host,
            env.rules,
            statuses=self._claims._status,
            rivals=lambda _: self._claims._bars(record),
            mark=self._mark,
            can=self._can,
            ttl=self._ttl,
            op=self._op,
        )
        if change is not None:
            self._before = standing(record, record.lease, env.host, env.rules)
        return change

    def _done_before(self) -> Record | None:
        """The claim that an earlier call with the same operation id made, if it still stands."""
        if self._op is None:
            return None
        for record in self._backend.list("task").records:
            lease: Lease | None = self._backend.lease(record.key)
            holder = lease.holder if lease else None
            mine = holder and (holder.agent, holder.session) == (self._who.agent, self._who.session)
            if lease and lease.did(self._op) and mine:
                return self._backend.read(record.key)
        return None

    def _nothing(self, tally: Mapping[str, int], refusal: str | None = None) -> NothingReady:
        seen = ", ".join(f"{count} {status}" for status, count in sorted(tally.items())) or "none at all"
        return NothingReady(
            refusal or f"no task is ready for {self._who.agent} (tasks: {seen})",
            hint=_UNWILLING if refusal else "create one, or ask why a pending one is not ready",
            agent=self._who.agent,
            tasks=dict(tally),
        )

    def _unwilling(self, key: Key, refusal: str) -> NotReady:
        return NotReady(
            f"{key.name} cannot be claimed: {refusal}", hint=_UNWILLING, task=key.name, reasons=[refusal]
        )


_FASTER = "somebody else is claiming it"
_UNWILLING = "end what it holds, wait, or look at the agent's document"


def runs(env: Env, record: Record) -> bool:
    """Whether a task, read with its lease, is in progress under a claim that is not over."""
    return status_of(record.fields) == IN_PROGRESS and not _standing(env, record).free


def _standing(env: Env, record: Record) -> Standing:
    lease = record.lease or env.backend.lease(record.key)
    return standing(record, lease, env.host, env.rules)


def _taken(record: Record, env: Env) -> list[str]:
    """The task itself, where it is held, or where a claim on it is under way."""
    lease: Lease | None = record.lease
    intent = lease.bars.get(record.key.id) if lease else None
    coming = intent and lease and lease.attempt < intent.attempt and under_way(intent, env.host)
    return [record.key.id] if coming or runs(env, record) else []


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
