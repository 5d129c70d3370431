"""The simulation among the examples: a small run is clean, and its judge finds whatever is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mdcoord.interfaces.demo.journal import Entry

REPOSITORY = Path(__file__).resolve().parent.parent
SIMULATION = REPOSITORY / "examples" / "simulation"

sys.path.insert(0, str(SIMULATION))
from figures import recoveries, refusals, utilisation, waits  # noqa: E402
from judge import Judgement, Run, judge  # noqa: E402

NEVER = ("work done twice", "late completions accepted", "tasks lost")
TTL = 5.0
TASKS = ("one", "two", "three")

ENTRIES = [
    Entry("storm", "started", 0.0, {"worker": "ann"}),
    Entry("storm", "started", 0.0, {"worker": "bob"}),
    Entry("storm", "started", 0.0, {"worker": "cas"}),
    Entry("ann", "begin", 1.0, {"task": "one", "attempt": 1, "asked": 0.9, "seconds": 2}),
    Entry("bob", "begin", 1.0, {"task": "two", "attempt": 1, "asked": 0.8, "seconds": 2}),
    Entry("storm", "killed", 1.5, {"worker": "ann"}),
    Entry("storm", "paused", 2.0, {"worker": "bob"}),
    Entry("cas", "begin", 3.0, {"task": "one", "attempt": 2, "asked": 1.0, "seconds": 2}),
    Entry("cas", "completed", 5.0, {"task": "one", "attempt": 2}),
    Entry("cas", "begin", 7.0, {"task": "two", "attempt": 2, "asked": 5.5, "seconds": 2}),
    Entry("storm", "resumed", 8.0, {"worker": "bob"}),
    Entry("bob", "refused", 8.5, {"task": "two", "attempt": 1}),
    Entry("bob", "begin", 9.0, {"task": "three", "attempt": 1, "asked": 8.5, "seconds": 1}),
    Entry("cas", "completed", 9.5, {"task": "two", "attempt": 2}),
    Entry("bob", "completed", 10.0, {"task": "three", "attempt": 1}),
    Entry("storm", "ended", 10.5, {"worker": "bob"}),
    Entry("storm", "ended", 10.5, {"worker": "cas"}),
]
"""Ann was killed amid a task and bob paused past his ttl; cas did what they had."""

DOCUMENTS = {
    "one": {"status": "completed", "result": "cas"},
    "two": {"status": "completed", "result": "cas"},
    "three": {"status": "completed", "result": "bob"},
}


def judged(entries: Sequence[Entry], **documents: dict[str, str] | None) -> Judgement:
    after = {name: found for name, found in {**DOCUMENTS, **documents}.items() if found is not None}
    return judge(Run.of(sorted(entries, key=lambda entry: entry.at)), after, TASKS, TTL)


def changed(who: str, what: str, at: float, **facts: object) -> list[Entry]:
    """The line of that time, as another one."""
    kept = [entry for entry in ENTRIES if (entry.who, entry.at) != (who, at)]
    (old,) = (entry for entry in ENTRIES if (entry.who, entry.at) == (who, at))
    return [*kept, Entry(who, what, at, {**old.facts, **facts})]


def test_a_clean_run_is_clean() -> None:
    assert judged(ENTRIES) == Judgement([], [], [])
    assert judged(ENTRIES).clean


def test_the_figures_are_those_of_the_run() -> None:
    run = Run.of(ENTRIES)
    assert recoveries(run) == [1.5]
    assert refusals(run) == (1, 1)
    assert waits(run) == pytest.approx([0.1, 0.2, 0.5, 1.5, 2.0])
    assert utilisation(run) == pytest.approx((2 + 2 + 1) / (1.5 + (10.5 - 6) + 10.5))


def test_a_task_that_is_begun_while_its_worker_lives_is_a_duplicate() -> None:
    (found,) = judged([entry for entry in ENTRIES if entry.what != "killed"]).duplicate
    assert found == "attempt 2 of task one by cas began while attempt 1 of task one by ann was at it"


def test_a_pause_that_is_shorter_than_the_ttl_is_no_reason_to_take_a_task() -> None:
    assert judge(Run.of(ENTRIES), DOCUMENTS, TASKS, 7.0).duplicate


def test_a_task_that_is_begun_after_its_completion_is_a_duplicate() -> None:
    again = {"task": "three", "attempt": 2, "asked": 10.1, "seconds": 1}
    found = judged([*ENTRIES, Entry("cas", "begin", 10.2, again)])
    assert found.duplicate
    assert not found.late


def test_one_attempt_of_two_workers_is_a_duplicate() -> None:
    same = {"task": "three", "attempt": 1, "asked": 9.5, "seconds": 1}
    assert judged([*ENTRIES, Entry("cas", "begin", 9.6, same)]).duplicate == [
        "attempt 1 of task three by bob is attempt 1 of task three by cas, too"
    ]


def test_a_task_that_is_completed_twice_is_a_duplicate() -> None:
    found = judged(changed("bob", "completed", 8.5))
    assert any(sentence.startswith("completed 2 times") for sentence in found.duplicate)


def test_a_completion_by_somebody_who_has_lost_the_task_is_late() -> None:
    late = [entry for entry in changed("bob", "completed", 8.5) if (entry.who, entry.at) != ("cas", 9.5)]
    found = judged(late, two={"status": "completed", "result": "bob"})
    assert found.late == [
        "attempt 1 of task two by bob was accepted although there was attempt 2 of task two by cas"
    ]
    assert not found.lost


@pytest.mark.parametrize(
    "document",
    [None, {"status": "pending"}, {"status": "dead"}, {"status": "completed", "result": "ann"}],
    ids=["no document", "pending", "dead", "the result of somebody else"],
)
def test_a_task_without_its_result_is_lost(document: dict[str, str] | None) -> None:
    assert len(judged(ENTRIES, three=document).lost) == 1


def test_a_completion_that_nobody_was_told_is_that_of_a_killed_worker() -> None:
    unheard = [entry for entry in ENTRIES if entry.facts.get("task") != "one" or entry.who == "ann"]
    assert judged(unheard, one={"status": "completed", "result": "ann"}).clean
    assert judged(unheard, one={"status": "completed", "result": "bob"}).lost


def simulated(tmp_path: Path, *options: str, seconds: float) -> dict[str, str]:
    """Run the simulation, and return the last column of its table by the first."""
    done = subprocess.run(
        [sys.executable, str(SIMULATION), *options],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert list(tmp_path.iterdir()) == []
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    return {row[0]: row[2] for row in rows}


def check(table: dict[str, str], tasks: int) -> None:
    """What the run did has to have happened; how fast is not for a test to say."""
    _, killed, paused = table["workers in all, killed, paused"].split(", ")
    assert int(killed) > 0
    assert int(paused) > 0
    assert int(table["claims"].replace(",", "")) >= tasks
    assert [table[never] for never in NEVER] == ["0", "0", "0"]


def test_a_small_run_is_clean(tmp_path: Path) -> None:
    size = ["--workers", "8", "--tasks", "120", "--kills", "5", "--pauses", "4"]
    times = ["--seconds", "0.2", "--ttl", "3", "--elsewhere", "1"]
    check(simulated(tmp_path, *size, *times, seconds=120), 120)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_large_run_is_clean(tmp_path: Path) -> None:
    check(simulated(tmp_path, seconds=1500), 10_000)
