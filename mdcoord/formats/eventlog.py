"""The text of an event log: how events are written, how blocks are told apart, read and checked.

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
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zlib import crc32

from mdcoord.errors import InvalidName, UsageError
from mdcoord.formats.labels import format_value, key_for, label_for, parse_timestamp, parse_value
from mdcoord.model import Key

HEADING: Final = b"## Event:"
"""How the first line of a block begins."""

CLOSING: Final = b"\n---\n\n"
"""What a block written by mdcoord ends with."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,99}")
_HAND = re.compile(r"hand-([0-9a-f]{12})-[0-9a-f]+")
_MARK_BEGINS = b"<!-- mdcoord:event"
_MARK = re.compile(rb"<!-- mdcoord:event (\S+) ([0-9a-f]{8}) -->[ \t]*\r?\n")
_BODY_ENDS = re.compile(rb"^(?:---[ \t]*\r?\n|##?(?:\s|\Z)|<!-- /?mdcoord:)", re.M)
_FIELD = re.compile(r"(?:[-*] )?\*\*(.+?)\*\*:(.*)")
_FRONT_MATTER = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(?:.*\n)*?---[ \t]*(?:\r?\n|\Z)")
_ROTATED = re.compile(rb"^rotated_bytes:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.M)
_ROTATED_LINE = re.compile(rb"^rotated_bytes:[^\n]*\n", re.M)
_NOTE = re.compile(
    rb"^_Note: This log contains the last [0-9]+ events\. Older events are in `[^`\n]*`_\r?\n", re.M
)
_MOVED = re.compile(rb"^<!-- mdcoord:rotated ([0-9]{1,18}) ([0-9]{1,18}) -->\r?\n\r?\n?", re.M)
_HALF_CHARACTER = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


# ---------------------------------------------------------------- names


@lru_cache(maxsize=1024)
def channel_name(text: str) -> str:
    """The channel that a user means: `training`, `Training`, `training:events` and `events-training` are one.

    A closing `:events` is how Redis spells the channel; any other `:` becomes `-`. Raises InvalidName.
    """
    return Key.of("events", text.strip().removesuffix(":events").replace(":", "-")).id


def channel_title(channel: str) -> str:
    """`gpu-errors` -> `Gpu Errors Events Log`: the heading of a new log."""
    words = channel.replace("-", " ").replace("_", " ").replace(".", " ").split()
    return " ".join([word[:1].upper() + word[1:] for word in words] + ["Events Log"])


def check_date(text: str) -> str:
    """The text, if it is a date like 2026-01-31. Raises UsageError."""
    if not _DATE.fullmatch(text):
        raise UsageError(f"{text[:40]!r} is not a date", hint="write it like 2026-01-31")
    return text


def check_id(text: str) -> str:
    """The text, if it can be the id of an event. Raises InvalidName."""
    if not _ID.fullmatch(text) or text.startswith("hand-"):
        raise InvalidName(
            f"{text[:120]!r} cannot be the id of an event",
            hint="letters, digits and . _ : @ / + = -, at most 100, not beginning with 'hand-'",
        )
    return text


def hand_id(tag: str, offset: int) -> str:
    """The id of an event without a mark: what it says (`tag`) and where it stands in its channel."""
    return f"hand-{tag}-{offset:x}"


def is_hand_id(event_id: str) -> bool:
    """Whether an id was made by `hand_id`."""
    return _HAND.fullmatch(event_id) is not None


def identity_of(event_id: str) -> str:
    """What an event is searched by: its id; for a block without a mark, without its place."""
    match = _HAND.fullmatch(event_id)
    return f"hand-{match[1]}" if match else event_id


# ---------------------------------------------------------------- one event


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


# ---------------------------------------------------------------- the head of a log and of an archive


def new_log(channel: str, rotated: int = 0) -> bytes:
    """What a new log begins with; `rotated` bytes of its channel are in the archive already."""
    more = f"rotated_bytes: {rotated}\n" if rotated else ""
    return _head(channel, channel_title(channel), more) + b"\n---\n\n"


def new_archive(channel: str, date: str) -> bytes:
    """What a new archive of rotated events begins with."""
    return _head(channel, f"{channel_title(channel)}, archived {date}", f'archived_on: "{date}"\n') + b"\n"


def _head(channel: str, title: str, more: str) -> bytes:
    fields = f"schema: mdcoord/events/1\nchannel: {_plain(channel)}\ntitle: {_plain(title)}\n{more}"
    return f"---\n{fields}---\n\n# {title}\n".encode()


def _plain(text: str) -> str:
    """YAML of a text: quoted where it begins like a number or could be a word with a meaning."""
    return text if text[0].isalpha() and text.lower() not in _YAML_WORDS else f'"{text}"'


_YAML_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def front_matter_end(text: bytes) -> int:
    """Where the front matter ends, in bytes; 0 where there is none."""
    match = _FRONT_MATTER.match(text)
    return match.end() if match and HEADING not in match[0] else 0


def rotated_bytes(front_matter: bytes) -> int:
    """How many bytes of events were moved to the archive before the first one that the log still holds."""
    match = _ROTATED.search(front_matter)
    return int(match[1]) if match else 0


def head_after_rotation(head: bytes, channel: str, rotated: int, keep: int, archive: str) -> bytes:
    """The text above the first event as it reads after a rotation; nothing in it is lost.

    The front matter (made where there is none) says how many bytes went away. The note stands at the old
    end of the log: just above the oldest event that is left.
    """
    end = front_matter_end(head)
    front, text = head[:end], head[end:]
    if not front:
        bom = b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""
        text = text[len(bom) :]
        fresh = new_log(channel)
        front = bom + fresh[: front_matter_end(fresh)] + b"\n"
    return _with_rotated(front, rotated) + _with_note(text, keep, archive)


def _with_rotated(front: bytes, rotated: int) -> bytes:
    line = b"rotated_bytes: %d" % rotated
    if _ROTATED.search(front):
        return _ROTATED.sub(lambda match: line + (b"\r" if match[0].endswith(b"\r") else b""), front, count=1)
    newline = b"\r\n" if b"\r\n" in front else b"\n"
    at = front.rindex(b"---")
    return front[:at] + line + newline + front[at:]


def _with_note(text: bytes, keep: int, archive: str) -> bytes:
    note = f"_Note: This log contains the last {keep} events. Older events are in `{archive}`_\n".encode()
    old = _NOTE.search(text)
    if old:
        return text[: old.start()] + note + text[old.end() :]
    lines = text.rstrip()
    if lines == b"---" or lines.endswith(b"\n---"):
        at = len(lines) - 3
        return text[:at] + note + b"\n" + text[at:]
    gap = b"" if not text or text.endswith(b"\n\n") else b"\n" if text.endswith(b"\n") else b"\n\n"
    return text + gap + note + b"\n---\n\n"


def own_head(head: bytes, channel: str) -> bytes:
    """The text above the first event without what a rotation wrote into it; nothing for the usual head."""
    end = front_matter_end(head)
    front, text = _ROTATED_LINE.sub(b"", head[:end], count=1), head[end:]
    note = _NOTE.search(text)
    if note:
        text = text[: note.start()] + text[note.end() :].removeprefix(b"\n")
    return b"" if front + text == new_log(channel) else front + text


def is_note(line: bytes) -> bool:
    """Whether a line is a log's note about its older events."""
    return line.startswith(b"_Note: ") and line.rstrip().endswith(b"_")


# ---------------------------------------------------------------- rotated stretches in an archive


class Moved(NamedTuple):
    """A stretch of a channel that was moved to an archive: the bytes from `first` up to `beyond`."""

    first: int
    beyond: int
    mark: int
    """Where its mark stands in the archive."""
    start: int
    """Where its text begins there."""


def moved_mark(first: int, beyond: int) -> bytes:
    """The line above a stretch in an archive."""
    return b"<!-- mdcoord:rotated %d %d -->\n\n" % (first, beyond)


def moved_marks(text: bytes) -> Iterator[Moved]:
    """The stretches of an archive, in order."""
    for match in _MOVED.finditer(text):
        yield Moved(int(match[1]), int(match[2]), match.start(), match.end())


# ---------------------------------------------------------------- finding faults


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


def spans_of(text: bytes) -> Iterator[Span]:
    """All blocks of a log that is at hand as a whole."""
    for start, end in pairwise([*headings(text, line_start=True), len(text)]):
        yield Span(start, text[start:end], end == len(text))


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


_LINE = re.compile(rb"[^\n]+")
