"""What a claim has to know of its agent: how many tasks it may hold, how many it holds, and its breaker.

Only registered agents are looked after; for all others this costs one look for a file that is not there.

Where things are: the limit and the breaker stand in the agent's document. Which tasks it holds is told by the
tasks' leases; a memo for each agent names the tasks to look at, so that counting them costs a few small reads
however many tasks there are. The memo is made from the tasks where it is missing, a claim adds to it, and
what is over is dropped from it at the next claim, so completing a task costs nothing here. The limit is kept
among threads and processes: whoever finds itself beyond it under the memo's lock gives its claim back. (A
process that is killed between its claim and that note holds a task which does not count.)

A failure is written to the agent's document at once. That document is not touched by a success, unless the
breaker has something to forget: the memo says so (`shaky`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
"""The memos of agents by name: `active` {task: attempt}, and `shaky` while the breaker counts failures."""


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


class Roster:
    """The registered agents as claims see them."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend
        self._strangers: set[str] = set()

    def member(self, agent: str) -> Member | None:
        """A registered agent; None for any other, and for one whose document cannot be read."""
        try:
            key = Key.of("agent", agent)
            if self._backend.exists(key):
                self._strangers.discard(agent)
                return self.of(self._backend.read(key))
        except MdcoordError:
            pass
        self._strangers.add(agent)
        return None

    def of(self, record: Record) -> Member:
        """The agent of this document."""
        return Member(record, self._env.team)

    def refusal(self, member: Member) -> str | None:
        """Why the agent is given no task now, as a sentence; None when it may have one."""
        held = self._held(member, self._backend.memo(TOPIC, member.id))
        return self._full(member, held)

    def enrol(self, member: Member, task: Key, attempt: int) -> str | None:
        """Note that the agent has claimed a task; the reason when it must give it back."""
        refused: list[str] = []

        def revise(memo: Value) -> Value:
            held = self._held(member, memo)
            held.pop(task.id, None)
            refused[:] = filter(None, [self._full(member, held)])
            active = held if refused else {**held, task.id: attempt}
            return {"active": active, "shaky": not member.breaker.clean}

        try:
            self._backend.keep(TOPIC, member.id, revise, wait=self._env.lock_timeout)
        except MdcoordError:
            return None  # what cannot be noted is not counted: the claim itself is good
        return refused[0] if refused else None

    def forget(self, agent: str) -> None:
        """Make the memo of an agent anew at its next claim: it was not kept for a while."""
        try:
            self._backend.keep(TOPIC, agent, lambda _: None, wait=self._env.lock_timeout)
        except MdcoordError:
            pass  # it stays as it is, and right as far as it goes

    def succeeded(self, agent: str) -> None:
        """A task was completed: the breaker of an agent that had failed before closes."""
        memo = None if agent in self._strangers else self._memo(agent)
        if memo and memo.get("shaky"):
            self._turn(agent, lambda breaker: breaker.succeeded())

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
            if not self._backend.exists(key):
                return
            self._env.write(key, decide)
            self._mark(key.id, shaky=not turned[1].clean)
        except MdcoordError:
            return
        self._tell(key.id, *turned)

    def _mark(self, name: str, *, shaky: bool) -> None:
        def revise(memo: Value) -> Value:
            return {**memo, "shaky": shaky} if isinstance(memo, dict) else {"shaky": shaky}

        self._backend.keep(TOPIC, name, revise, wait=self._env.lock_timeout)

    def _tell(self, name: str, before: Breaker, after: Breaker) -> None:
        now = self._env.host.now()
        state = after.state(now)
        if state != before.state(now):
            opened = state == "OPEN"
            data = {"agent_id": name, "state": state, "failure_count": after.failure_count}
            event = "agent_breaker_opened" if opened else "agent_breaker_closed"
            announce(self._env, AGENTS, event, data | ({"until": after.until()} if opened else {}))

    def _memo(self, agent: str) -> Mapping[str, Any] | None:
        try:
            memo = self._backend.memo(TOPIC, agent)
        except MdcoordError:
            return None
        return memo if isinstance(memo, dict) else None

    def _held(self, member: Member, memo: Value) -> dict[str, int]:
        """The tasks of the memo that the agent still holds, with their attempts."""
        known = memo.get("active") if isinstance(memo, dict) else None
        listed = known if isinstance(known, dict) else self._claimed()
        return {task: attempt for task, attempt in listed.items() if self._holds(member, task, attempt)}

    def _claimed(self) -> dict[str, int]:
        """All tasks that are in progress, with the attempts of their leases."""
        shelf = self._backend.shelf()
        records = shelf.held() if shelf else self._backend.list("task", max_age=1.0).records
        keys = [record.key for record in records if status_of(record.fields) == IN_PROGRESS]
        leases = {key.id: self._backend.lease(key) for key in keys}
        return {name: lease.attempt for name, lease in leases.items() if lease}

    def _holds(self, member: Member, task: str, attempt: int) -> bool:
        lease: Lease | None = self._backend.lease(Key("task", task))
        holder = lease.holder if lease else None
        if (
            lease is None
            or holder is None
            or lease.attempt != attempt
            or same_agent(holder.agent) != member.id
        ):
            return False
        return over(lease, self._env.host, self._env.rules.grace) is None

    def _full(self, member: Member, held: dict[str, int]) -> str | None:
        env, breaker = self._env, member.breaker
        now = env.host.now()
        state, room = breaker.state(now), breaker.room(member.limit, now)
        if state == "OPEN":
            until = breaker.until()
            return (
                f"{member.id} is given nothing: its circuit breaker is open after {breaker.failure_count} "
                f"failures in a row, {f'until {until}' if until else 'until somebody closes it'}"
            )
        if len(held) < room or self._left(held) < room:
            return None
        tasks = ", ".join(sorted(held)) or "none"
        if state != "CLOSED":
            return f"{member.id} is on trial with {tasks}: its circuit breaker is half open"
        return f"{member.id} holds {tasks}, and its max_concurrent_tasks is {member.limit}"

    def _left(self, held: dict[str, int]) -> int:
        """How many of these it really has: their documents, too, say that they are in progress."""
        for task in list(held):
            try:
                record = self._backend.read(Key("task", task))
            except MdcoordError:
                continue
            if standing(record, record.lease, self._env.host, self._env.rules).free:
                del held[task]
        return len(held)


def same_agent(agent: str) -> str:
    """The id of an agent, however its name was typed."""
    try:
        return Key.of("agent", agent).id
    except InvalidName:
        return agent


def _words(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()
