"""Who is to do a task: strategies that put agents in an order, and what an agent prefers itself.

A coordinator that assigns a task takes the first of `ranking`. An agent that asks for work takes, among the
tasks of the highest priority, the one with the lowest `preference`. All strategies choose among the same
agents: those that can do what the task needs, are there, and may hold another task.

* `skill_based`: the specialist. Most of the task's needs (and its type) among the agent's specialisations;
  then the less busy; then the fewest capabilities beside what is needed, so that those who can do everything
  stay free for what only they can do.
* `round_robin`: in turns. Whoever was assigned a task the longest ago.
* `load_balanced`: the least busy one, by the share of the tasks that it may hold.
* `learned`: from experience. The shortest expected time to a finished task of this type, as
  `average duration / success rate`, times the tasks it would have. Who has no experience with the type is
  taken to be as good as the others on average, and gets its chance so.

Ties go to the less busy, then to the one assigned the longest ago, then by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mdcoord.rules.outcomes import Figures, Outcome, grouped

STRATEGIES: Final = ("skill_based", "round_robin", "load_balanced", "learned")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as the strategies see it.

    `load` counts the tasks that it holds and those that wait for it alone; `limit` is how many it may hold.
    `assigned_at` is when it was assigned a task last, a timestamp, "" for never.
    """

    name: str
    capabilities: frozenset[str] = frozenset()
    specializations: frozenset[str] = frozenset()
    load: int = 0
    limit: int = 1
    assigned_at: str = ""

    @property
    def free(self) -> bool:
        """Whether it may hold another task."""
        return self.load < self.limit

    @property
    def share(self) -> float:
        """How busy it is, 0 to 1."""
        return self.load / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Experience:
    """What past attempts teach: figures by type and agent, and by type."""

    own: Mapping[tuple[str, str], Figures] = field(default_factory=dict)
    all: Mapping[str, Figures] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Experience:
        """From these outcomes."""
        by_both = grouped(outcomes, lambda outcome: (outcome.type, outcome.agent))
        by_type = grouped(outcomes, lambda outcome: outcome.type)
        return cls(
            {key: Figures.of(found) for key, found in by_both.items()},
            {key: Figures.of(found) for key, found in by_type.items()},
        )

    def expected(self, type: str, agent: str) -> float:
        """How long this agent needs for a finished task of a type: 1 is the average, less is better.

        The team's own figures count like one more task of each kind, so that a single lucky or unlucky
        attempt does not decide for ever.
        """
        team, mine = self.all.get(type), self.own.get((type, agent))
        if team is None or mine is None:
            return 1.0
        usual, rate = team.average or 1.0, (team.succeeded + 1) / (team.total + 1)
        time = (mine.seconds + usual) / (mine.timed + 1) / usual
        success = (mine.succeeded + rate) / (mine.total + 1) / rate
        return time / success


def ranking(
    strategy: str, task: Mapping[str, Any], agents: Iterable[Candidate], experience: Experience | None = None
) -> list[Candidate]:
    """The agents that may be given the task, the best one first. Raises KeyError for no known strategy."""
    able = [agent for agent in agents if agent.free and needs_of(task) <= agent.capabilities]
    score = _SCORES[strategy]
    known = experience or Experience()
    return sorted(
        able, key=lambda agent: (score(task, agent, known), agent.share, agent.assigned_at, agent.name)
    )


def preference(strategy: str, task: Mapping[str, Any], agent: Candidate, experience: Experience) -> float:
    """How much an agent wants a task that it could claim: less is better, 0 for no preference."""
    if strategy == "skill_based":
        return -_special(task, agent)
    if strategy == "learned":
        return experience.expected(str(task.get("type") or ""), agent.name)
    return 0.0


def needs_of(task: Mapping[str, Any]) -> frozenset[str]:
    """The capabilities that a task needs."""
    needs = task.get("needs")
    return frozenset(map(str, needs)) if isinstance(needs, list) else frozenset()


def _special(task: Mapping[str, Any], agent: Candidate) -> float:
    return len(agent.specializations & (needs_of(task) | {str(task.get("type") or "")}))


Score = Callable[[Mapping[str, Any], Candidate, Experience], float | tuple[float, ...] | str]


def _skill_based(task: Mapping[str, Any], agent: Candidate, _: Experience) -> tuple[float, ...]:
    return (-_special(task, agent), agent.share, len(agent.capabilities - needs_of(task)))


def _round_robin(_task: Mapping[str, Any], agent: Candidate, _: Experience) -> str:
    return agent.assigned_at


def _load_balanced(_task: Mapping[str, Any], agent: Candidate, _: Experience) -> float:
    return agent.share


def _learned(task: Mapping[str, Any], agent: Candidate, experience: Experience) -> float:
    return experience.expected(str(task.get("type") or ""), agent.name) * (1 + agent.load)


_SCORES: Final[dict[str, Score]] = {
    "skill_based": _skill_based,
    "round_robin": _round_robin,
    "load_balanced": _load_balanced,
    "learned": _learned,
}
