"""What every service is given: the store, the machine, the limits, and who is calling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Decide
from mdcoord.errors import Busy, Conflict, InvalidDocument, UsageError
from mdcoord.host import Host
from mdcoord.model import ANY, Change, Expect, Key, Record
from mdcoord.rules.leases import Claimant
from mdcoord.rules.standing import Rules
from mdcoord.services.tally import Tally


class Team(NamedTuple):
    """How agents are treated whose documents say nothing else.

    An agent may hold `max_concurrent_tasks`. Its breaker opens after `breaker_threshold` failures in a row
    (0: never) for `breaker_cooldown` seconds. `strategy` says how a task is assigned (see `assignment`).
    """

    max_concurrent_tasks: int = 3
    breaker_threshold: int = 3
    breaker_cooldown: float = 60.0
    strategy: str = "skill_based"


@dataclass(frozen=True, eq=False, repr=False)
class Env:
    """One caller on one backend.

    `stale_after` is in seconds, and so is `lock_timeout`, the longest wait for a document's lock.
    `all_events` publishes the routine events of tasks, too; `counting` counts what goes wrong (see `tally`).
    """

    backend: Backend
    session: str
    agent: str | None = None
    host: Host = field(default_factory=Host)
    rules: Rules = field(default_factory=Rules)
    team: Team = field(default_factory=Team)
    tally: Tally = field(init=False)
    stale_after: float = 3600.0
    lock_timeout: float = DEFAULT_WAIT
    all_events: bool = False
    counting: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "tally", Tally(self.backend, enabled=self.counting))

    def write(self, key: Key, change: Change | Decide, expect: Expect = ANY) -> Record:
        """`Backend.write`, waiting for the lock as long as the caller is ready to, and counting refusals."""
        try:
            return self.backend.write(key, change, expect, wait=self.lock_timeout)
        except (Conflict, Busy, InvalidDocument) as error:
            if (counted := _COUNTED.get(type(error))) is not None:
                self.tally.add(counted)
            raise

    def claimant(
        self,
        agent: str | None = None,
        session: str | None = None,
        token: str | None = None,
        pid: int | None = None,
    ) -> Claimant:
        """Who acts: what the call says, else the caller; without an agent's name the session alone."""
        return Claimant(agent or self.agent or "", session or self.session, token, pid)

    def named(self, agent: str | None = None) -> str:
        """The agent that acts. Raises UsageError when none is named anywhere."""
        name = agent or self.agent
        if not name:
            raise UsageError(
                "no agent is named",
                hint="pass agent=…, use --agent NAME, or set MDCOORD_AGENT or CLAUDE_INSTANCE_ID",
                option="agent",
            )
        return name


_COUNTED = {Conflict: "conflicts", Busy: "lock_timeouts", InvalidDocument: "documents_refused"}
"""What is counted when a write raises one of these. Of their kinds, like NotReady, each has its own place."""
