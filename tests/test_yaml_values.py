"""Typing in both directions: what plain text means,
and how values are written so that every reader agrees."""

from __future__ import annotations

import json
from typing import Any

import frontmatter
import pytest
import yaml
from document_strategies import TRICKY_TEXT, fields, texts
from hypothesis import given

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document
from mdcoord.formats.fields import same
from mdcoord.formats.frontmatter_handler import MdcoordHandler
from mdcoord.formats.yamltext import emit
from mdcoord.formats.yamltext.scalars import NotJson, resolve
from mdcoord.model import Change

CORE = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL", "none": "none",
    "true": True, "True": True, "TRUE": True, "false": False, "FALSE": False, "tRUE": "tRUE",
    "yes": "yes", "no": "no", "NO": "NO", "on": "on", "Off": "Off", "y": "y", "n": "n",
    "0": 0, "-0": 0, "+12": 12, "-12": -12, "0755": 755, "007": 7, "08": 8, "0o17": 15, "0x1f": 31,
     "0xFF": 255,
    "-0x1F": "-0x1F", "0o8": "0o8", "0xG": "0xG", "0b11": "0b11", "1_000": "1_000", "1,000": "1,000",
     "0x": "0x",
    "1.0": 1.0, "1.": 1.0, ".5": 0.5, "-.5": -0.5, "+1.5": 1.5, "1e3": 1000.0, "1E-2": 0.01,
     "1.5e+3": 1500.0, ".": ".",
    "1e": "1e", "e3": "e3", "1.2.3": "1.2.3", "12:30": "12:30", "12:30:45": "12:30:45", "1:1.5": "1:1.5",
     "-": "-", "+": "+",
    "--1": "--1", "2026-01-31": "2026-01-31", "2026-01-31T09:30:00Z": "2026-01-31T09:30:00Z",
     "0.0.0.0": "0.0.0.0",
    "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63),
     "00000000000000000000000000000000001": 1,
    "0x7fffffffffffffff": 2**63 - 1, "inf": "inf", "nan": "nan", ".infinity": ".infinity", "=": "=",
     "<<": "<<", "١": "١",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CORE.items())
def test_plain_text_is_typed_by_the_core_of_yaml_1_2(text: str, value: Any) -> None:
    assert same(resolve(text), value)
    if text != "-":
        assert same(Document.parse(f"---\na: {text}\n---\n").fields["a"], value)
        assert same(Document.parse(f"---\n# general\na: {text}\n---\n").fields["a"], value)


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", ".nan", "1e999", "-1e999", str(2**63), "9" * 5000, "0x" + "f" * 17]
)
def test_numbers_that_json_does_not_have_are_no_values(text: str) -> None:
    with pytest.raises(NotJson):
        resolve(text)
    with pytest.raises(InvalidDocument, match="line 2, column 4"):
        Document.parse(f"---\na: {text}\n---\n")


@pytest.mark.parametrize("text", TRICKY_TEXT)
def test_every_tricky_text_is_read_back_as_it_was(text: str) -> None:
    values = {"value": text, "list": [text, {"deep": text}], "flow": [[text, {"in": text}]], text[:100]: 1}
    document = Document.create(values, "body\n")
    assert same(document.fields, values)
    assert document.body == "body\n"
    assert same(yaml.load(document.front_matter, yaml.SafeLoader), values)
    assert same(yaml.load(document.front_matter, yaml.CSafeLoader), values)
    general = Document.parse(document.text.replace("---\n", "---\n# general\n", 1))
    assert same(general.fields, values)


@pytest.mark.parametrize("text", TRICKY_TEXT)
def test_every_tricky_text_can_be_set_over_every_style(text: str) -> None:
    for old in ("plain", '"double"', "'single'", "|\n  literal", "12", "~", "&x y", "[a]", "\n  below"):
        after = Document.parse(f"---\n# c\na: {old}\nb: 1\n---\n").edit(Change(set={("a",): text}))
        assert same(frontmatter.loads(after.text).metadata, {"a": text, "b": 1})
        assert after.text.startswith("---\n# c\na:")
        assert after.text.endswith("\nb: 1\n---\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e20, "1.0e+20"), (1e-7, "1.0e-07"), (0.1, "0.1"), (-0.0, "-0.0"), (5e-324, "5.0e-324"), (1.5e300,
         "1.5e+300"),
        (True, "true"), (None, "null"), (2**63 - 1, "9223372036854775807"), (-3, "-3"),
        ("plain", "plain"), ("two words", "two words"), ("a, b [c]", "a, b [c]"), ("x.y/z-1",
         "x.y/z-1"), ("1.2.3", "1.2.3"),
        ("v1", "v1"), ("3d model", "3d model"), ("(x)", "(x)"), ("naïve 日本", "naïve 日本"), ("_x",
         "_x"), ("/a/b", "/a/b"),
        ("", '""'), ("no", '"no"'), ("1", '"1"'), ("12:30", '"12:30"'), ("2026-01-31", '"2026-01-31"'),
         ("a: b", '"a: b"'),
        ("- a", '"- a"'), ("a\tb", '"a\\tb"'), ("\x00\x1b", '"\\u0000\\u001b"'), ("a\x85\u2028\ufeff",
         '"a\\u0085\\u2028\\ufeff"'),
        ('say "hi"', 'say "hi"'), ('"hi"', '"\\"hi\\""'), ("back\\slash",
         "back\\slash"), ("\u202eevil", '"\\u202eevil"'),
    ],
)  # fmt: skip
def test_how_scalars_are_written(value: Any, written: str) -> None:
    assert emit.scalar(value) == written
    assert same(yaml.safe_load(f"a: {written}")["a"], value)


def test_the_preferred_quotes_are_kept_where_they_can_hold_the_text() -> None:
    assert emit.scalar("it's", "'") == "'it''s'"
    assert emit.scalar("a\nb", "'") == '"a\\nb"'
    assert emit.scalar("plain", '"') == '"plain"'
    assert emit.scalar(1, '"') == "1"
    assert emit.scalar("a, b", in_flow=True) == '"a, b"'
    assert emit.flow({"a": ["x", 1, None]}, '"') == '{"a": ["x", 1, null]}'


@given(texts)
def test_what_is_written_plain_is_plain_for_every_reader(text: str) -> None:
    if emit.text_is_plain(text):
        assert resolve(text) == text
        for loader in (yaml.SafeLoader, yaml.CSafeLoader):
            assert yaml.load(f"a: {text}\n", loader) == {"a": text}


@given(texts)
def test_quoted_text_is_json(text: str) -> None:
    assert json.loads(emit.quoted(text)) == text
    assert "\n" not in emit.quoted(text)


@given(fields)
def test_the_handler_for_python_frontmatter_reads_what_documents_hold(fields: dict[str, Any]) -> None:
    document = Document.create(fields, "body")
    post = frontmatter.loads(document.text, handler=MdcoordHandler())
    assert same(post.metadata, fields)
    assert post.content == "body"
    again = frontmatter.dumps(post, handler=MdcoordHandler())
    assert same(Document.parse(again).fields, fields)


def test_the_handler_types_as_mdcoord_does_and_refuses_what_it_refuses(tmp_path: Any) -> None:
    path = tmp_path / "x.md"
    path.write_text(
        "\ufeff---\ncountry: NO\nmode: 0755\nday: 2026-01-31\n1: a\n---\n\ntext\n", encoding="utf-8"
    )
    post = frontmatter.load(path, handler=MdcoordHandler())
    assert post.metadata == {"country": "NO", "mode": 755, "day": "2026-01-31", "1": "a"}
    assert post.content == "text"
    assert frontmatter.loads("no fences", handler=MdcoordHandler()).metadata == {}
    assert MdcoordHandler().detect("---\na: 1\n---\n")
    assert not MdcoordHandler().detect("# T\n")
    with pytest.raises(InvalidDocument, match="line 3"):
        frontmatter.loads("---\na: 1\na: 2\n---\n", handler=MdcoordHandler())
