"""Values in Markdown: what a reader of Markdown makes of them is text, never structure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mdcoord.formats.markdown import block, cell, code, item, json_block, one_line, reference, table

READER = MarkdownIt("commonmark").enable("table")
STARTS = [
    "# x",
    "> x",
    "- x",
    "1. x",
    "2) x",
    "```",
    "~~~",
    "---",
    "***",
    "* * *",
    "===",
    "<div>",
    "| a |",
    "[a]: b",
]
LINES = st.text(max_size=12) | st.sampled_from(
    [*STARTS, "    x", "\tx", "<!--", "-->", "&lt;", "\\", "`", "a\n===\nb"]
)
TEXT = LINES | st.lists(LINES, max_size=6).map("\n".join)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6
)


def blocks(text: str) -> list[str]:
    """The block structure that a Markdown reader sees."""
    return [token.type for token in READER.parse(text) if token.type != "inline"]


PARAGRAPH = ["paragraph_open", "paragraph_close"]
END = ["heading_open", "heading_close"]
LIST = ["bullet_list_open", "list_item_open", *PARAGRAPH, "list_item_close", "bullet_list_close"]


@given(VALUE)
@example("\u2028---")
@example("\x0b# x")
@example("\ufeff# x")
@example("\xa0\xa0\xa0\xa0x")
def test_a_value_after_a_label_is_one_paragraph(value: Any) -> None:
    text = one_line(value)
    assert len(text.splitlines()) == 1
    assert "<!--" not in text
    assert "-->" not in text
    assert "```" not in text
    text.encode()
    assert one_line(text) == text
    assert blocks(f"**Label**: {text}\n\n# End") == PARAGRAPH + END


@given(VALUE)
@pytest.mark.parametrize("start", STARTS)
def test_an_item_is_one_paragraph_in_its_list(start: str, value: Any) -> None:
    for text in (item(start), item(value)):
        assert blocks(f"- {text}\n\n# End") == LIST + END
        assert blocks(f"{text}\n\n# End") == PARAGRAPH + END


@given(VALUE)
def test_a_block_ends_where_it_ends(value: Any) -> None:
    seen = blocks(f"before\n\n{block(value)}\n\n# End")
    if seen != PARAGRAPH * 2 + END:
        assert seen[:3] == [*PARAGRAPH, "blockquote_open"]
        assert seen[-3:] == ["blockquote_close", *END]
        assert seen.count("blockquote_close") == seen.count("blockquote_open")


def test_a_block_keeps_lines_and_code() -> None:
    assert block("one\n\n```bash\nmake\n```\n") == "> one\n>\n> ```bash\n> make\n> ```"
    assert block("one\n```json\n{}\n```") == "> one\n> ``` json\n> {}\n> ```"
    assert block("one line") == "one line"
    assert block(["a", 1]) == "a, 1"


@given(st.dictionaries(TEXT, VALUE, max_size=4) | VALUE)
def test_json_reads_back_from_its_block(value: Any) -> None:
    text = json_block(value)
    lines = text.split("\n")
    assert (lines[0], lines[-1]) == ("```json", "```")
    assert json.dumps(json.loads("\n".join(lines[1:-1]))) == json.dumps(value)
    assert len(text.splitlines()) == len(lines)
    assert "<!--" not in text
    assert "-->" not in text
    assert blocks(f"{text}\n\n# End") == ["fence", *END]


@given(st.lists(st.dictionaries(TEXT, SCALAR, min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_table_has_a_row_for_each_mapping(rows: list[dict[str, Any]]) -> None:
    seen = blocks(f"{table(rows)}\n\n# End")
    assert seen[0] == "table_open"
    assert seen[-3:] == ["table_close", *END]
    assert seen.count("tr_open") == len(rows) + 1
    assert seen.count("th_open") == len({key for row in rows for key in row})


@given(TEXT)
def test_code_is_code(text: str) -> None:
    (paragraph,) = [token for token in READER.parse(f"Label: {code(text)}") if token.type == "inline"]
    assert [child.type for child in paragraph.children or []] == ["text", "code_inline"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "N/A"),
        ("", "N/A"),
        ([], "N/A"),
        ({}, "N/A"),
        (True, "✅"),
        (0, "0"),
        (0.42, "0.42"),
        ("a\r\nb\tc", "a b\tc"),
        ("<!-- x -->", "&lt;!-- x --&gt;"),
        (["a", None, 2], "a, N/A, 2"),
        ({"a": ["x"]}, '{"a": ["x"]}'),
        ("bell\x07", "bell�"),
    ],
)
def test_values_on_one_line(value: Any, text: str) -> None:
    assert one_line(value) == text


def test_references_and_cells() -> None:
    assert reference({"Dataset": "a/b.md"}) == "Dataset: `a/b.md`"
    assert reference({"a": "x", "b": "y"}) == "a: `x`; b: `y`"
    assert reference("# text") == "\\# text"
    assert cell("a|b") == "a\\|b"
    assert table([1, "# a"]) == "- 1\n- \\# a"
