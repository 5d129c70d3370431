"""Tasks that never run at the same time: `conflicts_with`, kept by bars in the leases.

A lock holds one document, and a conflict is between two. So whoever claims a task with conflicts first puts a
*bar* into its own lease and into the leases of the others, each under that document's lock and in the order
of their names, and claims only then. A bar says "task T is at attempt N, or about to be". It stands while T
is in progress, and for a moment before, while the claim is under way; a claimer that was killed leaves
nothing that somebody must clear away.

Of two claimers of conflicting tasks the one who comes first to the first document in order wins: the other
finds a bar or a holder there. A task that lists no conflicts itself still finds the bars of those that list
it, in the lease that its claim reads anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mdcoord.host import Host
from mdcoord.model import Record
from mdcoord.rules.leases import MAX_SKEW, Bar, Lease
from mdcoord.rules.readiness import conflicts, task_id

UNDER_WAY: Final = 5.0
"""Seconds after which a claim that was announced by a bar, but not made, counts as given up."""


def barred(lease: Lease | None, name: str, attempt: int, by: str, host: Host) -> Lease | None:
    """The lease with a bar for the task `name`, which is about to be claimed for the `attempt`-th time.

    `by` names the claim that says so. None when another claim of the task said so first, or got further.
    """
    known = lease or Lease()
    there = known.bars.get(name)
    others = there is not None and there.by != by
    if (
        there
        and others
        and (there.attempt > attempt or (there.attempt == attempt and under_way(there, host)))
    ):
        return None
    bar = Bar(attempt, host.boot, host.uptime(), host.now(), by)
    return known._replace(bars={**known.bars, name: bar})


def withdrawn(lease: Lease | None, name: str, by: str) -> Lease | None:
    """The lease without the bar of a claim that came to nothing; None when that bar is not there."""
    if lease is None or name not in lease.bars or lease.bars[name].by != by:
        return None
    return lease._replace(bars={task: bar for task, bar in lease.bars.items() if task != name})


def under_way(bar: Bar, host: Host) -> bool:
    """Whether the claim that a bar announces may still be made."""
    if bar.boot == host.boot:
        return host.uptime() - bar.uptime < UNDER_WAY
    return abs(host.now() - bar.at) < UNDER_WAY + MAX_SKEW  # set by another machine, whose clock is its own


def announced(lease: Lease | None, name: str, attempt: int, by: str, host: Host) -> bool:
    """Whether a task's own lease says that this very claim is under way.

    The bar of another claimer does not do: who knows whether it got as far as the last lease.
    """
    bar = lease.bars.get(name) if lease else None
    return bar is not None and (bar.attempt, bar.by) == (attempt, by) and under_way(bar, host)


def standing_bars(
    lease: Lease | None,
    name: str,
    attempt_of: Callable[[str], int],
    runs: Callable[[str], bool],
    host: Host,
) -> list[str]:
    """The other tasks whose bars on the task `name` stand.

    `attempt_of` gives the number of the last claim of a task, `runs` whether it is in progress now, under a
    claim that is not over.
    """
    return [
        other
        for other, bar in (lease.bars.items() if lease else ())
        if other != name and (runs(other) if attempt_of(other) >= bar.attempt else under_way(bar, host))
    ]


def rivals_among(records: Sequence[Record], runs: Callable[[Record], bool]) -> Mapping[str, list[str]]:
    """The tasks that run and conflict with a task, by its id and by the name of its file.

    A conflict holds for both sides, whoever lists it. `runs` tells whether a task is in progress now.
    """
    if not any(record.fields.get("conflicts_with") for record in records):
        return {}
    known = {name: record for record in records for name in _names(record)}
    found: dict[str, list[str]] = {}
    for record in records:
        for other in (known.get(name) for name in conflicts(record.fields)):
            if other is not None and other.key != record.key:
                for one, its_rival in ((record, other), (other, record)):
                    if runs(its_rival):
                        for name in _names(one):
                            rivals = found.setdefault(name, [])
                            rivals += [] if its_rival.key.id in rivals else [its_rival.key.id]
    return found


def _names(record: Record) -> tuple[str, ...]:
    name, identifier = record.key.id, task_id(record.fields)
    return (name,) if identifier in ("", name) else (identifier, name)
