"""Reading what users type, and printing for people and for programs."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.formats.times import duration
from mdcoord.host import timestamp
from mdcoord.interfaces.cli.ages import age, left, span
from mdcoord.interfaces.cli.details import cell, details, inline, shown
from mdcoord.interfaces.cli.output import clean, cut, json_line, pairs, table, uncontrolled, width, write
from mdcoord.interfaces.cli.values import flat, nested, number, pair, seconds, share_of, steps_of, value_of
from mdcoord.model import Key, Record
from mdcoord.records import Task

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_is_read_as_json(value: Any) -> None:
    assert value_of(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "1e999", "0x10", "1_000", "yes", "01", "", " ", "{", "[" * 100_000],
)
def test_what_is_no_json_is_text(text: str) -> None:
    assert value_of(text) == text


@given(st.text())
def test_a_value_that_is_read_can_be_written(text: str) -> None:
    json.dumps(value_of(text), allow_nan=False)


def test_pairs_are_flat_or_nested() -> None:
    texts = ["a.b=1", "a.c=x=y", "d=", "a.b=2"]
    assert flat(texts) == {"a.b": 2, "a.c": "x=y", "d": ""}
    assert nested(texts) == {"a": {"b": 2, "c": "x=y"}, "d": ""}
    assert pair(" a = b") == ("a", " b")


@pytest.mark.parametrize("text", ["a", "=1", " =1", "a..b=1", ".a=1", ""])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        pair(text)


def test_a_value_holds_no_names() -> None:
    with pytest.raises(click.BadParameter, match="goes into 'a'"):
        nested(["a=1", "a.b=2"])


@pytest.mark.parametrize(
    ("text", "share"),
    [("0", 0), ("1", 1), ("0.35", 0.35), ("35%", 0.35), ("3500/10000", 0.35), ("1/3", 0.333333), ("100%", 1)],
)
def test_a_share(text: str, share: float) -> None:
    assert share_of(text) == share


@pytest.mark.parametrize(
    "text", ["", "x", "1.1", "-0.1", "101%", "1/0", "2/1", "nan", "inf", "1/", "%", "1/x"]
)
def test_no_share(text: str) -> None:
    assert share_of(text) is None


def test_steps() -> None:
    assert steps_of("3500/10000") == {"step": 3500, "total_steps": 10000}
    assert steps_of("0.5/1") == steps_of("35%") == steps_of("") == steps_of("/") == {}


def test_numbers_and_durations() -> None:
    assert (number("3"), number("-2.5"), number(0)) == (3, -2.5, 0)
    assert isinstance(number("3"), int)
    assert (seconds("90"), seconds("1h30m"), seconds("250ms")) == (90, 5400, 0.25)
    for read, text in (
        (number, "true"),
        (number, "x"),
        (number, "1e999"),
        (seconds, "soon"),
        (seconds, "-1"),
    ):
        with pytest.raises(click.BadParameter):
            read(text)


@given(st.floats(0, 1e9))
def test_a_span_is_a_duration_that_says_most_of_it(passed: float) -> None:
    found = duration(span(passed))
    assert found is not None
    assert found <= passed + 0.5
    assert passed - found <= max(0.5, 0.1 * passed)


def test_spans() -> None:
    assert [span(n) for n in (0, 0.4, 59.6, 90, 600, 899.7, 3600, 16200, 36060, 90000, 864000)] == [
        *("0s", "0s", "1m", "1m30s", "10m", "15m", "1h", "4h30m", "10h", "1d1h", "10d")
    ]
    assert span(-5) == "0s"


def test_ages() -> None:
    now = time.time()
    assert age(timestamp(now - 300.2)) == "5m ago"
    assert age(timestamp(now + 7230)) == "in 2h"
    assert left(timestamp(now + 7230)) == "2h left"
    assert left(timestamp(now - 120.1)) == "over for 2m"
    for nothing in (None, "", "soon", 3, ["2026-01-01"]):
        assert age(nothing) == left(nothing) == ""


# ---------------------------------------------------------------- for people


def test_a_table_is_aligned_also_with_wide_letters() -> None:
    text = table(("ID", "NOTHING", "TITLE"), [("a", "", "模型"), ("longer", "", "e\u0301"), ("c", "", "")])
    assert text.split("\n") == ["ID      TITLE", "a       模型", "longer  e\u0301", "c"]
    assert [width(cell) for cell in ("模型", "e\u0301", "abc", "é")] == [4, 1, 3, 1]


@given(st.lists(st.tuples(*[st.text(max_size=8)] * 3), max_size=5))
def test_a_table_has_a_line_for_each_row(rows: list[tuple[str, ...]]) -> None:
    text = table(("ONE", "TWO", "THREE"), rows)
    assert len(text.split("\n")) == len(rows) + 1
    assert not any(ord(letter) < 32 for line in text.split("\n") for letter in line)


@given(st.text())
def test_clean_text_cannot_steer_a_terminal(text: str) -> None:
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in clean(text) + uncontrolled(text))


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_fits(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert width(found) <= limit
    assert found == text or found.endswith("…")


def test_pairs_are_aligned_and_blocks_stand_below() -> None:
    rows = [("a", "1"), ("none", ""), ("long", "x\ny\x1b"), ("b", "2")]
    assert pairs(rows) == "  a     1\n  long\n    x\n    y\ufffd\n  b     2"


def test_values_for_people() -> None:
    assert inline({"a": [1, "x"], "b": {"c": True}}) == "a: 1, x, b: c: true"
    assert cell({"a": 1}) == '{"a": 1}'
    assert cell(["a", "b"]) == "a, b"
    assert cell([1, 2]) == "[1, 2]"
    assert (cell(None), cell("x"), cell(True), cell(0)) == ("", "x", "true", "0")
    assert shown([]) == shown({}) == shown(None) == ""
    assert shown(["one", "two"]) == "one, two"
    assert shown(["x" * 60, "y" * 60]) == f"- {'x' * 60}\n- {'y' * 60}"
    assert shown([{"at": "now", "message": "hi"}]) == "- at: now, message: hi"


def task(body: str, **fields: Any) -> Task:
    known = {"schema": "mdcoord/task/1", "task_id": "t", **fields}
    return Task(Record(Key("task", "t"), known, body, "v", "task-t.md"))


def test_details_show_what_people_wrote_but_no_view() -> None:
    view = "<!-- mdcoord:view task -->\n# Task\n**Status**: pending\n<!-- /mdcoord:view -->\n"
    text = details(task(f"\n{view}\nMine \x1b[31m.\n", title="Train", priority=0, tags=[]), ready="yes")
    assert text == "t  Train\n  priority  0\n  ready     yes\n  file      task-t.md\n\nMine \ufffd[31m."
    assert details(task(view)) == "t\n  file  task-t.md"


def test_details_of_a_broken_view_show_the_text() -> None:
    assert details(task("<!-- mdcoord:view task -->\nx\n")).endswith("\n\n<!-- mdcoord:view task -->\nx")


# ---------------------------------------------------------------- for programs


@given(VALUES)
def test_json_is_on_one_line_and_reads_back(value: Any) -> None:
    line = json_line(value)
    assert "\n" not in line
    assert json.loads(line) == value


def test_json_survives_every_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"title": "Größe \u2713 \ud800 \U0001f600"}
    for encoding in ("utf-8", "latin-1", "ascii"):
        raw = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        write(json_line(value))
        assert json.loads(raw.getvalue().decode(encoding)) == value
