"""Moving what is finished out of the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mdcoord.backends.base import Backend
from mdcoord.errors import Conflict, InvalidDocument, NotFound, UsageError
from mdcoord.host import Host, seconds_of
from mdcoord.model import KINDS, Record, Value
from mdcoord.records import Agent
from mdcoord.rules.addressing import is_for, is_pending, recipient_of
from mdcoord.rules.outcomes import outcomes
from mdcoord.rules.readiness import ENDED, dependencies, task_id
from mdcoord.rules.standing import status_of

Due = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was archived, or would be.

    `archived` gives for each document its name in the archive ("" in a dry run). `waiting` are ended tasks
    that stay because others that are not ended depend on them.
    """

    archived: Mapping[str, str] = field(default_factory=dict)
    waiting: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many documents of each kind."""
        return dict(Counter(name.partition("-")[0] for name in self.archived))

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {"archived": dict(self.archived), "waiting": list(self.waiting), "counts": self.counts}


def archive_old(
    backend: Backend,
    host: Host,
    older_than: float,
    *,
    instances: Collection[str] = (),
    dry_run: bool = False,
) -> Summary:
    """Archive what is over for more than `older_than` seconds: ended tasks, silent agents, settled messages.

    Stays: a task in progress, one without a readable stamp, one that others still wait for, an agent that
    has work, a message that somebody has not acknowledged (one that is for all: one of the agents that
    stay, or of `instances`, who may get messages, too). Every document is looked at again under its lock
    before it moves.
    """
    since = host.now() - older_than
    tasks = backend.list("task").records
    needed = _needed(tasks)
    due = [record for record in tasks if _ended(record, since)]
    waiting = [record.key.name for record in due if {record.key.id, task_id(record.fields)} & needed]
    working = {str(r.fields.get("assigned_agent")) for r in tasks if status_of(r.fields) not in ENDED}
    working |= {outcome.agent for outcome in outcomes(tasks, since)}  # also who ended a task lately
    agents = [
        record
        for record in backend.list("agent").records
        if _silent(record, since) and record.fields.get("agent_id", record.key.id) not in working
    ]
    leaving = {record.key.id for record in agents}
    staying = {*instances, *(record.key.id for record in backend.list("agent").records)} - leaving
    archived: dict[str, str] = {}
    for record in backend.list("message").records:
        if _settled(record, since, staying):
            archived |= _move(backend, record, lambda found: _settled(found, since, staying), dry_run)
    for record in due:
        if record.key.name not in waiting:
            archived |= _move(backend, record, lambda found: _ended(found, since), dry_run)
    for record in agents:
        archived |= _move(backend, record, lambda found: _silent(found, since), dry_run)
    return Summary(archived, waiting)


def _move(backend: Backend, record: Record, due: Due, dry_run: bool) -> dict[str, str]:
    def check(found: Record) -> None:
        if not due(found):
            raise Conflict(f"{found.key.name} was changed meanwhile", hint="it stays")

    if dry_run:
        return {record.key.name: ""}
    try:
        return {record.key.name: backend.archive(record.key, check)}
    except (Conflict, NotFound, InvalidDocument):
        return {}


def _ended(record: Record, since: float) -> bool:
    if status_of(record.fields) not in ENDED:
        return False
    ended = seconds_of(record.fields.get("completed_at")) or seconds_of(record.fields.get("updated_at"))
    return ended is not None and ended <= since


def _silent(record: Record, since: float) -> bool:
    seen = Agent(record).seen
    return seen is not None and seen <= since


def _settled(record: Record, since: float, agents: Collection[str]) -> bool:
    """Whether an old message waits for nobody."""
    sent = seconds_of(record.fields.get("created_at"))
    if sent is None or sent > since:
        return False
    if recipient_of(record.fields) is not None:
        return not is_pending(record.fields)
    return not any(is_for(record.fields, name) and is_pending(record.fields, name) for name in agents)


def _needed(tasks: Sequence[Record]) -> set[str]:
    return {
        other for task in tasks if status_of(task.fields) not in ENDED for other in dependencies(task.fields)
    }


def archived_as(names: Collection[str], name: str) -> str:
    """Which of the names in the archive is meant: the kind may be left out where only one kind has it.

    Raises NotFound, UsageError where several have it.
    """
    plain = name.removesuffix(".md")
    meant = [other for kind in KINDS if (other := f"{kind}-{plain}") in names]
    if plain in names or not meant:
        if plain.partition("-")[0] not in KINDS:
            raise NotFound(
                f"there is no {plain} in the archive",
                hint="see what is there with `mdcoord archive list`",
            )
        return plain
    if len(meant) > 1:
        raise UsageError(f"{plain} may be {' or '.join(meant)}", hint="name the one that is meant")
    return meant[0]
