"""What each verb does to a task: pure functions from a record and its lease to one Change.

```
pending --claim--> in_progress --complete--> completed
   ^                  | release, fail, recover      (dead instead of pending when no attempt is left)
   +------------------+
   +--retry-- completed, failed, dead, cancelled
```

Document and lease change in one write, so no moment shows one without the other; who has a task is in
`standing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mdcoord.errors import ClaimLost, Conflict, NotReady
from mdcoord.host import Host, seconds_of, timestamp
from mdcoord.model import KEEP, Change, Path, Record, Value
from mdcoord.rules.acceptance import refuse_open
from mdcoord.rules.conflicts import announced
from mdcoord.rules.endings import ending, leaving, repeating
from mdcoord.rules.gate import require_gate
from mdcoord.rules.leases import Claimant, Holder, Lease, drop, held, next_attempt, renew, take, unknown_claim
from mdcoord.rules.readiness import ENDED, OPEN, Rivals, StatusOf, conflicts, obstacles, span
from mdcoord.rules.standing import (
    IN_PROGRESS,
    Rules,
    Standing,
    attempt_of,
    lease_of,
    made_by_claim,
    reopened,
    standing,
    status_of,
    whole,
)

LONGEST_TTL: Final = 7 * 86400.0
"""Seconds that a claim may last without being renewed."""


class Unannounced(Exception):
    """A task with conflicts is to be claimed: its bars must be set first, for this attempt."""

    def __init__(self, record: Record, attempt: int) -> None:
        super().__init__(f"{record.key.name} at attempt {attempt}")
        self.record = record
        self.attempt = attempt


def claim(
    record: Record,
    who: Claimant,
    host: Host,
    rules: Rules,
    *,
    statuses: StatusOf,
    rivals: Rivals,
    mark: str = "",
    can: frozenset[str] | None = None,
    ttl: float | None = None,
    renewed: bool = False,
    op: str | None = None,
) -> Change | None:
    """Give the task to `who`; None when this very operation did so before and the claim still stands.

    `ttl` goes before the task's own and the rules'; `renewed`: the claim will be renewed in the background.
    `rivals` tells whose bars stand on the task, `mark` names this claim in its own bars. A task whose last
    attempt was used up by a holder that is gone becomes a dead letter instead: look at the status of the
    record that the write returns. Raises NotReady, ClaimLost for a repeated operation whose claim has ended,
    and Unannounced.
    """
    lease, fields = lease_of(record), record.fields
    if lease and lease.did(op):
        held(lease, who, record.key.name)
        return None
    now = standing(record, lease, host, rules)
    if _named_only(now, who):
        now = Standing()  # its document names this agent, who goes on with a claim of its own
    if not now.free:
        raise not_ready(record, [now.describe()], mine=_same(now.holder, who), unknown=now.holder)
    reasons = obstacles(
        *(reopened(fields), statuses, host.stamp(), can, who.agent),
        fallback=rules.fallback_after,
        rivals=lambda _: rivals(record.key.id),
    )
    if reasons:
        raise not_ready(record, reasons)
    if now.holder and now.ended and status_of(fields) == IN_PROGRESS and spent(fields, lease, rules):
        return recover(record, host, rules)
    attempt = next_attempt(lease, attempt_of(fields))
    if conflicts(fields) and not announced(lease, record.key.id, attempt, mark, host):
        raise Unannounced(record, attempt)
    usual = rules.renewed_ttl if renewed else rules.ttl
    ttl = ttl or min(span(fields.get("ttl")) or usual, LONGEST_TTL)
    taken = take(lease, who, floor=attempt_of(fields), ttl=ttl, host=host, op=op)
    return _taken(record, taken, who, host)._replace(append=leaving(record, now, host))


def hold(record: Record, who: Claimant, host: Host, rules: Rules) -> Lease:
    """The lease by which `who` may write to the task, renewed; raises ClaimLost when there is none.

    Where the lease is lost and the document still names `who` at the same attempt, it is made anew.
    """
    lease, attempt, status = lease_of(record), attempt_of(record.fields), status_of(record.fields)
    if _adoptable(record.fields, lease, who):
        return _adopt(lease, who, host, rules, attempt)
    named = str(record.fields.get("assigned_agent") or "") if status == IN_PROGRESS else None
    mine = held(lease, who, record.key.name, named)
    if (status in OPEN or status in ENDED) and attempt >= mine.attempt:
        raise ClaimLost(
            f"the claim on {record.key.name} is over: its status was set to {status}",
            hint="stop working on it; look at the task's document",
            task=record.key.name,
            holder=None,
            attempt=attempt,
        )
    return renew(mine, host)


def progress(
    record: Record, lease: Lease, host: Host, changes: Mapping[Path, Value], log: str | None
) -> Change:
    """Note how far the holder is."""
    append: dict[Path, list[Value]] = {("logs",): [{"at": host.stamp(), "message": log}]} if log else {}
    return Change(
        set={**changes, **_again(record, lease), ("updated_at",): host.stamp()}, append=append, lease=lease
    )


def complete(record: Record, lease: Lease, host: Host, result: Value, op: str | None) -> Change:
    """End the task well. Raises NotAccepted, GateNotPassed."""
    refuse_open(record)
    require_gate(record.key.id, record.fields, lease.attempt)
    now = host.stamp()
    fields: dict[Path, Value] = {
        ("status",): "completed",
        ("progress",): 1,
        ("updated_at",): now,
        ("completed_at",): now,
        **_again(record, lease),
    }
    if result is not None:
        fields["result",] = result
    return Change(set=fields, delete=(("error",),), lease=drop(lease, op))


def fail(record: Record, lease: Lease, host: Host, rules: Rules, error: str, op: str | None) -> Change:
    """End an attempt badly: pending again after a pause, or dead when it was the last one."""
    log = ending(f"attempt {lease.attempt} failed: {error}", "failed", record, lease.holder, host)
    changes: dict[Path, Value] = {("error",): error}
    if not spent(record.fields, lease, rules):
        pause = rules.backoff.delay(used(record.fields, lease), host.chance())
        if pause:
            changes["not_before",] = timestamp(host.now() + pause)
    return _back(record, lease, host, rules, log, changes, op)


def release(
    record: Record,
    lease: Lease,
    host: Host,
    op: str | None,
    *,
    reason: str | None = None,
    lacks: Sequence[str] = (),
) -> Change:
    """Give the task back unharmed: the attempt does not count against the retry limit.

    `reason` goes into the task's log. What its holder `lacks` is from then on among the task's needs, and the
    task is not handed to that agent again unless it asks for it by its name.
    """
    fields, agent = record.fields, lease.holder.agent if lease.holder else ""
    set_: dict[Path, Value] = {
        ("status",): "pending",
        ("updated_at",): host.stamp(),
        ("excused",): whole(fields.get("excused")) + 1,
        **_again(record, lease),
    }
    append: dict[Path, list[Value]] = {}
    if lacks:
        known = _items(fields.get("needs"))
        set_["needs",] = [*known, *(need for need in lacks if need not in known)]
        set_["declined_by",] = [*(one for one in _items(fields.get("declined_by")) if one != agent), agent]
        reason = "; ".join(filter(None, [f"it lacks {', '.join(lacks)}", reason]))
    if reason:
        append["logs",] = [{"at": host.stamp(), "message": f"given back by {agent}: {reason}"}]
    delete = (("started_at",), *made_by_claim(fields))
    return Change(set=set_, delete=delete, append=append, lease=drop(lease, op))


def recover(record: Record, host: Host, rules: Rules) -> Change | None:
    """Take the task from a holder whose claim is over; None when it is not, or nobody has it."""
    lease = lease_of(record)
    now = standing(record, lease, host, rules)
    if now.holder is None or now.ended is None:
        return None
    kept = lease or Lease(attempt_of(record.fields))
    if status_of(record.fields) != IN_PROGRESS:
        return Change(lease=drop(kept))
    (log,) = leaving(record, now, host)["logs",]
    return _back(record, kept, host, rules, log, {}, None)


def retry(record: Record, host: Host, op: str | None) -> Change | None:
    """Make an ended task pending with a fresh set of attempts; None when it is ready to be tried already.

    A task that waits until it may be tried again need not wait any longer. Raises Conflict for a task in
    progress.
    """
    lease, status = lease_of(record), status_of(record.fields)
    if lease and lease.did(op):
        return None
    if status in OPEN:
        return _at_once(record, lease, host, op)
    if status == IN_PROGRESS:
        raise Conflict(
            f"{record.key.name} is in progress",
            hint="its holder may fail or release it",
            task=record.key.name,
        )
    return Change(
        set={
            ("status",): "pending",
            ("updated_at",): host.stamp(),
            ("excused",): max(attempt_of(record.fields), lease.attempt if lease else 0),
        },
        delete=(("completed_at",), ("progress",), ("started_at",), *made_by_claim(record.fields)),
        append=repeating(record, host),
        lease=drop(lease or Lease(), op),
    )


def spent(fields: Mapping[str, Value], lease: Lease | None, rules: Rules) -> bool:
    """Whether the present attempt is the last one that the retry limit allows."""
    limit = fields.get("retry_limit")
    allowed = rules.retry_limit if limit is None else whole(limit)
    return used(fields, lease) >= allowed


def used(fields: Mapping[str, Value], lease: Lease | None) -> int:
    """How many attempts count, with the present one."""
    return max(attempt_of(fields), lease.attempt if lease else 0) - whole(fields.get("excused"))


def recovery(after: Record, before: Standing) -> tuple[str, dict[str, Value]]:
    """The event about a task that was taken from a holder whose claim was over: its name and its data."""
    holder, lease = before.holder, lease_of(after)
    data = {
        "task_id": after.key.id,
        "previous_agent": holder.agent if holder else None,
        "previous_session": holder.session if holder else None,
        "reason": before.ended,
        "attempt": lease.attempt if lease else attempt_of(after.fields),
    }
    return ("task_dead" if status_of(after.fields) == "dead" else "task_recovered"), data


def not_ready(
    record: Record, reasons: list[str], *, mine: bool = False, unknown: Holder | None = None
) -> NotReady:
    """The refusal of a claim, with its reasons. `unknown` is a holder that only the document may know."""
    hint = "claim another task"
    if mine:
        hint = "you hold it already: go on with progress, complete, fail or release"
    elif unknown and not unknown.session:
        hint = unknown_claim(unknown.agent, record.key.id)[1]
    return NotReady(
        f"{record.key.name} cannot be claimed: {'; '.join(reasons)}",
        hint=hint,
        task=record.key.name,
        reasons=reasons,
    )


def _taken(record: Record, lease: Lease, who: Claimant, host: Host) -> Change:
    fields, now = record.fields, host.stamp()
    changes: dict[Path, Value] = {
        ("status",): IN_PROGRESS,
        ("assigned_agent",): who.agent,
        ("updated_at",): now,
        ("attempt",): lease.attempt,
    }
    reserved = bool(reopened(fields).get("assigned_agent"))
    if reserved:
        # An assignment made before the claim stays when the claim ends: `made_by_claim` tells by the stamps.
        started = now if fields.get("assigned_at") != now else timestamp(host.now() + 0.001)
    else:
        started = changes["assigned_at",] = now
    changes["started_at",] = started
    unknown = lease.attempt - 1 - attempt_of(fields)
    if unknown > 0:
        # Attempts of which this document knows nothing (it was made anew, or git brought an old one back).
        changes["excused",] = whole(fields.get("excused")) + unknown
    return Change(set=changes, lease=lease)


def _back(
    record: Record,
    lease: Lease,
    host: Host,
    rules: Rules,
    log: Value,
    changes: dict[Path, Value],
    op: str | None,
) -> Change:
    now = host.stamp()
    dead = spent(record.fields, lease, rules)
    return Change(
        set={
            ("status",): "dead" if dead else "pending",
            ("updated_at",): now,
            **({("completed_at",): now} if dead else {}),
            **changes,
            **_again(record, lease),
        },
        delete=() if dead else (("started_at",), *made_by_claim(record.fields)),
        append={("logs",): [log]},
        lease=drop(lease, op),
    )


def _at_once(record: Record, lease: Lease | None, host: Host, op: str | None) -> Change | None:
    """Let a pending task be claimed now."""
    until = seconds_of(record.fields.get("not_before"))
    if until is None or until <= host.now():
        return None
    kept = KEEP if op is None else (lease or Lease()).after(op)
    return Change(set={("updated_at",): host.stamp()}, delete=(("not_before",),), lease=kept)


def _again(record: Record, lease: Lease) -> dict[Path, Value]:
    """The attempt, where the document has lost it."""
    return {("attempt",): lease.attempt} if attempt_of(record.fields) < lease.attempt else {}


def _adoptable(fields: Mapping[str, Value], lease: Lease | None, who: Claimant) -> bool:
    unheld = lease is None or lease.holder is None or not lease.holder.session
    attempt = attempt_of(fields)
    return (
        unheld
        and status_of(fields) == IN_PROGRESS
        and fields.get("assigned_agent") == who.agent
        and attempt >= (lease.attempt if lease else 0)
        and (who.token is None or who.token.startswith(f"{attempt}-"))
    )


def _adopt(lease: Lease | None, who: Claimant, host: Host, rules: Rules, attempt: int) -> Lease:
    made = take(None, who, floor=attempt - 1, ttl=rules.ttl, host=host)
    holder = made.holder._replace(token=who.token) if made.holder and who.token else made.holder
    return made._replace(holder=holder, ops=lease.ops if lease else ())


def _named_only(now: Standing, who: Claimant) -> bool:
    """Whether the document names `who`, and no claim is known."""
    holder = now.holder
    return holder is not None and not now.free and not holder.session and holder.agent == who.agent != ""


def _same(holder: Holder | None, who: Claimant) -> bool:
    return holder is not None and (holder.agent, holder.session) == (who.agent, who.session)


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
