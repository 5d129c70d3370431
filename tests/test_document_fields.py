"""What a change means for plain values."""

from __future__ import annotations

import copy
import enum
from typing import Any

import pytest
from document_strategies import changes, fields
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.errors import UsageError
from mdcoord.formats.fields import apply, count, kept_names, plain, same, spell
from mdcoord.model import Change

FIELDS = {"a": 1, "list": [1, {"x": 2}, [3]], "deep": {"x": {"y": 1}}, "none": None, "text": "t"}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"set": {("a",): 2}}, {"a": 2}),
        ({"set": {("deep", "x", "y"): [1]}}, {"deep": {"x": {"y": [1]}}}),
        ({"set": {("deep", "p", "q"): 1}}, {"deep": {"x": {"y": 1}, "p": {"q": 1}}}),
        ({"set": {("none", "p"): 1}}, {"none": {"p": 1}}),
        ({"set": {("list", 1, "x"): 3}}, {"list": [1, {"x": 3}, [3]]}),
        ({"set": {("list", 0): 9}}, {"list": [9, {"x": 2}, [3]]}),
        ({"set": {("deep",): {}, ("deep", "z"): 1}}, {"deep": {"z": 1}}),
        ({"set": {("a",): 2}, "delete": (("a",),), "append": {("a",): [3]}}, {"a": [3]}),
        ({"delete": (("deep", "x", "y"),)}, {"deep": {"x": {}}}),
        ({"delete": (("list", 0), ("list", 2))}, {"list": [{"x": 2}]}),
        ({"delete": (("list", 2, 0), ("list", 0))}, {"list": [{"x": 2}, []]}),
        ({"delete": (("list", 9), ("a", "b"), ("text", 0), ("q",), ("deep", 0), ())}, {}),
        ({"append": {("list", 2): [4, 5]}}, {"list": [1, {"x": 2}, [3, 4, 5]]}),
        ({"append": {("none",): [1], ("new", "list"): []}}, {"none": [1], "new": {"list": []}}),
    ],
)
def test_a_change_means_this(change: dict[str, Any], wanted: dict[str, Any]) -> None:
    before = copy.deepcopy(FIELDS)
    after = apply(before, Change(**change))
    assert after == {**FIELDS, **wanted}
    assert before == FIELDS


def test_new_keys_come_last_and_changed_ones_keep_their_place() -> None:
    after = apply({"a": 1, "b": 2}, Change(set={("c",): 3, ("a",): 0}))
    assert list(after) == ["a", "b", "c"]
    assert list(apply(after, Change(set={("a",): 1}, delete=(("a",),), append={("a",): []}))) == [
        "b",
        "c",
        "a",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set": {(): 1}}, "needs a path"),
        ({"set": {("a", "b"): 1}}, "a is a number"),
        ({"set": {("text", "b"): 1}}, "text is text"),
        ({"set": {("list", 3): 1}}, r"list\[3\]: the list has 3 items"),
        ({"set": {("list", -1): 1}}, "names none"),
        ({"set": {("list", True): 1}}, "names none"),
        ({"set": {("list", "x"): 1}}, "names none"),
        ({"set": {("deep", 0): 1}}, "does not fit a mapping"),
        ({"set": {("deep", 0, "x"): 1}}, "does not fit a mapping"),
        ({"append": {("a",): [1]}}, "a is a number, not a list"),
        ({"append": {("deep",): [1]}}, "deep is a mapping, not a list"),
        ({"append": {("list",): "text"}}, "takes a list"),
        ({"append": {("deep", 1): [1]}}, "does not fit"),
        ({"set": {("x",) * 65: 1}}, "deeper than 64"),
        ({"set": {("x" * 161,): 1}}, "longer than 160"),
        ({"set": {("deep", "\ud800", "y"): 1}}, "half a character"),
        ({"append": {("x" * 161,): [1]}}, "longer than 160"),
    ],
)
def test_a_change_that_does_not_fit_is_a_usage_error(change: dict[str, Any], message: str) -> None:
    before = copy.deepcopy(FIELDS)
    with pytest.raises(UsageError, match=message):
        apply(before, Change(**change))
    assert before == FIELDS


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"a\.b: nan"),
        (float("-inf"), r"a\.b: -inf"),
        (2**63, r"a\.b: the number"),
        (-(2**63) - 1, r"a\.b: the number"),
        (10**5000, r"a\.b: the number"),
        (b"x", r"a\.b is a bytes"),
        ((1,), r"a\.b is a tuple"),
        ({1}, r"a\.b is a set"),
        (object(), r"a\.b is a object"),
        ({"x": [1, {"y": b""}]}, r"a\.b\.x\[1\]\.y is a bytes"),
        ({1: 2}, r"a\.b: the key 1 is no text"),
        ({None: 2}, "the key None is no text"),
        ({"k" * 161: 2}, "longer than 160"),
        ("\ud800", "half a character"),
        ({"\udfff": 1}, "half a character"),
        (nested(63), "deeper than 64"),
        (CYCLE, "deeper than 64"),
        ([[0] * 300] * 300, "more than 20000"),
    ],
    ids=range(18),
)
def test_a_value_that_json_does_not_know_is_named_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply({}, Change(set={("a", "b"): value}))


def test_the_deepest_value_that_is_allowed() -> None:
    assert same(apply({}, Change(set={("a", "b"): nested(62)})), {"a": {"b": nested(62)}})


class Status(enum.StrEnum):
    DONE = "completed"


class Level(enum.IntEnum):
    HIGH = 3


def test_subclasses_become_the_built_in_types() -> None:
    class Half(float):
        pass

    copied = plain([Status.DONE, Level.HIGH, Half(0.5), {Status.DONE: True}])
    assert copied == ["completed", 3, 0.5, {"completed": True}]
    assert [type(item) for item in copied] == [str, int, float, dict]
    assert type(next(iter(copied[3]))) is str
    assert type(next(iter(apply({}, Change(set={(Status.DONE,): 1}))))) is str


def test_a_long_key_that_is_there_already_can_be_changed() -> None:
    assert apply({"k" * 200: 1}, Change(set={("k" * 200,): 2})) == {"k" * 200: 2}


def test_same_tells_types_and_orders_apart() -> None:
    assert same({"a": [1, "x", None]}, {"a": [1, "x", None]})
    for left, right in (
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ([1], [1.0]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ("", None),
    ):
        assert not same(left, right)


@pytest.mark.parametrize(
    ("old", "wanted", "kept"),
    [("abc", "abc", "abc"), ("abc", "acx", "ac"), ("abc", "bac", "b"), ("abc", "xab", ""), ("abc", "",
     ""), ("", "a", "")],
)  # fmt: skip
def test_kept_names_are_those_that_need_not_move(old: str, wanted: str, kept: str) -> None:
    assert kept_names(dict.fromkeys(old), dict.fromkeys(wanted)) == list(kept)


def test_spell_and_count() -> None:
    assert spell(("logs", 0, "at")) == "logs[0].at"
    assert spell(()) == "the front matter"
    assert count({"a": [1, 2], "b": {"c": None}}) == 9


@given(st.data())
def test_changes_leave_the_old_values_alone(data: st.DataObject) -> None:
    old = data.draw(fields)
    saved = copy.deepcopy(old)
    change = data.draw(changes(old))
    try:
        apply(old, change)
    except UsageError:
        pass
    assert same(old, saved)
