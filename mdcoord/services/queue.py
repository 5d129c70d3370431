"""What may be claimed, as one listing showed it: kept for a moment, taken from the front.

A listing reads every task; a claim needs the first good one. So a process keeps the sorted list and renews it
when it is used up, or older than half a second (longer where listing is slow, or many tasks changed, so that
it takes about a twentieth of the time at most). Until then it may miss a task of higher priority that another
process has just made. What it shows is only a hint: the document and the lease decide, under the lock.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from mdcoord.errors import MdcoordError
from mdcoord.model import Change, Key, Record
from mdcoord.rules.conflicts import rivals_among
from mdcoord.rules.leases import Lease
from mdcoord.rules.readiness import OPEN, StatusOf, declined, dependencies, obstacles, rank, statuses
from mdcoord.rules.standing import IN_PROGRESS, observed, reopened, standing, status_of
from mdcoord.services.env import Env
from mdcoord.services.offers import Offers
from mdcoord.services.roster import Member

if TYPE_CHECKING:
    from mdcoord.rules.assignment import Experience

MAX_AGE: Final = 0.5
"""Seconds after which the list is made again."""

SHARE: Final = 20
"""Making the list takes at most one part in so many of the time."""

REREAD: Final = 0.0001
"""Seconds that a listing takes, about, for each task that has changed since the last one."""


class _Line:
    """Tasks in the order in which an agent is offered them. Those before `front` are gone."""

    __slots__ = ("front", "order")

    def __init__(self, order: list[Record]) -> None:
        self.order = order
        self.front = 0


@dataclass(slots=True, eq=False, repr=False)
class Snapshot:
    """One listing. `made` and `until` are seconds on this process's clock; see `fresh`.

    `alone` until a task of it turned out to be somebody else's; from then on tasks are looked at before they
    are tried. `passed` are tasks that were passed over because their attempts had gone on since the listing.
    """

    made: float
    until: float
    order: list[Record]
    status: StatusOf
    rivals: Mapping[str, Sequence[str]]
    awaited: frozenset[str]
    tally: dict[str, int]
    experience: Experience | None = None
    alone: bool = True
    gone: set[Key] = field(default_factory=set)
    passed: list[Record] = field(default_factory=list)
    lines: dict[str, _Line] = field(default_factory=dict)
    listed = True

    @property
    def fresh(self) -> bool:
        """Whether the list need not be made again yet, unless it is used up."""
        return time.monotonic() < self.until + SHARE * REREAD * len(self.passed)

    def candidates(
        self, agent: str, can: Collection[str] | None, env: Env, member: Member | None = None
    ) -> Iterator[Record]:
        """What is left, in order, as far as the listing shows that this agent may have it.

        What is only for it because nobody else took it for long comes last.
        """
        now, late, fallback = env.host.stamp(), [], env.rules.fallback_after
        line = self._line(env, member)
        while line.front < len(line.order) and line.order[line.front].key in self.gone:
            line.front += 1
        for index in range(line.front, len(line.order)):
            record = line.order[index]
            if record.key in self.gone:
                continue
            fields = reopened(record.fields)
            if not obstacles(fields, self.status, now, can, agent, rivals=self._rivals):
                if not declined(fields, agent):
                    yield record
            elif fallback is not None and not obstacles(
                fields, self.status, now, can, agent, fallback=fallback, rivals=self._rivals
            ):
                late.append(record)
        yield from late

    def _rivals(self, name: str) -> Sequence[str]:
        return self.rivals.get(name, ())

    def _line(self, env: Env, member: Member | None) -> _Line:
        """The tasks in the order of an agent: its own where it prefers some to others of their priority."""
        own = member is not None and orders_itself(env, member)
        name = member.id if member and own else ""
        if name not in self.lines:
            self.lines[name] = _Line(
                self._preferred(env.team.strategy, member) if member and own else self.order
            )
        return self.lines[name]

    def _preferred(self, strategy: str, member: Member) -> list[Record]:
        from mdcoord.rules.assignment import Candidate, Experience, preference

        me = Candidate(member.id, member.capabilities, member.specializations)
        known = self.experience or Experience()

        def order(record: Record) -> tuple[float, float, str, str]:
            priority, created, name = rank(record.fields)
            return (priority, preference(strategy, record.fields, me, known), created, name)

        return sorted(self.order, key=order)


class Queue:
    """The list of a process. Several threads may use it: a list is replaced as a whole.

    Where the store keeps the queue itself, what it offers takes the place of the list.
    """

    def __init__(self, env: Env) -> None:
        self._env = env
        self._shelf = env.backend.shelf()
        self._snapshot: Snapshot | Offers | None = None

    def snapshot(self, member: Member | None = None) -> Snapshot | Offers:
        """The list for an agent, made again when it is too old."""
        found = self._snapshot
        listed = self._shelf is None or orders_itself(self._env, member)
        return found if found and found.fresh and found.listed == listed else self.refresh(member)

    def refresh(self, member: Member | None = None) -> Snapshot | Offers:
        """The list for an agent, made now."""
        self._shelf = self._env.backend.shelf()  # the workspace may have moved to another store
        if self._shelf is None or orders_itself(self._env, member):
            self._snapshot = self._list()
        else:
            self._shelf.forget()
            self._snapshot = Offers(self._env, self._shelf, self._over)
        return self._snapshot

    def running(self) -> Sequence[Record]:
        """All tasks that may be in progress."""
        return self._shelf.held() if self._shelf else self._env.backend.list("task").records

    def _list(self) -> Snapshot:
        """A listing of now. Notes the claims of other machines that it sees (see `leases.watch`)."""
        begun = time.monotonic()
        records = self._env.backend.list("task").records
        known = cache(lambda: statuses(records))  # only tasks that depend on others need it
        order: list[Record] = []
        running: set[Key] = set()
        awaited: set[str] = set()
        tally: dict[str, int] = {}
        for record in records:
            status = status_of(record.fields)
            tally[status] = tally.get(status, 0) + 1
            if status in OPEN:
                if record.fields.get("depends_on"):
                    awaited.update(dependencies(record.fields))
                order.append(record)
            elif status == IN_PROGRESS:
                if self._over(record):
                    order.append(record)
                else:
                    running.add(record.key)
        rivals = rivals_among(records, lambda record: record.key in running)
        order.sort(key=lambda record: rank(record.fields))
        experience = _experience(records) if self._env.team.strategy == "learned" else None
        made = time.monotonic()
        pause = max(MAX_AGE, SHARE * (made - begun))
        return Snapshot(
            begun,
            made + pause,
            order,
            lambda task: known().get(task),
            rivals,
            frozenset(awaited),
            tally,
            experience,
        )

    def forget(self) -> None:
        """Make the list again at the next claim: this process changed what it shows."""
        self._snapshot = None

    def completed(self, task: str) -> None:
        """Forget the list if another task waited for this one."""
        found = self._snapshot
        if found and task in found.awaited:
            self._snapshot = None

    def _over(self, record: Record) -> bool:
        lease: Lease | None = record.lease or self._env.backend.lease(record.key)
        if standing(record, lease, self._env.host, self._env.rules).free:
            return True
        if observed(record, lease, self._env.host, self._env.rules):
            self._note(record.key)
        return False

    def _note(self, key: Key) -> None:
        def decide(record: Record) -> Change | None:
            noted = observed(record, record.lease, self._env.host, self._env.rules)
            return None if noted is None else Change(lease=noted)

        try:
            self._env.backend.write(key, decide, wait=0)
        except MdcoordError:
            pass  # it is busy, or gone: the next listing looks again


def orders_itself(env: Env, member: Member | None) -> bool:
    """Whether an agent has an order of its own: it prefers some tasks to others of their priority."""
    strategy = env.team.strategy
    return strategy == "learned" or (strategy == "skill_based" and bool(member and member.specializations))


def _experience(records: Sequence[Record]) -> Experience:
    from mdcoord.rules.assignment import Experience
    from mdcoord.rules.outcomes import outcomes

    return Experience.of(outcomes(records))
