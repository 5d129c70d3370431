"""The query language by examples, its errors and limits, and selecting and sorting."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mdcoord.errors import QueryError
from mdcoord.formats.blocks import json_blocks
from mdcoord.formats.query import compile_query, get, order, row_of, select
from mdcoord.formats.query.grammar import MAX_DEPTH, MAX_TEXT
from mdcoord.formats.query.predicates import like
from mdcoord.formats.times import duration, instant
from mdcoord.model import Key, Record


def now() -> float:
    """2025-10-12T14:30:00Z"""
    return 1760279400.0


def meets(text: str, row: dict[str, Any]) -> bool:
    return compile_query(text, now=now)(row)


BODY = """text

```json
[1, 2]
```

```json
{"segments_count": 1847, "split": {"train": 1450}}
````
"""

TASK = {
    "task_id": "task-123",
    "title": "Train the model",
    "status": "in_progress",
    "progress": 0.35,
    "attempt": 1,
    "assigned_agent": None,
    "urgent": True,
    "labels": ["gpu", 7, {"name": "x"}],
    "metadata": {"loss": 0.42, "learning rate": 0.0004, "step": 3500, "0": "zero"},
    "created_at": "2025-10-12T09:55:00Z",
    "started_at": "2025-10-12T12:00:00+02:00",
    "updated_at": "2025-10-12T14:00:00.000Z",
    "duration_sec": 5400,
    "pause": "1h 30m",
    "gpu type": "A100",
    "in": "a keyword",
    "_body": BODY,
}


# --- by examples --------------------------------------------------------------------------------------------

TRUE = """
status = 'in_progress' and progress > 0.3 and metadata.loss < 0.5
status == "in_progress"
status != 'failed'
status <> 'failed' AND NOT progress >= 1
attempt = 1.0
0.3 < progress
urgent = TRUE
(status = 'failed' or attempt = 1) and progress < .5
status = 'in_progress' or status = 'failed' and attempt = 2
progress >-1
status in ('pending', 'in_progress')
attempt in (true, 1)
status not in ('pending')
attempt not in ('1', true)
progress between 0.35 and 0.35
progress not between 0.4 and 0.5
title like 'TRAIN%'
title like '%the_model'
title not like 'train'
title contains 'the'
labels contains 'gpu'
labels contains 7
labels not contains 'cpu'
title starts with 'Train' and title ends with 'model'
title not starts with 'train'
assigned_agent is null and nothing is null and metadata.nothing.at.all is null
status is not null
metadata."learning rate" < 1e-3 and metadata['step'] = 3500 and metadata.`step` = 3500
labels.0 = 'gpu' and labels[0] = 'gpu' and labels[-1].name = 'x' and metadata.0 = 'zero'
`gpu type` = 'A100' and `in` = 'a keyword'
started_at = 2025-10-12T10:00Z
started_at = '2025-10-12T10:00:00.000Z'
started_at > created_at and updated_at > started_at
created_at > 2025-10-12 and created_at < '2025-10-13'
created_at between 2025-10-12 and 2025-10-13
updated_at >= now - 30m and updated_at <= now-1800s
updated_at + 1h > now
updated_at + 1h > '2025-10-12' and '2025-10-12' + 1d > updated_at
now - started_at > 4h15m
updated_at - created_at between 4h and 1d
duration_sec = 1h30m and pause = 1h30m
updated_at in (2025-10-12T14:00:00Z)
body.segments_count = 1847 and body.split.train > 1000 and body[1].split.train = 1450 and body[0][1] = 2
_body.segments_count = 1847
body contains 'json' and _body like 'text%'
"""

FALSE = """
status = 'In_Progress'
attempt = '1'
attempt = true
urgent = 1
urgent != true
attempt < 'z'
status > 3
assigned_agent != 'x'
assigned_agent = assigned_agent
missing != 1
missing not in (1)
missing not like 'x'
missing not contains 'x'
labels = 'gpu'
labels != 'gpu'
metadata.loss.deeper = 1
labels.9 = 'gpu'
labels.name = 'x'
labels[-4] = 'gpu'
title contains 'THE'
title contains 7
title > now
title != now
progress < now
status - 1h < now
now - title > 0s
urgent = 1s
body.nothing = 1
body[9].segments_count = 1847
body['1'] = 2
not status = 'in_progress'
"""


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("text", _lines(TRUE))
def test_true(text: str) -> None:
    assert meets(text, TASK) is True


@pytest.mark.parametrize("text", _lines(FALSE))
def test_false(text: str) -> None:
    assert meets(text, TASK) is False


@pytest.mark.parametrize("text", ["", "  \n"])
def test_blank_is_met_by_everything(text: str) -> None:
    assert meets(text, {}) is True


def test_quotes_inside_quotes() -> None:
    row = {"a": "it's", "b": 'say "x"', "c`d": 1, "e": {'"': 2}}
    assert meets("""a = 'it''s' and b = "say ""x\"\"" and `c``d` = 1 and e['"'] = 2""", row)


def test_a_field_named_body_comes_before_the_text() -> None:
    row = {"body": {"n": 1}, "_body": '```json\n{"n": 2}\n```'}
    assert meets("body.n = 1 and _body.n = 2", row)


def test_the_clock_is_asked_at_each_evaluation() -> None:
    clock = [100.0]
    query = compile_query("at < now", now=lambda: clock[0])
    row = {"at": "1970-01-01T00:03:00Z"}
    assert not query(row)
    clock[0] = 200.0
    assert query(row)


def test_fields_are_the_names_that_a_row_must_have() -> None:
    query = compile_query(
        "a.b = 1 or not (c in (d, 2) and body.n = 1) and now - e > 1h and f is null", now=now
    )
    assert query.fields == {"a", "body", "c", "d", "e", "f"}
    assert compile_query("", now=now).fields == frozenset()


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("status => 3", 7, "did you mean `>=`?"),
        ("status conatins 'x'", 7, "did you mean `contains`?"),
        ("status has 'x'", 7, "did you mean `contains`?"),
        ("a = 1 && b = 2", 6, "did you mean `and`?"),
        ("a = 1 b = 2", 6, "expected `and` or `or`"),
        ("status = in_progress and", 24, "the query ends"),
        ("(a = 1", 6, "expected `)`"),
        ("a = 1)", 5, "expected `and` or `or`"),
        ("a = 'x", 4, "never closed"),
        ("a = null", 4, "is not null"),
        ("a is 3", 5, "expected `null`"),
        ("_ready and a = 1", 7, "`_ready = true`"),
        ("0.1 < a < 3", 8, "between"),
        ("'a' = 'b'", 0, "two constants"),
        ('"learning rate" = 3', 0, "back-ticks"),
        ("now > 2025-01-01", 0, "two constants"),
        ("a = 2025-02-30", 4, "no such time"),
        ("a = 12abc", 4, "no number"),
        ("a = 1.2.3", 4, "no number"),
        ("a in ['x']", 5, "round brackets"),
        ("'x' in labels", 7, "needs contains"),
        ("a in ()", 6, "expected a field or a value"),
        ("in = 3", 0, "`in`"),
        ("a > true", 4, "no order"),
        ("a = 1 + 2", 4 + 4, "only times"),
        ("learning-rate > 3", 16, "hyphen"),
        ("now - a > 3", 10, "unit"),
        ("a < now + now", 10, "only times"),
        ("a between 1 and 2 or b = 1h < 2", 28, "two sides"),
        ("a between 1", 11, "expected `and`"),
        ("a like b", 7, "must be a text"),
        ("a like 3", 7, "does not go with a number"),
        ("3 like 'x'", 0, "must be a field"),
        ("a starts 'x'", 9, "expected `with`"),
        ("1 is null", 0, "only a field"),
        ("a = é€", 5, "means nothing"),
        ("not", 3, "the query ends"),
    ],
)
def test_errors_point_at_the_place(text: str, position: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        compile_query(text, now=now)
    assert says in str(caught.value)
    assert caught.value.details["position"] == position
    _, excerpt, carets = caught.value.message.splitlines()
    assert excerpt == "  " + text
    assert carets.index("^") == position + 2


def test_the_excerpt_of_a_long_query_is_short() -> None:
    text = "a = 1 and\n" * 100 + "b ! 2" + " and c = 1" * 100
    with pytest.raises(QueryError) as caught:
        compile_query(text, now=now)
    _, excerpt, carets = caught.value.message.splitlines()
    assert len(excerpt) < 100
    assert excerpt[carets.index("^")] == "!"


def test_limits() -> None:
    fits = "not " * (MAX_DEPTH - 1) + "(a = 1)"
    assert meets(fits, {"a": 1}) is False
    for text in ("not " + fits, "(" * 2000 + "a = 1", "not " * 1000, "a = 1" + " " * MAX_TEXT):
        with pytest.raises(QueryError):
            compile_query(text, now=now)
    wide = " or ".join(["a=1"] * (MAX_TEXT // 7))
    assert meets(wide, {"a": 1})
    assert not meets(wide, {})


# --- hostile input ------------------------------------------------------------------------------------------


def test_hostile_patterns_take_no_time() -> None:
    # Backtracking would try more ways than there are atoms; the atomic groups try one.
    pattern = "%a" * 1000 + "%b"
    assert not like(pattern).fullmatch("a" * 3000)
    assert like(pattern).fullmatch("a" * 3000 + "B")


def test_a_deep_json_block_is_no_value() -> None:
    assert not meets("body.n = 1", {"_body": "```json\n" + "[" * 100_000 + "\n```"})


# --- times and blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("1h30m", 5400), ("4h 30m", 16200), ("24h", 86400), ("7d", 604800),
        ("2w", 1209600), ("250ms", 0.25), ("90", 90), ("1.5", 1.5), ("0", 0), ("1.5h", 5400),
        ("", None), ("h", None), ("1y", None), ("-1s", None), ("1h x", None), ("1h30", None), ("nan", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["20251012", "2025-W41-1", "2025-10-12x14:30", "14:30", "2025-10-12T25:00", "1760279400"]
)
def test_what_is_no_time(text: str) -> None:
    assert instant(text) is None


def test_a_time_without_an_offset_is_in_utc_wherever_the_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert instant("2025-10-12T14:30") == instant("2025-10-12T14:30Z") == now()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_json_blocks() -> None:
    text = (
        "```json\n1\n```\n~~~ JSON\nnot json by name\n~~~\n````markdown\n```json\n2\n```\n````\n"
        '  ```json title=x\r\n{"a": 3}\r\n  ```\r\n```json\nbroken\n```\n```jsonc\n4\n```\n```json\n[5]'
    )
    assert list(json_blocks(text)) == [1, {"a": 3}, None, [5]]


# --- selecting and sorting ----------------------------------------------------------------------------------


def test_select() -> None:
    assert select(TASK, "task_id, metadata.loss,labels[0],body.segments_count,nothing") == {
        "task_id": "task-123",
        "metadata.loss": 0.42,
        "labels[0]": "gpu",
        "body.segments_count": 1847,
        "nothing": None,
    }
    assert get(TASK, "metadata.step") == 3500
    assert get({"IN": 1}, "IN") == 1


@pytest.mark.parametrize("text", ["", "a b", "a,,b", "a,", "progress desc", "a = 1", "'a'"])
def test_lists_that_are_none(text: str) -> None:
    for call in (select, lambda row, names: order([row], names)):
        with pytest.raises(QueryError):
            call({}, text)
    with pytest.raises(QueryError):
        get({}, text or "a,b")


def test_order() -> None:
    tasks = [
        {"id": 1, "p": 2, "title": "b"},
        {"id": 2, "title": "a"},
        {"id": 3, "p": 10, "title": "c"},
        {"id": 4, "p": 2, "title": "a"},
        {"id": 5, "p": None, "title": "b"},
        {"id": 6, "p": "2", "title": "a"},
    ]
    assert [t["id"] for t in order(tasks, "p,title")] == [4, 1, 3, 6, 2, 5]
    assert [t["id"] for t in order(tasks, "-p,title")] == [6, 3, 4, 1, 2, 5]
    assert [t["id"] for t in order(tasks, "title,-id")] == [6, 4, 2, 5, 1, 3]


def test_times_are_sorted_as_instants() -> None:
    stamps = ["2025-10-12T14:30:00+02:00", "2025-10-12T12:29:59.999Z", "2025-10-12T12:31Z"]
    assert [row["t"] for row in order([{"t": stamp} for stamp in stamps], "t")] == [
        stamps[1],
        stamps[0],
        stamps[2],
    ]


def test_the_ten_last_losses_of_a_channel() -> None:
    events = [
        {"event": "step", "loss": 1 / n if n % 2 else None, "time": f"2025-10-12T14:{n:02}:00Z"}
        for n in range(1, 41)
    ]
    with_loss = [event for event in events if meets("loss is not null and event = 'step'", event)]
    newest = order(with_loss, "-time")[:10]
    assert [select(event, "loss")["loss"] for event in newest] == [1 / n for n in range(39, 20, -2)]


def test_row_of_a_record() -> None:
    record = Record(Key("task", "123"), {"status": "pending"}, "text", "v1", "/x/task-123.md")
    assert row_of(record, _ready=True) == {
        "status": "pending",
        "_kind": "task",
        "_id": "123",
        "_version": "v1",
        "_path": "/x/task-123.md",
        "_body": "text",
        "_ready": True,
    }
