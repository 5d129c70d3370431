"""What known fields are to hold: the types that `records` promises, and the bounds of some.

Keys that nobody knows are free, and a field that is null is as good as none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mdcoord.host import seconds_of
from mdcoord.model import ID_FIELD, Change, Value
from mdcoord.records import TYPES, Field
from mdcoord.rules.readiness import ENDED, OPEN, span
from mdcoord.rules.standing import IN_PROGRESS

STATUSES: Final = OPEN | {IN_PROGRESS} | ENDED
"""What the status of a task may be."""


def faults(kind: str, fields: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """The known fields of a document that cannot be used as they are: their names, and what is wrong."""
    for name, value in fields.items():
        if (wrong := fault(kind, name, value)) is not None:
            yield name, wrong
    if kind == "task" and fields.get("title") is None:
        yield "title", "there is no title"


def fault(kind: str, name: str, value: Value) -> str | None:
    """What is wrong with the value of a field; None when it fits, and for a name that nobody knows."""
    if value is None or name == ID_FIELD[kind]:  # a number that stands for an id is understood
        return None
    expected = _BOUNDS[name] if kind == "task" and name in _BOUNDS else None
    shape = _shape(kind, name)
    if shape is not None and not shape.fits(value):
        return _wrong(name, shape.shape, value)
    if expected is not None and not expected[1](value):
        return _wrong(name, expected[0], value)
    if name == "progress" and shape is not None and not 0 <= value <= 1:
        return _wrong(name, "from 0 to 1", value)
    return None


def fault_of(kind: str, change: Change) -> str | None:
    """What a change would put into a known field that does not belong there; None when all is well."""
    for path, value in (*change.set.items(), *change.append.items()):
        name = str(path[0])
        if len(path) == 1:
            wrong = fault(kind, name, value)
        else:
            shape = _shape(kind, name)
            holds = shape is None or shape.fits({}) or shape.fits([])
            wrong = None if shape is None or holds else f"{name} is to be {shape.shape}, which has no parts"
        if wrong is not None:
            return wrong
    bare = kind == "task" and (("title",) in change.delete or change.set.get(("title",), "") is None)
    return "a task needs a title" if bare else None


def _shape(kind: str, name: str) -> Field[object] | None:
    found = vars(TYPES[kind]).get(name)
    return found if isinstance(found, Field) else None


def _wrong(name: str, expected: str, value: Value) -> str:
    return f"{name} is to be {expected}, not {repr(value)[:60]}"


def _known(value: Value) -> bool:
    return isinstance(value, str) and value in STATUSES


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: Value) -> bool:
    return all(isinstance(item, str | int) and not isinstance(item, bool) for item in value)


def _texts(value: Value) -> bool:
    return all(isinstance(item, str) for item in value)


_BOUNDS: Final[dict[str, tuple[str, Callable[[Value], bool]]]] = {
    "status": ("one of " + ", ".join(sorted(STATUSES)), _known),
    "title": ("a text that is not empty", lambda value: bool(value.strip())),
    "priority": ("a number", _number),
    "needs": ("a list of texts", _texts),
    "depends_on": ("a list of tasks", _names),
    "conflicts_with": ("a list of tasks", _names),
    "not_before": ("a time like 2026-01-31T09:30:00Z", lambda value: seconds_of(value) is not None),
    "retry_limit": ("a whole number, 0 or more", _count),
    "timeout": ("seconds, or a text like 30m", lambda value: span(value) is not None),
    "ttl": ("seconds, or a text like 30m", lambda value: span(value) is not None),
}
"""Of tasks: what a value is to be, beyond its type."""
