"""Whether an agent is there: online, stale or offline, by its process and by its last sign of life.

On the same machine (more exactly: among processes that see each other) the process decides: when it is gone,
the agent is offline at once, whatever it said a second ago. Everywhere else only time tells. Agents are
expected to give a sign every 30 to 60 seconds, so one missed sign makes nobody offline, and the dead are
noticed within two and a half minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.host import Host
from mdcoord.rules.leases import MAX_SKEW

ONLINE: Final = "online"
STALE: Final = "stale"
OFFLINE: Final = "offline"

STALE_AFTER: Final = 90.0
"""Seconds without a sign of life after which an agent is stale: it missed at least one."""

OFFLINE_AFTER: Final = 150.0
"""Seconds without a sign of life after which an agent is offline, unless its process is seen to live."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign of life of an agent.

    `seen` is when it was given, in seconds since 1970 by the wall clock of whoever noted it. `pid`, `started`
    and `processes` name the process that the agent is, as a `Host` tells them; without `pid` the agent is
    nobody's process (a person, or commands in a terminal).
    """

    seen: float | None = None
    pid: int | None = None
    started: str = ""
    processes: str = ""

    @classmethod
    def of(cls, host: Host, pid: int | None = None) -> Sign:
        """A sign that is given now, on this machine."""
        if not pid:
            return cls(host.now())
        return cls(host.now(), pid, host.started(pid), host.processes)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"seen": self.seen, "pid": self.pid, "started": self.started, "processes": self.processes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sign:
        """The inverse of `as_dict`. What is missing or of another type counts as unknown."""
        seen, pid = data.get("seen"), data.get("pid")
        return cls(
            float(seen) if isinstance(seen, int | float) and not isinstance(seen, bool) else None,
            pid if isinstance(pid, int) and not isinstance(pid, bool) and pid > 0 else None,
            str(data.get("started") or ""),
            str(data.get("processes") or ""),
        )


def presence(sign: Sign | None, host: Host) -> str:
    """`online`, `stale` or `offline`, as this machine sees it.

    A process that is seen to live makes an agent at least stale: it is there, but silent. A sign from the
    future counts as given now while it can be another machine's clock; from further ahead it proves nothing,
    and the agent is stale. Nobody knows whether a silent agent of another machine is dead or cut off:
    `offline` never means that it has stopped.
    """
    if sign is None or sign.seen is None:
        return OFFLINE
    silent = host.now() - sign.seen
    lives = None
    if sign.pid and sign.processes and sign.processes == host.processes:
        lives = host.alive(sign.pid, sign.started)
    if lives is False or (lives is None and silent > OFFLINE_AFTER):
        return OFFLINE
    return ONLINE if -MAX_SKEW <= silent <= STALE_AFTER else STALE
