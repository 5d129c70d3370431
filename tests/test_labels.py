"""Labels and values as people read them come back as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdcoord.formats import labels

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
ODD_WORDS = 'N/A n/a true null 35% 0/3 ✅ `x` `` " "a" [ [] {} [NaN] 1 -0.0 1e999 007 a/b.md ./x --> <!--'
ODD_LINES = ["", " a", "a ", "a\nb", "a\u2028b", "a\x85b", "\ud800", "\x00", "<!-- x -->"]
TRICKY = st.sampled_from(ODD_WORDS.split() + ODD_LINES)


def identical(left: Any, right: Any) -> bool:
    """Equal and of the same types all the way down (1, 1.0 and True are three values)."""
    return json.dumps(left) == json.dumps(right)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("last_updated", "Last Updated"),
        ("gpu_memory", "GPU Memory"),
        ("samples_per_sec", "Samples/sec"),
        ("requests_per_gpu", "Requests/GPU"),
        ("task_id", "Task ID"),
        ("eta", "ETA"),
        ("checkpoint_path", "Checkpoint Path"),
        ("step_2", "Step 2"),
        ("per_second", "Per Second"),
        ("größe", "Größe"),
        ("Mixed", "`Mixed`"),
        ("two words", "`two words`"),
        ("a:b", "`a:b`"),
        ("_private", "`_private`"),
        ("", '`""`'),
        ("a`b", '`"a\\u0060b"`'),
        ("**a**: b", '`"\\u002a\\u002aa\\u002a\\u002a: b"`'),
        ("line\nbreak", '`"line\\nbreak"`'),
    ],
)
def test_labels_of_keys(key: str, label: str) -> None:
    assert labels.label_for(key) == label
    assert labels.key_for(label) == key


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("Total Tasks (24h)", "total_tasks_24h"),
        ("last updated", "last_updated"),
        ("GPU %", "gpu_pct"),
        ("???", "???"),
    ],
)
def test_keys_of_what_people_write(label: str, key: str) -> None:
    assert labels.key_for(label) == key


@given(st.text() | st.from_regex(r"[a-z0-9_/ `\"*<>%-]{0,12}", fullmatch=True))
@example("a_per_b_per_c")
@example("ſ")
@example("İ_x")
@example("`a`")
@example('"a"')
def test_every_key_survives_its_label(key: str) -> None:
    label = labels.label_for(key)
    assert labels.key_for(label) == key
    assert len(f"{label}.".splitlines()) == 1
    assert "**" not in label
    assert "-->" not in label
    label.encode()


@given(JSON | TRICKY)
def test_every_value_survives_on_one_line(value: Any) -> None:
    text = labels.format_value(value)
    assert identical(labels.parse_value(text), value)
    assert len(text.splitlines()) == 1
    assert "<!--" not in text
    assert "-->" not in text
    text.encode()


@given(st.text() | st.from_regex(r"[-+0-9.eE`\"\[\]{}:, %/]{0,16}", fullmatch=True))
@example("[" * 100_000)
@example("9" * 5000)
def test_any_text_can_be_read(text: str) -> None:
    labels.parse_value(text)
    assert labels.parse_value(labels.format_value(text)) == text
    for read in (
        labels.parse_percent,
        labels.parse_progress,
        labels.parse_duration,
        labels.parse_timestamp,
        labels.key_for,
    ):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3500", 3500),
        ("0.42", 0.42),
        ("1e-05", 1e-05),
        ("-7", -7),
        ("23.1 GB", "23.1 GB"),
        ("35%", "35%"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("N/A", None),
        ("✅", True),
        ("❌", False),
        ("`checkpoints/step_3500.pt`", "checkpoints/step_3500.pt"),
        ('["a", 1]', ["a", 1]),
        ("[wip] fix", "[wip] fix"),
        ('"35"', "35"),
        ("null", "null"),
        ("no", "no"),
        ("train-123", "train-123"),
    ],
)
def test_values_people_write(text: str, value: Any) -> None:
    assert identical(labels.parse_value(text), value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("checkpoints/a/step_3500.pt", "`checkpoints/a/step_3500.pt`"),
        (".claude/coordination/", "`.claude/coordination/`"),
        ("and/or", "and/or"),
        ("https://example.org/a.html", "https://example.org/a.html"),
        ("on the way", "on the way"),
        (True, "✅"),
        (None, "N/A"),
        ({"a": [1, "ü"]}, '{"a": [1, "ü"]}'),
        ("two\nlines", '"two\\nlines"'),
    ],
)
def test_values_as_people_see_them(value: Any, text: str) -> None:
    assert labels.format_value(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.35, "35%"), (1.0, "100%"), (0, "0%"), (0.964, "96.4%"), (0.0004, "0.04%"), (1.5, "150%")],
)
def test_percent(share: float, text: str) -> None:
    assert labels.format_percent(share) == text
    assert labels.parse_percent(text) == share


@given(st.integers(0, 10**6))
def test_percent_of_a_millionth_comes_back(parts: int) -> None:
    assert labels.parse_percent(labels.format_percent(parts / 10**6)) == parts / 10**6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("35% (3500/10000 steps)", (0.35, 3500, 10000)),
        ("100% (24/24)", (1.0, 24, 24)),
        ("0/3", (None, 0, 3)),
        ("70%", (0.7, None, None)),
        ("N/A", (None, None, None)),
        ("", (None, None, None)),
        ("almost 70%", (None, None, None)),
    ],
)
def test_progress(text: str, parts: tuple[float | None, int | None, int | None]) -> None:
    assert labels.parse_progress(text) == parts


def test_progress_as_people_see_it() -> None:
    assert labels.format_progress(0.35, 3500, 10000) == "35% (3500/10000 steps)"
    assert labels.format_progress(1.0, 24, 24, unit="") == "100% (24/24)"
    assert labels.format_progress(0.7, 7, None) == "70%"
    assert labels.format_progress(None, 1, 2) == "N/A"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (16200, "4h 30m"),
        (2700, "45m"),
        (8100, "2h 15m"),
        (300, "5m"),
        (2170, "36m 10s"),
        (0, "0s"),
        (0.5, "0.5s"),
        (93784, "1d 2h 3m 4s"),
        (86400, "1d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert labels.format_duration(seconds) == text
    assert labels.parse_duration(text) == seconds


@given(st.integers(0, 10**8))
def test_every_duration_in_milliseconds_comes_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert labels.parse_duration(labels.format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "~", "soon", "4h 30", "m", "30m 4h"])
def test_not_a_duration(text: str) -> None:
    assert labels.parse_duration(text) is None


def test_an_estimate_is_a_duration() -> None:
    assert labels.parse_duration("~8h 30m") == 30600


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-10-12T14:30:00Z", "2025-10-12T14:30:00Z"),
        ("2025-10-12T14:30:00.000Z", "2025-10-12T14:30:00.000Z"),
        ("2025-10-12T14:30:00+02:00", "2025-10-12T12:30:00.000Z"),
        ("2025-10-12 14:30:00", "2025-10-12T14:30:00.000Z"),
        ("2025-10-12", None),
        ("2025-13-12T14:30:00Z", None),
        ("yesterday", None),
        ("20251012", None),
    ],
)
def test_timestamps(text: str, utc: str | None) -> None:
    assert labels.parse_timestamp(text) == utc


def test_seconds_between() -> None:
    assert labels.seconds_between("2025-10-12T10:00:00Z", "2025-10-12T14:30:00.500Z") == 16200.5
    assert labels.seconds_between("2025-10-12T10:00:00Z", "2025-10-12T09:00:00Z") is None
    assert labels.seconds_between("2025-10-12T10:00:00", "2025-10-12T14:30:00Z") is None
    assert labels.seconds_between(None, "2025-10-12T14:30:00Z") is None
