"""Taking tasks back from holders that are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mdcoord.backends.base import Backend
from mdcoord.errors import InvalidDocument, NotFound
from mdcoord.host import Host
from mdcoord.model import Change, Key, Record, Value
from mdcoord.rules.lifecycle import recover, recovery
from mdcoord.rules.standing import Rules, Standing, observed, standing, status_of

Publish = Callable[[str, Mapping[str, Value]], None]
"""Announces an event about a task."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A task that was taken back. `status` is what it is now: pending, or dead after its last attempt."""

    id: str
    status: str
    previous_agent: str
    previous_session: str
    reason: str


def recover_all(backend: Backend, host: Host, rules: Rules, publish: Publish) -> list[Recovered]:
    """Take back every task whose claim is over, and clear up after killed writers.

    Claims of other machines are noted (see `leases.watch`). Raises Busy while somebody keeps a task locked.
    """
    backend.sweep()
    found = []
    for record in backend.list("task").records:
        lease = backend.lease(record.key)
        over = standing(record, lease, host, rules).ended is not None
        if over or observed(record, lease, host, rules) is not None:
            recovered = _recover(backend, record.key, host, rules, publish)
            found += [recovered] if recovered else []
    return found


def _recover(backend: Backend, key: Key, host: Host, rules: Rules, publish: Publish) -> Recovered | None:
    before = Standing()

    def decide(record: Record) -> Change | None:
        nonlocal before
        change = recover(record, host, rules)
        if change is not None:
            before = standing(record, record.lease, host, rules)
            return change
        noted = observed(record, record.lease, host, rules)
        return None if noted is None else Change(lease=noted)

    try:
        after = backend.write(key, decide)
    except (NotFound, InvalidDocument):
        return None  # removed or being edited meanwhile
    if before.holder is None or before.ended is None:
        return None
    publish(*recovery(after, before))
    return Recovered(
        key.id, status_of(after.fields), before.holder.agent, before.holder.session, before.ended
    )
