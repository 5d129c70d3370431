"""Who is chosen for a task, on values alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.rules.assignment import STRATEGIES, Candidate, Experience, preference, ranking
from mdcoord.rules.outcomes import Outcome


def agent(name: str, can: str = "", best: str = "", load: int = 0, limit: int = 3, at: str = "") -> Candidate:
    return Candidate(name, frozenset(can.split()), frozenset(best.split()), load, limit, at)


def names(strategy: str, task: dict[str, Any], *agents: Candidate, known: Experience | None = None) -> str:
    return " ".join(found.name for found in ranking(strategy, task, agents, known))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_who_can_and_is_free_is_chosen(strategy: str) -> None:
    task = {"needs": ["gpu", "linux"]}
    full = agent("full", "gpu linux", load=3)
    assert names(strategy, task, agent("half", "gpu"), full, agent("able", "gpu linux docs")) == "able"
    assert names(strategy, task) == ""


def test_the_specialist_goes_first_then_the_less_busy_then_the_least_gifted() -> None:
    task = {"needs": ["gpu"], "type": "training"}
    assert names("skill_based", task, agent("a", "gpu"), agent("b", "gpu", "gpu", load=2)) == "b a"
    assert (
        names("skill_based", task, agent("a", "gpu", "training"), agent("b", "gpu", "training gpu")) == "b a"
    )
    assert names("skill_based", task, agent("a", "gpu", load=1), agent("b", "gpu docs")) == "b a"
    assert names("skill_based", task, agent("a", "gpu docs rust"), agent("b", "gpu docs")) == "b a"
    assert names("skill_based", task, agent("b", "gpu"), agent("a", "gpu")) == "a b"


def test_in_turns() -> None:
    early, late = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
    found = names("round_robin", {}, agent("a", at=late), agent("b", at=early), agent("c"))
    assert found == "c b a"


def test_by_load() -> None:
    found = names("load_balanced", {}, agent("a", load=2, limit=9), agent("b", load=1, limit=3), agent("c"))
    assert found == "c a b"


def outcome(name: str, type: str, kind: str, duration: float | None) -> Outcome:
    return Outcome("t", "", type, name, 0.0, "", kind, duration)


def test_from_experience() -> None:
    past = [
        *[outcome("quick", "train", "completed", 10.0)] * 4,
        *[outcome("slow", "train", "completed", 90.0)] * 4,
        *[outcome("hasty", "train", "completed", 10.0)] * 1,
        *[outcome("hasty", "train", "failed", 1.0)] * 7,
    ]
    known, train = Experience.of(past), {"type": "train"}
    team = [agent("hasty"), agent("slow"), agent("quick")]
    assert names("learned", train, *team, known=known) == "quick slow hasty"
    assert names("learned", train, *team, agent("new"), known=known).split().index("new") == 1
    assert names("learned", {"type": "other"}, *team, known=known) == "hasty quick slow", "nobody knows it"
    busy = [replace(team[2], load=2), team[1]]
    assert names("learned", train, *busy, known=known).split()[0] == "quick"
    assert known.expected("train", "quick") < 1 < known.expected("train", "slow")


def test_experience_without_times() -> None:
    known = Experience.of([outcome("a", "", "failed", None), outcome("b", "", "completed", None)])
    assert known.expected("", "b") < known.expected("", "a")


def test_what_an_agent_prefers() -> None:
    me, nothing = agent("a", "gpu docs", "gpu review"), Experience()
    tasks = {
        "gpu": {"needs": ["gpu"]},
        "both": {"needs": ["gpu"], "type": "review"},
        "none": {"needs": ["docs"]},
    }
    wanted = sorted(tasks, key=lambda name: preference("skill_based", tasks[name], me, nothing))
    assert wanted == ["both", "gpu", "none"]
    assert {preference("round_robin", task, me, nothing) for task in tasks.values()} == {0.0}


AGENTS = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(st.sampled_from(["round_robin", "load_balanced"]), AGENTS, st.integers(0, 30))
def test_fair_strategies_spread_the_work(strategy: str, limits: list[int], tasks: int) -> None:
    """Everybody gets the same share, as far as each may hold it; nothing is left while somebody is free."""
    team = {f"a{number}": agent(f"a{number}", limit=limit) for number, limit in enumerate(limits)}
    given_out = 0
    for turn in range(tasks):
        found = ranking(strategy, {}, team.values())
        if not found:
            break
        best = found[0]
        team[best.name] = replace(best, load=best.load + 1, assigned_at=f"{turn:04}")
        given_out += 1
    assert given_out == min(tasks, sum(limits))
    loads = Counter({name: one.load for name, one in team.items()})
    for one in team.values():
        for other in team.values():
            if strategy == "round_robin":
                assert one.free is False or loads[other.name] - loads[one.name] <= 1
            elif other.load:
                # Nobody was given a task whose share was larger than another free one's.
                assert not one.free or (other.load - 1) / other.limit <= one.share


@given(
    st.sampled_from(STRATEGIES),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_choice_does_not_hang_on_the_order_of_the_list(
    strategy: str, loads: list[tuple[int, int]], random: Any
) -> None:
    team = [agent(f"a{number}", load=load, limit=limit) for number, (load, limit) in enumerate(loads)]
    shuffled = random.sample(team, len(team))
    assert ranking(strategy, {}, team) == ranking(strategy, {}, shuffled)
    assert {one.name for one in ranking(strategy, {}, team)} == {one.name for one in team if one.free}
