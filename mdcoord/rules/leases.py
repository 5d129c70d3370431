"""The rules of claims, as pure functions over one small immutable value.

A claim is a *lease with a fencing token* (M. Kleppmann, "How to do distributed locking", 2016): it is held
for `ttl` seconds after the last renewal, and every write of the holder carries the token, which is refused
once somebody else claimed the task. It protects what is written through mdcoord. It cannot protect anything
else that a late holder does (a push, an e-mail): pass the token on where that matters.

Whether a lease is over is decided, in this order, by the holder's process (same machine), by the clock since
boot (same boot), by watching the lease stay unchanged for its ttl on one's own clock (other machines, as
Kubernetes' leader election does), and by the wall clock only long after the end and never for a stamp in the
future.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mdcoord.errors import ClaimLost
from mdcoord.host import Host, timestamp

GRACE: Final = 0.1
"""A lease is recovered only this share of its ttl after its end: clocks and schedulers are never exact."""

MAX_SKEW: Final = 60.0
"""Seconds that the wall clocks of two machines may differ."""

OVERDUE: Final = "it ran longer than its timeout"
"""How the reason begins by which a claim was taken that lasted too long."""

REMEMBERED_OPS: Final = 64
"""How many operation ids a lease remembers, so that a repeated request is answered instead of done again."""


class Claimant(NamedTuple):
    """Who acts: an agent in one session. Two sessions with the same agent name are two claimants.

    With a `token` the token alone decides; without one, the session must be the claim's own, and the agent
    too where it is named. `pid` names the process whose death ends the claim at once (on this machine);
    without it only time does.
    """

    agent: str
    session: str
    token: str | None = None
    pid: int | None = None


class Holder(NamedTuple):
    """Who holds a task, and since when.

    `uptime` is the holder's clock since `boot` at the last renewal, `began` the same clock when it was
    claimed (None: on an earlier boot, or on another machine).
    """

    agent: str
    session: str
    token: str
    ttl: float
    acquired_at: str
    renewed_at: str
    expires_at: str
    beat: int
    host: str
    boot: str
    uptime: float
    processes: str = ""
    pid: int | None = None
    started: str = ""
    began: float | None = None


class Bar(NamedTuple):
    """Says that a task which conflicts with this one is at an attempt, or about to be (see `conflicts`).

    `uptime` is the clock since `boot` when that was said, `at` the wall clock; `by` names the one claim that
    said it.
    """

    attempt: int
    boot: str
    uptime: float
    at: float
    by: str = ""


class Lease(NamedTuple):
    """The volatile state of claims on one task.

    `attempt` is the high-water mark: it never goes back, whatever happens to the document. `ops` are the ids
    of the last operations. `seen` is what other machines noticed: boot -> [token, beat, uptime of the first
    sight]. `bars` are there for tasks that must not run at the same time, by their names.
    """

    attempt: int = 0
    holder: Holder | None = None
    ops: tuple[str, ...] = ()
    seen: Mapping[str, tuple[str, int, float]] = {}
    bars: Mapping[str, Bar] = {}

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        data: dict[str, Any] = {"attempt": self.attempt, "ops": list(self.ops)}
        if self.holder is not None:
            holder = self.holder
            data["holder"] = holder._asdict()
            data["seen"] = {boot: list(sight) for boot, sight in self.seen.items()}
        if self.bars:
            data["bars"] = {task: list(bar) for task, bar in self.bars.items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lease:
        """The inverse of `as_dict`; raises KeyError or TypeError for anything else."""
        holder = data.get("holder")
        return cls(
            attempt=int(data["attempt"]),
            holder=Holder(**holder) if holder else None,
            ops=tuple(data.get("ops", ())),
            seen={boot: (str(s[0]), int(s[1]), float(s[2])) for boot, s in data.get("seen", {}).items()},
            bars={task: Bar(*bar) for task, bar in data.get("bars", {}).items()},
        )

    def did(self, op: str | None) -> bool:
        """Whether the operation with this id was done already."""
        return op is not None and op in self.ops

    def after(self, op: str | None) -> Lease:
        """This lease, remembering one more operation."""
        return self if op is None else self._replace(ops=(*self.ops, op)[-REMEMBERED_OPS:])


def next_attempt(lease: Lease | None, floor: int) -> int:
    """The number of the next claim; see `take`."""
    return max(lease.attempt if lease else 0, floor) + 1


def take(
    lease: Lease | None, who: Claimant, *, floor: int, ttl: float, host: Host, op: str | None = None
) -> Lease:
    """The lease after `who` claimed the task; the caller has made sure that it is free and no bar stands.

    The attempt is one above the high-water mark and above `floor` (the attempt in the document), whichever is
    more.
    """
    attempt = next_attempt(lease, floor)
    now, uptime = host.now(), host.uptime()
    holder = Holder(
        agent=who.agent,
        session=who.session,
        token=f"{attempt}-{os.urandom(6).hex()}",
        ttl=ttl,
        acquired_at=timestamp(now),
        renewed_at=timestamp(now),
        expires_at=timestamp(now + ttl),
        beat=0,
        host=host.name,
        boot=host.boot,
        uptime=uptime,
        processes=host.processes if who.pid else "",
        pid=who.pid,
        started=host.started(who.pid) if who.pid else "",
        began=uptime,
    )
    return Lease(attempt, holder, lease.ops if lease else ()).after(op)


def _whose(holder: Holder | None, who: Claimant, name: str, named: str | None) -> tuple[str, str]:
    """Who holds a task that `who` does not hold, and what there is to do."""
    again = "stop working on it and claim a task again"
    if holder is None and named is not None:
        return unknown_claim(named, name)
    if holder is None:
        return "held by nobody", again if who.token else f"claim it first: mdcoord task claim {name}"
    if holder.session:
        return f"now held by {holder.agent} (session {holder.session})", again
    return unknown_claim(holder.agent, name)


def unknown_claim(agent: str, name: str) -> tuple[str, str]:
    """A task that is in progress by its document only: the words for it, and what there is to do."""
    free = f"make it free with `mdcoord task update {name} --set status=pending`"
    if not agent:
        return "in progress by its document, which names nobody (no claim is known here)", free
    state = f"in progress by its document, which names {agent} (no claim is known here)"
    return state, f"{agent} goes on with `mdcoord task claim {name} --agent {agent}`; or {free}"


def held(lease: Lease | None, who: Claimant, task: str, named: str | None = None) -> Lease:
    """The lease, if `who` holds it; raises ClaimLost otherwise.

    `named` is the agent of a task that is in progress by its document, "" where it names none.
    """
    holder = lease.holder if lease else None
    mine = holder is not None and (
        who.token == holder.token
        if who.token
        else who.session == holder.session and who.agent in ("", holder.agent)
    )
    if lease is not None and mine:
        return lease
    state, hint = _whose(holder, who, task.partition("-")[2], named)
    raise ClaimLost(
        f"the claim on {task} is not yours: it is {state}",
        hint=hint,
        task=task,
        holder=holder.agent if holder else None,
        attempt=lease.attempt if lease else 0,
    )


def renew(lease: Lease, host: Host) -> Lease:
    """The lease with its end moved to a full ttl from now. The caller has checked that it is held."""
    holder = lease.holder
    if holder is None:
        raise ValueError("there is nothing to renew")
    now = host.now()
    renewed = holder._replace(
        renewed_at=timestamp(now),
        expires_at=timestamp(now + holder.ttl),
        beat=holder.beat + 1,
        host=host.name,
        boot=host.boot,
        uptime=host.uptime(),
        began=holder.began if holder.boot == host.boot else None,
    )
    return lease._replace(holder=renewed, seen={})


def drop(lease: Lease, op: str | None = None) -> Lease:
    """The lease without a holder; the attempt stays."""
    return lease._replace(holder=None, seen={}).after(op)


def carried(lease: Lease, here: Host, there: Host) -> Lease:
    """The lease as the clock of another store measures it: its holder has as much time left as before.

    One that was renewed on a third clock stays as it is; it is watched there as it was here.
    """
    ahead = there.uptime() - here.uptime()
    holder, seen = lease.holder, dict(lease.seen)
    if holder is not None and holder.boot == here.boot:
        began = None if holder.began is None else holder.began + ahead
        holder = holder._replace(boot=there.boot, uptime=holder.uptime + ahead, began=began)
    elif here.boot in seen:
        token, beat, since = seen.pop(here.boot)
        seen[there.boot] = (token, beat, since + ahead)
    bars = {
        task: bar._replace(boot=there.boot, uptime=bar.uptime + ahead) if bar.boot == here.boot else bar
        for task, bar in lease.bars.items()
    }
    return lease._replace(holder=holder, seen=seen, bars=bars)


def over(lease: Lease | None, host: Host, grace: float | None = None) -> str | None:
    """Why the holder may be robbed of the task now, as a short phrase; None while the lease is good or free.

    `grace` is the time in seconds for which a lease is left alone after its end (None: a share of its ttl,
    GRACE).
    """
    holder = lease.holder if lease else None
    if lease is None or holder is None:
        return None
    allowed = holder.ttl + (GRACE * holder.ttl if grace is None else grace)
    if holder.pid and holder.processes == host.processes and not host.alive(holder.pid, holder.started):
        return "its process is gone"
    if holder.boot == host.boot:
        return "it expired" if host.uptime() - holder.uptime > allowed else None
    if (
        holder.pid
        and holder.host == host.name
        and holder.processes.partition("/")[0] != host.processes.partition("/")[0]
    ):
        return "its machine was started again"
    token, beat, since = lease.seen.get(host.boot, ("", -1, 0.0))
    if (token, beat) == (holder.token, holder.beat) and host.uptime() - since > allowed:
        return "no sign of life for its time to live"
    now = host.now()
    long_ago = timestamp(now - max(MAX_SKEW, allowed - holder.ttl))
    return "it expired" if holder.renewed_at <= timestamp(now) and holder.expires_at < long_ago else None


def overdue(lease: Lease | None, host: Host, timeout: float | None) -> str | None:
    """Why the holder has had the task for too long, however alive it is; None while it has not.

    Timed by the clock since boot where the claim was made on it, else by the wall clock, with MAX_SKEW to
    spare and never for a stamp in the future.
    """
    holder = lease.holder if lease else None
    if holder is None or timeout is None:
        return None
    if holder.boot == host.boot and holder.began is not None:
        late = host.uptime() - holder.began > timeout
    else:
        late = holder.acquired_at < timestamp(host.now() - timeout - MAX_SKEW)
    return f"{OVERDUE} of {timeout:g} s" if late else None


def watch(lease: Lease, host: Host) -> Lease | None:
    """The lease with the note that this machine has seen it as it is; None when nothing is to be noted.

    Needed only for leases of other machines: `over` times them from the first sight.
    """
    holder = lease.holder
    if holder is None or holder.boot == host.boot:
        return None
    sight = lease.seen.get(host.boot)
    if sight and sight[:2] == (holder.token, holder.beat):
        return None
    return lease._replace(seen={**lease.seen, host.boot: (holder.token, holder.beat, host.uptime())})
