"""The circuit breaker of an agent: who fails again and again is given nothing for a while.

```
CLOSED --threshold failures in a row--> OPEN --cool-down--> HALF_OPEN --success--> CLOSED
                                          ^                     |
                                          +------ failure ------+
```

A closed breaker lets an agent have as many tasks as it may hold, an open one none, a half open one a single
task, to see whether it works again. Only what an agent reports as failed counts, and what it did not finish
in the task's timeout: a process that was killed says nothing about the agent's work.

It is kept in the agent's document, `circuit_breaker`, where people may read it and set it: `state: CLOSED`
lets the agent go on, `state: OPEN` without `last_failure` stops it until somebody says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mdcoord.host import seconds_of, timestamp
from mdcoord.model import Value

CLOSED: Final = "CLOSED"
OPEN: Final = "OPEN"
HALF_OPEN: Final = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One agent's breaker.

    It opens at `threshold` failures in a row (0: never) and stays so for `cooldown` seconds after the last.
    """

    threshold: int = 3
    cooldown: float = 60.0
    failure_count: int = 0
    last_failure: str | None = None
    opened: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, Any], threshold: int, cooldown: float) -> Breaker:
        """The breaker of an agent by its document; `threshold` and `cooldown` where that does not say them.

        Values of another type than they should be count as absent.
        """
        kept = fields.get("circuit_breaker")
        found: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
        state, last = str(found.get("state") or "").upper().replace("-", "_"), found.get("last_failure")
        return cls(
            threshold=whole_number(found.get("threshold"), threshold),
            cooldown=_seconds(found.get("cooldown_sec"), cooldown),
            failure_count=whole_number(found.get("failure_count"), 0),
            last_failure=last if seconds_of(last) is not None else None,
            opened=state in (OPEN, HALF_OPEN),
        )

    def state(self, now: float) -> str:
        """CLOSED, OPEN or HALF_OPEN, at a time in seconds since 1970.

        Stamps by another clock are believed as long as they are less than a cool-down in the future.
        """
        if not self.opened:
            return CLOSED
        last = seconds_of(self.last_failure)
        return OPEN if last is None or -self.cooldown < now - last < self.cooldown else HALF_OPEN

    def room(self, limit: int, now: float) -> int:
        """How many tasks the agent may hold at a time that may hold `limit` of them when it works well."""
        return {CLOSED: limit, OPEN: 0, HALF_OPEN: min(1, limit)}[self.state(now)]

    def until(self) -> str | None:
        """When an open breaker will be half open; None when only somebody's word ends it."""
        last = seconds_of(self.last_failure)
        return None if last is None else timestamp(last + self.cooldown)

    def failed(self, now: float) -> Breaker:
        """The breaker after one more failure."""
        count = self.failure_count + 1
        opened = self.opened or (0 < self.threshold <= count)
        return replace(self, failure_count=count, last_failure=timestamp(now), opened=opened)

    def succeeded(self) -> Breaker:
        """The breaker after a task was completed."""
        return replace(self, failure_count=0, opened=False)

    @property
    def clean(self) -> bool:
        """Whether a success would change nothing."""
        return not self.opened and self.failure_count == 0

    def as_fields(self, now: float) -> dict[str, Value]:
        """What the document says of it."""
        return {
            "state": self.state(now),
            "failure_count": self.failure_count,
            "threshold": self.threshold,
            "last_failure": self.last_failure,
        }


def _seconds(value: Any, default: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and value >= 0 else default


def whole_number(value: Any, default: int) -> int:
    """The value where it is a whole number from 0 on, else the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
