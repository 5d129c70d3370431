"""Edits of simple front matter (see `subset`), line by line, to the same text that `splice` would write."""

from __future__ import annotations

from typing import Any

from mdcoord.formats.fields import kept_names, same
from mdcoord.formats.yamltext import emit


class _TooHard(Exception):
    """The change is left to the general way."""


def edit(source: str, fields: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """The front matter `source`, which `subset.read` reads as `fields`, changed to hold `wanted`.

    Scalars are replaced, keys added and removed, lists appended to; None for everything else.
    """
    editor = _Editor(source.split("\n")[:-1])
    try:
        editor.mapping(0, 0, fields, wanted)
    except _TooHard:
        return None
    return "".join([line + "\n" for line in editor.written])


class _Editor:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.written: list[str] = []

    def mapping(self, at: int, column: int, old: dict[str, Any], wanted: dict[str, Any]) -> None:
        """Write the entries of a mapping whose first key stands in line `at`."""
        kept = set(kept_names(old, wanted))
        if not kept and column:
            raise _TooHard
        lines, count = self.lines, len(self.lines)
        # A line that is deeper, or an item in the column of the key, belongs to the entry above it, and so
        # does a blank one: it is in a text.
        inside = (" " * (column + 1), " " * column + "- ")
        for name, value in old.items():
            end = at + 1
            while end < count and (not lines[end] or lines[end].startswith(inside)):
                end += 1
            if name in kept:
                new = wanted[name]
                if new is value:
                    self.written += lines[at:end]
                else:
                    self.entry(at, end, column, value, new)
            at = end
        added = {name: value for name, value in wanted.items() if name not in kept}
        if added:
            self.written += emit.entries(added, column)

    def entry(self, at: int, end: int, column: int, old: Any, wanted: Any) -> None:
        if same(old, wanted):
            self.written += self.lines[at:end]
            return
        name, _, value = self.lines[at].partition(": ")
        if not value and old and wanted and type(old) is type(wanted):
            self.collection(at, end, column, old, wanted)
            return
        if isinstance(old, (dict, list)) and old:
            raise _TooHard
        style = value[:1] if value[:1] in ("'", '"', "|") else ""
        rendered = emit.block(wanted, column + emit.STEP, style)
        name = name.removesuffix(":")
        self.written.append(f"{name}: {rendered.head}" if rendered.head else f"{name}:")
        self.written += rendered.lines

    def collection(self, at: int, end: int, column: int, old: Any, wanted: Any) -> None:
        """Change the inside of a mapping, or append to a list, that stands below its key."""
        if isinstance(old, dict):
            self.written.append(self.lines[at])
            self.mapping(at + 1, column + emit.STEP, old, wanted)
        elif len(old) < len(wanted) and all(map(same, old, wanted)):
            first = self.lines[at + 1]
            hyphen = len(first) - len(first.lstrip(" "))
            self.written += self.lines[at:end]
            self.written += emit.items(wanted[len(old) :], hyphen)
        else:
            raise _TooHard
