"""The tools, in the order in which a client lists them. Each docstring is what an agent reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from mdcoord.errors import ClaimLost, MdcoordError, NotFound, UsageError
from mdcoord.interfaces.mcp.answers import LONG, LONGEST, SHORT, Answer, present, preview, refusal, row
from mdcoord.interfaces.mcp.session import Session
from mdcoord.interfaces.mcp.tool import Arguments, Tool, about
from mdcoord.records import EventRecord, Message
from mdcoord.services.claim import Claim
from mdcoord.services.documents import Documents

Kind = Literal["task", "agent", "message", "events", "context", "metrics", "progress"]

MessageType = Literal[
    "READY_FOR_REVIEW",
    "REVIEW_COMPLETE",
    "REVIEW_FAILED",
    "CONTRACT_CHANGE_PROPOSED",
    "CONTRACT_APPROVED",
    "META_CHANGE_REQUEST",
    "GENERAL",
    "NOTIFICATION",
]

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

CLAIMED: Final = (
    *("title", "type", "priority", "project_id", "instructions", "context", "acceptance"),
    *("needs", "depends_on", "metadata", "progress", "next_steps", "error"),
)
"""What a claim shows of its task."""

ROWS: Final = 20
"""How many rows a list has when nothing is said."""


class NewTask(Arguments):
    """A task."""

    title: str
    id: str | None = None
    priority: Annotated[float, about("Higher first")] = 0
    needs: Annotated[list[str] | None, about("Capabilities")] = None
    depends_on: Annotated[list[str] | None, about("Task ids")] = None
    assign: Annotated[str | None, about("Only for this agent")] = None
    project: str | None = None
    type: str | None = None
    not_before: Annotated[str | None, about("ISO 8601")] = None
    retry_limit: int | None = None
    instructions: str | None = None
    context: Annotated[list[Any] | None, about("What to read first")] = None
    acceptance: Annotated[list[str] | None, about("When it is done")] = None
    fields: Annotated[dict[str, Any] | None, about("Any further front matter")] = None


def coord_status(session: Session) -> Answer:
    """See who you are, the tasks you hold, counts of tasks by status, live claims, and what needs a look."""
    found = session.workspace.status()
    facts = {
        "agent": session.agent,
        "session": session.id,
        "root": found["root"],
        "ready": found["ready"],
        "holding": [_held(claim) for claim in session.held.values()],
    }
    told = ("tasks", "claims", "agents", "waiting", "stale", "unreadable", "channels")
    return Answer(facts, preview(present({name: found.get(name) for name in told}), SHORT))


def coord_create_tasks(session: Session, tasks: list[NewTask]) -> Answer:
    """Make tasks, in this order. Each one that fails is reported by its index; the others are made."""
    made: list[str] = []
    failed: list[dict[str, Any]] = []
    for index, task in enumerate(tasks):
        given = {name: getattr(task, name) for name in task.model_fields_set}
        try:
            made.append(session.workspace.tasks.create(**given).id)
        except MdcoordError as error:
            failed.append({"index": index, **refusal(error).facts})
    return Answer({"created": made, **({"failed": failed} if failed else {})}, failed=bool(failed))


def coord_claim_task(
    session: Session,
    id: Annotated[str | None, about("This task; else the best one that is ready")] = None,
    can: Annotated[list[str] | None, about("Your capabilities; else those you registered")] = None,
    ttl: Annotated[float | None, about("Seconds")] = None,
) -> Answer:
    """Claim a task. It is yours alone, and renewed, until you end it or this server ends."""
    claim = session.claim(id, can, ttl)
    task = preview(present({name: claim.task.get(name) for name in CLAIMED}), LONG)
    return Answer(_held(claim), task, undo=lambda: session.give_back(claim))


def coord_update_task(
    session: Session,
    id: str,
    progress: Annotated[float | None, about("0 to 1")] = None,
    log: Annotated[str | None, about("A line for its log")] = None,
    metadata: Annotated[dict[str, Any] | None, about("Facts: step, loss")] = None,
    fields: Annotated[dict[str, Any] | None, about("Set any fields; dotted names nest")] = None,
) -> Answer:
    """Note progress, a log line or facts on a task you hold; with id alone a heartbeat. `fields` also changes
    a task that you do not hold.
    """
    if metadata and "log" in metadata:
        raise UsageError("`log` is no fact of metadata", hint="give the line as the argument `log`")
    if fields is not None:
        task = session.workspace.tasks.update(id, fields)
        if progress is None and log is None and metadata is None:
            return Answer({"id": task.id, "updated": list(fields)})
    claim = session.mine(id)
    try:
        if progress is None and log is None and metadata is None:
            claim.heartbeat()
        else:
            claim.progress(progress, log=log, **(metadata or {}))
    except ClaimLost:
        session.forget(claim)
        raise
    return Answer(_held(claim))


def coord_complete_task(
    session: Session,
    id: str,
    outcome: Literal["completed", "failed", "released"] = "completed",
    result: Annotated[Any, about("Any JSON, with completed")] = None,
    error: Annotated[str | None, about("Why, with failed")] = None,
) -> Answer:
    """End a task you hold: completed; failed (tried again, dead after its last attempt); or released, as it
    was.
    """
    if outcome == "failed" and not error:
        raise UsageError("a failure needs an error", hint="say in `error` what went wrong")
    claim = session.mine(id)
    try:
        if outcome == "failed":
            task = claim.fail(error or "")
        else:
            task = claim.complete(result) if outcome == "completed" else claim.release()
    except ClaimLost:
        session.forget(claim)
        raise
    session.forget(claim)
    return Answer({"id": task.id, "status": task.status})


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
    if kind == "events" and (after or (channel and not where and not sort)):
        found = _tail(session, channel, after, where or sort, limit)
        return Answer(data=[row(event, chosen, longest) for event in found])
    found = session.workspace.query(kind, where, sort=sort, channel=channel)
    newest = kind == "events" and not sort
    shown = found[max(0, len(found) - limit) :] if newest else found[:limit]
    return Answer({"count": len(found)}, [row(one, chosen, longest) for one in shown])


def coord_publish_event(
    session: Session,
    channel: Annotated[str, about("`log` is the communication log")],
    name: str,
    data: dict[str, Any] | None = None,
) -> Answer:
    """Tell all others what happened."""
    event = session.workspace.events.publish(channel, name, **{"agent": session.agent, **(data or {})})
    return Answer({"cursor": event.cursor})


def coord_set_context(session: Session, id: str, data: dict[str, Any], title: str | None = None) -> Answer:
    """Share facts under a name; keys that are not given stay."""
    context = session.workspace.context.set(id, data, title=title)
    return Answer({"id": context.id, "keys": len(context.data)})


def coord_publish_message(
    session: Session,
    type: MessageType,
    subject: str,
    description: str = "",
    to: Annotated[str | None, about("An agent; else all, or whom you reply to")] = None,
    reply_to: Annotated[str | None, about("Message id")] = None,
) -> Answer:
    """Send a message. `warning` says when the recipient may not see it soon."""
    messages = session.workspace.messages
    sent = messages.send(type, subject, description, to=to, reply_to=reply_to)
    doubt = messages.doubt(sent.to) if sent.to else None
    return Answer({"id": sent.id, **({"warning": f"{doubt}; the message waits"} if doubt else {})})


def coord_check_messages(
    session: Session,
    pending: Annotated[bool, about("Only what waits for an ack")] = True,
    all: Annotated[bool, about("Also what is not for you")] = False,
    sender: str | None = None,
    limit: int = ROWS,
) -> Answer:
    """List messages for you, oldest first; `unread` counts those that you have not acknowledged."""
    messages = session.workspace.messages
    to = None if all or sender == session.agent else session.agent
    found = messages.list(to=to, sender=sender, pending=pending)
    shown = found[: max(0, limit)]
    answer = Answer({"count": len(found)}, [_message(message) for message in shown])
    messages.told([message.id for message in shown])
    return answer


def coord_ack_message(session: Session, id: str, comment: str | None = None) -> Answer:
    """Acknowledge a message for you: read and dealt with."""
    return Answer({"id": session.workspace.messages.ack(id, comment).id, "acknowledged": True})


def coord_get_presence(session: Session, instance: str | None = None) -> Answer:
    """See which agents are online, stale or offline, and how many messages wait for each."""
    found = [one.as_dict() for one in session.workspace.messages.presence()]
    if instance is None:
        return Answer({"count": len(found)}, [present(one) for one in found[:LONG]])
    for one in found:
        if one["agent_id"] == instance:
            return Answer(data=present(one))
    raise NotFound(f"nobody called {instance[:80]!r} was ever here", hint="coord_get_presence lists all")


def coord_get_notifications(session: Session, limit: int = ROWS) -> Answer:
    """Get the messages that you were not told of yet, once; acknowledge them when they are dealt with."""
    shown: list[dict[str, Any]] = []
    for message in session.workspace.messages.notifications():
        if len(shown) == limit:
            break
        shown.append(_message(message))
    return Answer({"count": len(shown)}, shown)


TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(coord_status, reads=True),
        Tool(coord_create_tasks),
        Tool(coord_claim_task),
        Tool(coord_update_task),
        Tool(coord_complete_task),
        Tool(coord_query, reads=True),
        Tool(coord_publish_event),
        Tool(coord_set_context),
        Tool(coord_publish_message),
        Tool(coord_check_messages, reads=True),
        Tool(coord_ack_message),
        Tool(coord_get_presence, reads=True),
        Tool(coord_get_notifications),
    )
}


def _held(claim: Claim) -> dict[str, Any]:
    lost = {"lost": True} if claim.lost else {}
    return {
        "id": claim.id,
        "attempt": claim.attempt,
        "token": claim.token,
        "expires_at": claim.expires_at,
        **lost,
    }


def _message(message: Message) -> dict[str, Any]:
    fields = [*FIELDS["message"], *(("acks",) if message.acks else ())]
    return row(message, fields, LONG)


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
    return Answer({"id": found.id}, preview(present(fields), longest))


def _tail(
    session: Session, channel: str | None, after: str | None, other: str | None, limit: int
) -> Iterable[EventRecord]:
    if channel is None or (after and other):
        raise UsageError(
            "`after` goes with `channel`, without `where` and `sort`", hint="ask for one of them"
        )
    events = session.workspace.events
    return events.tail(channel, after, limit) if after else events.last(channel, limit)
