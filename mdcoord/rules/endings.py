"""The lines of a task's log about the ends of its attempts, from which `outcomes` works out the figures."""

from __future__ import annotations

from mdcoord.host import Host, seconds_of
from mdcoord.model import Path, Record, Value
from mdcoord.rules.leases import Holder
from mdcoord.rules.readiness import DONE
from mdcoord.rules.standing import Standing, status_of


def ending(message: str, outcome: str, record: Record, holder: Holder | None, host: Host) -> Value:
    """The line about the end of an attempt: what became of it, whose it was, how long it ran."""
    began = seconds_of(record.fields.get("started_at"))
    line: dict[str, Value] = {"at": host.stamp(), "message": message, "outcome": outcome}
    if holder and holder.agent:
        line["agent"] = holder.agent
    if began is not None:
        line["duration_sec"] = max(0.0, round(host.now() - began, 3))
    return line


def leaving(record: Record, now: Standing, host: Host) -> dict[Path, list[Value]]:
    """The line about the previous holder, for the task's own log."""
    if now.holder is None or now.ended is None:
        return {}
    whose = f"{now.holder.agent} (session {now.holder.session})" if now.holder.session else now.holder.agent
    message = f"taken from {whose or 'nobody known'}: {now.ended}"
    return {("logs",): [ending(message, "lost", record, now.holder, host)]}


def repeating(record: Record, host: Host) -> dict[Path, list[Value]]:
    """The line about a success that is to be repeated: the fields that tell of it go."""
    fields = record.fields
    if status_of(fields) not in DONE:
        return {}
    line: dict[str, Value] = {
        "at": fields.get("completed_at") or host.stamp(),
        "message": "it was completed and is done again",
        "outcome": "completed",
    }
    if fields.get("assigned_agent"):
        line["agent"] = fields["assigned_agent"]
    began, ended = seconds_of(fields.get("started_at")), seconds_of(fields.get("completed_at"))
    if began is not None and ended is not None:
        line["duration_sec"] = max(0.0, round(ended - began, 3))
    return {("logs",): [line]}
