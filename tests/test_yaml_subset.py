"""The fast reader of simple front matter gives what the parser gives, or nothing."""

from __future__ import annotations

from typing import Any

from document_strategies import TRICKY_TEXT, changes, simple_fields, words
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.errors import UsageError
from mdcoord.formats.document import Document
from mdcoord.formats.fields import apply, same
from mdcoord.formats.yamltext import subset, subset_edit
from mdcoord.formats.yamltext.splice import splice
from mdcoord.formats.yamltext.tree import read as parse


def front_matter(fields: dict[str, Any]) -> str:
    return Document.create(fields, "").text.removeprefix("---\n").removesuffix("---\n")


RAW_VALUES = [text for text in TRICKY_TEXT if "\n" not in text and "\r" not in text]
RAW_VALUES += (
    "word", "two words", "1", "2.5", "-1", "null", "True", "it's", "a:b", "a#b", "1 # c", '"q" # c',
    "'it''s'", "'a' b", "' x '", '"a\\n\\u00e9"', '"\\ud83d\\ude00"', '"\\/"', '"\\x41"', '"open',
    "'open", "[]", "{}", "[a, b]", "[1, 2.5, x y]", "[a,b]", "[ a ]", "[a, ]", '["a", "b: c"]',
    '{"a": [1, {"b": "c: d"}]}', '{"a": 1, "a": 2}', "{a: 1}", "[1E400]", "[NaN]", "[-0]", "[1,2]",
    '{"b":1}', '{"b": null, "c": [true]}', "[.5]", "[0x1F]", "[-]", "[a - b]", "[a b, - c]", "[null, no]",
    "&x a", "*x", "!!str 1", "|", "|-", "|+", ">", "|2", "| # c",
)  # fmt: skip
RAW_KEYS = (
    "a",
    "b",
    "c",
    "a b",
    "x-y",
    "x.y",
    '"q"',
    "'s'",
    "1",
    "null",
    "true",
    "<<",
    "_",
    "é",
    "-a",
    '"a: b"',
)


@st.composite
def blocks(draw: st.DrawFn, indent: int = 0, depth: int = 0) -> list[str]:
    """Lines of a block mapping or list, mostly well made, in the layout of the tool or near it."""
    lines = []
    hyphens = depth > 0 and draw(st.booleans())
    for _ in range(draw(st.integers(1, 3))):
        head = " " * indent + ("- " if hyphens else "")
        if not hyphens or draw(st.booleans()):
            head += draw(st.sampled_from([*"abcdefghijklmnopqrst", *RAW_KEYS])) + ":"
        form = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 6, 6, 6, 8, 8, 9]))
        step = draw(st.sampled_from([2] * 8 + [0, 1, 4])) + (2 if hyphens and draw(st.booleans()) else 0)
        if form < 6 or depth > 3:
            blank = draw(st.sampled_from([" "] * 9 + ["  ", ""]))
            lines.append(head + blank + draw(st.one_of(words, words, words, st.sampled_from(RAW_VALUES))))
        elif form < 8 and head.endswith(":"):
            lines += [head, *draw(blocks(indent + step, depth + 1))]
        elif form == 8:
            text = draw(
                st.sampled_from(
                    [
                        ["x"],
                        ["x", "y"],
                        ["x", "", "y: z"],
                        ["# x", "  y"],
                        [" x", "y"],
                        ["x", ""],
                        [""],
                        ["x\ty"],
                    ]
                )
            )
            lines += [head + " " + draw(st.sampled_from(["|", "|", "|-", "|-", "|+", ">"]))]
            lines += [" " * (indent + step) + line if line else "" for line in text]
        else:
            lines.append(
                draw(st.sampled_from([head, "", "# c", "text", " " * indent + "text", "---x", "\t"]))
            )
    return lines


sources = blocks().map(lambda lines: "".join(line + "\n" for line in lines))


@given(sources)
def test_what_the_subset_reads_is_what_the_parser_reads(source: str) -> None:
    simple = subset.read(source)
    if simple is None:
        return
    root = parse(source)
    assert same(simple, root.value if root else {})


@given(simple_fields)
def test_what_the_tool_writes_is_read_alike_by_both(fields: dict[str, Any]) -> None:
    source = front_matter(fields)
    root = parse(source)
    assert root is not None
    assert same(root.value, fields)
    simple = subset.read(source)
    assert simple is None or same(simple, fields)


@given(st.data())
def test_an_edit_gives_the_same_bytes_on_both_ways(data: st.DataObject) -> None:
    fields = data.draw(simple_fields)
    source = front_matter(fields)
    if subset.read(source) is None:
        return
    try:
        wanted = apply(fields, data.draw(changes(fields)))
    except UsageError:
        return
    simple = subset_edit.edit(source, fields, wanted)
    if simple is not None:
        assert simple == splice(source, parse(source), wanted, "\n", {})


@given(sources, st.data())
def test_an_edit_of_foreign_lines_gives_the_same_bytes_on_both_ways(source: str, data: st.DataObject) -> None:
    fields = subset.read(source)
    if not fields:
        return
    try:
        wanted = apply(fields, data.draw(changes(fields)))
    except UsageError:
        return
    simple = subset_edit.edit(source, fields, wanted)
    if simple is not None:
        assert simple == splice(source, parse(source), wanted, "\n", {})
