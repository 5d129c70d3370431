"""Items of lists and mappings between brackets: removed and added together with their commas."""

from __future__ import annotations

from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.places import Edit, Source
from mdcoord.formats.yamltext.tree import Node


def change_items(source: Source, node: Node, dropped: set[int], added: list[str]) -> list[Edit]:
    """The edits that remove the items `dropped` and put the texts `added` behind the last one that stays."""
    kept = [index for index in range(len(node.items)) if index not in dropped]
    if not kept:
        return [Edit(node.start + 1, node.end - 1, ", ".join(added))]
    last = kept[-1]
    edits = [_drop(source, node, index) for index in sorted(dropped) if index < last]
    if added:
        edits += _add(source, node, last, added)
    elif last < len(node.items) - 1:
        edits += _drop_tail(source, node, last)
    return edits


def _drop(source: Source, node: Node, index: int) -> Edit:
    """Remove an item that another one follows."""
    start = source.entry_start(node, index)
    comma = _comma(source, node, index)
    rest = source.line_rest(comma + 1)
    if rest is None:
        return Edit(start, source.behind_blanks(comma + 1), "")
    if source.starts_line(start):
        return Edit(source.line_start(start), source.next_line(comma), "")
    return Edit(start, comma + 1, "")


def _drop_tail(source: Source, node: Node, last: int) -> list[Edit]:
    """Remove all items behind `last`, and its comma unless the list ended with one."""
    comma = _comma(source, node, last)
    end = source.entry_end(node, len(node.items) - 1)
    trailing = source.comma(end)
    if trailing is not None:
        end = trailing + 1
    beside = source.line_rest(comma + 1)
    if beside is None:
        # The next item follows on the same line.
        start = source.entry_end(node, last) if trailing is None else comma + 1
        return [Edit(start, end, "")]
    edits = [Edit(comma, comma + 1, "")] if trailing is None else []
    return [*edits, Edit(beside, source.line_rest(end) or end, "")]


def _add(source: Source, node: Node, last: int, added: list[str]) -> list[Edit]:
    """Add items behind the item `last`; they replace what follows it."""
    start = source.entry_end(node, last)
    comma = source.comma(start)
    edits = [Edit(start, start, ",")] if comma is None else []
    at = start if comma is None else comma + 1
    glue = " "
    rest = source.line_rest(at)
    if rest is not None and source.starts_line(source.entry_start(node, last)):
        glue = source.newline + " " * source.column(source.entry_start(node, last))
        at = rest
    is_last = last == len(node.items) - 1
    end = at if is_last else max(at, source.entry_end(node, len(node.items) - 1))
    trailing = "," if is_last and comma is not None else ""
    return [*edits, Edit(at, end, ",".join(glue + text for text in added) + trailing)]


def _comma(source: Source, node: Node, index: int) -> int:
    comma = source.comma(source.entry_end(node, index))
    if comma is None:
        start = source.entry_start(node, index)
        raise Fault("the comma behind a value was not found", start, "change the list by hand")
    return comma
