"""Three-way merges: what only one side changed is there, what both changed is kept and shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.formats.document import Document
from mdcoord.formats.fieldmerge import FieldMerge, alike
from mdcoord.formats.fields import apply
from mdcoord.formats.headmerge import merge_head
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.formats.textmerge import merge_text
from mdcoord.model import Key

KEY = Key("task", "one")
SCRIBE = Scribe(Templates([]))


# ---------------------------------------------------------------- fields


def merged(base: dict[str, Any], tool: dict[str, Any], person: dict[str, Any]) -> dict[str, Any]:
    return apply(person, FieldMerge(base, tool, person).change)


def clashes(base: dict[str, Any], tool: dict[str, Any], person: dict[str, Any]) -> list[str]:
    return [str(clash) for clash in FieldMerge(base, tool, person).clashes]


@pytest.mark.parametrize(
    ("base", "tool", "person", "wanted"),
    [
        ({"a": 1}, {"a": 2}, {"a": 1, "b": 1}, {"a": 2, "b": 1}),
        ({"a": 1}, {"a": 1}, {"a": 3}, {"a": 3}),
        ({"a": 1}, {}, {"a": 1, "b": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 1}, {}, {"b": 1}),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, {"a": {"x": 1, "y": 1}}, {"a": {"x": 2, "y": 1}}),
        ({"a": 1}, {"a": True}, {"a": 1}, {"a": True}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [0, 1]}, {"a": [0, 1, 2]}),
        ({"a": [1, 2]}, {"a": [2]}, {"a": [1, 2, 3]}, {"a": [2, 3]}),
        ({"a": [1, 2]}, {"a": [2, 1]}, {"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": ["x"]}, {"a": ["x", "x"]}, {"a": ["x"]}, {"a": ["x", "x"]}),
        ({"a": []}, {"a": ["x"]}, {"a": ["x"]}, {"a": ["x"]}),
        ({"a": [{"n": 1}]}, {"a": [{"n": 2}]}, {"a": [{"n": 1}]}, {"a": [{"n": 2}]}),
    ],
)
def test_changes_of_both_sides_are_united(
    base: dict[str, Any], tool: dict[str, Any], person: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert alike(merged(base, tool, person), wanted)
    assert clashes(base, tool, person) == []


@pytest.mark.parametrize(
    ("name", "kept"), [("title", "the person's"), ("status", "the tool's"), ("completed_at", "the tool's")]
)
def test_a_field_that_both_changed_has_one_value_and_shows_the_other(name: str, kept: str) -> None:
    sides = {name: "old"}, {name: "the tool's"}, {name: "the person's"}
    assert merged(*sides) == {name: kept}
    (clash,) = clashes(*sides)
    assert "the tool's" in clash
    assert "the person's" in clash


def test_a_deletion_against_a_change_is_shown() -> None:
    assert merged({"title": "old"}, {"title": "new"}, {}) == {}
    assert "new" in clashes({"title": "old"}, {"title": "new"}, {})[0]
    assert merged({"status": "old"}, {"status": "new"}, {}) == {"status": "new"}


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
_fields = st.dictionaries(st.sampled_from(["a", "b", "status", "at"]), _values, max_size=4)


@given(_fields, _fields)
def test_one_side_without_changes_gives_the_other(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert alike(merged(base, changed, base), changed)
    assert alike(merged(base, base, changed), changed)
    assert alike(merged(base, changed, changed), changed)
    assert (
        clashes(base, changed, base) == clashes(base, base, changed) == clashes(base, changed, changed) == []
    )


@given(_fields, _fields, _fields)
def test_no_value_disappears_without_a_word(
    base: dict[str, Any], tool: dict[str, Any], person: dict[str, Any]
) -> None:
    result, told = merged(base, tool, person), " ".join(clashes(base, tool, person))
    for name in ("a", "b", "status", "at"):
        for side in (tool, person):
            changed = name in side and not (name in base and alike(side[name], base[name]))
            if changed and not isinstance(side[name], dict | list):
                assert (name in result and alike(result[name], side[name])) or f"{name}: " in told


# ---------------------------------------------------------------- text

_lines = st.lists(st.sampled_from("abcdefgh"), max_size=8).map(lambda lines: "".join(f"{x}\n" for x in lines))


@given(_lines, _lines)
def test_text_that_one_side_changed_is_that_sides(base: str, changed: str) -> None:
    assert merge_text(base, changed, base) == changed
    assert merge_text(base, base, changed) == changed
    assert merge_text(base, changed, changed) == changed


@given(st.data())
@settings(max_examples=300)
def test_no_line_that_a_side_inserted_is_lost(data: st.DataObject) -> None:
    base = data.draw(st.lists(st.sampled_from("abcd"), max_size=6))

    def inserted(mark: str) -> list[str]:
        text = list(base)
        for number in range(data.draw(st.integers(0, 3))):
            text.insert(data.draw(st.integers(0, len(text))), f"{mark}{number}")
        for _ in range(data.draw(st.integers(0, 2)) if text else 0):
            text[data.draw(st.integers(0, len(text) - 1))] = f"{mark} changed"
        return text

    tool, person = inserted("tool"), inserted("person")
    result = merge_text(*("".join(f"{line}\n" for line in side) for side in (base, tool, person)))
    there = [line.removeprefix("> ") for line in result.splitlines()]
    for line in {*tool, *person} - {*base}:
        assert line in there


def test_lines_that_both_changed_are_both_there() -> None:
    assert merge_text("a\nb\nc\n", "a\ntool\nc\n", "a\nperson\nc\n") == (
        "a\nperson\n> [!conflict] written at the same time:\n> tool\nc\n"
    )


def test_a_missing_last_newline_is_no_problem() -> None:
    assert merge_text("a\nb", "tool\nb", "a\nb\nperson") == "tool\nb\nperson"


# ---------------------------------------------------------------- front matter as text


def head(*lines: str) -> str:
    return "".join(f"{line}\n" for line in ("---", *lines, "---"))


def test_comments_and_layout_of_both_sides_are_kept() -> None:
    base = head("a: 1", "b: 2", "c: 3")
    tool = head("a: 10  # by the tool", "b: 2", "# a comment of the tool's", "c: 3", "d: 4")
    person = head("# a person's comment", "a: 1", "b:   2  # as I like it", "c: 3", "# the end")
    assert merge_head(base, tool, person) == head(
        "# a person's comment",
        "a: 10  # by the tool",
        "b:   2  # as I like it",
        "# a comment of the tool's",
        "c: 3",
        "d: 4",
        "# the end",
    )


def test_values_over_several_lines_go_as_a_whole() -> None:
    base = head("a:", "- 1", "text: |", "  one", "", "  two", "b: 2")
    tool = head("a:", "- 1", "- 2", "text: |", "  one", "", "  two", "b: 2")
    person = head("a:", "- 1", "text: |", "  one", "", "  three", "b: 2")
    assert merge_head(base, tool, person) == head(
        "a:", "- 1", "- 2", "text: |", "  one", "", "  three", "b: 2"
    )


_heads = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 3), st.sampled_from(["", "  # x", "  # y"])),
    max_size=5,
    unique_by=lambda item: item[0],
).map(lambda items: head(*(f"{key}: {value}{comment}" for key, value, comment in items)))


@given(_heads, _heads)
def test_front_matter_that_one_side_changed_is_that_sides(base: str, changed: str) -> None:
    assert merge_head(base, base, changed) == changed
    assert Document.parse(merge_head(base, changed, base)).fields == Document.parse(changed).fields


# ---------------------------------------------------------------- documents


def document(front: str, body: str) -> str:
    return f"---\nschema: mdcoord/task/1\ntask_id: one\n{front}---\n{body}"


def test_a_document_is_merged_as_a_whole() -> None:
    base = document("title: One\nstatus: pending\n", "A note.\n\nAnother.\n")
    tool = document("title: One\nstatus: completed\n", "A note.\n\nAnother.\n")
    person = document("title: The first  # better\nstatus: pending\n", "My note.\n\nAnother.\n")
    assert SCRIBE.merge(KEY, base, tool, person).text == document(
        "title: The first  # better\nstatus: completed\n", "My note.\n\nAnother.\n"
    )


def test_what_both_changed_is_shown_in_a_note() -> None:
    base = document("title: One\n", "")
    tool = document("title: The tool's\n", "")
    person = document("title: The person's\n", "")
    text = SCRIBE.merge(KEY, base, tool, person).text
    assert "title: The person's\n" in text
    assert "> [!conflict]" in text
    assert '"The tool\'s"' in text


def test_an_old_version_that_comes_back_takes_nothing_back() -> None:
    base = document("title: One\n", "A note.\n")
    tool = document("title: One  # since then\nstatus: completed\n", "A note.\n\nMore.\n")
    assert SCRIBE.merge(KEY, base, tool, base).text == tool


def test_line_ends_that_an_editor_changed_are_no_changes() -> None:
    base = document("title: One\nstatus: pending\n", "A note.\n\nAnother.\n")
    tool = document("title: One\nstatus: completed\n", "A note.\n\nAnother.\n")
    person = base.replace("A note.", "My note.").replace("\n", "\r\n")
    wanted = tool.replace("A note.", "My note.").replace("\n", "\r\n")
    assert SCRIBE.merge(KEY, base, tool, person).text == wanted


@given(_heads, _heads, _heads)
@settings(max_examples=150)
def test_a_merged_document_has_the_merged_fields(base: str, tool: str, person: str) -> None:
    texts = [side + "The body.\n" for side in (base, tool, person)]
    fields = [Document.parse(text).fields for text in texts]
    assert alike(SCRIBE.merge(KEY, *texts).fields, merged(*fields))
