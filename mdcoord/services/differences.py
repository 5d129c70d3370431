"""What became different between the definition of a workflow and its tasks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mdcoord.formats.derived import listed
from mdcoord.model import Value
from mdcoord.rules.acceptance import criteria
from mdcoord.rules.phases import Planned, Tasks
from mdcoord.rules.readiness import conflicts, dependencies, span

_PLAIN: Final = ("title", "priority", "type", "instructions", "context", "retry_limit")
_SPANS: Final = ("timeout", "ttl")
_GROWING: Final = ("needs", "depends_on", "conflicts_with")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a task that is not as the definition wants it.

    `field` is "" for a task that the definition does not have. `settled` is what the field would have to be,
    None where it would have to go.
    """

    task_id: str
    field: str
    wanted: Value
    found: Value

    def describe(self) -> str:
        """As a sentence."""
        if not self.field:
            return f"task {self.task_id} is not in this definition"
        wanted, found = (json.dumps(value, ensure_ascii=False) for value in (self.wanted, self.found))
        return f"task {self.task_id} has {self.field} {found}, the definition {wanted}"

    @property
    def settled(self) -> Value:
        """The value with which there is no difference; what is there besides, and is none, stays."""
        wanted, found = self.wanted, self.found
        if self.field in _GROWING:
            return [*listed(found), *(one for one in listed(wanted) if one not in listed(found))]
        if self.field == "acceptance":  # what is ticked stays so
            known = zip(criteria({"acceptance": found}), listed(found), strict=True)
            entries = {criterion.text: entry for criterion, entry in known}
            wanted = [entries.get(str(text), text) for text in listed(wanted)]
        elif isinstance(wanted, dict) and isinstance(found, dict):
            return {**found, **wanted}
        return wanted

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return asdict(self)


def differences(planned: Sequence[Planned], tasks: Tasks, members: Collection[str]) -> Iterator[Difference]:
    """What is otherwise than planned, and the members of the workflow that are not planned.

    What tasks need or wait for besides is no difference: both grow while a workflow goes on.
    """
    for one in planned:
        if one.id in tasks:
            yield from _of(one, tasks[one.id])
    wanted = {one.id for one in planned}
    for id in members:
        if id not in wanted:
            yield Difference(id, "", None, None)


def _of(one: Planned, found: Mapping[str, Any]) -> Iterator[Difference]:
    task = one.task
    for name in _PLAIN:
        wanted = getattr(task, name)
        wanted = list(wanted) if name == "context" else wanted
        if (wanted or None) != (found.get(name) or None):
            yield Difference(one.id, name, wanted, found.get(name))
    for name in _SPANS:
        if span(getattr(task, name)) != span(found.get(name)):
            yield Difference(one.id, name, getattr(task, name), found.get(name))
    if found.get("phase") != one.phase:
        yield Difference(one.id, "phase", one.phase, found.get("phase"))
    if (found.get("allow_failure") is True) != one.allow_failure:
        yield Difference(one.id, "allow_failure", one.allow_failure, found.get("allow_failure"))
    texts = [criterion.text for criterion in criteria({"acceptance": list(task.acceptance)})]
    if texts != [criterion.text for criterion in criteria(found)]:
        yield Difference(one.id, "acceptance", texts, found.get("acceptance"))
    yield from _lists(one, found)
    for name, value in task.fields.items():
        if not _holds(value, found.get(name)):
            yield Difference(one.id, name, value, found.get(name))


def _lists(one: Planned, found: Mapping[str, Any]) -> Iterator[Difference]:
    known = {
        "needs": found.get("needs") or [],
        "depends_on": dependencies(found),
        "conflicts_with": conflicts(found),
    }
    for name, wanted in (
        ("needs", one.task.needs),
        ("depends_on", one.depends_on),
        ("conflicts_with", one.conflicts_with),
    ):
        if not set(wanted) <= set(known[name]):
            yield Difference(one.id, name, list(wanted), found.get(name))


def _holds(wanted: Value, found: Value) -> bool:
    """Whether a value is as wanted; a mapping may have got more keys."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_holds(value, found.get(name)) for name, value in wanted.items())
    return bool(wanted == found)
