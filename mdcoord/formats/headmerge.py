"""Three-way merge of front matter as text, key by key, so that comments and layout of both sides survive.

Values are not judged: where both sides changed a key's lines, the person's stay, and whoever merges the
values (see `fieldmerge`) puts the right one in. The result may be no valid front matter; parse it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_KEY: Final = re.compile(r"(?![\s#]|- |-$)(?P<name>.*?):(?=\s|$)")
_END: Final = "\n"
"""Stands for the end of the front matter in place of a key; no key can be called so."""


class _Part(NamedTuple):
    """A key's lines, and the comments and blank lines above them; None where a side does not have the
    key.
    """

    lead: str = ""
    lines: str | None = None


def merge_head(base: str, tool: str, person: str) -> str:
    """The front matter of a document, fences included, out of three: the keys in the person's order."""
    old, ours, theirs = _split(base), _split(tool), _split(person)
    merged: list[str] = []
    for name in _order(list(theirs), list(ours)):
        before, mine, other = (side.get(name, _Part()) for side in (old, ours, theirs))
        merged.append(_merge_lead(before.lead, mine.lead, other.lead))
        merged.append(_merge_lines(before.lines, mine.lines, other.lines) or "")
    lines = person.splitlines(keepends=True)
    return lines[0] + "".join(merged) + lines[-1]


def _split(head: str) -> dict[str, _Part]:
    parts: dict[str, _Part] = {}
    name, lead, lines, waiting = "", "", "", ""
    for line in head.splitlines(keepends=True)[1:-1]:
        key = _KEY.match(line)
        if key:
            if name:
                parts[name] = _Part(lead, lines)
            name, lead, lines, waiting = key["name"], waiting, line, ""
        elif not line.strip() or line.startswith("#"):
            waiting += line
        else:
            lines, waiting = lines + waiting + line, ""
    if name:
        parts[name] = _Part(lead, lines)
    parts[_END] = _Part(waiting)
    return parts


def _order(theirs: list[str], ours: list[str]) -> list[str]:
    """All names: the person's in their order, each of the tool's others after the one that it follows
    there.
    """
    names = list(theirs)
    for before, name in zip(["", *ours], ours, strict=False):
        if name not in names:
            names.insert(names.index(before) + 1 if before else 0, name)
    return names


def _merge_lines(base: str | None, tool: str | None, person: str | None) -> str | None:
    if person == base:
        return tool
    return tool if person is None and tool != base else person


def _merge_lead(base: str, tool: str, person: str) -> str:
    if tool in (base, person):
        return person
    if person == base:
        return tool
    known = {*base.splitlines(), *person.splitlines()}
    return person + "".join(line for line in tool.splitlines(keepends=True) if line.strip() not in known)
