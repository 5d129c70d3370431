"""Acceptance criteria: how they may be written, ticking them, and tasks that need them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.errors import ClaimLost, NotAccepted, NotFound
from mdcoord.rules.acceptance import Criterion, criteria
from mdcoord.workspace import Workspace


@pytest.fixture
def w(backend: Backend) -> Iterator[Workspace]:
    with Workspace(backend, agent="ada") as opened:
        yield opened


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, []),
        ("", []),
        ("it runs", [Criterion(1, "it runs")]),
        (["it runs", "it is fast"], [Criterion(1, "it runs"), Criterion(2, "it is fast")]),
        (["[x] it runs", "[ ] it is fast"], [Criterion(1, "it runs", True), Criterion(2, "it is fast")]),
        (["[x]"], [Criterion(1, "[x]")]),
        ([{"text": "it runs", "done": True, "by": "bo"}], [Criterion(1, "it runs", True, "bo")]),
        ([{"text": "it runs", "done": "no"}], [Criterion(1, "it runs")]),
        ([{"loss": "below 0.5"}], [Criterion(1, "loss: below 0.5")]),
        ([7], [Criterion(1, "7")]),
    ],
)
def test_criteria_may_be_written_in_several_ways(written: Any, meant: list[Criterion]) -> None:
    assert criteria({"acceptance": written}) == meant


def test_a_criterion_is_ticked_by_number_by_text_and_by_the_beginning_of_its_text(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["tests pass", "loss below 0.5", "documented"])
    w.tasks.accept("one", 1)
    w.tasks.accept("one", "Loss  BELOW 0.5", "doc", by="bo")
    first, second, third = criteria(w.tasks.get("one").fields)
    assert (first.done, first.by, second.done, second.by, third.done) == (True, "ada", True, "bo", True)
    assert first.at is not None
    assert first.text == "tests pass"


def test_ticking_again_changes_nothing_and_a_tick_may_be_taken_back(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["tests pass", "documented"])
    before = w.tasks.accept("one", 1)
    assert w.tasks.accept("one", 1).version == before.version
    undone = w.tasks.accept("one", 1, done=False)
    assert undone["acceptance"] == [{"text": "tests pass", "done": False}, "documented"]


def test_what_else_stands_in_a_criterion_stays(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=[{"text": "it is fast", "limit": "200 ms"}])
    (item,) = w.tasks.accept("one", 1)["acceptance"]
    assert (item["limit"], item["done"]) == ("200 ms", True)


@pytest.mark.parametrize("name", ["0", "3", "", "nothing like it", "d"])
def test_what_names_no_criterion_or_several_is_refused(w: Workspace, name: str) -> None:
    w.tasks.create("x", id="one", acceptance=["documented", "deployed"])
    with pytest.raises(NotFound, match="criteri"):
        w.tasks.accept("one", name)


def test_completing_is_refused_until_all_is_met_and_the_claim_stands(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["a", "b", "c"], fields={"require_acceptance": True})
    with w.tasks.claim() as claim:
        w.tasks.accept("one", 2, token=claim.token)
        with pytest.raises(NotAccepted, match=r"1\. a; 3\. c") as refused:
            claim.complete()
        assert refused.value.details["open"] == [1, 3]
        assert not refused.value.retryable
        w.tasks.accept("one", 1, 3)
        assert claim.complete().status == "completed"


def test_without_being_required_criteria_are_only_told(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["a"])
    with w.tasks.claim() as claim:
        assert claim.complete().status == "completed"


def test_a_token_of_a_claim_that_is_over_ticks_nothing(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["a"])
    with w.tasks.claim() as claim:
        token = claim.token
    with pytest.raises(ClaimLost):
        w.tasks.accept("one", 1, token=token)
    assert not criteria(w.tasks.get("one").fields)[0].done


def test_a_list_that_somebody_wrote_keeps_its_comments(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        path = w.root / "task-one.md" if w.root else tmp_path
        path.write_text(
            "---\nschema: mdcoord/task/1\ntask_id: one\nacceptance:\n"
            "  # the first one matters most\n  - it runs\n  - '[ ] it is fast' # really\n---\n"
        )
        w.tasks.accept("one", "it is fast")
        text = path.read_text()
        assert "# the first one matters most\n  - it runs\n" in text
        assert [one.done for one in criteria(w.tasks.get("one").fields)] == [False, True]


def test_a_view_shows_boxes_and_a_hand_written_file_may_have_them(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        assert w.root is not None
        w.tasks.create("x", id="one", acceptance=["a", "b", "c"])
        w.tasks.accept("one", 1, 2)
        w.tasks.accept("one", 2, done=False)
        assert "\n- [x] a\n- [ ] b\n- c\n" in w.tasks.get("one").body
        by_hand = "# Task: y\n\n**Task ID**: two\n\n## Acceptance Criteria\n\n- [x] a\n- [ ] b\n"
        (w.root / "task-two.md").write_text(by_hand)
        assert [(one.text, one.done) for one in criteria(w.tasks.get("two").fields)] == [
            ("a", True),
            ("b", False),
        ]
        w.tasks.accept("two", "b")
        assert [one.done for one in criteria(w.tasks.get("two").fields)] == [True, True]
        assert (w.root / "task-two.md").read_text().endswith(by_hand)
