"""Places in a front matter: lines, columns, and where the entries of its collections start and end."""

from __future__ import annotations

import re
from typing import NamedTuple

from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.tree import GAP, MAPPING, Node

_BLANKS = re.compile(r"[ \t]*")
_LINE_REST = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\n]*?)?(?=\r?\n|\Z)")
_DEEP_COMMENT = re.compile(r"(?:[ \t]*+\r?\n)*+[ \t]++#")


class Edit(NamedTuple):
    """`source[start:end]` becomes `text`."""

    start: int
    end: int
    text: str


class Source:
    """A front matter as text. All positions are indices into it."""

    __slots__ = ("newline", "text")

    def __init__(self, text: str, newline: str) -> None:
        self.text = text
        self.newline = newline

    def line_start(self, at: int) -> int:
        """Where the line of a position starts."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """The end of a position's line, before its line break."""
        end = self.next_line(at)
        return at + len(self.text[at:end].rstrip("\r\n"))

    def next_line(self, at: int) -> int:
        """Where the line below a position starts."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def column(self, at: int) -> int:
        """The characters between the start of the line and the position."""
        return at - self.line_start(at)

    def starts_line(self, at: int) -> bool:
        """True when only blanks stand before the position on its line."""
        return not self.text[self.line_start(at) : at].strip(" \t")

    def before_blanks(self, at: int) -> int:
        """The position left of the blanks that end here."""
        while at > 0 and self.text[at - 1] in " \t":
            at -= 1
        return at

    def behind_blanks(self, at: int) -> int:
        """The position behind the blanks that start here."""
        found = _BLANKS.match(self.text, at)
        return found.end() if found else at

    def behind_gap(self, at: int) -> int:
        """The position behind blanks, line breaks and comments."""
        found = GAP.match(self.text, at)
        return found.end() if found else at

    def line_rest(self, at: int) -> int | None:
        """The end of the line when only blanks and a comment stand between it and the position, else None."""
        found = _LINE_REST.match(self.text, at)
        return found.end() if found else None

    def deep_comment(self, at: int) -> bool:
        """True when the first line with content from `at` on is an indented comment: part of a literal
        above it.
        """
        return _DEEP_COMMENT.match(self.text, at) is not None

    def lines(self, lines: list[str]) -> str:
        """Lines as text, each with its line end."""
        return "".join([line + self.newline for line in lines])

    def entry_start(self, node: Node, index: int) -> int:
        """Where an entry of a collection starts: at its key (or the `?` before it), its hyphen or its
        value.
        """
        if node.kind == MAPPING:
            start = node.keys[index].full_start
            mark = self.before_blanks(start) - 1
            return mark if mark >= 0 and self.text[mark] == "?" else start
        if node.flow:
            return node.items[index].full_start
        return node.start if index == 0 else self.behind_gap(node.items[index - 1].end)

    def entry_end(self, node: Node, index: int) -> int:
        """Where an entry ends, without a comma or comment behind it."""
        end = node.items[index].end
        return max(end, node.keys[index].end) if node.kind == MAPPING else end

    def comma(self, at: int) -> int | None:
        """Where the comma behind a value between brackets stands; None when there is none."""
        at = self.behind_gap(at)
        return at if self.text[at : at + 1] == "," else None

    def colon(self, key: Node) -> int:
        """The position behind the colon of a key. Raises Fault for a key without one."""
        at = self.behind_gap(key.end)
        if self.text[at : at + 1] != ":":
            raise Fault("a key without a colon cannot be given a value", key.start, "write `name: value`")
        return at + 1
