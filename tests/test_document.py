"""Documents by hand: decoding, reading, creating, and edits whose every byte is written out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mdcoord.errors import InvalidDocument, UsageError
from mdcoord.formats.document import Document, decode
from mdcoord.model import Change


def edited(text: str, **change: Any) -> str:
    return Document.parse(text).edit(Change(**change)).text


def in_fences(front: str) -> str:
    return f"---\n{front}---\nbody\n"


# -- reading --------------------------------------------------------------------------------------------


def test_a_document_is_front_matter_and_body() -> None:
    document = Document.parse("---\na: 1\nb: [x, y]\n---\n# Title\n", where="x.md")
    assert document.fields == {"a": 1, "b": ["x", "y"]}
    assert document.body == "# Title\n"
    assert document.front_matter == "a: 1\nb: [x, y]\n"
    assert document.has_front_matter
    assert document.where == "x.md"


@pytest.mark.parametrize(
    "text",
    ["", "# Title\n", "text\n---\na: 1\n---\n", "----\na: 1\n----\n", " ---\na: 1\n---\n", "---a\n---\n",
     "\n\n---\n\ntext\n"],
)  # fmt: skip
def test_a_text_without_fences_in_its_first_line_is_all_body(text: str) -> None:
    document = Document.parse(text)
    assert not document.has_front_matter
    assert document.fields == {}
    assert document.body == text
    assert document.front_matter == ""


@pytest.mark.parametrize("front", ["", "\n", "# only a comment\n", "{}\n", "\n\n# x\n\n"])
def test_empty_front_matter_is_an_empty_mapping(front: str) -> None:
    document = Document.parse(in_fences(front))
    assert document.has_front_matter
    assert document.fields == {}
    assert document.edit(Change(set={("a",): 1})).fields == {"a": 1}


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("---\na: 1\n---", ""),
        ("---\na: 1\n...\nbody", "body"),
        ("--- \t\na: 1\n---  \nbody", "body"),
        ("---\r\na: 1\r\n---\r\nbody\r\n", "body\r\n"),
        ("\ufeff---\na: 1\n---\nbody", "body"),
        ("---\na: 1\n---\n---\nb: 2\n---\n", "---\nb: 2\n---\n"),
    ],
)
def test_fences_come_in_several_forms(text: str, body: str) -> None:
    document = Document.parse(text)
    assert document.fields == {"a": 1}
    assert document.body == body
    after = document.edit(Change(set={("a",): 2}))
    assert after.text == text.replace("a: 1", "a: 2")


def test_three_hyphens_inside_of_a_text_close_nothing() -> None:
    text = in_fences("a: |\n  x\n  ---\n  y\nb: 'z ---'\n")
    assert Document.parse(text).fields == {"a": "x\n---\ny\n", "b": "z ---"}


@pytest.mark.parametrize(
    ("front", "fields"),
    [
        ("1: a\ntrue: b\nnull: c\n~: d\n0x1F: e\n",
         {"1": "a", "true": "b", "null": "c", "~": "d", "0x1F": "e"}),
        ("'<<': a\n", {"<<": "a"}),
        ("1e999: a\n.inf: b\n99999999999999999999: c\n",
         {"1e999": "a", ".inf": "b", "99999999999999999999": "c"}),
        ("? a\n: 1\n? b\n", {"a": 1, "b": None}),
        ("!!str 1: a\n&k b: c\n", {"1": "a", "b": "c"}),
        ('{"a": 1, "b": [true, null], "c": {"d": "e"}}\n', {"a": 1, "b": [True, None], "c": {"d": "e"}}),
        ('{\n\t"a": 1,\n\t"b": "\\/"\n}\n', {"a": 1, "b": "/"}),
        ("a: &x [1, {b: 2}]\nc: *x\nd: {e: *x}\n", {"a": [1, {"b": 2}], "c": [1,
         {"b": 2}], "d": {"e": [1, {"b": 2}]}}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: !!float 1\nb: !!null ~\nc: !!bool true\nd: !!seq [1]\ne: !!map {}\n",
         {"a": 1.0, "b": None, "c": True, "d": [1], "e": {}}),
    ],
)  # fmt: skip
def test_unusual_yaml_is_read_in_core_typing_with_keys_as_text(front: str, fields: dict[str, Any]) -> None:
    document = Document.parse(in_fences(front))
    assert document.fields == fields
    assert document.edit(Change(set={("new",): 1})).fields == {**fields, "new": 1}


def test_what_an_alias_repeats_is_a_copy() -> None:
    fields = Document.parse(in_fences("a: &x [1]\nb: *x\n")).fields
    assert fields["a"] is not fields["b"]


# -- decoding -------------------------------------------------------------------------------------------


def test_decode_keeps_line_ends_and_the_byte_order_mark() -> None:
    assert decode("\ufeff---\r\na: é\n".encode()) == "\ufeff---\r\na: é\n"


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"a\nb\xff", 2, 2),
        ("é\né".encode() + b"\x00", 2, 2),
        (b"\xff\xfea\x00", 1, 1),
        (b"---\n\nx\xc3(", 3, 2),
    ],
)
def test_decode_says_where_the_bytes_are_wrong(data: bytes, line: int, column: int) -> None:
    with pytest.raises(InvalidDocument) as caught:
        decode(data, where="x.md")
    assert caught.value.details == {"path": "x.md", "line": line, "column": column}
    assert caught.value.message.startswith(f"x.md, line {line}, column {column}: ")


def test_columns_do_not_count_a_byte_order_mark() -> None:
    with pytest.raises(InvalidDocument) as caught:
        Document.parse("\ufeff---\na: 1\n")
    assert (caught.value.details["line"], caught.value.details["column"]) == (1, 1)


# -- creating -------------------------------------------------------------------------------------------

CREATED = """\
---
schema: mdcoord/task/1
title: "Train: the model"
priority: 5
progress: 0.25
created_at: "2026-01-31T09:30:00.000Z"
not_before: null
needs:
  - gpu
  - "3.11"
depends_on: []
metadata:
  step: 3500
  best: {}
logs:
  - at: "2026-01-31T09:30:00.000Z"
    message: started
  - at: "2026-01-31T09:31:00.000Z"
    message: |-
      two
      lines
matrix:
  - [1, 2]
  - [a, "b: c"]
instructions: |
  First this.

  Then that.
---

# Train
"""


def test_a_created_document_is_easy_to_read() -> None:
    fields = {
        "schema": "mdcoord/task/1",
        "title": "Train: the model",
        "priority": 5,
        "progress": 0.25,
        "created_at": "2026-01-31T09:30:00.000Z",
        "not_before": None,
        "needs": ["gpu", "3.11"],
        "depends_on": [],
        "metadata": {"step": 3500, "best": {}},
        "logs": [
            {"at": "2026-01-31T09:30:00.000Z", "message": "started"},
            {"at": "2026-01-31T09:31:00.000Z", "message": "two\nlines"},
        ],
        "matrix": [[1, 2], ["a", "b: c"]],
        "instructions": "First this.\n\nThen that.\n",
    }
    document = Document.create(fields, "\n# Train\n")
    assert document.text == CREATED
    assert document.fields == fields
    assert list(document.fields) == list(fields)


def test_create_with_no_fields_no_body_and_other_line_ends() -> None:
    assert Document.create({}).text == "---\n---\n"
    assert Document.create({"a": "x\ny"}, "b\n", "\r\n").text == "---\r\na: |-\r\n  x\r\n  y\r\n---\r\nb\n"


@pytest.mark.parametrize("body", ["x\x00y", "\ud800"])
def test_a_body_that_cannot_be_a_file_is_refused(body: str) -> None:
    with pytest.raises(UsageError):
        Document.create({"a": 1}, body)
    with pytest.raises(UsageError):
        Document.parse("---\na: 1\n---\n").with_body(body)


def test_what_is_too_large_to_be_read_is_not_written() -> None:
    document = Document.parse("---\na: 1\n---\n")
    with pytest.raises(UsageError, match="1048576"):
        Document.create({"a": "x" * 1024 * 1024})
    with pytest.raises(UsageError, match="1048576"):
        document.edit(Change(set={("a",): "x" * 1024 * 1024}))
    with pytest.raises(UsageError, match="10485760"):
        document.with_body("x" * 10 * 1024 * 1024)
    with pytest.raises(UsageError, match="10485760"):
        Document.create({}, "x" * 10 * 1024 * 1024)
    with pytest.raises(UsageError, match="20000"):
        document.edit(Change(set={("b",): [[1] * 200] * 200, ("c",): [[1] * 200] * 200}))


def test_a_caller_cannot_change_a_document_through_the_values_it_gave() -> None:
    given = {"a": [1]}
    document = Document.create(given)
    given["a"].append(2)
    assert document.fields == {"a": [1]}
    value = [1]
    after = document.edit(Change(set={("b",): value}))
    value.append(2)
    assert after.fields == {"a": [1], "b": [1]}


# -- bodies and adoption --------------------------------------------------------------------------------


@pytest.mark.parametrize("closing", ["---\n", "---", "...\r\n", "--- \n"])
def test_with_body_keeps_the_front_matter(closing: str) -> None:
    document = Document.parse("---\n# c\na: 1\n" + closing)
    after = document.with_body("---\nx: 1\n")
    assert after.text.startswith("---\n# c\na: 1\n" + closing)
    assert after.body == "---\nx: 1\n"
    assert Document.parse(after.text).fields == {"a": 1}
    assert Document.parse(after.text).body == "---\nx: 1\n"
    assert document.with_body("").body == ""
    assert after.edit(Change(set={("a",): 2})).body == "---\nx: 1\n"


def test_with_body_of_a_text_without_front_matter() -> None:
    assert Document.parse("\ufeffold").with_body("new").text == "\ufeffnew"
    with pytest.raises(UsageError):
        Document.parse("old").with_body("---\na: 1\n---\n")


@pytest.mark.parametrize("text", ["", "# T\n", "# T\r\n\r\ntext", "\ufeff# T\n", "\n\n", "----\nx\n"])
def test_adopting_puts_front_matter_before_an_unchanged_text(text: str) -> None:
    document = Document.parse(text).with_front_matter({"schema": "mdcoord/task/1", "n": 1})
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    assert document.body == text.removeprefix(mark)
    assert document.text.endswith(text.removeprefix(mark))
    assert document.text.startswith(mark + "---")
    head = document.text.removesuffix(document.body)
    assert head.count("\r\n") == (4 if "\r\n" in text else 0)
    assert Document.parse(document.text).fields == {"schema": "mdcoord/task/1", "n": 1}


def test_adopting_twice_is_a_mistake() -> None:
    with pytest.raises(UsageError):
        Document.parse("---\na: 1\n---\n").with_front_matter({"b": 1})


# -- edits by hand --------------------------------------------------------------------------------------

NASTY = """\
---
# The head comment
schema: mdcoord/task/1   # first
'title': 'It''s "here"'  # single
"n": "1"
status:   pending
priority : 5
literal: |  # keep
    text
      deeper

folded: >-
  a
  b
plain: one
  two
empty:
empty_with_comment:   # nothing yet
list:  # of words
- a  # first
# between
- b

- c   # last
# after the list
deep:
    x:
        y: 1  # deep

    z: 2
items:
  - name: one   # 1
    size: 1
    # about colour
    colour: red
  -   name: two
      size: 2
  - three
flow: [a, "b", 'c']   # in brackets
lines: [
  a,  # first
  b   # second
]
map: {a: 1, "b": {c: [1, 2]}, d}
anchored: &x {a: 1}
alias: *x
free: &y text
tagged: !!str 12
none: []  # empty
no: NO
date: 2026-01-31
# the end
...
---
body # not a comment
"""

EDITS: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("comment stays", {"set": {("schema",): "x/y"}}, [("mdcoord/task/1   # first", "x/y   # first")]),
    ("single quotes stay", {"set": {("title",): "New's"}}, [("'It''s \"here\"'", "'New''s'")]),
    ("double quotes stay", {"set": {("n",): "x\ny"}}, [('"n": "1"', '"n": "x\\ny"')]),
    ("a number loses the quotes", {"set": {("n",): 2}}, [('"n": "1"', '"n": 2')]),
    ("blanks stay", {"set": {("status",): "in_progress"}}, [("   pending", "   in_progress")]),
    ("blank before colon stays", {"set": {("priority",): -1}}, [("priority : 5", "priority : -1")]),
    ("literal", {"set": {("literal",): "x\ny\n"}}, [("    text\n      deeper\n", "    x\n    y\n")]),
    ("literal without end", {"set": {("literal",): "x\ny"}},
     [("|  # keep\n    text\n      deeper\n", "|-  # keep\n    x\n    y\n")]),
    ("literal to one line", {"set": {("literal",): "x"}},
     [("|  # keep\n    text\n      deeper\n", "x  # keep\n")]),
    ("folded", {"set": {("folded",): "x\ny\n"}}, [(">-\n  a\n  b\n", "|\n  x\n  y\n")]),
    ("plain of two lines", {"set": {("plain",): "x"}}, [("one\n  two", "x")]),
    ("empty", {"set": {("empty",): "x"}}, [("empty:\n", "empty: x\n")]),
    ("empty with comment", {"set": {("empty_with_comment",): [1]}},
     [("# nothing yet\n", "# nothing yet\n  - 1\n")]),
    ("parents are made", {"set": {("empty", "a", "b"): 1}}, [("empty:\n", "empty:\n  a:\n    b: 1\n")]),
    ("list item", {"set": {("list", 1): "B: b"}}, [("- b\n", '- "B: b"\n')]),
    ("append", {"append": {("list",): ["d", {"e": 1}]}}, [("- c   # last\n", "- c   # last\n- d\n- e: 1\n")]),
    ("delete item", {"delete": (("list", 0),)}, [("- a  # first\n", "")]),
    ("delete items", {"delete": (("list", 0), ("list", 1))},
     [("- a  # first\n# between\n- b\n", "# between\n")]),
    ("delete and append", {"delete": (("list", 2),), "append": {("list",): ["d"]}},
     [("- c   # last\n", "- d\n")]),
    ("list to empty", {"set": {("list",): []}},
     [("list:  # of words\n- a  # first\n# between\n- b\n\n- c   # last\n", "list: []  # of words\n")]),
    ("list to word", {"set": {("deep",): "x"}},
     [("deep:\n    x:\n        y: 1  # deep\n\n    z: 2\n", "deep: x\n")]),
    ("nested", {"set": {("deep", "x", "y"): 2.5}}, [("y: 1  # deep", "y: 2.5  # deep")]),
    ("nested new", {"set": {("deep", "x", "new"): "v"}},
     [("y: 1  # deep\n", "y: 1  # deep\n        new: v\n")]),
    ("nested delete", {"delete": (("deep", "x"),)}, [("    x:\n        y: 1  # deep\n", "")]),
    ("item field", {"set": {("items", 0, "size"): 9}}, [("size: 1", "size: 9")]),
    ("first field of an item", {"delete": (("items", 0, "name"),)},
     [("name: one   # 1\n    size: 1", "size: 1")]),
    ("fields up to a comment", {"delete": (("items", 0, "name"), ("items", 0, "size"))},
     [("- name: one   # 1\n    size: 1\n", "- \n")]),
    ("new field of an item", {"set": {("items", 1, "new"): 1}},
     [("      size: 2\n", "      size: 2\n      new: 1\n")]),
    ("item to mapping", {"set": {("items", 2): {"name": "x", "size": 3}}},
     [("  - three\n", "  - name: x\n    size: 3\n")]),
    ("delete a mapping item", {"delete": (("items", 1),)}, [("  -   name: two\n      size: 2\n", "")]),
    ("in brackets", {"set": {("flow", 1): "x, y"}}, [('[a, "b"', '[a, "x, y"')]),
    ("append in brackets", {"append": {("flow",): ["d", 1]}}, [("'c']", "'c', d, 1]")]),
    ("delete in brackets", {"delete": (("flow", 0), ("flow", 2))}, [("[a, \"b\", 'c']", '["b"]')]),
    ("append on lines", {"append": {("lines",): ["c"]}}, [("b   # second\n", "b,   # second\n  c\n")]),
    ("delete first line", {"delete": (("lines", 0),)}, [("  a,  # first\n", "")]),
    ("delete last line", {"delete": (("lines", 1),)}, [("a,  # first\n  b   # second\n", "a  # first\n")]),
    ("nested braces", {"set": {("map", "b", "c", 1): True, ("map", "b", "x"): None}},
     [("{c: [1, 2]}", "{c: [1, true], x: null}")]),
    ("brace without value", {"set": {("map", "d"): 1}}, [(", d}", ", d: 1}")]),
    ("delete in braces", {"delete": (("map", "a"),)}, [("{a: 1, ", "{")]),
    ("alias itself", {"set": {("alias",): 1}}, [("*x", "1")]),
    ("unused anchor", {"set": {("free",): "new"}}, [("&y text", "&y new")]),
    ("tag goes", {"set": {("tagged",): 12}}, [("!!str 12", "12")]),
    ("append to empty", {"append": {("none",): [{"a": 1, "b": 2}]}},
     [("none: []  # empty\n", "none:  # empty\n  - a: 1\n    b: 2\n")]),
    ("new field", {"set": {("new",): "a #b"}}, [("date: 2026-01-31\n", 'date: 2026-01-31\nnew: "a #b"\n')]),
    ("append makes a list", {"append": {("logs",): ["x"]}},
     [("date: 2026-01-31\n", "date: 2026-01-31\nlogs:\n  - x\n")]),
    ("delete a field", {"delete": (("schema",),)}, [("schema: mdcoord/task/1   # first\n", "")]),
    ("delete a literal", {"delete": (("literal",),)}, [("literal: |  # keep\n    text\n      deeper\n", "")]),
    ("quoted when needed", {"set": {("no",): "yes"}}, [("no: NO", 'no: "yes"')]),
    ("date stays text", {"set": {("date",): "2026-02-01"}}, [("date: 2026-01-31", 'date: "2026-02-01"')]),
    ("nothing", {"delete": (("missing",), ("deep", "q", "r"), ("list", 9)), "append": {("list",): []}}, []),
    ("the same value", {"set": {("priority",): 5, ("map", "a"): 1}}, []),
    ("several", {"set": {("status",): "x", ("deep", "z"): 3},
     "delete": (("no",),), "append": {("flow",): ["d"]}},
     [("   pending", "   x"), ("z: 2", "z: 3"), ("no: NO\n", ""), ("'c']", "'c', d]")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "replacements"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_edit_changes_exactly_this(
    change: dict[str, Any], replacements: list[tuple[str, str]], newline: str
) -> None:
    expected = NASTY
    for old, new in replacements:
        assert expected.count(old) == 1, old
        expected = expected.replace(old, new)
    assert edited(NASTY.replace("\n", newline), **change) == expected.replace("\n", newline)


@pytest.mark.parametrize(
    ("front", "change", "wanted"),
    [
        ('{"a": 1, "b": [1]}\n', {"set": {("a",): "x", ("c",): {"d": None}}, "append": {("b",): ["y"]}},
         '{"a": "x", "b": [1, "y"], "c": {"d": null}}\n'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', {"set": {("c",): "3"}}, '{\n  "a": 1,\n  "b": 2,\n  "c": "3"\n}\n'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', {"delete": (("b",),)}, '{\n  "a": 1\n}\n'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', {"delete": (("a",), ("b",))}, "{}\n"),
        ("{}\n", {"set": {("a",): 1}}, "{a: 1}\n"),
        ("[]\n", None, None),
        ("a: [x, y,]\n", {"append": {("a",): ["z"]}}, "a: [x, y, z,]\n"),
        ("a: [x, y,]\n", {"delete": (("a", 1),)}, "a: [x,]\n"),
        ("a: [x, y]\n", {"delete": (("a", 0), ("a", 1))}, "a: []\n"),
        ("a: [\n  x,\n  y,\n]\n", {"append": {("a",): ["z"]}}, "a: [\n  x,\n  y,\n  z,\n]\n"),
        ("a: {\n  x: 1,\n  y: 2\n}\n", {"delete": (("a", "x"),), "set": {("a", "z"): 3}},
         "a: {\n  y: 2,\n  z: 3\n}\n"),
        ("a: {b, c: }\n", {"set": {("a", "b"): 1, ("a", "c"): 2}}, "a: {b: 1, c: 2}\n"),
        ("- a: 1\n", None, None),
        ("a:\n- - x\n  - y\n", {"append": {("a", 0): ["z"]}}, "a:\n- - x\n  - y\n  - z\n"),
        ("a:\n- - x\n  - y\n", {"delete": (("a", 0, 0),)}, "a:\n- - y\n"),
        ("a:\n  -\n    b: 1\n", {"set": {("a", 0): {"c": 2, "b": 1}}}, "a:\n  - c: 2\n    b: 1\n"),
        ("? a\n: 1\nb: 2\n", {"set": {("a",): 3}}, "? a\n: 3\nb: 2\n"),
        ("? a\n: 1\nb: 2\n", {"delete": (("a",),)}, "b: 2\n"),
        ("a:\n  b: 1\n  c: 2\n", {"set": {("a",): {"c": 2, "b": 1}}}, "a:\n  c: 2\n  b: 1\n"),
        ("a:\n  b: 1 # x\n  c: 2 # y\n", {"set": {("a",): {"b": 1, "d": 3}}}, "a:\n  b: 1 # x\n  d: 3\n"),
        ("a:\n  - x # 1\n  - y # 2\n  - z # 3\n", {"set": {("a",): ["y", "z", "w"]}},
         "a:\n  - y # 2\n  - z # 3\n  - w\n"),
        ("a:\n  - x # 1\n  - y # 2\n", {"set": {("a",): ["x", "w"]}}, "a:\n  - x # 1\n  - w # 2\n"),
        ("a:\n  - x # 1\n  - x # 2\n", {"delete": (("a", 0),)}, "a:\n  - x # 2\n"),
        ("a:\n  - x # 1\n  - x # 2\n", {"delete": (("a", 1),)}, "a:\n  - x # 1\n"),
        ("a: 1\n\n# end\n\n", {"set": {("b",): 2}}, "a: 1\nb: 2\n\n# end\n\n"),
        ("  a: 1\n  b: 2\n", {"set": {("c",): 3}}, "  a: 1\n  b: 2\n  c: 3\n"),
        ("a: 1\nb: 2\n", {"delete": (("a",), ("b",))}, ""),
        ("a: 1\n", {"delete": (("a",),), "append": {("b",): [1]}}, "b:\n  - 1\n"),
        ("a: x # c\n  # deep\n", {"set": {("a",): "1\n2"}}, 'a: "1\\n2" # c\n  # deep\n'),
        ("a: |+\n  x\n\nb: 1\n", {"set": {("b",): 2}}, "a: |+\n  x\n\nb: 2\n"),
        ("b: 1\na: |+\n  x\n\n", {"set": {("c",): 2}}, "b: 1\na: |+\n  x\n\nc: 2\n"),
    ],
)  # fmt: skip
def test_small_edits(front: str, change: dict[str, Any] | None, wanted: str | None) -> None:
    text = in_fences(front)
    if change is None or wanted is None:
        with pytest.raises(InvalidDocument):
            Document.parse(text)
    else:
        assert edited(text, **change) == in_fences(wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"set": {("base",): 1}},
        {"set": {("base", "a"): 2}},
        {"set": {("base", "new"): 1}},
        {"delete": (("base",),)},
        {"append": {("list",): [1]}},
        {"delete": (("list", 0),)},
        {"set": {("holder",): 1}},
        {"delete": (("holder",),)},
        {"delete": (("holder", "in"),)},
        {"delete": (("flow", 0),)},
    ],
)
def test_what_an_alias_repeats_is_not_changed(change: dict[str, Any]) -> None:
    text = in_fences(
        "base: &b {a: 1}\nlist: &l\n  - 1\n  - 2\nholder:\n  in: &h x\n  out: y\n"
        "flow: [&f z, w]\nrest: [*b, *l, *h, *f]\n"
    )
    with pytest.raises(InvalidDocument) as caught:
        edited(text, **change)
    assert "anchor" in caught.value.message
    assert "alias" in caught.value.hint
    assert caught.value.details["line"] > 1


def test_inside_of_an_alias_nothing_is_changed_either() -> None:
    text = in_fences("base: &b {a: 1}\nuse: *b\n")
    after = edited(text, set={("use", "a"): 2})
    assert after == in_fences("base: &b {a: 1}\nuse:\n  a: 2\n")


def test_an_edit_that_would_change_something_else_is_refused() -> None:
    text = in_fences("a: |\n  x\nb: 1\n  # a comment that would become text\nc: 2\n")
    with pytest.raises(InvalidDocument, match="another value would change") as caught:
        Document.parse(text, where="x.md").edit(Change(delete=(("b",),)))
    assert caught.value.details["path"] == "x.md"


def test_an_edit_needs_front_matter() -> None:
    document = Document.parse("# T\n")
    assert document.edit(Change(delete=(("a",),))) is document
    with pytest.raises(UsageError):
        document.edit(Change(set={("a",): 1}))


# -- imports --------------------------------------------------------------------------------------------

LIGHT = """
import sys
from mdcoord.formats.document import Document, decode
from mdcoord.model import Change
text = decode(Document.create({"a": 1, "b": ["x"], "c": {"d": "e"}}, "body").text.encode())
Document.parse(text).edit(Change(set={("a",): 2, ("n",): "x: y"}, append={("b",): [1]})).with_body("x")
print("yaml" in sys.modules)
Document.parse("---\\n# c\\na: 1\\n---\\n")
print("yaml" in sys.modules)
"""


def test_the_yaml_parser_is_loaded_only_for_what_needs_it() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
