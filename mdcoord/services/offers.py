"""What may be claimed, where the store keeps the queue itself (see `base.Shelf`): asked for as it is needed.

It does for such a store what `queue.Snapshot` does with a listing, without reading all tasks.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Final

from mdcoord.backends.base import Shelf
from mdcoord.host import seconds_of
from mdcoord.model import Key, Record, Value
from mdcoord.rules.readiness import OPEN, declined, dependencies, obstacles, rank
from mdcoord.rules.standing import lease_of, reopened, standing, status_of
from mdcoord.services.env import Env
from mdcoord.services.others import Others
from mdcoord.services.roster import Member

MAX_AGE: Final = 0.5
"""Seconds after which one looks again whose claims are over."""

SHARE: Final = 20
"""That takes at most one part in so many of the time."""

Over = Callable[[Record], bool]
"""Whether a task in progress may be taken from its holder; notes that it was seen if it may not."""


class Offers:
    """Candidates for claims. `made` is in seconds on this process's clock."""

    listed = False
    alone = False
    awaited: frozenset[str] = frozenset()

    def __init__(self, env: Env, shelf: Shelf, over: Over) -> None:
        self._env = env
        self._shelf = shelf
        self._over = over
        self._others = Others(env)
        self._until = float("inf")
        self.made = time.monotonic()
        self.gone: set[Key] = set()

    @property
    def fresh(self) -> bool:
        """Whether it need not be made again yet, unless it is used up."""
        return time.monotonic() < self._until

    @property
    def tally(self) -> Mapping[str, int]:
        """How many tasks have which status, now."""
        return self._shelf.tally()

    def candidates(
        self, agent: str, can: Collection[str] | None, env: Env, member: Member | None = None
    ) -> Iterator[Record]:
        """What is left, in order, as far as it shows that this agent may have it; see `Snapshot`."""
        now, late, fallback = env.host.stamp(), list[Record](), env.rules.fallback_after
        over = (record for record in self._abandoned if record.key not in self.gone)
        for record in heapq.merge(over, self._shelf.open(), key=lambda record: rank(record.fields)):
            if record.key in self.gone:
                continue
            fields, known = reopened(record.fields), dict[str, str | None]()

            def status(task: str, known: dict[str, str | None] = known) -> str | None:
                if task not in known:
                    known[task] = self._others.status(task)
                return known[task]

            def rivals(_: str, record: Record = record) -> list[str]:
                return self._others.rivals(record)

            if not obstacles(fields, status, now, can, agent, rivals=rivals):
                if not declined(fields, agent) and self._free(record):
                    yield record
            elif self._aside(record, fields, status, now) or fallback is None:
                continue
            elif not obstacles(fields, status, now, can, agent, fallback=fallback, rivals=rivals):
                late.append(record)
        yield from late

    @cached_property
    def _abandoned(self) -> list[Record]:
        """The tasks whose claims are over, in the order in which they are handed out."""
        begun = time.monotonic()
        found = sorted(filter(self._over, self._shelf.held()), key=lambda record: rank(record.fields))
        spent = time.monotonic() - begun
        self._until = begun + spent + max(MAX_AGE, SHARE * spent)
        return found

    def _free(self, record: Record) -> bool:
        lease = lease_of(record)
        return lease is None or standing(record, lease, self._env.host, self._env.rules).free

    def _aside(
        self,
        record: Record,
        fields: Mapping[str, Value],
        status: Callable[[str], str | None],
        now: str,
    ) -> bool:
        """Put a task aside that nobody can claim; whether it is such a one."""
        if status_of(record.fields) not in OPEN:
            return False
        without_others = {**fields, "not_before": None}
        for other in dependencies(fields):
            if obstacles({**without_others, "depends_on": [other]}, status, now):
                self._shelf.wait_for(record, other)
                return True
        moment = seconds_of(fields.get("not_before"))
        if moment is None or moment <= (seconds_of(now) or 0.0):
            return False
        self._shelf.wait_until(record, moment)
        return True
