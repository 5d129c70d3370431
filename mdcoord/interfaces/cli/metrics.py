"""`mdcoord metrics`."""

from __future__ import annotations

from typing import Any

import click

from mdcoord.interfaces.cli.ages import age, span
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details, inline
from mdcoord.interfaces.cli.options import named, pairs_argument
from mdcoord.interfaces.cli.output import pairs, put, put_all
from mdcoord.interfaces.cli.values import nested
from mdcoord.interfaces.cli.warning import warn

_HERE = "mdcoord.interfaces.cli.metrics"

AGENT_HEADS = ("AGENT", "TYPE", "DONE", "FAILED", "LOST", "SUCCESS", "AVERAGE", "PER HOUR")


@click.group(
    "metrics",
    cls=Group,
    members={name: f"{_HERE}:{name}" for name in ("record", "show")},
    example="mdcoord metrics show performance",
)
def metrics() -> None:
    """Note figures and look at them."""


@verb("record", example="mdcoord metrics record performance loss=0.42 samples_per_second=45.2")
@named("metrics", "name")
@pairs_argument()
def record(call: Call, name: str, pairs: tuple[str, ...]) -> None:
    """Note the values of figures now; the last ones stay as samples."""
    found = call.workspace().metrics.record(name, **nested(pairs))
    put(call, found.as_dict(), f"{found.id} updated")


@verb("show", example="mdcoord metrics show performance")
@named("metrics", "name", required=False)
def show(call: Call, name: str | None) -> None:
    """Show figures; without a name, the latest of all.

    Worked out when you ask: `agents` (how each agent does, by type of task) and `coordination` (whether
    claims, locks and files are in order).
    """
    workspace = call.workspace()
    if name == "agents":
        put_all(call, workspace.metrics.agents(), AGENT_HEADS, _agent, empty="nobody has ended a task")
        return
    if name == "coordination":
        health = workspace.metrics.coordination()
        put(call, health, lambda: _health(health))
        return
    if name is not None:
        found = workspace.metrics.show(name)
        put(call, found.as_dict(), lambda: details(found))
        return
    put_all(
        call,
        workspace.metrics.list(),
        ("METRICS", "UPDATED", "VALUES"),
        lambda found: (found.id, age(found.last_updated), inline(found.latest)),
        empty="no metrics are recorded (see also `metrics show agents` and `metrics show coordination`)",
    )
    warn(call, workspace, "metrics")


def _agent(row: dict[str, Any]) -> tuple[str, ...]:
    rate, average, per_hour = row["success_rate"], row["avg_duration_sec"], row["tasks_per_hour"]
    return (
        row["agent_id"],
        "(all)" if row["type"] is None else row["type"] or "(none)",
        str(row["completed"]),
        str(row["failed"] or ""),
        str(row["lost"] or ""),
        "" if rate is None else f"{rate:.0%}",
        "" if average is None else _lasted(average),
        "" if per_hour is None else _rate(per_hour),
    )


def _health(found: dict[str, Any]) -> str:
    titles = {"from_documents": "Worked out from the documents", "counted": "Counted by the processes"}
    parts = []
    for part, title in titles.items():
        rows = [(name.replace("_", " "), _figure(name, value)) for name, value in found[part].items()]
        parts.append(f"{title}\n{pairs(rows)}")
    return "\n\n".join(parts)


def _figure(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "success_rate":
        return f"{value:.0%}"
    if name == "tasks_per_hour":
        return _rate(value)
    return _lasted(value) if name.endswith("_sec") else f"{value:g}"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _lasted(seconds: float) -> str:
    return f"{seconds:.2g}s" if seconds < 10 else span(seconds)
