"""What a claim has to know of its agent: how many tasks it may hold, how many it holds, and its breaker.

Only registered agents are looked after; for all others this costs one look for a file that is not there.

Where things are: the limit and the breaker stand in the agent's document, which every claim reads. Which
tasks the agent holds is told by the tasks' leases; a memo for each agent names the tasks to look at, so that
counting them costs a few small reads however many tasks there are. The memo is made from the tasks where it
is missing. A claim adds to it and drops what is over, so completing a task costs nothing here, and neither
does a failure but for the agent's document, which notes it at once.

The limit is kept among threads and processes: whoever finds itself beyond it under the memo's lock gives its
claim back. (A process that is killed between its claim and that note holds a task which does not count.)

A process remembers what it saw of an agent at its last claim (see `_Sight`), and asks for that no more while
nobody else claims tasks under the agent's name. It may be wrong for a second when somebody begins to: then a
task is claimed and given back that would have been left alone, or a success does not count against a failure
that another process noted since that claim. No more is claimed than may be in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mdcoord.errors import InvalidName, MdcoordError
from mdcoord.model import Change, Key, Path, Record, Value
from mdcoord.rules.leases import Lease, over
from mdcoord.rules.standing import IN_PROGRESS, standing, status_of
from mdcoord.services.env import Env, Team
from mdcoord.services.events import AGENTS, announce

if TYPE_CHECKING:
    from mdcoord.rules.breaker import Breaker

TOPIC: Final = "agents"
"""The memos of agents by name: `active` {task: attempt}."""

REMEMBERED: Final = 1.0
"""Seconds for which a process relies on what it saw of an agent that nobody else claims for."""

FEW: Final = 16
"""While a memo names fewer tasks, those that this process claimed count as held until it ends them itself."""

Held = dict[str, int]
"""Tasks that an agent holds, with their attempts."""


class Member:
    """A registered agent. `limit` is how many tasks it may hold at a time when its breaker is closed."""

    def __init__(self, record: Record, team: Team) -> None:
        from mdcoord.rules.breaker import Breaker, whole_number

        fields = record.fields
        self.id = record.key.id
        self.capabilities = _words(fields.get("capabilities"))
        self.specializations = _words(fields.get("specializations"))
        self.limit = whole_number(fields.get("max_concurrent_tasks"), team.max_concurrent_tasks)
        self.breaker = Breaker.of(fields, team.breaker_threshold, team.breaker_cooldown)


@dataclass(slots=True)
class _Sight:
    """What this process knows of a registered agent that it claims tasks for.

    `noted` are the tasks in its memo that this process claimed, `ended` those that it ended since, `clean`
    whether the breaker had nothing to forget. They are relied on until `until`, by the clock since boot, and
    not at all where the memo named others at the last claim.
    """

    noted: Held = field(default_factory=dict)
    ended: set[tuple[str, int]] = field(default_factory=set)
    clean: bool = False
    until: float = -float("inf")

    def left_of(self, held: Held) -> Held:
        """Those of these tasks that this process has not ended."""
        return {task: attempt for task, attempt in held.items() if (task, attempt) not in self.ended}


class Roster:
    """The registered agents as claims see them."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend
        self._seen: dict[str, _Sight | None] = {}
        """None for an agent that was not registered when this process looked last."""

    def member(self, agent: str) -> Member | None:
        """A registered agent; None for any other, and for one whose document cannot be read."""
        name = same_agent(agent)
        try:
            key = Key.of("agent", name)
            if self._seen.get(name) or self._backend.exists(key):
                member = self.of(self._backend.read(key))
                self._sight(name).clean = member.breaker.clean
                return member
        except MdcoordError:
            pass
        self._seen[name] = None
        return None

    def of(self, record: Record) -> Member:
        """The agent of this document."""
        return Member(record, self._env.team)

    def refusal(self, member: Member) -> str | None:
        """Why the agent is given no task now, as a sentence; None when it may have one.

        That is not for sure, as others may claim tasks for it meanwhile: see `enrol`.
        """
        seen = self._sight(member.id)
        known: Held | None = seen.left_of(seen.noted)
        if not self._relied_on(seen):
            known = _active(self._backend.memo(TOPIC, member.id))
        return self._full(member, self._claimed(member) if known is None else known)

    def enrol(self, member: Member, task: Key, attempt: int) -> str | None:
        """Note that the agent has claimed a task; the reason when it must give it back."""
        seen = self._sight(member.id)
        found: Held | None = None
        left: Held = {}
        refused: str | None = None

        def revise(memo: Value) -> Value:
            nonlocal found, left, refused
            found = _active(memo)
            left = self._claimed(member) if found is None else seen.left_of(found)
            left.pop(task.id, None)
            self._drop_over(left, seen.noted if len(left) < FEW else {})
            refused = self._full(member, left)
            return {"active": left if refused else {**left, task.id: attempt}}

        try:
            self._backend.keep(TOPIC, member.id, revise, wait=self._env.lock_timeout)
        except MdcoordError:
            return None  # what cannot be noted is not counted: the claim itself is good
        alone = found == seen.noted
        seen.until = self._env.host.uptime() + REMEMBERED if alone else -float("inf")
        noted = {name: number for name, number in left.items() if seen.noted.get(name) == number}
        seen.noted = noted if refused else {**noted, task.id: attempt}  # at once, as other threads read it
        seen.ended.intersection_update(seen.noted.items())
        return refused

    def ended(self, task: Key, lease: Lease) -> None:
        """Note that this process has ended the claim of this lease."""
        seen = self._seen.get(same_agent(lease.holder.agent)) if lease.holder else None
        if seen and task.id in seen.noted:
            seen.ended.add((task.id, lease.attempt))

    def forget(self, agent: str) -> None:
        """Make the memo of an agent anew at its next claim: it was not kept for a while."""
        try:
            self._backend.keep(TOPIC, agent, lambda _: None, wait=self._env.lock_timeout)
        except MdcoordError:
            pass  # it stays as it is, and right as far as it goes

    def succeeded(self, agent: str) -> None:
        """A task was completed: the breaker of an agent that had failed before closes."""
        name = same_agent(agent)
        seen = self._seen.get(name, _Sight())
        if seen and not self._relied_on(seen):
            self.member(name)
            seen = self._seen.get(name)
        if seen and not seen.clean:
            self._turn(name, lambda breaker: breaker.succeeded())

    def failed(self, agent: str) -> None:
        """An attempt failed: a registered agent's breaker counts it, and opens at its threshold."""
        now = self._env.host.now()
        self._turn(agent, lambda breaker: breaker.failed(now))

    def reset(self, agent: str) -> None:
        """Close the breaker of an agent, whatever happened."""
        self._turn(agent, lambda breaker: breaker.succeeded())

    def _turn(self, agent: str, step: Callable[[Breaker], Breaker]) -> None:
        """Change a registered agent's breaker. A failure is not the caller's: its task is what counts."""
        now = self._env.host.now()
        turned: list[Breaker] = []

        def decide(record: Record) -> Change | None:
            before = self.of(record).breaker
            turned[:] = [before, step(before)]
            if turned[0] == turned[1]:
                return None
            fields = turned[1].as_fields(now)
            changes: dict[Path, Value] = {("circuit_breaker", name): value for name, value in fields.items()}
            return Change(set={**changes, ("last_updated",): self._env.host.stamp()})

        try:
            key = Key.of("agent", agent)
            if not self._seen.get(key.id) and not self._backend.exists(key):
                return
            self._env.write(key, decide)
        except MdcoordError:
            return
        self._sight(key.id).clean = turned[1].clean
        self._tell(key.id, *turned)

    def _tell(self, name: str, before: Breaker, after: Breaker) -> None:
        now = self._env.host.now()
        state = after.state(now)
        if state != before.state(now):
            opened = state == "OPEN"
            data = {"agent_id": name, "state": state, "failure_count": after.failure_count}
            event = "agent_breaker_opened" if opened else "agent_breaker_closed"
            announce(self._env, AGENTS, event, data | ({"until": after.until()} if opened else {}))

    def _sight(self, name: str) -> _Sight:
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Sight()
        return seen

    def _relied_on(self, seen: _Sight) -> bool:
        return self._env.host.uptime() < seen.until

    def _claimed(self, member: Member) -> Held:
        """The tasks that are in progress and the agent's, by all leases."""
        shelf = self._backend.shelf()
        records = shelf.held() if shelf else self._backend.list("task").records
        running = (record for record in records if status_of(record.fields) == IN_PROGRESS)
        found = {record.key.id: record.lease or self._backend.lease(record.key) for record in running}
        return {
            task: lease.attempt
            for task, lease in found.items()
            if lease and lease.holder and same_agent(lease.holder.agent) == member.id
        }

    def _drop_over(self, held: Held, sure: Held) -> None:
        """Drop the attempts that are over; those of `sure` are not looked at."""
        for task, attempt in [*held.items()]:
            if sure.get(task) != attempt and not self._lasts(Key("task", task), attempt):
                del held[task]

    def _lasts(self, task: Key, attempt: int) -> bool:
        """Whether an attempt goes on, by the task's lease and by its document."""
        env = self._env
        try:
            record = self._backend.read(task)
            lease: Lease | None = record.lease
            free = standing(record, lease, env.host, env.rules).free
        except MdcoordError:
            lease = self._backend.lease(task)
            free = over(lease, env.host, env.rules.grace) is not None
        return lease is not None and lease.holder is not None and lease.attempt == attempt and not free

    def _full(self, member: Member, held: Held) -> str | None:
        """Why the agent may have no more than these; what it does not hold any more is dropped from them."""
        env, breaker = self._env, member.breaker
        now = env.host.now()
        state, room = breaker.state(now), breaker.room(member.limit, now)
        if state == "OPEN":
            until = breaker.until()
            return (
                f"{member.id} is given nothing: its circuit breaker is open after {breaker.failure_count} "
                f"failures in a row, {f'until {until}' if until else 'until somebody closes it'}"
            )
        if len(held) >= room:
            self._drop_over(held, {})
        if len(held) < room:
            return None
        tasks = ", ".join(sorted(held)) or "none"
        if state != "CLOSED":
            return f"{member.id} is on trial with {tasks}: its circuit breaker is half open"
        return f"{member.id} holds {tasks}, and its max_concurrent_tasks is {member.limit}"


def same_agent(agent: str) -> str:
    """The id of an agent, however its name was typed."""
    try:
        return Key.of("agent", agent).id
    except InvalidName:
        return agent


def _active(memo: Value) -> Held | None:
    """The tasks that a memo names; None where there is none that can be understood."""
    known = memo.get("active") if isinstance(memo, dict) else None
    return {**known} if isinstance(known, dict) else None


def _words(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()
