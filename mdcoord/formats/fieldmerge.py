"""Three-way merge of fields: what the tool changed, as one change to what a person saved.

A field that both changed keeps one value, and the other one is reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.model import Change, Path, Value

_MISSING: Final = object()

TOOL_FIELDS: Final = frozenset(
    [
        "status",
        "assigned_agent",
        "attempt",
        "progress",
        "last_updated",
        "last_heartbeat",
        "active_tasks",
        "recent_completions",
        "circuit_breaker",
        "workload_pct",
    ]
)
"""Top-level fields whose value the tool answers for: when both changed one, the tool's value stays."""


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that both sides changed: the value that stays, and the one that does not."""

    path: Path
    kept: Value
    lost: Value

    def __str__(self) -> str:
        name = ".".join(map(str, self.path))
        return f"{name}: kept {_show(self.kept)}, set aside {_show(self.lost)}"


class FieldMerge:
    """What the tool changed since `base`, for the fields of a person, who also started from `base`."""

    def __init__(
        self, base: Mapping[str, Value], tool: Mapping[str, Value], person: Mapping[str, Value]
    ) -> None:
        self.clashes: list[Clash] = []
        """Where the two sides disagreed."""
        self._sets: dict[Path, Value] = {}
        self._deletes: list[Path] = []
        self._appends: dict[Path, list[Value]] = {}
        self._visit((), base, tool, person)

    @property
    def change(self) -> Change:
        """What is to be done to the person's fields."""
        return Change(set=self._sets, delete=tuple(self._deletes), append=self._appends)

    def _visit(self, path: Path, old: Any, new: Any, theirs: Any) -> None:
        sides = (old, new, theirs)
        if alike(old, new) or alike(new, theirs):
            return
        if all(isinstance(side, Mapping) for side in sides):
            for key in [*old, *(key for key in new if key not in old)]:
                self._visit((*path, key), *(side.get(key, _MISSING) for side in sides))
        elif all(isinstance(side, list) for side in sides):
            self._visit_list(path, old, new, theirs)
        elif alike(old, theirs):
            self._apply(path, new)
        elif path[0] in TOOL_FIELDS or str(path[0]).endswith("_at"):
            self.clashes.append(Clash(path, _plain(new), _plain(theirs)))
            self._apply(path, new)
        else:
            self.clashes.append(Clash(path, _plain(theirs), _plain(new)))

    def _visit_list(self, path: Path, old: list[Value], new: list[Value], theirs: list[Value]) -> None:
        removed = _without(old, new)
        added = _without(_without(new, old), _without(theirs, old))
        if not removed and alike(new[: len(old)], old):
            if added:
                self._appends[path] = added
        elif alike(old, theirs):
            self._sets[path] = new
        else:
            self._sets[path] = _without(theirs, removed) + added

    def _apply(self, path: Path, value: Any) -> None:
        if value is _MISSING:
            self._deletes.append(path)
        else:
            self._sets[path] = value


def _without(items: list[Value], others: list[Value]) -> list[Value]:
    """The items less the others, each of which takes away one that is the same."""
    left = list(items)
    for other in others:
        place = next((place for place, item in enumerate(left) if alike(item, other)), None)
        if place is not None:
            del left[place]
    return left


def alike(one: Any, other: Any) -> bool:
    """Equality that tells 1, 1.0 and true apart, as YAML does, but not one order of keys from another."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def _plain(value: Any) -> Value:
    return None if value is _MISSING else value


def _show(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
