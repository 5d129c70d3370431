"""Three-way merge of one document: a person's save, the tool's version, and what both started from.

The tool changes values; people change anything. So the person's text is the carrier, and the tool's changes
are applied to it as an ordinary lossless edit: comments, order and prose of the person survive. A field
that both changed keeps one value, and the other one is reported. Text that both changed keeps both
versions, the tool's in a quoted block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
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


@dataclass(slots=True)
class FieldMerge:
    """What is to be done to the person's front matter, and where the two sides disagreed."""

    change: Change
    clashes: list[Clash] = field(default_factory=list)


def merge_fields(
    base: Mapping[str, Value], tool: Mapping[str, Value], person: Mapping[str, Value]
) -> FieldMerge:
    """The tool's changes since `base` as one change to the person's fields."""
    sets: dict[Path, Value] = {}
    deletes: list[Path] = []
    appends: dict[Path, list[Value]] = {}
    clashes: list[Clash] = []

    def visit(path: Path, old: Any, new: Any, theirs: Any) -> None:
        if same(old, new) or same(new, theirs):
            return
        if all(isinstance(side, Mapping) for side in (old, new, theirs)):
            for key in [*old, *(key for key in new if key not in old)]:
                visit((*path, key), *(side.get(key, _MISSING) for side in (old, new, theirs)))
        elif all(isinstance(side, list) for side in (old, new, theirs)):
            visit_list(path, old, new, theirs)
        elif same(old, theirs):
            apply(path, new)
        elif path[0] in TOOL_FIELDS or str(path[0]).endswith("_at"):
            clashes.append(Clash(path, _plain(new), _plain(theirs)))
            apply(path, new)
        else:
            clashes.append(Clash(path, _plain(theirs), _plain(new)))

    def visit_list(path: Path, old: list[Value], new: list[Value], theirs: list[Value]) -> None:
        removed = _without(old, new)
        added = _without(_without(new, old), _without(theirs, old))
        if not removed and same(new[: len(old)], old):
            appends[path] = added
        elif same(old, theirs):
            sets[path] = new
        else:
            sets[path] = _without(theirs, removed) + added

    def apply(path: Path, value: Any) -> None:
        if value is _MISSING:
            deletes.append(path)
        else:
            sets[path] = value

    visit((), base, tool, person)
    appends = {path: items for path, items in appends.items() if items}
    return FieldMerge(Change(set=sets, delete=tuple(deletes), append=appends), clashes)


def merge_text(base: str, tool: str, person: str) -> str:
    """Merge prose by lines.

    Where both changed the same lines, the person's stay and the tool's follow, quoted.
    """
    if tool in (base, person):
        return person
    if person == base:
        return tool
    old = base.splitlines(keepends=True)
    ours = _hunks(old, tool.splitlines(keepends=True))
    theirs = _hunks(old, person.splitlines(keepends=True))
    result: list[str] = []
    position = 0
    while ours or theirs:
        start, end = _next_region(ours, theirs)
        result += old[position:start]
        mine = _take(ours, old, start, end)
        other = _take(theirs, old, start, end)
        position, before = end, old[start:end]
        if other and mine[: len(other)] == other:
            result += mine  # which has all of it, perhaps from a merge that is done again
            continue
        result += other if other != before or mine == before else mine
        if mine not in ([], before) and other != before:
            result += _quoted(mine, result)
    return "".join([*result, *old[position:]])


Hunk = tuple[int, int, list[str]]


def _hunks(old: list[str], new: list[str]) -> list[Hunk]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [(i1, i2, new[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _next_region(ours: list[Hunk], theirs: list[Hunk]) -> tuple[int, int]:
    """The first range of old lines that a change touches, widened by every change that overlaps it."""
    start, end, _ = min(ours[:1] + theirs[:1], key=lambda hunk: hunk[:2])
    while True:
        wider = max(
            [
                end,
                *(
                    hunk[1]
                    for hunk in ours + theirs
                    if hunk[0] <= end and (hunk[0] < end or hunk[0] == start)
                ),
            ]
        )
        if wider == end:
            return start, end
        end = wider


def _take(hunks: list[Hunk], old: list[str], start: int, end: int) -> list[str]:
    """One side's text of a region; its changes are used up."""
    text: list[str] = []
    position = start
    while hunks and hunks[0][1] <= end and hunks[0][0] <= end:
        first, last, lines = hunks.pop(0)
        text += old[position:first] + lines
        position = last
    return text + old[position:end]


def _quoted(lines: list[str], before: list[str]) -> list[str]:
    lead = "" if not before or before[-1].endswith("\n") else "\n"
    return [f"{lead}> [!conflict] written at the same time:\n", *(f"> {line.rstrip()}\n" for line in lines)]


def _without(items: list[Value], others: list[Value]) -> list[Value]:
    """The items less the others, each of which takes away one that is the same."""
    left = list(items)
    for other in others:
        place = next((place for place, item in enumerate(left) if same(item, other)), None)
        if place is not None:
            del left[place]
    return left


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1, 1.0 and true apart, as YAML does."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _plain(value: Any) -> Value:
    return None if value is _MISSING else value


def _show(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
