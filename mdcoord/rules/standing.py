"""Who has a task: what its document and its lease say together.

The document is the truth about the status, the lease about who holds it. Where the two disagree somebody
edited by hand, git brought an old file back, or the lease was lost:

* pending by hand while somebody holds it: the task is free, the holder gets ClaimLost at its next write;
* an attempt in the document below the lease's: the document is older than the claim; the claim stands;
* in progress without a lease (a fresh clone): held by its assigned agent, who may simply go on, and free
  after a ttl in which this machine saw the document unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mdcoord.host import Host, timestamp
from mdcoord.model import Path, Record, Value
from mdcoord.rules.backoff import Backoff
from mdcoord.rules.leases import Holder, Lease, over, overdue, unknown_claim, watch
from mdcoord.rules.readiness import ENDED, OPEN, span

IN_PROGRESS: Final = "in_progress"


class Rules(NamedTuple):
    """What applies where a task or a call says nothing itself. Times are seconds.

    A claim lasts `ttl` after a sign of life, and `renewed_ttl` where its holder renews it in the background.
    `heartbeat` is how often a claim is renewed in the background, at most a third of its ttl. `grace` is how
    long a claim is left alone after its end; None: a tenth of its ttl. After `timeout` a claim may be taken
    back however alive its holder is (None: never). `backoff` says how long a task that failed is left alone.
    A task that has been waiting for `fallback_after` is for any agent, whatever it needs and whoever it is
    assigned to (None: never).
    """

    ttl: float = 900.0
    retry_limit: int = 3
    heartbeat: float = 60.0
    grace: float | None = None
    timeout: float | None = None
    backoff: Backoff = Backoff()
    fallback_after: float | None = None
    renewed_ttl: float = 24.0


class Standing(NamedTuple):
    """Who holds a task (None: nobody), and why it may be taken from that holder (None: it may not)."""

    holder: Holder | None = None
    ended: str | None = None

    @property
    def free(self) -> bool:
        """Whether somebody else may take the task."""
        return self.holder is None or self.ended is not None

    def describe(self) -> str:
        """The holder, since when and until when, as a phrase."""
        holder = self.holder
        if holder is None:
            return "it is held by nobody"
        if not holder.session:
            return "it is " + unknown_claim(holder.agent, "")[0]
        return (
            f"it is held by {holder.agent} (session {holder.session}) "
            f"since {holder.acquired_at} until {holder.expires_at}"
        )


def status_of(fields: Mapping[str, Value]) -> str:
    """The status of a task; one without is pending."""
    return str(fields.get("status") or "pending")


def attempt_of(fields: Mapping[str, Value]) -> int:
    """The number of the last claim according to the document, 0 before the first."""
    return whole(fields.get("attempt"))


def timeout_of(fields: Mapping[str, Value], rules: Rules) -> float | None:
    """After how many seconds a claim on the task may be taken back from a holder that lives."""
    return span(fields.get("timeout")) or rules.timeout


def standing(record: Record, lease: Lease | None, host: Host, rules: Rules) -> Standing:
    """Who has the task, by its document and its lease together."""
    status = status_of(record.fields)
    if status in ENDED:
        return Standing()
    if lease and lease.holder and lease.holder.session:
        if status in OPEN and attempt_of(record.fields) >= lease.attempt:
            return Standing(lease.holder, f"its document was set to {status}")
        ended = over(lease, host, rules.grace) or overdue(lease, host, timeout_of(record.fields, rules))
        return Standing(lease.holder, ended)
    if status != IN_PROGRESS:
        return Standing()
    note = _note(record, lease, host, 0.0)
    known = lease is not None and lease.holder is not None and lease.holder.token == note.token
    return Standing(note, over(lease, host, rules.grace) if known else None)


def observed(record: Record, lease: Lease | None, host: Host, rules: Rules) -> Lease | None:
    """The lease with the note that this machine saw the claim as it is; None when nothing is to be noted."""
    if lease and lease.holder and lease.holder.session:
        return watch(lease, host)
    if status_of(record.fields) != IN_PROGRESS:
        return None
    note = _note(record, lease, host, rules.ttl)
    if lease and lease.holder and lease.holder.token == note.token:
        return watch(lease, host)
    kept = lease or Lease(attempt_of(record.fields))
    return watch(kept._replace(holder=note, seen={}), host)


def reopened(fields: Mapping[str, Value]) -> Mapping[str, Value]:
    """The fields that decide who may have the task once its present claim is over, which is pending then."""
    status, unset = status_of(fields), {path[0] for path in made_by_claim(fields)}
    if status != IN_PROGRESS and not (status in OPEN and unset):
        return fields
    return {**{name: value for name, value in fields.items() if name not in unset}, "status": "pending"}


def lease_of(record: Record) -> Lease | None:
    """The lease that was read with the record."""
    lease: Lease | None = record.lease
    return lease


def made_by_claim(fields: Mapping[str, Value]) -> tuple[Path, ...]:
    """The fields of an assignment that the claim itself made, and that go with its end."""
    by_claim = fields.get("assigned_at") is not None and fields.get("assigned_at") == fields.get("started_at")
    return (("assigned_agent",), ("assigned_at",)) if by_claim else ()


def whole(value: Any) -> int:
    """The value as a whole number, 0 where it is none."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _note(record: Record, lease: Lease | None, host: Host, ttl: float) -> Holder:
    """Stands for the unknown holder of a task whose lease is lost.

    Changes of its document are its signs of life.
    """
    now = host.now()
    return Holder(
        agent=str(record.fields.get("assigned_agent") or ""),
        session="",
        token=f"{attempt_of(record.fields)}-{record.version}",
        ttl=ttl,
        acquired_at=str(record.fields.get("started_at") or ""),
        renewed_at=timestamp(now),
        expires_at=timestamp(now + ttl),
        beat=0,
        host="",
        boot="",
        uptime=0.0,
    )
