"""What is wrong in a log: what its readers pass over, and what was changed in it by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mdcoord.formats.eventlog import Span, is_unchanged, outline_of, parse_event, spans_of
from mdcoord.formats.loghead import is_note

_LINE = re.compile(rb"[^\n]+")


class Problem(NamedTuple):
    """Something in a log that readers pass over or that a person should know about."""

    line: int
    """1-based."""
    message: str


def find_problems(text: bytes) -> list[Problem]:
    """What is wrong in a log: unfinished or changed blocks, an id used twice, text that is no event."""
    found: list[tuple[int, str]] = []
    seen: set[str] = set()
    for span in spans_of(text):
        found.extend((span.start + at, message) for at, message in _problems_in(span, seen))
    return [Problem(text.count(b"\n", 0, at) + 1, message) for at, message in found]


def _problems_in(span: Span, seen: set[str]) -> Iterator[tuple[int, str]]:
    outline, entry = outline_of(span), parse_event(span)
    if outline is None:
        yield 0, "an unfinished event, or a heading without fields; readers pass over it"
        return
    if entry is None:
        yield 0, "an event that is not UTF-8; readers pass over it"
    elif entry.id is not None and entry.id in seen:
        yield 0, f"the id {entry.id} is used twice"
    elif entry.id is not None:
        seen.add(entry.id)
    if not is_unchanged(span, outline):
        yield 0, "the event was changed after it was written"
    strange = _first_strange_line(span.data, outline.end)
    if strange is not None:
        yield strange, "text that is no event; readers pass over it"


def _first_strange_line(data: bytes, begin: int) -> int | None:
    """Where below a block there is text that neither mdcoord nor the usual form of a log puts there."""
    for match in _LINE.finditer(data, begin):
        line = match[0].strip()
        if not (line in (b"", b"---") or is_note(line) or line.startswith(b"<!-- mdcoord:rotated ")):
            return match.start()
    return None
