"""The tools that only look. Each docstring is what an agent reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal

from mdcoord.errors import UsageError
from mdcoord.interfaces.mcp.answers import LONG, LONGEST, SHORT, Answer, held, present, preview, row
from mdcoord.interfaces.mcp.session import Session
from mdcoord.interfaces.mcp.tool import about
from mdcoord.records import EventRecord
from mdcoord.services.documents import Documents

Kind = Literal["task", "agent", "message", "events", "context", "metrics", "progress"]

FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "task": ("title", "status", "priority", "assigned_agent", "progress", "_ready", "depends_on"),
    "agent": ("status", "agent_type", "capabilities", "last_heartbeat", "_stale"),
    "message": ("type", "from", "to", "created_at", "subject", "description", "in_reply_to"),
    "events": ("_channel", "time", "name", "data", "_cursor"),
    "context": ("title", "project_id", "last_updated", "data"),
    "metrics": ("last_updated", "values"),
    "progress": ("title", "phase", "status", "progress", "blockers"),
}
"""What is shown of each kind when no fields are asked for."""

ROWS: Final = 20
"""How many rows a list has when nothing is said."""


def coord_status(session: Session) -> Answer:
    """See who you are, the tasks you hold, counts of tasks by status, live claims, and what needs a look."""
    found = session.workspace.status()
    facts = {
        "agent": session.agent,
        "session": session.id,
        "root": found["root"],
        "ready": found["ready"],
        "holding": [held(claim) for claim in session.held.values()],
    }
    told = ("tasks", "claims", "agents", "waiting", "dead", "stale", "unreadable", "channels")
    return Answer(facts, preview(present({name: found.get(name) for name in told}), SHORT))


def coord_query(
    session: Session,
    kind: Kind,
    id: Annotated[str | None, about("Only this one, with all its fields and its text")] = None,
    where: Annotated[str | None, about("status = 'pending' and metadata.loss < 1")] = None,
    fields: Annotated[list[str] | None, about("title, metadata.loss, _body")] = None,
    sort: Annotated[str | None, about("-priority,title")] = None,
    limit: int = ROWS,
    channel: Annotated[str | None, about("Of events")] = None,
    after: Annotated[str | None, about("Events after this _cursor")] = None,
    max_chars: Annotated[int | None, about("Of each text")] = None,
) -> Answer:
    """Find records of a kind, or events (the newest, in order). `count` is how many there are in all."""
    if limit < 0 or (max_chars is not None and max_chars < 1):
        raise UsageError("limit is at least 0 and max_chars at least 1", hint="leave them out")
    if id is not None:
        return _whole(session, kind, id, min(max_chars or LONG, LONGEST))
    chosen, longest = fields or FIELDS[kind], min(max_chars or SHORT, LONGEST)
    if after and (channel is None or sort):
        raise UsageError("`after` goes with `channel` and without `sort`", hint="leave one of them out")
    if kind == "events" and channel and (after or not (where or sort)):
        found = _tail(session, channel, after, where, limit)
        return Answer(data=[row(event, chosen, longest) for event in found])
    found = session.workspace.query(kind, where, sort=sort, channel=channel)
    newest = kind == "events" and not sort
    shown = found[max(0, len(found) - limit) :] if newest else found[:limit]
    return Answer({"count": len(found)}, [row(one, chosen, longest) for one in shown])


def _whole(session: Session, kind: Kind, id: str, longest: int) -> Answer:
    w = session.workspace
    nouns: dict[str, Documents[Any]] = {
        "task": w.tasks,
        "agent": w.agents,
        "message": w.messages,
        "context": w.context,
        "metrics": w.metrics,
        "progress": w.progress,
    }
    if kind not in nouns:
        raise UsageError("an event has no id of this kind", hint="ask with `channel` and `where`")
    found = nouns[kind].get(id)
    fields = {**found.as_dict(), "_body": found.body}
    if kind == "task" and found.status == "pending":
        fields["_not_ready"] = [*w.tasks.why(id, agent=session.agent)]
    return Answer({"id": found.id}, preview(present(fields), longest))


def _tail(
    session: Session, channel: str, after: str | None, where: str | None, limit: int
) -> Iterable[EventRecord]:
    events = session.workspace.events
    if after is None:
        return events.last(channel, limit)
    return islice(filter(events.matcher(where), events.tail(channel, after)), limit)
