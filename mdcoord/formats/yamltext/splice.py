"""The fewest replaced characters that turn a front matter into one that holds the wanted values.

Every value in block style has two places: its *head*, on the line of its key or hyphen, and its *lines*
below. A replacement fills both, so that comments beside and around a value stay where they are. What is not
different is not touched. The result is not trusted here: the caller parses it and compares.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from mdcoord.formats.fields import kept_names, same
from mdcoord.formats.yamltext import emit
from mdcoord.formats.yamltext.brackets import change_items
from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.places import Edit, Source
from mdcoord.formats.yamltext.tree import MAPPING, SCALAR, SEQUENCE, Node
from mdcoord.model import Path

_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*")
_ANCHOR_HINT: Final = "an alias (*) repeats it elsewhere: write the value out in both places by hand first"


def splice(
    source: str, root: Node | None, wanted: dict[str, Any], newline: str, named: dict[Path, set[int]]
) -> str:
    """The front matter `source`, read as `root`, changed to hold `wanted`. Raises Fault where it cannot be
    done.

    `named` tells, for a path to a list, which of its items are deleted; without it they are guessed from the
    values.
    """
    if root is None:
        return source + "".join(line + newline for line in emit.entries(wanted, 0))
    splicer = _Splicer(Source(source, newline), root, named)
    splicer.mapping(root, wanted, ())
    return _applied(source, splicer.edits)


def _applied(source: str, edits: list[Edit]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        if start < at:
            raise Fault("two changes meet in one place", start, "make them one after the other")
        parts += (source[at:start], text)
        at = end
    parts.append(source[at:])
    return "".join(parts)


class _Place(NamedTuple):
    """Where a value in block style stands: its head, and the whole lines below that belong to it."""

    head_start: int
    head_end: int
    lines_start: int
    lines_end: int


class _Splicer:
    """Walks over the differences and collects the edits."""

    def __init__(self, source: Source, root: Node, named: dict[Path, set[int]]) -> None:
        self.source = source
        self.named = named
        self.edits: list[Edit] = []
        is_json = root.flow and bool(root.keys) and all(key.style == '"' for key in root.keys)
        self.quote = '"' if is_json else ""

    def edit(self, start: int, end: int, text: str) -> None:
        if start != end or text:
            self.edits.append(Edit(start, end, text))

    def value(self, parent: Node, index: int, wanted: Any, path: Path) -> None:
        """Make one item of a mapping or list hold `wanted`."""
        node = parent.items[index]
        if same(node.value, wanted):
            return
        if node.shared:
            raise _used_elsewhere(node)
        if node.kind == MAPPING and isinstance(wanted, dict) and kept_names(node.value, wanted):
            self.mapping(node, wanted, path)
        elif node.kind == SEQUENCE and node.items and isinstance(wanted, list) and wanted:
            self.sequence(node, wanted, path)
        else:
            self.replace(parent, index, wanted)

    def mapping(self, node: Node, wanted: dict[str, Any], path: Path) -> None:
        """Change, drop and add entries; only the outermost mapping (of path ()) may lose all it has."""
        kept = set(kept_names(node.value, wanted))
        dropped = {index for index, name in enumerate(node.value) if name not in kept}
        for index, name in enumerate(node.value):
            if name in kept:
                self.value(node, index, wanted[name], (*path, name))
        added = {name: value for name, value in wanted.items() if name not in kept}
        if node.flow:
            pairs = [
                f"{emit.key(name, self.quote, True)}: {self.flow(value)}" for name, value in added.items()
            ]
            self.brackets(node, dropped, pairs)
            return
        self.drop(node, dropped)
        if added:
            self.insert(node, lambda column, literals: emit.entries(added, column, literals))

    def sequence(self, node: Node, wanted: list[Any], path: Path) -> None:
        """Change, drop and add items; at least one stays."""
        dropped = _dropped(node.value, wanted, self.named.get(path, set()))
        kept = [index for index in range(len(node.items)) if index not in dropped]
        for index, value in zip(kept, wanted, strict=False):
            self.value(node, index, value, (*path, index))
        added = wanted[len(kept) :]
        if node.flow:
            self.brackets(node, dropped, [self.flow(value) for value in added])
            return
        self.drop(node, dropped)
        if added:
            self.insert(node, lambda column, literals: emit.items(added, column, literals))

    # -- entries of collections -------------------------------------------------------------------------

    def brackets(self, node: Node, dropped: set[int], added: list[str]) -> None:
        self.refuse_shared(node, dropped)
        self.edits += change_items(self.source, node, dropped, added)

    def insert(self, node: Node, lines: Any) -> None:
        """Put new lines behind the last entry of a block collection, in the column of its first one."""
        at = self.source.next_line(self.source.entry_end(node, len(node.items) - 1))
        column = self.source.column(self.source.entry_start(node, 0))
        self.edit(at, at, self.source.lines(lines(column, not self.source.deep_comment(at))))

    def drop(self, node: Node, dropped: set[int]) -> None:
        """Remove the lines of entries of a block collection."""
        self.refuse_shared(node, dropped)
        source = self.source
        kept = [index for index in range(len(node.items)) if index not in dropped]
        first = source.entry_start(node, 0)
        if kept and kept[0] > 0 and not source.starts_line(first):
            self.drop_first(node, first, kept[0])
            dropped = {index for index in dropped if index > kept[0]}
        for index in dropped:
            start = source.line_start(source.entry_start(node, index))
            self.edit(start, source.next_line(source.entry_end(node, index)), "")

    def drop_first(self, node: Node, start: int, kept: int) -> None:
        """Remove the entries before `kept` of a collection that starts behind a hyphen, on its line."""
        end = self.source.entry_end(node, kept - 1)
        next_entry = self.source.entry_start(node, kept)
        if self.source.line_start(next_entry) == self.source.next_line(end):
            self.edit(start, next_entry, "")
        else:
            # A comment stands between: it keeps its line, and the entry below it.
            self.edit(start, self.source.line_end(end), "")

    # -- one value --------------------------------------------------------------------------------------

    def replace(self, parent: Node, index: int, wanted: Any) -> None:
        """Write a value over another one."""
        node = parent.items[index]
        if node.shares():
            raise _used_elsewhere(node)
        is_collection = isinstance(wanted, (dict, list))
        if parent.flow or (node.flow and node.items and is_collection):
            style = self.quote or (node.style if node.kind == SCALAR else "")
            self.write_flow(
                node, parent, self.flow(wanted) if is_collection else emit.scalar(wanted, style, True)
            )
            return
        place = self.place(parent, index, is_collection)
        literals = not self.source.deep_comment(place.lines_end)
        if self.source.next_line(place.head_end) < place.lines_start:
            literals = False  # a comment stands between the key and the value
        if parent.kind == MAPPING:
            rendered = self.render(parent, index, wanted, literals)
        else:
            rendered = self.render_item(parent, index, wanted, place, literals)
        self.write(place, rendered)

    def render(self, parent: Node, index: int, wanted: Any, literals: bool) -> emit.Rendered:
        """The value of a block mapping; collections and texts keep their own indentation."""
        node = parent.items[index]
        style = node.style if node.kind == SCALAR else ""
        column = self.source.column(self.source.entry_start(parent, index))
        below = column + emit.STEP
        if style and style in "|>":
            below = self.content_column(node, below)
        elif node.kind in (MAPPING, SEQUENCE) and not node.flow:
            own = self.source.column(self.source.entry_start(node, 0))
            if own > column or isinstance(wanted, list):
                below = own
        return emit.block(wanted, below, style, literals)

    def render_item(
        self, parent: Node, index: int, wanted: Any, place: _Place, literals: bool
    ) -> emit.Rendered:
        """The item of a block list; what stands behind the hyphen keeps its column."""
        node = parent.items[index]
        own = self.source.column(self.source.entry_start(parent, index)) + emit.STEP
        if place.head_start < place.head_end:
            own = self.source.column(place.head_start)
        return emit.item(wanted, own, node.style if node.kind == SCALAR else "", literals)

    def place(self, parent: Node, index: int, for_collection: bool) -> _Place:
        """Where a value in block style stands."""
        node = parent.items[index]
        source = self.source
        if node.kind in (MAPPING, SEQUENCE) and not node.flow and source.starts_line(node.start):
            head = self.behind_indicator(parent, index)
            return _Place(head, head, source.line_start(node.start), source.next_line(node.end))
        start, end = node.start, node.end
        if node.tagged or (node.full_start < start and for_collection and parent.kind == SEQUENCE):
            # A tag is part of the value; an anchor before a mapping would become the one of its first key.
            start = node.full_start
        elif start == end:
            start = end = self.behind_indicator(parent, index)
        if node.style in ("|", ">"):
            header = _BLOCK_HEADER.match(source.text, node.start)
            end = header.end() if header else end
            below = source.next_line(end)
            return _Place(start, end, below, max(below, source.next_line(node.end)))
        below = source.next_line(end)
        return _Place(start, end, below, below)

    def behind_indicator(self, parent: Node, index: int) -> int:
        """The position behind the colon or hyphen of a value, or behind its properties."""
        node = parent.items[index]
        if node.full_start < node.properties_end:
            return node.properties_end
        if parent.kind == SEQUENCE:
            return self.source.entry_start(parent, index) + 1
        return self.source.colon(parent.keys[index])

    def write(self, place: _Place, rendered: emit.Rendered) -> None:
        start, end = place.head_start, place.head_end
        head = rendered.head
        if not head:
            # Nothing stays on the line: the blanks before it go too, those before a comment stay.
            start = self.source.before_blanks(start)
        elif start == end or self.source.text[start - 1] not in " \t":
            head = " " + head
        self.edit(start, end, head)
        self.edit(place.lines_start, place.lines_end, self.source.lines(rendered.lines))

    def write_flow(self, node: Node, parent: Node, written: str) -> None:
        """Write over a value between brackets, or over brackets."""
        start = node.full_start if node.tagged else node.start
        before = self.source.text[start - 1]
        if start == node.end and before not in " \t":
            no_colon = parent.kind == MAPPING and before != ":" and node.full_start == node.start
            written = (": " if no_colon else " ") + written
        self.edit(start, node.end, written)

    def flow(self, value: Any) -> str:
        return emit.flow(value, self.quote)

    def content_column(self, node: Node, default: int) -> int:
        """The indentation of a block scalar's text."""
        for line in self.source.text[node.start : node.end].split("\n")[1:]:
            if line.strip():
                return len(line) - len(line.lstrip(" "))
        return default

    def refuse_shared(self, node: Node, dropped: set[int]) -> None:
        for index in dropped:
            if node.items[index].shares() or (node.keys and node.keys[index].shared):
                raise _used_elsewhere(node.items[index])


def _used_elsewhere(node: Node) -> Fault:
    return Fault("the value to change has an anchor (&) that is used", node.full_start, _ANCHOR_HINT)


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
