"""The registered agents as people and coordinators see them: what they do, how well, whether they are there.

Only what an agent says of itself stands in its document for good. What it works on, what it completed and how
it does are worked out from the tasks when somebody looks. The document gets a copy whenever it is written
anyway (registration, heartbeat, a change of its status), so that it tells about the same to whoever opens it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mdcoord.host import seconds_of
from mdcoord.model import Path, Record, Value
from mdcoord.rules.assignment import Candidate
from mdcoord.rules.leases import Lease
from mdcoord.rules.outcomes import DAY, Activity, Figures, activities, completions, current, rounded
from mdcoord.rules.presence import OFFLINE, ONLINE, STALE, Sign, presence
from mdcoord.services.env import Env
from mdcoord.services.inbox import Inboxes
from mdcoord.services.instances import Instances
from mdcoord.services.roster import TOPIC, Roster, same_agent

Activities = Mapping[str, Activity]


class Crew:
    """What is known of registered agents beyond their documents."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._roster = Roster(env)
        self._instances = Instances(env, Inboxes(env.backend, env.host))

    def activities(self, max_age: float = 1.0) -> Activities:
        """What the tasks tell about the agents, by id, from a listing at most `max_age` seconds old."""
        records = self._env.backend.list("task", max_age=max_age).records
        found = activities(records, self._env.host.now() - DAY)
        return {same_agent(name): activity for name, activity in found.items()}

    def figures(self, record: Record, known: Activities) -> dict[Path, Value]:
        """What the document of an agent is to say about its work; nothing for one that never claimed a task.

        An agent that does not claim tasks may keep these fields itself.
        """
        activity = known.get(record.key.id)
        if activity is None:
            if self._env.backend.memo(TOPIC, record.key.id) is None:
                return {}
            activity = Activity()
        limit, lately = self._roster.of(record).limit, Figures.of(activity.ended)
        metrics: dict[str, Value] = {
            "workload_pct": round(100 * len(activity.active) / limit) if limit else 100,
            "success_rate": rounded(lately.success_rate),
            "succeeded": lately.succeeded,
            "total_tasks": lately.total,
            "failed_tasks": lately.failed + lately.lost,
            "avg_duration_sec": rounded(lately.average),
        }
        told: dict[Path, Value] = {
            ("active_tasks",): current(activity.active),
            ("recent_completions",): completions(activity.ended),
        }
        if isinstance(record.fields.get("metrics", {}), dict):
            return told | {("metrics", name): value for name, value in metrics.items()}
        return told | {("metrics",): metrics}  # somebody wrote something else there

    def as_it_is(self, record: Record, known: Activities) -> Record:
        """The agent's record with what it does now, and the state of its breaker at this moment."""
        fields: dict[str, Any] = dict(record.fields)
        for path, value in self.figures(record, known).items():
            if len(path) == 1:
                fields[str(path[0])] = value
            else:
                inner = fields.get(str(path[0]))
                fields[str(path[0])] = {**(inner if isinstance(inner, dict) else {}), path[1]: value}
        if isinstance(kept := fields.get("circuit_breaker"), dict):
            breaker = self._roster.of(record).breaker
            fields["circuit_breaker"] = {**kept, **breaker.as_fields(self._env.host.now())}
        # Not `replace`: the records of a listing are of a class of their own, made without their bodies.
        return Record(record.key, fields, record.body, record.version, record.path, record.lease)

    def presence(self, record: Record, known: Activities) -> str:
        """`online`, `stale` or `offline`: by its registered process, by what it said, and by its claims."""
        if record.fields.get("status") == OFFLINE:
            return OFFLINE
        host, activity = self._env.host, known.get(record.key.id, Activity())
        instance = self._instances.get(record.key.id)
        states = [instance.presence] if instance else []
        states += [presence(sign, host) for sign in self._signs(activity.active)]
        if not record.fields.get("pid") and activity.ended:
            states.append(presence(Sign(activity.ended[-1].ended), host))
        return next((state for state in (ONLINE, STALE) if state in states), OFFLINE)

    def seen(self, record: Record, known: Activities) -> float | None:
        """When the agent gave its last sign of life, also by its claims, in seconds since 1970."""
        activity, instance = known.get(record.key.id, Activity()), self._instances.get(record.key.id)
        signs = [sign.seen for sign in self._signs(activity.active)]
        signs += [seconds_of(instance.last_seen) if instance else None]
        signs += [outcome.ended for outcome in activity.ended[-1:]]
        return max((sign for sign in signs if sign is not None), default=None)

    def candidates(self) -> Sequence[Candidate]:
        """The agents to whom a task may be assigned: those that are there and whose breaker is not open."""
        now, known = self._env.host.now(), self.activities()
        found = []
        for record in self._env.backend.list("agent").records:
            member, activity = self._roster.of(record), known.get(record.key.id, Activity())
            room = member.breaker.room(member.limit, now)
            if room and self.presence(record, known) != OFFLINE:
                load = len(activity.active) + activity.waiting
                able, best = member.capabilities, member.specializations
                found.append(Candidate(member.id, able, best, load, room, activity.assigned_at))
        return found

    def _signs(self, active: Sequence[Record]) -> list[Sign]:
        """The signs of life that renewed claims are, each of the process that holds it."""
        signs = []
        for record in active:
            lease: Lease | None = self._env.backend.lease(record.key)
            if lease and lease.holder and lease.holder.session:
                holder = lease.holder
                seen = seconds_of(holder.renewed_at)
                signs.append(Sign(seen, holder.pid, holder.started, holder.processes))
        return signs
