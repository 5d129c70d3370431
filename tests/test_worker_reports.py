"""The lines by which a command tells about its task."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.errors import UsageError
from mdcoord.formats.reports import Accept, Lacks, Log, Progress, Publish, Result, report_of


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("::progress 0.35 step=3500 loss=0.42", Progress(0.35, {"step": 3500, "loss": 0.42})),
        ("::progress 35%", Progress(0.35)),
        ("::progress 3500/10000 eta=2h", Progress(0.35, {"step": 3500, "total_steps": 10000, "eta": "2h"})),
        ("::progress loss=0.42", Progress(None, {"loss": 0.42})),
        ("::progress 1 note='two words' ok=true", Progress(1, {"note": "two words", "ok": True})),
        ("::progress 0.5 note=it's", Progress(0.5, {"note": "it's"})),
        ("::log the second half began ", Log("the second half began")),
        ("::log it's 5 o'clock", Log("it's 5 o'clock")),
        (
            "::event training checkpoint_saved step=3500",
            Publish("training", "checkpoint_saved", {"step": 3500}),
        ),
        ("::accept 2", Accept("2")),
        ("::accept loss below 0.5", Accept("loss below 0.5")),
        ("::lacks gpu, cuda", Lacks(("gpu", "cuda"))),
        ('::result {"path": "final.pt"}', Result({"path": "final.pt"})),
        ("::result null", Result(None)),
    ],
)
def test_a_report_is_understood(line: str, meant: Any) -> None:
    assert report_of(line) == meant


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        " ::progress 0.5",
        ":: progress 0.5",
        "::error file=app.py::broken",
        "::warning file=app.py,line=1::not for us",
        "::group::tests",
        "::set-output name=x::y",
    ],
)
def test_all_else_is_the_commands_own(line: str) -> None:
    assert report_of(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "::progress",
        "::progress half",
        "::progress 1.5",
        "::progress 0.5 step",
        "::progress nan",
        "::log",
        "::event training",
        "::event training step=3",
        "::event a b c",
        "::accept",
        "::lacks ,",
        "::result",
        "::result {",
        "::result NaN",
        "::result [1e999]",
        "::result " + "[" * 100_000,
    ],
)
def test_what_begins_as_a_report_and_is_none_is_told(line: str) -> None:
    with pytest.raises(UsageError, match=line.split()[0]):
        report_of(line)


@pytest.mark.parametrize("word", ["progres", "progressing", "Result", "acept", "logs"])
def test_a_slip_in_a_word_is_told(word: str) -> None:
    with pytest.raises(UsageError, match=f"::{word} is not understood: did you mean ::"):
        report_of(f"::{word} 0.5")


@given(
    st.sampled_from(["progress", "log", "event", "accept", "lacks", "result"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_no_line_does_harm(word: str, rest: str) -> None:
    try:
        found = report_of(f"::{word} {rest}")
    except UsageError:
        return
    if isinstance(found, Progress):
        assert found.share is None or 0 <= found.share <= 1
