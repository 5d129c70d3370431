"""Where the front matter of a file starts and ends, and which bytes can be a file at all."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.limits import MAX_FILE, MAX_FRONT_MATTER

BOM: Final = "\ufeff"

_OPEN = re.compile(r"\ufeff?---[ \t]*+\r?\n")
_CLOSE = re.compile(r"^(?:---|\.\.\.)[ \t]*+(?:\r?\n|\Z)", re.MULTILINE)


class Fences(NamedTuple):
    """The front matter is `text[start:end]` (whole lines, without the fences), the body `text[body:]`."""

    start: int
    end: int
    body: int


def decode(data: bytes) -> str:
    """The bytes of a file as text, a byte order mark kept. Raises Fault with an index into the *bytes*."""
    if len(data) > MAX_FILE:
        raise _file_too_large(len(data))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Fault("the file is UTF-16 or UTF-32, not UTF-8", 0, "save it as UTF-8")
    nul = data.find(b"\0")
    if nul >= 0:
        wide = max(data[:64:2].count(0), data[1:64:2].count(0)) * 5 > len(data[:64]) * 2
        raise Fault(
            "the file looks like UTF-16 without a mark" if wide else "the file holds a NUL character",
            nul,
            "save it as UTF-8" if wide else "remove the character; a text file has none",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(
            f"byte 0x{data[error.start]:02x} is not UTF-8 ({error.reason})",
            error.start,
            "save the file as UTF-8",
        ) from None


def split(text: str) -> Fences | None:
    """Find the fences; None for a text without front matter. Raises Fault.

    The front matter opens in the first line, which holds three hyphens and nothing else, and closes with
    the next line that is `---` or `...` and nothing else. A text that seems to have front matter but has
    not (no closing line, blank lines before it, a merge conflict) is an error, never taken for a body.
    """
    if len(text) * 4 > MAX_FILE and size(text) > MAX_FILE:
        raise _file_too_large(size(text))
    if text.startswith("---\n"):
        end = text.find("\n---\n", 3)
        if end >= 0 and text.find("\n---", 3, end) < 0 and text.find("\n...", 3, end) < 0:
            return _checked(text, Fences(4, end + 1, end + 5))
    opening = _OPEN.match(text)
    if opening is None:
        _refuse_lookalikes(text)
        return None
    start = opening.end()
    limit = start + MAX_FRONT_MATTER + 16
    closing = _CLOSE.search(text, start, limit)
    if closing is None or (closing.end() == limit and limit < len(text)):
        raise _unclosed(text, start)
    return _checked(text, Fences(start, closing.start(), closing.end()))


def size(text: str) -> int:
    """The bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _checked(text: str, fences: Fences) -> Fences:
    length = fences.end - fences.start
    if length * 4 > MAX_FRONT_MATTER and size(text[fences.start : fences.end]) > MAX_FRONT_MATTER:
        raise _too_large(fences.start)
    return fences


def _file_too_large(size: int) -> Fault:
    return Fault(
        f"the file has {size} bytes, more than {MAX_FILE}",
        0,
        "keep large material in files of its own and name their paths here",
    )


def _too_large(index: int) -> Fault:
    return Fault(
        f"the front matter has more than {MAX_FRONT_MATTER} bytes",
        index,
        "move long texts into the body or into files of their own",
    )


def _unclosed(text: str, start: int) -> Fault:
    from mdcoord.formats.yamltext.bounds import merge_conflict

    conflict = merge_conflict(text, start, start + MAX_FRONT_MATTER)
    if conflict is not None:
        return conflict
    if len(text) - start > MAX_FRONT_MATTER:
        return _too_large(start)
    return Fault(
        "the front matter is not closed",
        0,
        "add a line --- below the last field; a body that starts with a rule can use *** instead",
    )


def _refuse_lookalikes(text: str) -> None:
    """Raise Fault for a text without front matter that was meant to have some."""
    first = text[:9].lstrip(BOM)
    if first.startswith("---") and re.match(r"\ufeff?---[ \t]*+(?:\r|\Z)", text):
        if "\r" in text:
            raise Fault(
                "the lines end with a carriage return alone", 0, "use line feeds (LF) or CRLF as line ends"
            )
        raise Fault("the front matter is not closed", 0, "add the fields and a line --- below them")
    if first.startswith("<<<<<<< "):
        from mdcoord.formats.yamltext.bounds import CONFLICT_HINT

        raise Fault("a git merge conflict is left in the file", 0, CONFLICT_HINT)
    if not first.strip() or first[0] in " \t\r\n":
        late = re.match(r"\ufeff?(?:[ \t]*+\r?\n)++(?=---[ \t]*+\r?\n[ \t]*+[\w\"'-]++:[ \t\r\n])", text)
        if late is not None:
            raise Fault(
                "blank lines stand before the front matter", late.end(), "make --- the first line of the file"
            )
