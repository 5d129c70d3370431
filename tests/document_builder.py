"""Documents put together piece by piece, so that the place and the value of everything in them is known.

No parser takes part: the builder writes the text and notes, for each value, where its characters are and what
they mean. The properties of lossless editing are checked against these notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

ONE_LINE: tuple[tuple[str, Any], ...] = (
    ("word", "word"),
    ("two words", "two words"),
    ("a:b", "a:b"),
    ("a#b", "a#b"),
    ("http://x.org/y?z=1#top", "http://x.org/y?z=1#top"),
    ("NO", "NO"),
    ("on", "on"),
    ("2026-01-31", "2026-01-31"),
    ("2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00.000Z"),
    ("12:30:45", "12:30:45"),
    ("1_000", "1_000"),
    ("0", 0),
    ("-7", -7),
    ("+7", 7),
    ("0755", 755),
    ("0o17", 15),
    ("0x1F", 31),
    ("1.50", 1.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("é 日本 😀", "é 日本 😀"),
    ('""', ""),
    ('"quoted"', "quoted"),
    ('"# no comment"', "# no comment"),
    (r'"a \"b\" \\ \t\u00e9\x41\n"', 'a "b" \\ \téA\n'),
    ('"a: b, [c]"', "a: b, [c]"),
    ("''", ""),
    ("'single'", "single"),
    ("'it''s # here'", "it's # here"),
    ("!!str 12", "12"),
    ('!!int "12"', 12),
    ("! 12", "12"),
)
"""Scalars of one line: their text and their value."""

MANY_LINES: tuple[tuple[str, Any], ...] = (
    ("plain\n{i}goes on", "plain goes on"),
    ("plain\n\n{i}goes on", "plain\ngoes on"),
    ('"quoted\n{i}goes\\\n{i}  on"', "quoted goeson"),
    ("'single\n{i}goes\n\n{i}on'", "single goes\non"),
    ("|\n{i}a\n{i}b", "a\nb\n"),
    ("|-\n{i}a\n{i}  b", "a\n  b"),
    ("|+\n{i}a\n\n", "a\n\n"),
    ("|2-\n{p}   a\n{p}  b", " a\nb"),
    ("|\n{i}# text\n\n{i}---", "# text\n\n---\n"),
    (">\n{i}a\n{i}b", "a b\n"),
    (">-\n{i}a\n\n{i}b", "a\nb"),
)
"""Scalars of several lines; `{i}` is their indentation, `{p}` the one of their key."""

comments = st.sampled_from(["", "", "", " # beside", "  #", " # a: b", " # - x"])
between = st.sampled_from(["", "", "", "", "\n", "# above\n", "\n# above: x\n\n", "  # deep\n", "#\n"])


@dataclass
class Spot:
    """A value in a built document: `text[start:end]` are its characters, its lines end before `line_end`."""

    path: tuple[Any, ...]
    value: Any
    start: int
    end: int
    kind: str
    entry_start: int = 0
    line_end: int = 0
    column: int = 0
    in_flow: bool = False
    items: list[Spot] = field(default_factory=list)


@dataclass
class Built:
    """A document and the notes about it."""

    text: str
    fields: dict[str, Any]
    spots: list[Spot]
    body: str
    newline: str
    insert_at: int
    """Where the lines of a new last field belong."""


class Writer:
    """Collects text; line feeds become the document's line end."""

    def __init__(self, draw: st.DrawFn, newline: str) -> None:
        self.draw = draw
        self.newline = newline
        self.text = ""
        self.spots: list[Spot] = []
        self.after_block = ""

    def gap(self) -> None:
        """Blank lines and comments between entries; behind a block scalar only what is not part of its
        text.
        """
        text: str = self.draw(between)
        joins = text.startswith("  ") or (text.startswith("\n") and "+" in self.after_block)
        if self.after_block and joins:
            text = ""
        self.after_block = ""
        self.put(text)

    def put(self, text: str) -> None:
        self.text += text.replace("\n", self.newline)

    def scalar(self, path: tuple[Any, ...], column: int, beside: str) -> Any:
        """A scalar behind its key or hyphen, to the end of its line; `column` is the one of what stands
        below.
        """
        shape = self.draw(st.sampled_from(["one", "one", "one", "many", "empty", "below"]))
        if shape == "empty":
            spot = Spot(path, None, len(self.text), len(self.text), "empty")
            self.put(beside + "\n")
        else:
            text, value = self.draw(st.sampled_from(MANY_LINES if shape == "many" else ONE_LINE))
            self.put(
                "\n" + " " * (column + 1)
                if shape == "below"
                else self.draw(st.sampled_from([" ", " ", "  "]))
            )
            start = len(self.text)
            parent = " " * (column - 2)
            self.put(text.replace("{i}", " " * column).replace("{p}", parent).removesuffix("\n"))
            tagged = "tagged" if text[0] == "!" else shape
            spot = Spot(path, value, start, len(self.text), "block" if text[0] in "|>" else tagged)
            self.after_block = text[:2] if text[0] in "|>" else ""
            # A comment behind the text of a block scalar would be text.
            self.put(("" if text[0] in "|>" else beside) + "\n")
        spot.line_end = len(self.text)
        self.spots.append(spot)
        return spot.value

    def flow(self, path: tuple[Any, ...], depth: int = 0) -> Any:
        """A list or mapping between brackets."""
        start = len(self.text)
        is_list = self.draw(st.booleans())
        count = self.draw(st.integers(0, 3))
        several = count > 0 and depth == 0 and self.draw(st.booleans())
        glue = "\n      " if several else self.draw(st.sampled_from(["", " "]))
        self.put("[" if is_list else "{")
        value: Any = [] if is_list else {}
        items = []
        for index in range(count):
            self.put(glue if several or index else "")
            name: Any = index if is_list else f"k{index}"
            entry_start = len(self.text)
            if not is_list:
                self.put(f"{name}: ")
            item = self.flow_item((*path, name), depth)
            items.append((entry_start, len(self.text)))
            value.append(item) if is_list else value.__setitem__(name, item)
            if index < count - 1 or self.draw(st.integers(0, 4)) == 0:
                self.put(",")
            if several:
                self.put(self.draw(st.sampled_from(["", "", " # beside", "  # a, b]"])))
        self.put("\n    " if several else "")
        self.put("]" if is_list else "}")
        self.spots.append(Spot(path, value, start, len(self.text), "flow"))
        return value

    def flow_item(self, path: tuple[Any, ...], depth: int) -> Any:
        if depth < 2 and self.draw(st.integers(0, 4)) == 0:
            return self.flow(path, depth + 1)
        safe = [pair for pair in ONE_LINE if not set(pair[0]) & set(",[]{}:#?") or pair[0][0] in "\"'"]
        text, value = self.draw(st.sampled_from(safe))
        start = len(self.text)
        self.put(text)
        kind = "tagged" if text[0] == "!" else "one"
        self.spots.append(Spot(path, value, start, len(self.text), kind, in_flow=True))
        return value

    def value(self, path: tuple[Any, ...], column: int, depth: int) -> Any:
        """What stands behind a key in `column`, to the end of its last line."""
        shape = self.draw(st.sampled_from(["scalar", "scalar", "scalar", "flow", "mapping", "list"]))
        beside = self.draw(comments)
        if shape == "flow":
            self.put(" ")
            value = self.flow(path)
            self.put(beside + "\n")
            self.spots[-1].line_end = len(self.text)
            return value
        if shape == "scalar" or depth > 2:
            return self.scalar(path, column + 2, beside)
        self.put(beside + "\n")
        if shape == "mapping":
            return self.mapping(path, column + self.draw(st.sampled_from([2, 2, 4, 1])), depth + 1)
        return self.list(path, column + self.draw(st.sampled_from([0, 2, 2, 4])), depth + 1)

    def mapping(
        self, path: tuple[Any, ...], column: int, depth: int, started: bool = False
    ) -> dict[str, Any]:
        """The entries of a block mapping; `started` when the first key follows a hyphen."""
        fields: dict[str, Any] = {}
        spot = Spot(path, fields, len(self.text), 0, "mapping", column=column)
        for index in range(self.draw(st.integers(1, 3 if depth else 5))):
            if not started or index:
                self.gap()
                self.put(" " * column)
            name = f"f{len(path)}{index}"
            entry_start = len(self.text)
            self.put(self.draw(st.sampled_from(["{}", "{}", "{}", '"{}"', "'{}'", "{} "])).format(name) + ":")
            fields[name] = self.value((*path, name), column, depth)
            self.note(spot, (*path, name), fields[name], entry_start)
        spot.line_end = len(self.text)
        self.spots.append(spot)
        return fields

    def list(self, path: tuple[Any, ...], column: int, depth: int) -> list[Any]:
        """The items of a block list."""
        items: list[Any] = []
        spot = Spot(path, items, len(self.text), 0, "list", column=column)
        for index in range(self.draw(st.integers(1, 3))):
            self.gap()
            entry_start = len(self.text) + column
            self.put(" " * column + "-")
            if depth < 3 and self.draw(st.integers(0, 2)) == 0:
                blanks = self.draw(st.sampled_from([1, 1, 3]))
                self.put(" " * blanks)
                items.append(self.mapping((*path, index), column + 1 + blanks, depth + 1, started=True))
            else:
                items.append(self.scalar((*path, index), column + 2, self.draw(comments)))
            self.note(spot, (*path, index), items[-1], entry_start)
        spot.line_end = len(self.text)
        self.spots.append(spot)
        return items

    def note(self, collection: Spot, path: tuple[Any, ...], value: Any, entry_start: int) -> None:
        collection.items.append(
            Spot(path, value, 0, 0, "entry", entry_start=entry_start, line_end=len(self.text))
        )


@st.composite
def documents(draw: st.DrawFn) -> Built:
    """Documents in all styles that front matter is written in by hand."""
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    writer = Writer(draw, newline)
    writer.put(draw(st.sampled_from(["", "", "\ufeff"])))
    writer.put("---" + draw(st.sampled_from(["", "", " ", "\t"])) + "\n")
    fields = writer.mapping((), 0, 0)
    insert_at = len(writer.text)
    writer.gap()
    body = draw(st.sampled_from(["", "body", "# T\n\ntext\n", "\n---\nx: 1\n---\n", "a\r\nb\n", "\n\n"]))
    end = "\n" if body or draw(st.booleans()) else ""
    writer.put(draw(st.sampled_from(["---", "---", "..."])) + draw(st.sampled_from(["", "", "  "])) + end)
    return Built(writer.text + body, fields, writer.spots, body, newline, insert_at)
