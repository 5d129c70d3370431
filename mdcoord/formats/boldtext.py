"""The shape of a document that people or scripts wrote without front matter: headings, labels, lists, blocks.

Only the shape; what it means for a task or an agent is in `adopt`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from mdcoord.errors import UsageError
from mdcoord.formats.fields import plain
from mdcoord.formats.labels import key_for, parse_value

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*(\S*)")
_BULLET = re.compile(r"(\s*)(?:[-*+]|\d{1,9}[.)])\s+(.*)")
_BOLD = re.compile(r"\*\*([^*]+)(?:\*\*\s*:|:\s*\*\*)\s*(.*)")
_PLAIN = re.compile(r"([A-Za-z][\w /%().-]{0,60}?)\s*:(?:\s+(.*)|$)")
_VIEW_MARK = re.compile(r"<!-- (?:mdcoord:view [a-z0-9][a-z0-9._-]*|/mdcoord:view) -->[ \t]*")
_RULE = frozenset("|:- \t")


class Label(NamedTuple):
    """`**Label**: value` or `Label: value`, the label as a key."""

    key: str
    value: str
    bold: bool


@dataclass(slots=True)
class Bullet:
    """An entry of a list with the entries below it."""

    lines: list[str]
    indent: int = -1
    below: list[Bullet] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The entry's own text, wrapped lines joined."""
        return " ".join(self.lines)


@dataclass(slots=True)
class Section:
    """The lines below a heading, up to the next of its level."""

    title: str
    lines: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The heading as a key, without a remark in parentheses: `Recent Completions (Last 24h)`."""
        return key_for(re.sub(r"\([^()]*\)$", "", self.title)) if self.title else ""

    @property
    def text(self) -> str:
        """Everything below the heading, as written."""
        return "\n".join(self.lines).strip()

    def labels(self) -> Iterator[Label]:
        """The labelled lines outside of code and of nested lists."""
        for line in self.prose():
            bullet = _BULLET.fullmatch(line)
            if not bullet or not bullet[1]:
                found = label_of(bullet[2] if bullet else line)
                if found:
                    yield found

    def prose(self) -> Iterator[str]:
        """The lines outside of fenced code."""
        return (line for line, fence in _with_fences(self.lines) if fence is None)

    def bullets(self) -> list[Bullet]:
        """The entries of all lists here, nested as they are indented; a wrapped line belongs to its entry."""
        root = Bullet([])
        path = [root]
        for line in self.prose():
            match = _BULLET.fullmatch(line)
            if match:
                entry = Bullet([match[2].strip()], len(match[1].expandtabs(4)))
                while path[-1].indent >= entry.indent:
                    path.pop()
                path[-1].below.append(entry)
                path.append(entry)
            elif line[:1].isspace() and line.strip() and len(path) > 1:
                path[-1].lines.append(line.strip())
            elif line.strip():
                path = [root]
        return root.below

    def parts(self) -> list[Section]:
        """The sections below `###` headings."""
        return _split(self.lines, "### ")[1:]

    def json_values(self) -> list[Any]:
        """What the JSON blocks hold; a block that is not JSON or cannot be stored is left out."""
        return [
            value for info, lines in self._blocks() if info == "json" for value in _json("\n".join(lines))
        ]

    def block_lines(self) -> list[str]:
        """The lines of all fenced blocks."""
        return [line for _, lines in self._blocks() for line in lines]

    def table(self) -> list[dict[str, Any]]:
        """The rows of the first table, keyed by its column titles; an empty cell is no entry."""
        lines = [line.strip() for line in self.prose()]
        for above, below in pairwise(lines):
            if above[:1] == below[:1] == "|" and "-" in below and _RULE.issuperset(below):
                keys = [key_for(cell) for cell in _cells(above)]
                rows = _following(lines, lines.index(above) + 2)
                return [_row(keys, row) for row in rows]
        return []

    def _blocks(self) -> Iterator[tuple[str, list[str]]]:
        info = ""
        block: list[str] | None = None
        for line, fence in _with_fences(self.lines):
            if fence is None or fence.opens:
                if block is not None:
                    yield info, block
                info, block = (fence.info, []) if fence else ("", None)
            elif block is not None and not fence.closes:
                block.append(line)
        if block is not None:
            yield info, block


class _Fence(NamedTuple):
    info: str
    opens: bool = False
    closes: bool = False


def sections(text: str) -> tuple[str, list[Section]]:
    """The first-level heading's text and the sections; the first section is what stands before any `##`."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    title = ""
    for number, (line, fence) in enumerate(_with_fences(lines)):
        if fence is None and re.match(r"#\s", line):
            title = _squeezed(line[1:])
            del lines[number]
            break
    return title, _split(lines, "## ")


def label_of(text: str) -> Label | None:
    """The label and value of a line, or None where it has no label."""
    bold = _BOLD.fullmatch(text.strip())
    match = bold or _PLAIN.fullmatch(text.strip())
    if not match:
        return None
    return Label(key_for(match[1]), (match[2] or "").strip(), bool(bold))


def named(text: str) -> tuple[str, str]:
    """`Task: train-model (proj-1)` or `**train-model** (proj-1)` as a name and a remark."""
    text = _squeezed(text.replace("**", "")).removeprefix("Task:").strip()
    match = re.search(r"\(([^()]+)\)$", text)
    return (text[: match.start()].strip(), match[1].strip()) if match else (text, "")


def _with_fences(lines: list[str]) -> Iterator[tuple[str, _Fence | None]]:
    """Every line with its place in fenced code: None outside."""
    mark = info = ""
    for line in lines:
        match = _FENCE.match(line)
        if not mark:
            if match and not (match[1][0] == "`" and "`" in line[match.end(1) :]):
                mark, info = match[1], match[2].lower()
                yield line, _Fence(info, opens=True)
            else:
                yield line, None
        elif match and match[1].startswith(mark) and not line.strip().strip(mark[0]):
            yield line, _Fence(info, closes=True)
            mark = ""
        else:
            yield line, _Fence(info)


def _split(lines: list[str], prefix: str) -> list[Section]:
    found = [Section("")]
    current = found[0]
    for line, fence in _with_fences(lines):
        if fence is None and line.startswith(prefix):
            current = Section(_squeezed(line[len(prefix) :]).rstrip("# "))
            found.append(current)
        elif fence is None and _VIEW_MARK.fullmatch(line):
            current = found[0]  # no section reaches into a view, or out of it
        else:
            current.lines.append(line)
    return found


def _squeezed(text: str) -> str:
    """The text with single blanks: what patterns with several optional blanks can take without going mad."""
    return " ".join(text.split())


def _json(text: str) -> list[Any]:
    try:
        return [plain(json.loads(text, parse_constant=_refuse))]
    except (ValueError, RecursionError, UsageError):
        return []


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _following(lines: list[str], start: int) -> list[str]:
    end = start
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return lines[start:end]


def _row(keys: list[str], line: str) -> dict[str, Any]:
    return {key: parse_value(cell) for key, cell in zip(keys, _cells(line), strict=False) if key and cell}
