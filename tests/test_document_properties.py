"""Lossless editing, checked against documents whose every place is known without a parser."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import frontmatter
import pytest
from document_builder import Built, Spot, documents
from document_mutations import mutated
from document_strategies import (
    TRICKY_TEXT,
    changes,
    fields,
    nested,
    numbers,
    scalars,
    texts,
    values,
    words,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdcoord.errors import InvalidDocument, MdcoordError, UsageError
from mdcoord.formats.document import Document
from mdcoord.formats.fields import apply, same
from mdcoord.model import Change

one_line = st.one_of(
    words,
    numbers,
    st.none(),
    st.booleans(),
    st.sampled_from([text for text in TRICKY_TEXT if "\n" not in text]),
)


def replaced(old: Any, path: tuple[Any, ...], new: Any) -> Any:
    return apply(old, Change(set={path: new}))


@given(documents())
def test_the_values_and_the_body_are_the_ones_that_were_written(built: Built) -> None:
    document = Document.parse(built.text)
    assert same(document.fields, built.fields)
    assert document.body == built.body
    assert document.text == built.text
    assert document.newline == built.newline


@given(documents(), st.data())
def test_setting_a_scalar_changes_its_characters_only(built: Built, data: st.DataObject) -> None:
    spots = [spot for spot in built.spots if spot.kind in ("one", "many", "empty", "below", "tagged")]
    assume(spots)
    spot = data.draw(st.sampled_from(spots))
    new = data.draw(one_line)
    after = Document.parse(built.text).edit(Change(set={spot.path: new}))
    assert same(after.fields, replaced(built.fields, spot.path, new))
    assert after.text.startswith(built.text[: spot.start])
    assert after.text.endswith(built.text[spot.end :])
    written = after.text[spot.start : len(after.text) - len(built.text) + spot.end]
    if not same(new, spot.value):
        assert "\n" not in written
        assert "\r" not in written
        if spot.kind != "empty":
            assert written == written.strip()
    else:
        assert after.text == built.text


@given(documents(), st.data())
def test_setting_any_value_leaves_everything_outside_of_its_lines(built: Built, data: st.DataObject) -> None:
    spot = data.draw(st.sampled_from(built.spots))
    assume(spot.path)
    new = data.draw(values)
    after = Document.parse(built.text).edit(Change(set={spot.path: new}))
    assert same(after.fields, replaced(built.fields, spot.path, new))
    start = len(built.text[: spot.start].rstrip(" \t\r\n")) if spot.kind != "flow" else spot.start - 2
    if spot.line_end:
        assert after.text.endswith(built.text[spot.line_end :])
    if spot.kind not in ("mapping", "list"):
        assert after.text.startswith(built.text[:start])


@given(documents(), st.text("abc", min_size=1, max_size=3).map(lambda name: "new_" + name), values)
def test_a_new_field_is_inserted_behind_the_last(built: Built, name: str, value: Any) -> None:
    after = Document.parse(built.text).edit(Change(set={(name,): value}))
    before, behind = built.text[: built.insert_at], built.text[built.insert_at :]
    assert after.text.startswith(before)
    assert after.text.endswith(behind)
    inserted = after.text[built.insert_at : len(after.text) - len(behind)]
    assert inserted.startswith(name + ":")
    assert inserted.endswith(built.newline)
    assert inserted.count("\n") == inserted.count(built.newline)
    assert same(after.fields, {**built.fields, name: value})


@given(documents(), st.data())
def test_deleting_block_entries_removes_their_lines_only(built: Built, data: st.DataObject) -> None:
    collections = [
        spot
        for spot in built.spots
        if spot.kind in ("mapping", "list") and (len(spot.items) > 1 or not spot.path)
    ]
    collection = data.draw(st.sampled_from(collections))
    entries = data.draw(st.sets(st.sampled_from(range(len(collection.items))), min_size=1))
    assume(len(entries) < len(collection.items) or not collection.path)
    # What follows the removed lines could become part of a text above them: such an edit is refused.
    assume("|" not in built.text and ">" not in built.text)
    lines = [entry_lines(built.text, collection.items[index]) for index in sorted(entries)]
    assume(all(built.text[start:begin].strip(" ") == "" for start, begin, _ in lines))
    expected = built.text
    for start, _, end in reversed(lines):
        expected = expected[:start] + expected[end:]
    paths = data.draw(st.permutations([collection.items[index].path for index in entries]))
    after = Document.parse(built.text).edit(Change(delete=tuple(paths)))
    assert after.text == expected
    assert same(after.fields, apply(built.fields, Change(delete=tuple(paths))))


def entry_lines(text: str, entry: Spot) -> tuple[int, int, int]:
    return text.rfind("\n", 0, entry.entry_start) + 1, entry.entry_start, entry.line_end


@given(documents(), st.data())
def test_appending_to_a_block_list_inserts_lines_behind_its_last_item(
    built: Built, data: st.DataObject
) -> None:
    lists = [spot for spot in built.spots if spot.kind == "list"]
    assume(lists)
    spot = data.draw(st.sampled_from(lists))
    items = data.draw(st.lists(values, min_size=1, max_size=3))
    after = Document.parse(built.text).edit(Change(append={spot.path: items}))
    assert after.text.startswith(built.text[: spot.line_end])
    assert after.text.endswith(built.text[spot.line_end :])
    inserted = after.text[spot.line_end : len(after.text) - len(built.text) + spot.line_end]
    assert inserted.startswith(" " * spot.column + "- ")
    assert inserted.endswith(built.newline)
    assert same(after.fields, apply(built.fields, Change(append={spot.path: items})))


@given(documents(), st.data())
def test_changes_between_brackets_stay_between_them(built: Built, data: st.DataObject) -> None:
    flows = [spot for spot in built.spots if spot.kind == "flow" and spot.value]
    assume(flows)
    spot = data.draw(st.sampled_from(flows))
    names = list(spot.value) if isinstance(spot.value, dict) else list(range(len(spot.value)))
    kept = data.draw(st.sampled_from(names))
    gone = data.draw(st.sets(st.sampled_from(names)))
    change = Change(
        delete=tuple((*spot.path, name) for name in gone if name != kept),
        set={(*spot.path, "new"): data.draw(values)}
        if isinstance(spot.value, dict) and data.draw(st.booleans())
        else {},
        append={spot.path: data.draw(st.lists(values, max_size=2))} if isinstance(spot.value, list) else {},
    )
    after = Document.parse(built.text).edit(change)
    assert after.text.startswith(built.text[: spot.start + 1])
    assert after.text.endswith(built.text[spot.end - 1 :])
    assert same(after.fields, apply(built.fields, change))
    for line in built.text[spot.start : spot.end].splitlines():
        if "# beside" in line and not gone:
            assert line.strip().removesuffix("# beside").strip(" ,") in after.text


@given(documents(), st.data())
def test_any_change_gives_what_it_means_or_nothing(built: Built, data: st.DataObject) -> None:
    change = data.draw(changes(built.fields))
    document = Document.parse(built.text)
    try:
        wanted = apply(built.fields, change)
    except UsageError:
        with pytest.raises(UsageError):
            document.edit(change)
        return
    after = outcome(lambda: document.edit(change))
    if isinstance(after, InvalidDocument):
        # The one edit that is refused: what follows the removed lines would become part of a text above them.
        assert "another value would change" in after.message
        assert "|" in built.text or ">" in built.text
        return
    assert same(after.fields, wanted)
    assert after.body == built.body
    assert document.text == built.text
    assert same(document.fields, built.fields)


@given(
    fields,
    st.sampled_from(["", "# T\n", "\n\ntext", "---\na: 1\n---\n", "\ufeffx"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_created_document_says_what_it_was_given(fields: dict[str, Any], body: str, newline: str) -> None:
    document = Document.parse(Document.create(fields, body, newline).text)
    assert same(document.fields, fields)
    assert document.body == body
    head = document.text.removesuffix(body)
    assert head.endswith(newline + "---" + newline)
    assert head.count("\n") == head.count(newline)


@given(fields)
def test_other_readers_get_the_same_values(fields: dict[str, Any]) -> None:
    other = frontmatter.loads(Document.create(fields, "text").text)
    assert same(other.metadata, fields)
    assert other.content == "text"


@given(documents(), st.one_of(scalars, nested(texts)))
def test_other_readers_get_the_value_that_was_set(built: Built, value: Any) -> None:
    # A value that is there already keeps its text, which other readers may well take for something else.
    assume(not same(built.fields["f00"], value))
    # python-frontmatter knows neither byte order marks nor `...` as the closing fence.
    assume(built.text.startswith("---") and "\n..." not in built.text)
    after = Document.parse(built.text).edit(Change(set={("f00",): value}))
    assert same(frontmatter.loads(after.text).metadata["f00"], value)


@settings(max_examples=300)
@given(documents(), st.integers(0, 2**32))
def test_broken_documents_are_refused_or_edited_rightly(built: Built, seed: int) -> None:
    text = mutated(built.text, random.Random(seed))
    change = Change(
        set={("f00",): "new: value", ("metadata", "loss"): 0.5}, append={("logs",): [{"at": "x"}]}
    )
    document = outcome(lambda: Document.parse(text, where="x.md"))
    after = outcome(lambda: document.edit(change)) if isinstance(document, Document) else document
    if isinstance(after, InvalidDocument):
        assert after.message
        assert 1 <= after.details["line"] <= text.count("\n") + 1
        assert after.details["column"] >= 1
    elif isinstance(after, Document):
        assert same(Document.parse(after.text).fields, apply(document.fields, change))
        assert after.body == document.body


def outcome(action: Callable[[], Document]) -> Document | MdcoordError:
    """What an action gives, or the error of ours that it ends with; any other error is a defect."""
    try:
        return action()
    except MdcoordError as error:
        return error
