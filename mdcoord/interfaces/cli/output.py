"""How things are printed: data on stdout as JSON or as plain aligned text, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import FileIO
from typing import Any, Final

from mdcoord.interfaces.cli.call import Call

_STEERING: Final = (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Control characters, line separators, and what turns the direction of writing round."""
_CONTROL: Final = {code: " " if chr(code) in "\t\n\r\u2028\u2029" else "\ufffd" for code in _STEERING}
_COLOURS: Final = {
    "available": "32",
    "busy": "33",
    "completed": "32",
    "in_progress": "33",
    "failed": "31",
    "dead": "31",
    "error": "31",
    "stale": "31",
}


def write(text: str) -> None:
    """Data, to stdout. Nothing is written for no text."""
    if text:
        _write_all(_printable(text, sys.stdout) + "\n")


def note(text: str) -> None:
    """Something for the person, to stderr, after the data so far."""
    sys.stdout.flush()
    sys.stderr.write(_printable(text, sys.stderr) + "\n")


def put(call: Call, data: Mapping[str, Any], text: str | Callable[[], str]) -> None:
    """One object: as JSON, or else as this text."""
    if call.json:
        write(answer(call, data))
    else:
        write(text if isinstance(text, str) else text())


def put_all(
    call: Call,
    items: Sequence[Any],
    heads: Sequence[str],
    row: Callable[[Any], Sequence[str]],
    *,
    empty: str = "",
) -> None:
    """A list: one JSON object a line, or else a table. `empty` is said when there is nothing.

    What every object carries is said on stderr where there is no object, if there is something to say.
    """
    if call.json:
        write("\n".join([answer(call, item) for item in items]))
        if not items and call.envelope:
            note(json_line(call.envelope))
    elif items:
        write(table(heads, [row(item) for item in items]))
    elif empty:
        note(empty)


def answer(call: Call, item: Any) -> str:
    """A record or a mapping as one object of the answer, with what every object carries."""
    return json_line({**_plain(item), **call.envelope})


def json_line(value: Any) -> str:
    """A value as JSON on one line, with escapes where stdout is not in UTF-8."""
    import json

    escaped = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
    return json.dumps(value, ensure_ascii=escaped, default=str)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, two blanks apart. A column in which all rows are empty is left out."""
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = [column for column in range(len(heads)) if any(row[column] for row in cells)]
    lines = [[heads[column] for column in shown], *([row[column] for column in shown] for row in cells)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    telling = [heads[column] == "STATUS" for column in shown] if colourful() else ()
    head, *body = [_aligned(line, widths, telling) for line in lines]
    return "\n".join([paint(head, "1"), *body])


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line, the values aligned. Several lines stand below their name."""
    kept = [(name, value) for name, value in rows if value]
    widest = max((width(name) for name, _ in kept), default=0)
    lines = []
    for name, value in kept:
        if "\n" in value:
            lines += [f"  {name}", *(f"    {uncontrolled(line)}" for line in value.split("\n"))]
        else:
            lines.append(f"  {name}{' ' * (widest - width(name))}  {clean(value)}")
    return "\n".join(lines)


def clean(text: str) -> str:
    """Text on one line without control characters: what a file says must not steer a terminal."""
    return text if text.isprintable() else text.translate(_CONTROL).strip()


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and `…` where it takes more than `limit` columns."""
    if width(text) <= limit:
        return text
    kept = text[:limit]
    while kept and width(kept) > limit - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def paint(text: str, colour: str | None) -> str:
    """The text in a colour (an ANSI code) on a terminal whose user did not say NO_COLOR."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and text and colourful() else text


def colourful() -> bool:
    """Whether stdout is a terminal that may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _aligned(line: Sequence[str], widths: Sequence[int], telling: Sequence[bool]) -> str:
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)]
    for index, tells in enumerate(telling):
        if tells:
            padded[index] = paint(padded[index], _COLOURS.get(line[index].partition(" ")[0]))
    return "  ".join(padded).rstrip()


def uncontrolled(line: str) -> str:
    """A line as it is, but without control characters."""
    return line if line.isprintable() else line.translate(_CONTROL).rstrip()


def _write_all(text: str) -> None:
    raw = getattr(sys.stdout, "buffer", None)
    if not isinstance(raw, FileIO):
        sys.stdout.write(text)
        return
    # With PYTHONUNBUFFERED, Python forgets the rest of a write that the system cuts short.
    rest = memoryview(text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    while rest:
        rest = rest[raw.write(rest) or 0 :]


def _plain(item: Any) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = item.as_dict() if hasattr(item, "as_dict") else item
    return facts


def _printable(text: str, stream: Any) -> str:
    """What the stream can carry; a character that it cannot becomes an escape."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text
