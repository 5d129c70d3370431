"""The fewest replaced characters that turn a front matter into one that holds the wanted values.

Every value has two places: its *head*, on the line of its key or hyphen, and its *lines* below. A
replacement fills both, so that comments beside and around a value stay where they are. What is not
different is not touched. The result is not trusted here: the caller parses it and compares.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from mdcoord.formats.fields import keeps_order, same
from mdcoord.formats.yamltext import emit
from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.tree import MAPPING, SCALAR, SEQUENCE, Node
from mdcoord.model import Path

_BLANKS_OR_COMMENT = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\n]*?)?(?=\r?\n|\Z)")
_BLANKS = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+(?:#[^\n]*)?)*")
_COLON = re.compile(r"(?:[ \t\r\n]|(?<=[ \t\r\n])#[^\n]*)*:")

_ANCHOR_HINT: Final = "an alias (*) repeats it elsewhere: write the value out in both places by hand first"


class Place(NamedTuple):
    """Where a value in block style stands: `head` on the line of its key or hyphen, `lines` whole lines
    below.
    """

    head_start: int
    head_end: int
    lines_start: int
    lines_end: int


def splice(
    source: str, root: Node | None, wanted: dict[str, Any], newline: str, named: dict[Path, set[int]]
) -> str:
    """The front matter `source`, read as `root`, changed to hold `wanted`. Raises Fault where it cannot be
    done.

    `named` tells, for a path to a list, which of its items are deleted; without it they are guessed from
    the values.
    """
    if root is None:
        return source + "".join(line + newline for line in emit.entries(wanted, 0))
    writer = _Writer(source, newline, _is_json(root), named)
    writer.mapping(root, wanted, ())
    return writer.result()


def _is_json(root: Node) -> bool:
    return root.flow and bool(root.keys) and all(key.style == '"' for key in root.keys)


class _Writer:
    """Collects the replacements for one text."""

    def __init__(self, source: str, newline: str, json: bool, named: dict[Path, set[int]]) -> None:
        self.source = source
        self.newline = newline
        self.named = named
        self.quote = '"' if json else ""
        self.edits: list[tuple[int, int, str]] = []

    def result(self) -> str:
        parts: list[str] = []
        at = 0
        for start, end, text in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise Fault("two changes meet in one place", start, "make them one after the other")
            parts += (self.source[at:start], text)
            at = end
        parts.append(self.source[at:])
        return "".join(parts)

    def edit(self, start: int, end: int, text: str) -> None:
        if start != end or text:
            self.edits.append((start, end, text))

    # -- what differs -----------------------------------------------------------------------------------

    def value(self, node: Node, parent: Node, index: int, wanted: Any, path: Path) -> None:
        """Make one item of a mapping or list hold `wanted`."""
        if same(node.value, wanted):
            return
        if node.shared:
            raise Fault("the value to change has an anchor (&) that is used", node.full_start, _ANCHOR_HINT)
        if node.kind == MAPPING and isinstance(wanted, dict) and _fits(node, wanted):
            self.mapping(node, wanted, path)
        elif node.kind == SEQUENCE and isinstance(wanted, list) and wanted and node.items:
            self.sequence(node, wanted, path)
        else:
            self.replace(node, parent, index, wanted)

    def mapping(self, node: Node, wanted: dict[str, Any], path: Path) -> None:
        """Change, drop and add entries; `path` is () for the outermost mapping, which alone may lose all of
        them.
        """
        names = list(node.value)
        dropped = {index for index, name in enumerate(names) if name not in wanted}
        for index, name in enumerate(names):
            if index not in dropped:
                self.value(node.items[index], node, index, wanted[name], (*path, name))
        added = {name: value for name, value in wanted.items() if name not in node.value}
        if node.flow:
            pairs = [
                f"{emit.key(name, self.quote, True)}: {emit.flow(value, self.quote)}"
                for name, value in added.items()
            ]
            self.flow_items(node, dropped, pairs)
            return
        self.drop_block(node, dropped)
        if added:
            last = node.items[-1].end
            column = self.column(self.entry_start(node, 0))
            self.insert_lines(max(last, node.keys[-1].end), emit.entries(added, column))

    def sequence(self, node: Node, wanted: list[Any], path: Path) -> None:
        dropped = _dropped(node.value, wanted, self.named.get(path, set()))
        kept = [index for index in range(len(node.items)) if index not in dropped]
        for index, value in zip(kept, wanted, strict=False):
            self.value(node.items[index], node, index, value, (*path, index))
        added = wanted[len(kept) :]
        if node.flow:
            self.flow_items(node, dropped, [emit.flow(value, self.quote) for value in added])
            return
        self.drop_block(node, dropped)
        if added:
            column = self.column(self.entry_start(node, 0))
            lines = [line for value in added for line in emit.item_lines(value, column)]
            self.insert_lines(node.items[-1].end, lines)

    # -- one value --------------------------------------------------------------------------------------

    def replace(self, node: Node, parent: Node, index: int, wanted: Any) -> None:
        """Write a value over another one."""
        self.refuse_shared(node)
        if parent.flow or (node.flow and node.items and isinstance(wanted, (dict, list))):
            style = self.quote or (node.style if node.kind == SCALAR else "")
            head = (
                emit.flow(wanted, self.quote)
                if isinstance(wanted, (dict, list))
                else emit.scalar(wanted, style, True)
            )
            self.write_head(node, parent, head)
            return
        place = self.place(node, parent, index)
        rendered = self.render(node, parent, index, wanted)
        self.write(node, place, rendered)

    def render(self, node: Node, parent: Node, index: int, wanted: Any) -> emit.Rendered:
        style = node.style if node.kind == SCALAR else ""
        column = self.column(self.entry_start(parent, index))
        if parent.kind == SEQUENCE:
            own = self.column(node.start) if node.start < node.end else column + emit.STEP
            if self.blank_before(node.start):
                own = column + emit.STEP
            return emit.item(wanted, own, style)
        below = column + emit.STEP
        if style and style in "|>":
            below = self.content_column(node, below)
        elif node.kind in (MAPPING, SEQUENCE) and not node.flow and self.blank_before(node.start):
            own = self.column(self.entry_start(node, 0))
            if own > column or isinstance(wanted, list):
                below = own
        return emit.block(wanted, below, style)

    def place(self, node: Node, parent: Node, index: int) -> Place:
        """Head and lines of a value in block style."""
        if node.kind in (MAPPING, SEQUENCE) and not node.flow and self.blank_before(node.start):
            head = self.after_indicator(node, parent, index)
            first = self.line_start(self.entry_start(node, 0))
            return Place(head, head, first, self.next_line(node.end))
        start, end = self.head_span(node, parent, index)
        if node.style in ("|", ">"):
            header = re.compile(r"[|>][-+0-9]*").match(self.source, start)
            head_end = header.end() if header else start + 1
            return Place(
                start, head_end, self.next_line(head_end), max(self.next_line(end), self.next_line(head_end))
            )
        below = self.next_line(end)
        return Place(start, end, below, below)

    def head_span(self, node: Node, parent: Node, index: int) -> tuple[int, int]:
        if node.tagged:
            return node.full_start, node.end
        if node.start == node.end and node.full_start == node.start:
            at = self.after_indicator(node, parent, index)
            return at, at
        return node.start, node.end

    def after_indicator(self, node: Node, parent: Node, index: int) -> int:
        """The place behind the colon or hyphen of a value, or behind its properties."""
        if node.full_start < node.properties_end:
            return node.properties_end
        if parent.kind == SEQUENCE:
            return self.entry_start(parent, index) + 1
        colon = _COLON.match(self.source, parent.keys[index].end)
        if colon is None:
            raise Fault(
                "a key without a colon cannot be given a value",
                parent.keys[index].start,
                "write `name: value`",
            )
        return colon.end()

    def write(self, node: Node, place: Place, rendered: emit.Rendered) -> None:
        start, end = place.head_start, place.head_end
        head = rendered.head
        if not head:
            # Nothing stays on the line: its blanks go too, but a comment keeps one.
            while start > 0 and self.source[start - 1] in " \t":
                start -= 1
        elif start == end or self.source[start - 1] not in " \t":
            head = " " + head
        self.edit(start, end, head)
        lines = "".join(line + self.newline for line in rendered.lines)
        if place.lines_start < place.lines_end or lines:
            self.edit(place.lines_start, place.lines_end, lines)

    def write_head(self, node: Node, parent: Node, head: str) -> None:
        """Write over a value on its line, inside brackets or with them."""
        start, end = (node.full_start if node.tagged else node.start), node.end
        before = self.source[start - 1] if start else ""
        if start == end and before not in " \t":
            if parent.kind == MAPPING and before != ":" and node.full_start == node.start:
                head = ": " + head
            else:
                head = " " + head
        self.edit(start, end, head)

    # -- lines of block collections ---------------------------------------------------------------------

    def insert_lines(self, after: int, lines: list[str]) -> None:
        at = self.next_line(after)
        self.edit(at, at, "".join(line + self.newline for line in lines))

    def drop_block(self, node: Node, dropped: set[int]) -> None:
        """Remove entries of a block mapping or list."""
        for index in dropped:
            self.refuse_shared(node.items[index])
            if node.kind == MAPPING and node.keys[index].shared:
                self.refuse_shared(node.keys[index])
        first_kept = min((index for index in range(len(node.items)) if index not in dropped), default=None)
        for index in sorted(dropped):
            start = self.entry_start(node, index)
            if index == 0 and not self.blank_before(start) and first_kept is not None:
                self.drop_first(node, start, first_kept)
            elif (
                first_kept is not None
                and index < first_kept
                and not self.blank_before(self.entry_start(node, 0))
            ):
                continue
            else:
                self.edit(self.line_start(start), self.next_line(self.entry_end(node, index)), "")

    def drop_first(self, node: Node, start: int, kept: int) -> None:
        """Remove the entries before `kept` of a collection that starts behind a hyphen on the same line."""
        end = self.entry_end(node, kept - 1)
        below = self.next_line(end)
        next_start = self.entry_start(node, kept)
        if self.line_start(next_start) == below:
            self.edit(start, next_start, "")
        else:
            self.edit(start, self.line_end(end), "")

    # -- brackets ---------------------------------------------------------------------------------------

    def flow_items(self, node: Node, dropped: set[int], added: list[str]) -> None:
        """Remove and add items between brackets, each with its comma."""
        for index in dropped:
            self.refuse_shared(node.items[index])
        kept = [index for index in range(len(node.items)) if index not in dropped]
        if not kept:
            self.edit(node.start + 1, node.end - 1, ", ".join(added))
            return
        last = kept[-1]
        for index in sorted(dropped):
            if index < last:
                self.drop_flow(node, index)
        if added:
            self.add_flow(node, last, added)
        elif last < len(node.items) - 1:
            self.drop_flow_tail(node, last)

    def drop_flow(self, node: Node, index: int) -> None:
        """Remove an item that another one follows."""
        start = self.entry_start(node, index)
        comma = self.comma(self.entry_end(node, index))
        if comma is None:
            raise Fault("the comma behind a value was not found", start, "simplify the list by hand")
        rest = _BLANKS_OR_COMMENT.match(self.source, comma + 1)
        if self.blank_before(start) and rest is not None:
            self.edit(self.line_start(start), self.next_line(comma), "")
        else:
            blanks = _BLANKS.match(self.source, comma + 1)
            end = blanks.end() if blanks and rest is None else comma + 1
            self.edit(start, end, "")

    def drop_flow_tail(self, node: Node, last: int) -> None:
        """Remove all items behind `last`."""
        start = self.entry_end(node, last)
        end = self.entry_end(node, len(node.items) - 1)
        comma = self.comma(start)
        trailing = self.comma(end)
        if comma is None:
            raise Fault("the comma behind a value was not found", start, "simplify the list by hand")
        if trailing is not None:
            start, end = comma, trailing
        if "\n" not in self.source[start:end]:
            self.edit(start, end, "")
            return
        end = self.entry_end(node, len(node.items) - 1) if trailing is None else trailing + 1
        beside = _BLANKS_OR_COMMENT.match(self.source, end)
        rest = _BLANKS_OR_COMMENT.match(self.source, comma + 1)
        if trailing is None:
            self.edit(comma, comma + 1, "")
        self.edit(rest.end() if rest else comma + 1, beside.end() if beside else end, "")

    def add_flow(self, node: Node, last: int, added: list[str]) -> None:
        """Add items behind the item `last`; what follows it is replaced by them."""
        start = self.entry_end(node, last)
        tail = self.entry_end(node, len(node.items) - 1)
        comma = self.comma(start)
        at = start if comma is None else comma + 1
        own_line = self.blank_before(self.entry_start(node, last))
        rest = _BLANKS_OR_COMMENT.match(self.source, at)
        if comma is None:
            self.edit(start, start, ",")
        if own_line and rest is not None:
            column = self.column(self.entry_start(node, last))
            glue = self.newline + " " * column
            at = rest.end()
        else:
            glue = " "
        end = max(at, tail) if last < len(node.items) - 1 else at
        trailing = "," if comma is not None and last == len(node.items) - 1 else ""
        self.edit(at, end, ",".join(glue + text for text in added) + trailing)

    def comma(self, at: int) -> int | None:
        gap = _GAP.match(self.source, at)
        at = gap.end() if gap else at
        return at if self.source[at : at + 1] == "," else None

    # -- places -----------------------------------------------------------------------------------------

    def refuse_shared(self, node: Node) -> None:
        if node.shares():
            raise Fault("the value to change has an anchor (&) that is used", node.full_start, _ANCHOR_HINT)

    def entry_start(self, node: Node, index: int) -> int:
        """Where an entry starts: its key (or the `?` before it) or its hyphen."""
        if node.kind == MAPPING:
            start = node.keys[index].full_start
            before = start - 1
            while before >= 0 and self.source[before] in " \t":
                before -= 1
            return before if before >= 0 and self.source[before] == "?" else start
        if node.flow:
            return node.items[index].full_start
        if index == 0:
            return node.start
        gap = _GAP.match(self.source, node.items[index - 1].end)
        return gap.end() if gap else node.items[index].full_start

    def entry_end(self, node: Node, index: int) -> int:
        end = node.items[index].end
        return max(end, node.keys[index].end) if node.kind == MAPPING else end

    def content_column(self, node: Node, default: int) -> int:
        for line in self.source[node.start : node.end].split("\n")[1:]:
            if line.strip():
                return len(line) - len(line.lstrip(" "))
        return default

    def column(self, at: int) -> int:
        return at - self.line_start(at)

    def line_start(self, at: int) -> int:
        return self.source.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        end = self.source.find("\n", at)
        end = len(self.source) if end < 0 else end
        return end - 1 if self.source[at:end].endswith("\r") else end

    def next_line(self, at: int) -> int:
        end = self.source.find("\n", at)
        return len(self.source) if end < 0 else end + 1

    def blank_before(self, at: int) -> bool:
        return not self.source[self.line_start(at) : at].strip(" \t")


def _fits(node: Node, wanted: dict[str, Any]) -> bool:
    """True when a mapping can become `wanted` entry by entry, and something stays to hold its place."""
    return keeps_order(node.value, wanted) and any(name in wanted for name in node.value)


def _dropped(old: list[Any], wanted: list[Any], named: set[int]) -> set[int]:
    """Which items to drop so that the rest, changed in place and appended to, becomes `wanted`.

    `named` are the items that the change deletes by index, where there are any: equal items may differ in
    comments.
    """
    if named and len(old) - len(named) <= len(wanted):
        return named
    kept: list[int] = []
    for index, item in enumerate(old):
        if len(kept) < len(wanted) and same(item, wanted[len(kept)]):
            kept.append(index)
    in_place = sum(map(same, old, wanted))
    if len(kept) == len(wanted) or len(kept) > in_place:
        return set(range(len(old))) - set(kept)
    return set(range(len(wanted), len(old)))
