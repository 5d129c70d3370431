"""The events of a log as text: how they are written, how their blocks are told apart, read and checked.

A log is a Markdown file: front matter, a few lines for people, then one block an event, the newest last:

    ## Event: checkpoint_saved
    <!-- mdcoord:event 5f0c9a3be1d24876 1f2e3d4c -->
    **Time**: 2025-10-12T14:30:00.000Z
    **Step**: 3500

    ---

The second line is the *mark*: the event's id and a checksum. It stands at the beginning so that a block
that was cut off anywhere is known to be ours and unfinished; the line `---` at the end says that the block
is whole. A block without a mark was written by a person or a shell script. It is an event too, when it has
at least one field or a closing `---`, and its id is made from its name, its time and its place.

Everything here works on bytes (places in a log are counted in bytes) and does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zlib import crc32

from mdcoord.errors import UsageError
from mdcoord.formats.eventids import check_id
from mdcoord.formats.labels import format_value, key_for, label_for, parse_timestamp, parse_value

HEADING: Final = b"## Event:"
"""How the first line of a block begins."""

CLOSING: Final = b"\n---\n\n"
"""What a block written by mdcoord ends with."""

_MARK_BEGINS = b"<!-- mdcoord:event"
_MARK = re.compile(rb"<!-- mdcoord:event (\S+) ([0-9a-f]{8}) -->[ \t]*\r?\n")
_BODY_ENDS = re.compile(rb"^(?:---[ \t]*\r?\n|##?(?:\s|\Z)|<!-- /?mdcoord:)", re.M)
_FIELD = re.compile(r"(?:[-*] )?\*\*(.+?)\*\*:(.*)")
_HALF_CHARACTER = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")


def headings(data: bytes, line_start: bool) -> list[int]:
    """Where the blocks begin in a stretch of a log; `line_start`: whether the stretch begins with a line."""
    found = [0] if line_start and data.startswith(HEADING) else []
    at = data.find(b"\n" + HEADING)
    while at >= 0:
        found.append(at + 1)
        at = data.find(b"\n" + HEADING, at + 1)
    return found


def first_heading(data: bytes) -> int | None:
    """Where the first block begins in a text; None where there is none."""
    if data.startswith(HEADING):
        return 0
    at = data.find(b"\n" + HEADING)
    return None if at < 0 else at + 1


class Span(NamedTuple):
    """A stretch of a log from one `## Event:` to the next: a block and whatever was written below it."""

    start: int
    """Where the heading stands in the file, in bytes."""
    data: bytes
    final: bool
    """Whether the file ends here: then a block may be unfinished."""

    @property
    def end(self) -> int:
        return self.start + len(self.data)


def spans_of(text: bytes) -> Iterator[Span]:
    """All blocks of a log that is at hand as a whole."""
    for start, end in pairwise([*headings(text, line_start=True), len(text)]):
        yield Span(start, text[start:end], end == len(text))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a block says. `id` is None for a block without a mark; only then `tag` tells it from others."""

    id: str | None
    tag: str
    name: str
    time: str
    data: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """The same text as `identity_of` gives for the event's id."""
        return f"hand-{self.tag}" if self.id is None else self.id


class Outline(NamedTuple):
    """The parts of a whole block: its mark (or None) and the stretch of its data that holds the fields."""

    mark: re.Match[bytes] | None
    begin: int
    end: int


def render_event(event_id: str, name: str, time: str, data: Mapping[str, Any]) -> tuple[bytes, Entry]:
    """The block of one event, ready to be appended, and the event as readers will see it.

    Raises UsageError for what a block cannot hold.
    """
    check_id(event_id)
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or name != name.strip()
        or not 1 <= len(name) <= 200
    ):
        raise UsageError(
            f"{str(name)[:120]!r} cannot be the name of an event", hint="1 to 200 characters on one line"
        )
    moment = parse_timestamp(time)
    if moment is None:
        raise UsageError(f"{time[:40]!r} is not a time", hint="write it like 2026-01-31T09:30:00.000Z")
    try:
        fields = "".join(f"**{label_for(key)}**: {format_value(value)}\n" for key, value in data.items())
    except (TypeError, AttributeError, ValueError, RecursionError):  # what JSON cannot say
        raise _not_json(name) from None
    heading = f"## Event: {name}\n".encode()
    body = f"**Time**: {moment}\n{fields}".encode()
    checksum = crc32(event_id.encode() + b"\n" + heading + body)
    mark = f"<!-- mdcoord:event {event_id} {checksum:08x} -->\n".encode()
    block = heading + mark + body + CLOSING
    entry = parse_event(Span(0, block, True))
    if entry is None or (entry.name, entry.data) != (name, dict(data)):
        raise _not_json(name)
    return block, entry


def _not_json(name: str) -> UsageError:
    return UsageError(
        f"the data of event {name!r} are not JSON values", hint="use what JSON knows, without NaN"
    )


def parse_event(span: Span) -> Entry | None:
    """The event in a span; None where there is none: unfinished, unreadable, or a heading without fields."""
    outline = outline_of(span)
    if outline is None:
        return None
    try:
        name = span.data[len(HEADING) : span.data.index(b"\n")].decode().strip()
        text = span.data[outline.begin : outline.end].decode()
    except UnicodeDecodeError:
        return None
    time, data = _fields(text)
    event_id = outline.mark[1].decode("ascii", "replace") if outline.mark else None
    tag = "" if event_id else _tag(name, time or text.rstrip() + "\n")  # appending adds blank lines
    return Entry(event_id, tag, name, parse_timestamp(time) or time, data)


def identity_in(span: Span) -> str | None:
    """Like `parse_event(span).identity`, without reading the fields where there is a mark."""
    outline = outline_of(span)
    if outline is not None and outline.mark:
        return outline.mark[1].decode("ascii", "replace")
    entry = parse_event(span) if outline is not None else None
    return entry.identity if entry else None


def outline_of(span: Span) -> Outline | None:
    """The parts of a whole block; None where the block is unfinished or has no content."""
    data = span.data
    begin = data.find(b"\n") + 1
    mark = _MARK.match(data, begin)
    if not begin or (mark is None and data.startswith(_MARK_BEGINS, begin)):
        return None
    begin = mark.end() if mark else begin
    stop = _BODY_ENDS.search(data, begin)
    outline = Outline(mark, begin, stop.start() if stop else len(data))
    if data.find(b"\0", 0, outline.end) >= 0:  # a part that never reached the disk
        return None
    if stop is not None and stop[0].startswith(b"---"):
        return outline
    if mark:  # somebody removed the closing line: whole if the text is, but at the end of the file it is torn
        return outline if not span.final and is_unchanged(span, outline) else None
    ended = stop is not None or not span.final or data.endswith(b"\n")
    return outline if ended and _has_field(data[begin : outline.end]) else None


def parted(span: Span) -> tuple[bytes, bytes]:
    """The block of a span without its closing line, and the text that somebody wrote below it."""
    outline = outline_of(span)
    if outline is None:
        return span.data.rstrip(), b""
    below = span.data[outline.end :].strip()
    return span.data[: outline.end].rstrip(), below.removeprefix(b"---").strip()


def is_unchanged(span: Span, outline: Outline) -> bool:
    """Whether a block with a mark reads as it was written. True for a block without one."""
    mark = outline.mark
    if mark is None:
        return True
    body = span.data[outline.begin : outline.end].rstrip() + b"\n"
    text = span.data[: mark.start()] + body
    return crc32(mark[1] + b"\n" + text.replace(b"\r\n", b"\n")) == int(mark[2], 16)


def is_canonical(span: Span) -> bool:
    """Whether a block reads, byte for byte, as `render_event` wrote it, and nothing stands below it."""
    outline = outline_of(span)
    if outline is None or outline.mark is None or b"\r" in span.data:
        return False
    return is_unchanged(span, outline) and span.data == span.data[: outline.end].rstrip() + b"\n" + CLOSING


def torn_from(last: Span) -> int:
    """Where the rubbish of an unfinished append begins at the end of a log; the length where there is none.

    Only what certainly is no person's text counts: a block with a mark (or the beginning of one) that is
    not whole, bytes that never reached the disk, half a character. A heading alone could be a person's and
    stays.
    """
    data = last.data.rstrip(b"\0")
    begin = data.find(b"\n") + 1
    mark = data[begin : begin + len(_MARK_BEGINS)]
    ours = bool(begin and mark) and _MARK_BEGINS.startswith(mark)
    if ours and (mark == _MARK_BEGINS or begin + len(mark) == len(data)) and outline_of(last) is None:
        return 0
    half = _HALF_CHARACTER.search(data)
    return half.start() if half else len(data)


def _fields(text: str) -> tuple[str, dict[str, Any]]:
    """The time as written and the other fields; lines of other text are put together as `text`."""
    time: str | None = None
    data: dict[str, Any] = {}
    other: list[str] = []
    for line in text.split("\n"):
        match = _FIELD.match(line)
        if match is None:
            other.append(line.rstrip())
            continue
        key = key_for(match[1])
        if time is None and key == "time":
            time = match[2].strip()
        else:
            data[key] = parse_value(match[2])
    remark = "\n".join(other).strip("\n")
    if remark:
        data.setdefault("text", remark)
    return time or "", data


def _has_field(body: bytes) -> bool:
    return any(_FIELD.match(line) for line in body.decode("utf-8", "replace").split("\n"))


def _tag(name: str, what: str) -> str:
    return sha256(f"{name}\n{what}".encode()).hexdigest()[:12]
