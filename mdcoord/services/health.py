"""How the work goes and whether the coordination is sound, from what there is to see.

Nearly all of it is read off the tasks' documents (see `outcomes`): who won how many claims, how attempts
ended and how long they took. Only what leaves no trace there is counted, by each process for itself (see
`tally`). So the first kind forgets what was archived, the second what a killed process had not added up yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mdcoord.model import DOCUMENTS, Value
from mdcoord.rules.outcomes import Figures, Outcome, grouped, outcomes
from mdcoord.rules.standing import attempt_of
from mdcoord.services.env import Env

COORDINATION: Final = "coordination"
AGENTS: Final = "agents"


class Health:
    """The figures of one workspace."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend

    def coordination(self) -> dict[str, Value]:
        """Whether claims, locks and files are in order.

        `from_documents`: `claims_won` (attempts of all tasks), how these ended (`completed`, `failed`, and
        `recovered` from a holder that was gone or too slow), averages, and `refused_files`, those that cannot
        be read now. `counted`: `races_lost` (a task that was on the list was claimed by another first),
        `claims_lost` (a holder wrote too late), `conflicts` (a write relied on an old version),
        `lock_waits` (a lock was not free at once), `lock_timeouts` (nor in time), `documents_refused` (a
        write met an unreadable file).
        """
        tasks = self._backend.list("task").records
        ended = Figures.of(outcomes(tasks))
        refused = [self._backend.list(kind).unreadable for kind in DOCUMENTS]
        derived: dict[str, Value] = {"claims_won": sum(attempt_of(task.fields) for task in tasks)}
        figures = ended.as_dict()
        figures["recovered"] = figures.pop("lost")
        derived |= figures | {"refused_files": sum(map(len, refused))}
        return {"metrics_type": COORDINATION, "from_documents": derived, "counted": self._env.tally.total()}

    def agents(self) -> list[dict[str, Value]]:
        """How each agent does, in all and by type of task: an object for each, `type` None for all types."""
        found = outcomes(self._backend.list("task").records)
        rows = []
        for agent, own in sorted(grouped(found, lambda outcome: outcome.agent).items()):
            rows.append(_row(agent, None, own))
            types = grouped(own, lambda outcome: outcome.type)
            if set(types) != {""}:
                rows += [_row(agent, type, some) for type, some in sorted(types.items())]
        return rows


def _row(agent: str, type: str | None, found: Iterable[Outcome]) -> dict[str, Value]:
    return {"agent_id": agent, "type": type, **Figures.of(found).as_dict()}
