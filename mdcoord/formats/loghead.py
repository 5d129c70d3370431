"""What stands in a log beside its events: its head, the note about older ones, and marks in archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mdcoord.errors import UsageError
from mdcoord.formats.eventlog import HEADING

_FRONT_MATTER = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(?:.*\n)*?---[ \t]*(?:\r?\n|\Z)")
_ROTATED = re.compile(rb"^rotated_bytes:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.M)
_ROTATED_LINE = re.compile(rb"^rotated_bytes:[^\n]*\n", re.M)
_NOTE = re.compile(
    rb"^_Note: This log contains the last [0-9]+ events\. Older events are in `[^`\n]*`_\r?\n", re.M
)
_MOVED = re.compile(rb"^<!-- mdcoord:rotated ([0-9]{1,18}) ([0-9]{1,18}) -->\r?\n\r?\n?", re.M)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YAML_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def channel_title(channel: str) -> str:
    """`gpu-errors` -> `Gpu Errors Events Log`: the heading of a new log."""
    words = channel.replace("-", " ").replace("_", " ").replace(".", " ").split()
    return " ".join([word[:1].upper() + word[1:] for word in words] + ["Events Log"])


def check_date(text: str) -> str:
    """The text, if it is a date like 2026-01-31. Raises UsageError."""
    if not _DATE.fullmatch(text):
        raise UsageError(f"{text[:40]!r} is not a date", hint="write it like 2026-01-31")
    return text


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
