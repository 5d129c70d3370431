"""Claiming a task: finding one, and getting it among all who want it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from mdcoord.errors import (
    Busy,
    ClaimLost,
    InvalidDocument,
    MdcoordError,
    NotDurable,
    NotFound,
    NothingReady,
    NotReady,
)
from mdcoord.model import Change, Key, Record, Value
from mdcoord.rules.conflicts import barred, under_way, withdrawn
from mdcoord.rules.leases import Claimant, Lease
from mdcoord.rules.lifecycle import Unannounced, claim, hold, not_ready, recovery, release
from mdcoord.rules.readiness import conflicts
from mdcoord.rules.standing import Standing, attempt_of, standing, status_of
from mdcoord.services.env import Env
from mdcoord.services.offers import Offers
from mdcoord.services.others import Others, runs
from mdcoord.services.queue import Queue, Snapshot
from mdcoord.services.roster import Member, Roster


class Hooks(Protocol):
    """Who is told of what happens besides."""

    def taken_back(self, event: str, data: Mapping[str, Value]) -> None:
        """A task was taken from a holder whose claim was over."""

    def claimed(self, record: Record, who: Claimant, op: str | None) -> None:
        """A task was claimed."""


class Taking:
    """One attempt of `who` to claim something, with the capabilities `can` (None: those registered)."""

    def __init__(
        self,
        env: Env,
        queue: Queue,
        roster: Roster,
        hooks: Hooks,
        who: Claimant,
        *,
        can: frozenset[str] | None = None,
        ttl: float | None = None,
        renewed: bool = False,
        op: str | None = None,
    ) -> None:
        self._env = env
        self._backend = env.backend
        self._queue = queue
        self._roster = roster
        self._others = Others(env)
        self._hooks = hooks
        self._who = who
        self._can = can
        self._ttl = ttl
        self._renewed = renewed
        self._op = op
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

    def next(self, wait: float) -> Record:
        """Claim the first task that can be had.

        Raises NothingReady, or Busy when all that is left stays locked.
        """
        done = self._done_before()
        if done is not None:
            return done
        member = self._roster.member(self._who.agent)
        if member and (refusal := self._roster.refusal(member)):
            raise self._nothing(self._queue.snapshot().tally, refusal)
        if self._can is None and member and member.capabilities:
            self._can = member.capabilities
        begun = time.monotonic()
        while True:
            snapshot = self._queue.snapshot(member)
            busy: Busy | None = None
            for candidate in self._offers(snapshot, begun, member):
                try:
                    record = self._try(candidate)
                except Busy as error:
                    busy, snapshot.alone = error, False
                    continue
                snapshot.gone.add(candidate.key)
                if record is not None:
                    if refusal := self._beyond(member, record):
                        raise self._nothing(snapshot.tally, refusal)
                    return record
                snapshot.alone = False
            if snapshot.made < begun:
                self._queue.refresh(member)
            elif busy is None:
                raise self._nothing(snapshot.tally)
            elif time.monotonic() - begun > wait:
                raise busy
            else:
                time.sleep(0.001 + os.urandom(1)[0] / 50_000)

    def _offers(self, snapshot: Snapshot | Offers, begun: float, member: Member | None) -> Iterator[Record]:
        """The candidates of a list, those last whose attempts have gone on since it was made.

        Nearly always somebody else has them. They are looked at closely only when nothing else is left, and
        the list is of now: in a document that git brought back, attempts stand still.
        """
        candidates = snapshot.candidates(self._who.agent, self._can, self._env, member)
        if isinstance(snapshot, Offers):  # they came with their leases
            yield from candidates
            return
        for candidate in candidates:
            key = candidate.key
            if not snapshot.alone and self._backend.attempt(key) > attempt_of(candidate.fields):
                snapshot.gone.add(key)
                snapshot.passed.append(candidate)
            else:
                yield candidate
        if snapshot.made >= begun:
            yield from filter(self._free, snapshot.passed)

    def _free(self, candidate: Record) -> bool:
        lease: Lease | None = self._backend.lease(candidate.key)
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
            self._hooks.taken_back(*recovery(record, self._before))
        if status_of(record.fields) == "dead":
            return None
        self._hooks.claimed(record, self._who, self._op)
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
            blocking = self._others.bars(found) if key == record.key else _taken(found, env)
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
        self._queue.forget()
        return refusal

    def _decide(self, record: Record) -> Change | None:
        self._before = Standing()
        env = self._env
        if copied := self._others.copied(record):
            raise not_ready(record, copied)
        change = claim(
            record,
            self._who,
            env.host,
            env.rules,
            statuses=self._others.status,
            rivals=lambda _: self._others.bars(record),
            mark=self._mark,
            can=self._can,
            ttl=self._ttl,
            renewed=self._renewed,
            op=self._op,
        )
        if change is not None:
            self._before = standing(record, record.lease, env.host, env.rules)
        return change

    def _done_before(self) -> Record | None:
        """The claim that an earlier call with the same operation id made, if it still stands."""
        if self._op is None:
            return None
        for record in self._queue.running():
            lease: Lease | None = record.lease or self._backend.lease(record.key)
            holder = lease.holder if lease else None
            mine = holder and (holder.agent, holder.session) == (self._who.agent, self._who.session)
            if lease and lease.did(self._op) and mine:
                return self._backend.read(record.key)
        return None

    def _nothing(self, tally: Mapping[str, int], refusal: str | None = None) -> NothingReady:
        seen = ", ".join(f"{count} {status}" for status, count in sorted(tally.items())) or "none at all"
        return NothingReady(
            refusal or f"no task is ready for {self._who.agent} (tasks: {seen})",
            hint=_UNWILLING if refusal else "create one, or ask `mdcoord task show ID` why one is not ready",
            agent=self._who.agent,
            tasks=dict(tally),
            **({"refusal": refusal} if refusal else {}),
        )

    def _unwilling(self, key: Key, refusal: str) -> NotReady:
        return NotReady(
            f"{key.name} cannot be claimed: {refusal}", hint=_UNWILLING, task=key.name, reasons=[refusal]
        )


_FASTER = "somebody else is claiming it"
_UNWILLING = "end what it holds, or wait; `mdcoord agent reset` closes a breaker"


def _taken(record: Record, env: Env) -> list[str]:
    """The task itself, where it is held, or where a claim on it is under way."""
    lease: Lease | None = record.lease
    intent = lease.bars.get(record.key.id) if lease else None
    coming = intent and lease and lease.attempt < intent.attempt and under_way(intent, env.host)
    return [record.key.id] if coming or runs(env, record) else []
